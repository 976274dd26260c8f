"""What SQLite finds wrong with a manifest, and how new a SQLite it takes."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite3 import Connection

OLDEST_SQLITE = (3, 35, 0)
"""The first that takes `ON CONFLICT DO UPDATE` without being told which conflict."""

_MOST_LISTED = 5


def sqlite_version() -> tuple[int, ...]:
    """Return the version of the SQLite library that is loaded."""
    return sqlite3.sqlite_version_info


def complaints(db: Connection) -> list[str]:
    """Return the first few things that are wrong with the file; none of a sound one."""
    found: list[str] = []
    try:
        found += (str(row[0]) for row in db.execute(f"PRAGMA quick_check({_MOST_LISTED})"))
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:  # so damaged that it cannot even be checked to its end
        return [*found, str(error)]
    return [] if found == ["ok"] else found


def schema_version(db: Connection) -> int:
    """Return how many of the numbered changes of the tables the file has seen."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])
