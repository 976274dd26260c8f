"""Stopping work for a while, for whoever only knows how to halt it."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pause(Event):
    """Work is to be halted, or to stop for something else that is due."""

    def __init__(self, halt: Event | None, is_due: Callable[[], bool]) -> None:
        super().__init__()
        self._halt, self._is_due = halt, is_due

    def is_set(self) -> bool:
        """Whether to begin nothing more for now."""
        return (self._halt is not None and self._halt.is_set()) or self._is_due()
