"""What state the manifest's file is in, found out without writing to it; and how new a SQLite it takes."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from melwatch.manifest.database import APPLICATION_ID, explained, is_out_of_reach, newest_schema

OLDEST_SQLITE = (3, 35, 0)
"""The first that takes `ON CONFLICT DO UPDATE` without being told which conflict."""

_OUR_TABLES = {"track", "spectrogram", "placement", "version"}
_WITH_RECIPES = 4
"""The first schema that has a table of recipes."""


class State(StrEnum):
    """What may be found in the manifest's place."""

    SOUND = "sound"
    MISSING = "missing"
    DAMAGED = "damaged"
    NEWER = "newer"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a manifest, with a sentence unless it is sound; and the newest version that it knows."""

    state: State
    what: str = ""
    version: int = 0


def sqlite_version() -> tuple[int, ...]:
    """Return the version of the SQLite library that is loaded."""
    return sqlite3.sqlite_version_info


def examine(file: Path, *, is_thorough: bool = False) -> Health:
    """Look a manifest over: whose it is, and whether SQLite finds its pages in order; all indexes too if thorough.

    Raises `StoreError` or `DegradedError` where it cannot be opened for a reason that is no damage.
    """
    if not file.exists() or file.stat().st_size == 0:  # SQLite takes an empty file for a new one
        return Health(State.MISSING, f"The manifest {file} is missing")
    if not _log(file).exists():
        # SQLite would make a log, which stays as whoever looks made it: the manifest's owner could not write to it.
        health = _examine(file, is_thorough=is_thorough, is_still=True)
        if health.state is State.SOUND or not _log(file).exists():
            return health
    return _examine(file, is_thorough=is_thorough, is_still=False)


def _examine(file: Path, *, is_thorough: bool, is_still: bool) -> Health:
    """Look it over, taking it for one that nobody writes to if it `is_still`."""
    try:
        with closing(sqlite3.connect(_read_only(file, is_still=is_still), uri=True)) as db:
            return _judge(db, file, "integrity_check" if is_thorough else "quick_check")
    except sqlite3.DatabaseError as error:
        if is_out_of_reach(error):
            raise explained(error, file) from error
        return Health(State.DAMAGED, f"The manifest {file} is damaged: {error}")


def _judge(db: sqlite3.Connection, file: Path, check: str) -> Health:
    owner, schema = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return Health(State.MISSING, f"The manifest {file} is empty")
    if owner != APPLICATION_ID and not tables >= _OUR_TABLES:
        return Health(State.FOREIGN, f"{file} is not a manifest of melwatch")
    if owner == APPLICATION_ID and schema > newest_schema():
        what = f"{file} was written by a newer melwatch (schema {schema}, this one knows {newest_schema()})"
        return Health(State.NEWER, what)
    if (reason := "its mark is gone" if owner != APPLICATION_ID else _damage(db, file, check, schema)) is not None:
        return Health(State.DAMAGED, f"The manifest {file} is damaged: {reason}")
    return Health(State.SOUND, version=db.execute("SELECT max(number) FROM version").fetchone()[0] or 0)


def _damage(db: sqlite3.Connection, file: Path, check: str, schema: int) -> str | None:
    found = [row[0] for row in db.execute(f"PRAGMA {check}(1)")]
    if found != ["ok"]:
        return " ".join(found[0].split())
    return "parts of it are missing" if _is_cut(db, file) or not _recipes_are_whole(db, schema) else None


def _is_cut(db: sqlite3.Connection, file: Path) -> bool:
    """Whether the file ends within a page; with a log beside it, the rest may be in there."""
    log = _log(file)
    has_log = log.exists() and log.stat().st_size > 0
    return not has_log and file.stat().st_size % int(db.execute("PRAGMA page_size").fetchone()[0]) != 0


def _recipes_are_whole(db: sqlite3.Connection, schema: int) -> bool:
    """Whether each recipe has the id that its JSON digests to: what reads as zeros is no damage to SQLite."""
    if schema < _WITH_RECIPES:
        return True
    rows = db.execute("SELECT id, json FROM recipe")
    return all(hashlib.sha256(text.encode()).hexdigest().startswith(name) for name, text in rows)


def _log(file: Path) -> Path:
    return Path(f"{file}-wal")


def _read_only(file: Path, *, is_still: bool) -> str:
    """Return a URI, so that closing it does not write back what is still in the log."""
    path = file.absolute().as_posix()
    query = "mode=ro&immutable=1" if is_still else "mode=ro"
    return f"file://{'' if path.startswith('/') else '/'}{quote(os.fsencode(path))}?{query}"
