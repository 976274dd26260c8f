"""The stretch of a file that is hashed and decoded; reading it is all that decoders may do."""

from __future__ import annotations

from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, RawIOBase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSource:
    """A run of bytes that can be read at any place, `length` bytes long.

    `read` takes an offset from the start of the run and a number of bytes and returns them, fewer
    only at the end. `is_mp3` says whether MPEG Layer III is what its name promises.
    """

    read: Callable[[int, int], bytes]
    length: int
    is_mp3: bool = True

    def read_at(self, offset: int, n: int) -> bytes:
        """Up to `n` bytes from `offset`; never any beyond the end of the run."""
        return self.read(offset, max(0, min(n, self.length - offset)))

    def blocks(self) -> Iterator[bytes]:
        """All bytes in order, about a megabyte at a time."""
        for offset in range(0, self.length, BLOCK_BYTES):
            yield self.read_at(offset, BLOCK_BYTES)

    def part(self, start: int, end: int) -> AudioSource:
        """The bytes from `start` up to `end` as a source of their own."""
        return AudioSource(
            read=lambda offset, n: self.read_at(start + offset, n),
            length=end - start,
            is_mp3=self.is_mp3,
        )

    @classmethod
    def of_bytes(cls, data: bytes, *, is_mp3: bool = True) -> AudioSource:
        """The same view of bytes that are in memory already."""
        return cls(read=lambda at, n: data[at : at + n], length=len(data), is_mp3=is_mp3)


class SourceFile(RawIOBase):
    """A source as a read-only file, for libraries that want one."""

    def __init__(self, source: AudioSource) -> None:
        super().__init__()
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """Offset of the next byte read."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset, from the start, from here or from the end."""
        origin = {SEEK_CUR: self._at, SEEK_END: self._source.length}.get(whence, 0)
        if origin + offset < 0:
            raise ValueError(offset)
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` as far as there is something to read; how many bytes that were."""
        view = memoryview(buffer).cast("B")
        data = self._source.read_at(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
