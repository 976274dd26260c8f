"""Hints of what changed in the music folder, on their way from those who see it to the one who scans."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.library.part import is_covered, outermost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from melwatch.track import RelPath

_MOST_FOLDERS = 512
_MOST_CLOSED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What changed since the last time it was asked: folders to look at, or everything.

    A folder stands for itself and all below it, and `b""` is the root. `everything` says why all must be
    looked at. `closed` are files that were closed after writing, which only Linux tells.
    """

    folders: frozenset[RelPath]
    everything: str | None
    closed: frozenset[RelPath]


class Basket:
    """Collects hints from any thread until they are taken; of too many folders it makes everything."""

    def __init__(self) -> None:
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()  # unlike an Event safe in signal handlers
        self._lock = threading.Lock()
        self._folders: set[RelPath] = set()
        self._closed: set[RelPath] = set()
        self._everything: str | None = None

    def add(self, folders: Iterable[RelPath], *, closed: RelPath | None = None) -> None:
        """Take in folders to look at, and a file that was closed after writing."""
        with self._lock:
            for folder in folders:
                self._add_folder(folder)
            if closed is not None and len(self._closed) < _MOST_CLOSED:
                self._closed.add(closed)
        self.wake()

    def add_everything(self, why: str) -> None:
        """Have everything looked at."""
        with self._lock:
            self._everything = why
            self._folders.clear()
        self.wake()

    def take(self) -> Hints:
        """Hand over what has been collected, and forget it."""
        with self._lock:
            hints = Hints(
                folders=frozenset(outermost(self._folders)), everything=self._everything, closed=frozenset(self._closed)
            )
            self._folders, self._closed, self._everything = set(), set(), None
        return hints

    def wait(self, timeout_s: float) -> bool:
        """Wait for a hint, or for `wake`; return whether there is a hint."""
        if not self._has_hints():
            try:
                self._bell.get(timeout=max(timeout_s, 0))
                while True:
                    self._bell.get_nowait()
            except queue.Empty:
                pass
        return self._has_hints()

    def wake(self) -> None:
        """End a `wait`, the one under way or else the next; safe in signal handlers."""
        if self._bell.empty():
            self._bell.put(None)

    def _has_hints(self) -> bool:
        with self._lock:
            return bool(self._folders or self._closed or self._everything)

    def _add_folder(self, folder: RelPath) -> None:
        if self._everything is not None or is_covered(folder, self._folders):
            return
        self._folders.add(folder)
        if len(self._folders) > _MOST_FOLDERS:
            self._folders = outermost(self._folders)
        if len(self._folders) > _MOST_FOLDERS:
            self._folders.clear()
            self._everything = "many folders changed"
