"""What people ask of the running daemon: written by commands, taken by the daemon, answered in place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from melwatch.manifest.database import writing

if TYPE_CHECKING:
    import sqlite3

_KEPT = 100


class Ask(StrEnum):
    """The kinds of requests."""

    RESCAN = "rescan"
    PUBLISH = "publish"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    ACCEPT_DELETIONS = "accept-deletions"
    ACCEPT_ROOT = "accept-root"
    NEW_EPOCH = "new-epoch"
    ACCEPT_RECIPE = "accept-recipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that the daemon has not taken yet."""

    number: int
    kind: Ask
    argument: str


def ask(db: sqlite3.Connection, kind: Ask, argument: str, at: str) -> int:
    """Put a request on record; return its number."""
    with writing(db):
        cursor = db.execute("INSERT INTO request (kind, argument, made_at) VALUES (?, ?, ?)", (kind, argument, at))
        return int(cursor.lastrowid or 0)


def waiting(db: sqlite3.Connection) -> list[Request]:
    """Return the requests not taken yet, oldest first."""
    rows = db.execute("SELECT number, kind, argument FROM request WHERE answer IS NULL ORDER BY number").fetchall()
    known = {ask.value for ask in Ask}
    return [
        Request(number=row["number"], kind=Ask(row["kind"]), argument=row["argument"])
        for row in rows
        if row["kind"] in known
    ]


def forget_old(db: sqlite3.Connection) -> None:
    """Drop requests that nobody took: whoever made them has long stopped waiting."""
    with writing(db):
        db.execute("DELETE FROM request WHERE answer IS NULL")


def answer(db: sqlite3.Connection, request: Request, words: str) -> None:
    """Take a request and say what comes of it; the last hundred are kept."""
    with writing(db):
        db.execute("UPDATE request SET answer = ? WHERE number = ?", (words, request.number))
        db.execute("DELETE FROM request WHERE answer IS NOT NULL AND number <= ?", (request.number - _KEPT,))


def answer_to(db: sqlite3.Connection, number: int) -> str | None:
    """Return what the daemon said to a request, or None while it has not taken it."""
    row = db.execute("SELECT answer FROM request WHERE number = ?", (number,)).fetchone()
    return None if row is None else row["answer"]


def withdraw(db: sqlite3.Connection, number: int) -> None:
    """Take a request back that nobody took."""
    with writing(db):
        db.execute("DELETE FROM request WHERE number = ? AND answer IS NULL", (number,))
