"""Pictures and sounds that were made once, on disk beside the manifest; the oldest make room for new ones."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from melwatch.errors import DegradedError
from melwatch.platform.disk import replacing

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 64 << 20


class Shelf:
    """A folder of files by key; a key is made of our own digests and numbers only."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self._lock = Lock()

    def get(self, key: str) -> bytes | None:
        """Return what lies there, which makes it the newest; None where there is nothing."""
        place = self.folder / key
        try:
            content = place.read_bytes()
            with suppress(OSError):
                os.utime(place)
        except OSError:
            return None
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep something; a full or read-only disk only means that it is made again next time."""
        with self._lock, suppress(OSError, DegradedError):
            self.folder.mkdir(exist_ok=True)
            with replacing(self.folder / key, durable=False) as file:
                file.write(content)
            self._make_room()

    def _make_room(self) -> None:
        entries = []
        for place in self.folder.iterdir():
            with suppress(OSError):
                facts = place.stat()
                entries.append((facts.st_mtime_ns, facts.st_size, place))
        left = sum(size for _, size, _ in entries)
        for _, size, place in sorted(entries):
            if left <= self.most_bytes:
                return
            with suppress(OSError):
                place.unlink()
                left -= size
