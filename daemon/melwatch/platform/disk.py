"""Writing files so that a reader, or the next start after a crash, finds the old or the new, never half."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from melwatch.errors import DegradedError
from melwatch.platform import filesystem

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_S = 5.0
"""How long to wait for others who have a file open: readers on Windows, virus scanners, indexers."""

TEMPORARY = re.compile(r"\.[^/]*\.\d+\.melwatch-tmp(-journal|-wal|-shm)?")
"""What is prepared beside a file; SQLite puts files of its own beside a database."""


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Write a file beside its final name and put it in place at the end, flushed and synced.

    After an exception nothing is left of it. `durable=False` leaves syncing to the system.
    """
    beside = temporary_beside(path)
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        put_in_place(beside, path)
    except BaseException:
        remove(beside)
        raise
    if durable:
        filesystem.sync_folder(path.parent)


def make_folder(path: Path, *, parents: bool = True, mode: int = 0o777) -> None:
    """Have a folder, on wish with those above it, be there, and still after a power cut."""
    wanted = (path, *path.parents) if parents else (path,)
    missing = [folder for folder in wanted if not folder.exists()]
    path.mkdir(mode, parents=parents, exist_ok=True)
    for folder in reversed(missing):
        with suppress(PermissionError):  # one may write into a folder that one may not read
            filesystem.sync_folder(folder.parent)


def put_in_place(beside: Path, path: Path) -> None:
    """Give a finished file its name; raises `DegradedError` where others keep the one of that name too long."""
    until_s, pause_s = time.monotonic() + _PATIENCE_S, 0.01
    while True:
        try:
            filesystem.replace(beside, path)
        except OSError as error:
            if not filesystem.is_in_use(error):
                raise
            if time.monotonic() + pause_s > until_s:
                what = f"{path} cannot be replaced: another program has it open, or it is write-protected"
                raise DegradedError(what, "It is tried again.") from error
        else:
            return
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.5)


def remove(path: Path) -> bool:
    """Remove a file if it is there; return False where it has to wait until nobody has it open any more."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if not filesystem.is_in_use(error):
            raise
        return False
    return True


def replace_file(path: Path, content: bytes) -> int:
    """Put `content` in place unless it is there already; return the bytes written."""
    try:
        if path.read_bytes() == content:
            return 0
    except FileNotFoundError:
        pass
    with replacing(path) as file:
        file.write(content)
    return len(content)


def temporary_beside(path: Path) -> Path:
    """Return the name under which this process prepares a file."""
    return path.with_name(f".{path.name}.{os.getpid()}.melwatch-tmp")


def remove_temporaries(folder: Path) -> int:
    """Remove what writers that died left in a folder; return how many files."""
    try:
        leftovers = [entry for entry in os.scandir(folder) if TEMPORARY.fullmatch(entry.name)]
    except FileNotFoundError:
        return 0
    for entry in leftovers:
        remove(Path(entry.path))
    return len(leftovers)
