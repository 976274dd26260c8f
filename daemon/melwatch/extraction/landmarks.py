"""Whether a folder seen from another machine is the same music root: told by some songs that must be in place.

Device and inode, by which a root is known on its own machine, differ from one machine to the next.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from melwatch.library.root import read_root
from melwatch.names import display, native
from melwatch.platform import filesystem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melwatch.track import FileStamp, SeenFile

Landmark: TypeAlias = tuple[bytes, int, int]
"""Relative path, size, and modification time in nanoseconds of a song."""

_MOST = 16
_TIME_GRAIN_NS = 2 * 10**9
"""FAT keeps times to two seconds; so may what shows its files elsewhere."""


def pick(files: Sequence[SeenFile]) -> tuple[Landmark, ...]:
    """Return some files from all over a library."""
    most = min(len(files), _MOST)
    chosen = (files[number * len(files) // most] for number in range(most))
    return tuple((file.path, file.stamp.size, file.stamp.mtime_ns) for file in chosen)


def is_same_file(here: FileStamp, size: int, mtime_ns: int) -> bool:
    """Whether a file seen from elsewhere is as it is seen here."""
    return here.size == size and abs(here.mtime_ns - mtime_ns) <= _TIME_GRAIN_NS


def judge(root: bytes, marks: Sequence[Landmark]) -> str:
    """Say why a folder is not the root that the landmarks are of, or nothing; some of them may have gone."""
    shown = display(root)
    _, error = read_root(root)
    if error is not None:
        return f"it does not see the music root at {shown} ({error.strerror or error})"
    stamps = [(_stamp(root, path), size, mtime_ns) for path, size, mtime_ns in marks]
    sized = sum(stamp is not None and stamp.size == size for stamp, size, _ in stamps)
    in_place = sum(stamp is not None and is_same_file(stamp, size, mtime_ns) for stamp, size, mtime_ns in stamps)
    if 2 * in_place >= len(marks):
        return ""
    if 2 * sized >= len(marks):
        return f"at {shown} it sees other modification times than the coordinator does"
    return f"it sees another music root at {shown}: {in_place} of {len(marks)} songs are in place"


def _stamp(root: bytes, path: bytes) -> FileStamp | None:
    try:
        return filesystem.stamp_of(os.stat(filesystem.openable(native(root, path))))
    except OSError:
        return None
