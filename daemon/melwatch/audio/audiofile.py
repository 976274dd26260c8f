"""A music file, opened once: its identity, its tags and its sound come from the same open file."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from melwatch.audio.source import AudioSource
from melwatch.audio.tag_bounds import AudioBounds, find_audio
from melwatch.errors import FileChangedError, TrackError
from melwatch.platform import filesystem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch.track import FileStamp

HOLD_BYTES = 64 << 20
"""Files up to this size are read into memory once; larger ones in blocks, as they are needed."""


class OpenAudio:
    """One open music file: where its audio lies, and the bytes of it.

    `stamp` is what the system said of it when it was opened; `audio_start` and `audio_end` bound
    the bytes that are hashed and decoded (the whole file if it is not an MP3 or in doubt).
    """

    def __init__(self, descriptor: int, path: bytes, stamp: FileStamp, hold_bytes: int) -> None:
        self._descriptor = descriptor
        self._held: bytes | None = None
        self._may_hold = stamp.size <= hold_bytes
        self.path = path
        self.stamp = stamp
        self.is_mp3 = path.lower().endswith(b".mp3")
        self.whole = AudioSource(read=self.read_at, length=stamp.size, is_mp3=self.is_mp3)
        bounds = find_audio(self.whole) if self.is_mp3 else AudioBounds(start=0, end=stamp.size)
        self.audio_start = bounds.start
        self.audio_end = bounds.end

    @property
    def head(self) -> AudioSource:
        """The tags before the audio."""
        return self.whole.part(0, self.audio_start)

    @property
    def audio(self) -> AudioSource:
        """What is hashed and decoded."""
        return self.whole.part(self.audio_start, self.audio_end)

    @property
    def tail(self) -> AudioSource:
        """The tags after the audio."""
        return self.whole.part(self.audio_end, self.stamp.size)

    def read_at(self, offset: int, n: int) -> bytes:
        """Up to `n` bytes from `offset`, fewer only at the end of the file as it was opened."""
        n = max(0, min(n, self.stamp.size - offset))
        if not self._may_hold:
            return self._read(offset, n)
        if self._held is None:
            self._held = self._read(0, self.stamp.size)
        return self._held[offset : offset + n]

    def check_unchanged(self) -> None:
        """Raise `FileChangedError` unless file and path still are what was opened."""
        try:
            now = (os.fstat(self._descriptor), os.stat(self.path))
        except OSError as error:
            raise _changed() from error
        if any(filesystem.stamp_of(facts) != self.stamp for facts in now):
            raise _changed()

    def _read(self, offset: int, n: int) -> bytes:
        try:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            data = os.read(self._descriptor, n)
            while len(data) < n and (more := os.read(self._descriptor, n - len(data))):
                data += more
        except OSError as error:
            raise _unreadable(error) from error
        if len(data) < n:
            raise _changed()
        return data


@contextmanager
def open_audio(path: bytes, *, hold_bytes: int = HOLD_BYTES, hydrate: bool = False) -> Iterator[OpenAudio]:
    """Open a music file for as long as the block lasts; whatever is not a plain file is refused.

    So is, but with `hydrate`, one that exists only online.
    """
    path = filesystem.openable(path)
    try:
        if not hydrate and filesystem.is_online_only(os.stat(path)):
            raise _online_only()
        descriptor = filesystem.open_shared(path)
    except OSError as error:
        raise _not_opened(path, error) from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise _not_regular()
        yield OpenAudio(descriptor, path, filesystem.stamp_of(facts), hold_bytes)
    finally:
        os.close(descriptor)


def _changed() -> FileChangedError:
    return FileChangedError("It changed while it was read", "It is looked at again at the next pass.")


def _not_regular() -> TrackError:
    return TrackError("It is not a plain file", "Remove it or exclude it.", reason="not_regular")


def _online_only() -> TrackError:
    return TrackError("It exists only online", "Download it, or set library.hydrate = true.", reason="online_only")


def _unreadable(error: OSError) -> TrackError:
    what = f"It cannot be read: {error.strerror or error}"
    return TrackError(what, "Check its permissions and the disk.", reason="unreadable")


def _not_opened(path: bytes, error: OSError) -> TrackError | FileChangedError:
    """What it means that a file could not be opened."""
    if filesystem.is_in_use(error) and filesystem.is_being_written(path):
        return FileChangedError("Another program has it open", "It is looked at again at the next pass.")
    if error.errno == errno.ENOENT and not os.path.islink(path):
        return FileChangedError("It is gone", "It is looked at again at the next pass.")
    if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV}:
        return _not_regular()
    return _unreadable(error)
