"""Keeping damaged files where nothing reads them: under their old path, in a folder named by the time."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from melwatch.disk import make_folder, put_in_place, replacing

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

FOLDER = "damaged"
SUFFIX = ".damaged"


def stamp(now: datetime) -> str:
    """Return a time as it appears in file names."""
    return now.strftime("%Y%m%dT%H%M%SZ")


def keep_copy(home: Path, file: Path, *, now: datetime) -> Path | None:
    """Copy a damaged file below `home` to where it is kept; return that, or None where the file is gone."""
    target = place_of(home, file, now)
    if not file.exists():
        return None
    make_folder(target.parent)
    try:
        with file.open("rb") as damaged, replacing(target) as kept:
            shutil.copyfileobj(damaged, kept)
    except FileNotFoundError:
        return None
    return target


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
