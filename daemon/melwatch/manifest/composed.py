"""The table about what was composed last of all that is on record, and whether that has changed since."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from melwatch.manifest.database import writing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


def changes(db: sqlite3.Connection) -> int:
    """Return a number that is another one after each change of what a version is composed of."""
    return int(db.execute("SELECT changes FROM composed").fetchone()[0])


def last(db: sqlite3.Connection, mark: str) -> dict[str, Any] | None:
    """Return what came of the last composition, if all was then as this mark says."""
    row = db.execute("SELECT told FROM composed WHERE mark = ?", (mark,)).fetchone()
    return None if row is None else dict(json.loads(row["told"]))


def note(db: sqlite3.Connection, mark: str, told: Mapping[str, Any]) -> None:
    """Remember what came of a composition."""
    with writing(db):
        db.execute("UPDATE composed SET mark = ?, told = ?", (mark, json.dumps(told)))
