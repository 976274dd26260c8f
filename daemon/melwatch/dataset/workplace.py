"""A folder beside another, in which that one is prepared: whoever is killed in it leaves it to the next."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from melwatch.errors import LockedError
from melwatch.platform import system
from melwatch.platform.disk import temporary_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "lock"
_CONTENT = "content"


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Have a name beside `target` under which to prepare it, and remove what is left there by those who were killed.

    Raises `LockedError` where somebody is at work on `target`.
    """
    for earlier in _earlier(target):
        _remove_abandoned(earlier, target)
    place = temporary_beside(target)
    place.mkdir(exist_ok=True)
    handle = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        system.try_lock(handle)  # where there are no locks, nobody removes it
        yield place / _CONTENT
    finally:
        os.close(handle)
        shutil.rmtree(place, ignore_errors=True)


def _earlier(target: Path) -> list[Path]:
    """Return what has the name of a workplace for `target`, whoever's it is."""
    name = re.compile(rf"\.{re.escape(target.name)}\.\d+\.melwatch-tmp")
    return [
        entry
        for entry in sorted(target.parent.iterdir())
        if name.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink()
    ]


def _remove_abandoned(place: Path, target: Path) -> None:
    """Remove a workplace whose lock nobody holds; one without a lock only if there is nothing in it."""
    try:
        handle = os.open(place / LOCK, os.O_RDWR)
    except OSError:
        with suppress(OSError):
            place.rmdir()
        return
    try:
        if not system.try_lock(handle):
            what = f"Another melwatch is at work on {target}, in {place}"
            raise LockedError(what, "Wait for it; if there is none, remove that folder.")
    finally:
        os.close(handle)
    shutil.rmtree(place, ignore_errors=True)
