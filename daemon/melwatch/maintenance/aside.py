"""Keeping damaged files where nothing reads them: under their old path, in a folder named by the time."""

from __future__ import annotations

import filecmp
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from melwatch.platform.disk import make_folder, put_in_place, replacing

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

FOLDER = "damaged"
SUFFIX = ".damaged"


def stamp(now: datetime) -> str:
    """Return a time as it appears in file names."""
    return now.strftime("%Y%m%dT%H%M%SZ")


def keep_copy(home: Path, file: Path, *, now: datetime) -> Path | None:
    """Copy a damaged file below `home` to where it is kept; return that, or None where the file is gone.

    Of one that cannot be read to its end, as in a bad place of a disk, what comes before that is kept.
    """
    target = place_of(home, file, now)
    if not file.exists():
        return None
    if (earlier := _kept_already(home, file)) is not None:
        return earlier
    make_folder(target.parent)
    try:
        with file.open("rb") as damaged, replacing(target) as kept:
            while block := _read(damaged):
                kept.write(block)
    except FileNotFoundError:
        return None
    return target


def _kept_already(home: Path, file: Path) -> Path | None:
    """Return a copy of just this that is kept: whoever meets the same damage again and again must not fill the disk."""
    below, places = file.relative_to(home), home / FOLDER
    for place in sorted(places.iterdir()) if places.exists() else ():
        copy = place / below.parent / f"{below.name}{SUFFIX}"
        with suppress(OSError):
            if copy.exists() and filecmp.cmp(copy, file, shallow=False):
                return copy
    return None


def _read(damaged: IO[bytes]) -> bytes:
    try:
        return damaged.read(1 << 20)
    except OSError:
        return b""


def move(home: Path, file: Path, *, now: datetime) -> Path | None:
    """Take a damaged file below `home` out of its place; return where it is kept, or None where it is gone."""
    target = place_of(home, file, now)
    make_folder(target.parent)
    try:
        put_in_place(file, target)
    except FileNotFoundError:
        return None
    return target


def place_of(home: Path, file: Path, now: datetime) -> Path:
    """Return where a damaged file is kept; its name is none that readers look for."""
    below = file.relative_to(home)
    return home / FOLDER / stamp(now) / below.parent / f"{below.name}{SUFFIX}"
