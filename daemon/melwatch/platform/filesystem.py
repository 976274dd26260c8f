"""How files are opened, put in place and told apart, where operating systems differ in that."""

from __future__ import annotations

import io
import os
import signal
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from melwatch.track import FileStamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ELSEWHERE = stat.FILE_ATTRIBUTE_OFFLINE | 0x0004_0000 | 0x0040_0000
"""And FILE_ATTRIBUTE_RECALL_ON_OPEN, FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS: reading it would download it."""


def stamp_of(facts: os.stat_result) -> FileStamp:
    """Return what of a `stat` result tells whether a file has changed."""
    # On Windows ctime is when it was created: a copy keeps the modification time of what it was made of.
    changed_ns = max(facts.st_mtime_ns, facts.st_ctime_ns) if sys.platform == "win32" else facts.st_ctime_ns
    return FileStamp(facts.st_size, facts.st_mtime_ns, changed_ns, facts.st_ino)


def stat_entry(entry: os.DirEntry[bytes]) -> os.stat_result:
    """Return what `stat` says of an entry of a folder, what a link leads to included."""
    # On Windows what the listing brings along names neither inode nor device.
    return os.stat(entry.path) if sys.platform == "win32" else entry.stat()


def is_link(entry: os.DirEntry[bytes]) -> bool:
    """Whether an entry leads elsewhere: a symbolic link, on Windows a junction too."""
    if sys.platform == "win32":
        from melwatch.platform import windows

        return entry.is_symlink() or windows.is_junction(entry)
    return entry.is_symlink()


def is_online_only(facts: os.stat_result) -> bool:
    """Whether a file's content lies elsewhere, as OneDrive keeps it, and would be fetched if it were read."""
    return bool(getattr(facts, "st_file_attributes", 0) & _ELSEWHERE)


def openable(path: bytes) -> bytes:
    """Return the form of an absolute path in which the system opens it, whatever its length and name."""
    if sys.platform == "win32":
        from melwatch.platform import windows

        return os.fsencode(windows.verbatim(os.fsdecode(path)))
    return path


def open_shared(path: bytes) -> int:
    """Open a file for reading; return its descriptor.

    Its owner may rename or delete it meanwhile, and the other end of a FIFO is not waited for.
    """
    if sys.platform == "win32":
        from melwatch.platform import windows

        return windows.open_to_read(os.fsdecode(openable(path)))
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


def is_being_written(path: bytes) -> bool:
    """Whether somebody has a file open for writing; False where the system does not tell."""
    if sys.platform == "win32":
        from melwatch.platform import windows

        return windows.has_writer(os.fsdecode(openable(path)))
    if sys.platform == "linux":
        try:
            return stat.S_ISREG(os.stat(path).st_mode) and not _can_lease(path)
        except OSError:  # gone, not our own file, or on a file system without leases
            return False
    return False


def _can_lease(path: bytes) -> bool:
    """Whether the system grants a read lease on a file, which it does while nobody has it open for writing."""
    if sys.platform != "linux":
        return True
    import fcntl

    try:
        handle = open_shared(path)
    except BlockingIOError:  # somebody else's lease, which they now give back
        return False
    try:
        # A writer that comes while we hold the lease waits, and we are sent a signal. By default it is
        # SIGIO, which ends the process; SIGURG is ignored.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    else:
        with suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return True
    finally:
        os.close(handle)


@contextmanager
def memory_file(pieces: Sequence[bytes], n_zeros: int) -> Iterator[int | io.BytesIO]:
    """Give a library a file to read that holds the pieces and then zeros, without a disk.

    On Linux it is a descriptor, so that a C library reads it without calling back into Python.
    """
    if sys.platform != "linux":
        yield io.BytesIO(b"".join((*pieces, bytes(n_zeros))))
        return
    with open(os.memfd_create("melwatch"), "r+b", buffering=0) as file:
        file.writelines(pieces)
        file.truncate(file.tell() + n_zeros)
        file.seek(0)
        yield file.fileno()


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable, where the system has a call for that."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(source: Path, target: Path) -> None:
    """Put a file in the place of another in one step."""
    if sys.platform == "win32":
        from melwatch.platform import windows

        windows.replace(windows.verbatim(os.path.abspath(source)), windows.verbatim(os.path.abspath(target)))
    else:
        os.replace(source, target)


def is_in_use(error: OSError) -> bool:
    """Whether an operation failed because others have the file open, as happens on Windows."""
    if sys.platform == "win32":
        from melwatch.platform import windows

        return error.winerror in windows.IN_USE
    return False
