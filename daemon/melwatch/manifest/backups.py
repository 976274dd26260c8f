"""Copies of the manifest in the state folder: one a day after a publish, and one before each change of its tables."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from melwatch.platform import filesystem
from melwatch.platform.disk import make_folder, put_in_place, remove, temporary_beside

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "backups"
CATCHING_UP = "catching_up"
"""What is set in the `meta` of a manifest that may not know all songs yet: a new one, or one from a copy."""
_KEPT = 3
_EVERY = timedelta(days=1)
_NAME = re.compile(r"manifest-schema(\d+)-(\d{8}T\d{6}Z)(-upgrade)?\.sqlite3")
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A copy of the manifest."""

    path: Path
    schema: int
    taken_at: datetime
    is_before_upgrade: bool


def all_backups(state: Path) -> list[Backup]:
    """Return the copies that are kept, the newest first."""
    try:
        entries = list((state / FOLDER).iterdir())
    except FileNotFoundError:
        return []
    matched = [(entry, _NAME.fullmatch(entry.name)) for entry in entries]
    found = [
        Backup(
            path=entry,
            schema=int(match[1]),
            taken_at=datetime.strptime(match[2], _TIME).replace(tzinfo=UTC),
            is_before_upgrade=match[3] is not None,
        )
        for entry, match in matched
        if match is not None
    ]
    return sorted(found, key=lambda backup: backup.taken_at, reverse=True)


def back_up_daily(db: sqlite3.Connection, state: Path, now: datetime) -> Path | None:
    """Copy the manifest unless that was done within a day; keep the newest few. Return the copy."""
    daily = [backup for backup in all_backups(state) if not backup.is_before_upgrade]
    # After the clock was wrong, copies may be from the future.
    past = [backup for backup in daily if backup.taken_at <= now]
    if past and now - past[0].taken_at < _EVERY:
        return None
    made = _copy(db, state, now, "")
    for backup in daily:
        if backup not in past[: _KEPT - 1] and backup.path != made:
            remove(backup.path)
    return made


def back_up_before_upgrade(db: sqlite3.Connection, file: Path) -> Path:
    """Copy a manifest whose tables are about to change, named by when it was written last; such copies are kept."""
    beside = file.with_name(f"{file.name}-wal")
    written_s = max(path.stat().st_mtime for path in (file, beside) if path.exists())
    return _copy(db, file.parent, datetime.fromtimestamp(written_s, UTC), "-upgrade")


def _copy(db: sqlite3.Connection, state: Path, at: datetime, why: str) -> Path:
    schema = db.execute("PRAGMA user_version").fetchone()[0]
    target = state / FOLDER / f"manifest-schema{schema}-{at.strftime(_TIME)}{why}.sqlite3"
    make_folder(target.parent)
    beside = temporary_beside(target)
    try:
        with closing(sqlite3.connect(beside, isolation_level=None)) as copy:
            db.backup(copy)
            copy.execute("INSERT OR REPLACE INTO meta VALUES (?, 'yes')", (CATCHING_UP,))
            copy.execute("PRAGMA journal_mode = DELETE")  # one file is enough
        with beside.open("r+b") as file:
            os.fsync(file.fileno())
        put_in_place(beside, target)
    except BaseException:
        remove(beside)
        raise
    filesystem.sync_folder(target.parent)
    return target
