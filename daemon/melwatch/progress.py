"""How a pass tells whoever watches it how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Where a pass reports to: a terminal, a log, or nobody."""

    def say(self, sentence: str) -> None:
        """Tell something worth a line."""

    def begin(self, what: str, total: int, unit: str = "songs") -> None:
        """Start a stretch of `total` steps, each of one `unit`."""

    def advance(self) -> None:
        """One step is done."""

    def end(self) -> None:
        """Finish the stretch."""


class Unwatched:
    """Progress that nobody looks at."""

    def say(self, sentence: str) -> None:
        """Tell nobody."""

    def begin(self, what: str, total: int, unit: str = "songs") -> None:
        """Start unnoticed."""

    def advance(self) -> None:
        """Go on unnoticed."""

    def end(self) -> None:
        """Finish unnoticed."""
