"""What keeps the daemon from working, told once, and when it tries again; the time comes in as an argument."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melwatch.errors import MelwatchError

log = logging.getLogger(__name__)

_FIRST_S, _LONGEST_S = 5.0, 300.0


@dataclass(slots=True, kw_only=True)
class Setback:
    """The trouble there is, if any; moments are seconds on the monotonic clock."""

    trouble: MelwatchError | None = None
    not_before_s: float = 0.0
    _wait_s: float = _FIRST_S

    def note(self, trouble: MelwatchError, now_s: float) -> None:
        """Say what is wrong unless it is the same as before, and wait for a while that grows with each try."""
        if self.trouble is None or self.trouble.what != trouble.what:
            log.warning("%s. %s", trouble.what, trouble.hint)
            self._wait_s = _FIRST_S
        elif now_s < self.not_before_s:
            return  # it has not been tried again yet
        self.trouble = trouble
        self.not_before_s = now_s + self._wait_s
        self._wait_s = min(_LONGEST_S, self._wait_s * 2)

    def note_aside(self, trouble: MelwatchError, now_s: float) -> float:
        """Say what is wrong while all else goes on; return when to try it again."""
        self.note(trouble, now_s)
        again_s, self.not_before_s = self.not_before_s, 0.0
        return again_s

    def is_over(self) -> None:
        """Work has succeeded."""
        if self.trouble is not None:
            log.info("All is well again")
        self.trouble, self._wait_s = None, _FIRST_S

    def try_now(self) -> None:
        """Wait no longer: a person has asked."""
        self.not_before_s = 0.0
