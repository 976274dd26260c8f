"""When to look at the library and when to publish: from what has happened, and the time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

HINT_DELAY_S = 0.5
"""Many events of one copy become one look."""

_REST = 10
"""A look waits at least so many times what the last one took, while events pour in."""


@dataclass(slots=True, kw_only=True)
class Agenda:
    """What is due; times are seconds on the monotonic clock.

    `is_timed` says that publishing has a schedule of its own, so that changes do not set it off.
    """

    quiet_s: float
    max_wait_s: float
    is_timed: bool = False
    look_at_s: float | None = 0.0
    unpublished: str | None = None
    """A digest of what the dataset would be, where it differs from its current version."""
    changed_first_s: float | None = None
    changed_last_s: float | None = None
    is_publish_asked: bool = False
    rest_until_s: float = 0.0
    rest_from_all_until_s: float = 0.0

    def hint(self, now_s: float, *, at_everything: bool = False) -> None:
        """Something may have changed, somewhere or anywhere: look soon, but not again and again."""
        rest_until_s = self.rest_from_all_until_s if at_everything else self.rest_until_s
        self._look_by(max(now_s + HINT_DELAY_S, rest_until_s))
        if self.changed_last_s is not None:
            self.changed_last_s = now_s

    def look_now(self, now_s: float) -> None:
        """Look at once."""
        self._look_by(now_s)

    def begin_look(self, *, is_publishing: bool = False) -> None:
        """The look that was due has begun; what comes in from now on asks for another."""
        self.look_at_s = None
        if is_publishing:
            self.is_publish_asked = False

    def looked(
        self,
        now_s: float,
        *,
        took_s: float,
        again_in_s: float | None,
        unpublished: str | None,
        at_everything: bool = False,
    ) -> None:
        """A look has ended; `unpublished` is a digest of what is not published yet, None where all is."""
        if at_everything:
            self.rest_from_all_until_s = now_s + _REST * took_s
        else:
            self.rest_until_s = now_s + _REST * took_s
        if again_in_s is not None:
            self._look_by(now_s + again_in_s)
        if unpublished is None:
            self.changed_first_s = self.changed_last_s = None
        elif unpublished != self.unpublished:
            self.changed_last_s = now_s
            self.changed_first_s = now_s if self.changed_first_s is None else self.changed_first_s
        self.unpublished = unpublished

    def is_look_due(self, now_s: float) -> bool:
        """Whether it is time to look."""
        return self.look_at_s is not None and self.look_at_s <= now_s

    def is_publish_due(self, now_s: float) -> bool:
        """Whether it is time to publish: on request, after quiet, or after long enough without any."""
        at_s = self.publish_at_s
        return self.is_publish_asked or (at_s is not None and at_s <= now_s)

    def is_look_overdue(self, now_s: float, began_s: float) -> bool:
        """Whether extraction that began then has gone on for so long that the library is worth another look."""
        return not self.is_timed and now_s - began_s >= self.max_wait_s

    def seconds_left(self, now_s: float) -> float | None:
        """Seconds until something is due; None where nothing is."""
        if self.is_publish_asked:
            return 0.0
        times_s = [time_s for time_s in (self.look_at_s, self.publish_at_s) if time_s is not None]
        return max(0.0, min(times_s) - now_s) if times_s else None

    @property
    def publish_at_s(self) -> float | None:
        """When what has changed is published, as far as that is known; None where nothing has."""
        if self.is_timed or self.changed_first_s is None or self.changed_last_s is None:
            return None
        return min(self.changed_last_s + self.quiet_s, self.changed_first_s + self.max_wait_s)

    def _look_by(self, time_s: float) -> None:
        self.look_at_s = time_s if self.look_at_s is None else min(self.look_at_s, time_s)
