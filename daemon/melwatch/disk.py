"""Writing files so that a reader, or the next start after a crash, finds the old or the new, never half."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from melwatch import system

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPORARY = re.compile(r"\.[^/]*\.\d+\.melwatch-tmp")


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
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if durable:
        system.sync_folder(path.parent)


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
        Path(entry.path).unlink(missing_ok=True)
    return len(leftovers)
