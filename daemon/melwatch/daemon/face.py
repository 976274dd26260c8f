"""How the daemon is seen by whoever started it: a console, systemd, the Windows service manager."""

from __future__ import annotations

import logging
from typing import Protocol

log = logging.getLogger(__name__)


class Face(Protocol):
    """Three words to the supervisor, and whether it listens."""

    @property
    def is_watched(self) -> bool:
        """Whether a supervisor ends the daemon that it does not hear from: then each round of the loop tells."""

    def ready(self) -> None:
        """Lock and manifest are there; work begins."""

    def progress(self, sentence: str) -> None:
        """Say what the daemon is at, when that changes; when watched, each time the loop has come round."""

    def stopping(self) -> None:
        """Stopping has begun."""


class Console:
    """A person who started the daemon in a terminal: the log says it all."""

    is_watched = False

    def ready(self) -> None:
        """Say so."""
        log.info("melwatch is running; Ctrl-C stops it")

    def progress(self, sentence: str) -> None:
        """Say nothing."""

    def stopping(self) -> None:
        """Say so."""
        log.info("Stopping; once more cuts it short")
