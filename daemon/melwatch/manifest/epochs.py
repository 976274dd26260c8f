"""The tables about how splits came about: epochs, forced moves, and what was taken over from another dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.edition import Split
from melwatch.errors import ConfigError
from melwatch.manifest.database import get_meta, set_meta
from melwatch.track import RelPath

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

FIRST = "first"
_ASKED = "epoch_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """A time during which splits are kept; `began_at` is empty where nobody noted it."""

    number: int
    name: str
    group_by: str
    began_at: str

    @property
    def seed(self) -> str:
        """What draws its splits otherwise than those of other epochs."""
        return "" if self.name == FIRST else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRecord:
    """A song that had to change its split."""

    audio_id: str
    genre: str
    source: str
    target: str
    cause: str


def current_epoch(db: sqlite3.Connection) -> EpochRecord | None:
    """Return the epoch that lasts; None before anything was placed."""
    epochs = all_epochs(db)
    return epochs[-1] if epochs else None


def all_epochs(db: sqlite3.Connection) -> list[EpochRecord]:
    """Return the epochs, oldest first."""
    return [EpochRecord(**dict(row)) for row in db.execute("SELECT * FROM epoch ORDER BY number")]


def begin_epoch(db: sqlite3.Connection, name: str, group_by: str, at: str) -> EpochRecord:
    """Note that an epoch begins; call it inside `writing`."""
    cursor = db.execute("INSERT INTO epoch (name, group_by, began_at) VALUES (?, ?, ?)", (name, group_by, at))
    return EpochRecord(number=int(cursor.lastrowid or 0), name=name, group_by=group_by, began_at=at)


def group_by(db: sqlite3.Connection, epoch: EpochRecord, what: str) -> None:
    """Note that from now on only finer groups are kept together; call it inside `writing`."""
    db.execute("UPDATE epoch SET group_by = ? WHERE number = ?", (what, epoch.number))


def forget_splits(db: sqlite3.Connection) -> None:
    """Forget which split songs are in, for an epoch to begin; call it inside `writing`."""
    db.execute("DELETE FROM placement")
    db.execute("DELETE FROM adopted")
    db.execute("UPDATE track SET replaced = NULL")


def ask_for_epoch(db: sqlite3.Connection, name: str) -> None:
    """Have the next pass begin an epoch; call it inside `writing`.

    Raises `ConfigError` where there was one of that name.
    """
    check_name(db, name)
    set_meta(db, _ASKED, name)


def check_name(db: sqlite3.Connection, name: str) -> None:
    """Raise `ConfigError` where an epoch cannot be called that."""
    if not name.strip() or not name.isprintable():
        raise ConfigError(f"{name!r} cannot be the name of an epoch", "Use a word like 2025-spring.")
    known = [epoch.name for epoch in all_epochs(db)]
    if name in known or name == FIRST:
        raise ConfigError(f"There was an epoch {name} already", f"Known are: {', '.join(known)}.")


def take_asked(db: sqlite3.Connection) -> str | None:
    """Return the name of the epoch that was asked for, once; call it inside `writing`."""
    name = asked(db)
    db.execute("DELETE FROM meta WHERE key = ?", (_ASKED,))
    return name


def asked(db: sqlite3.Connection) -> str | None:
    """Return the name of the epoch that the next pass is to begin, if any."""
    return get_meta(db, _ASKED)


def save_moves(db: sqlite3.Connection, epoch: EpochRecord, moves: Iterable[MoveRecord], at: str) -> None:
    """Note forced moves; call it inside `writing`."""
    db.executemany(
        "INSERT INTO move (epoch, audio_id, genre, source, target, cause, moved_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (epoch.number, move.audio_id, move.genre, move.source, move.target, move.cause, at)
            for move in moves
        ),
    )  # fmt: skip


def moves_of(db: sqlite3.Connection, epoch: EpochRecord) -> list[MoveRecord]:
    """Return the forced moves of an epoch, oldest first."""
    rows = db.execute(
        "SELECT audio_id, genre, source, target, cause FROM move WHERE epoch = ? ORDER BY number", (epoch.number,)
    )
    return [MoveRecord(**dict(row)) for row in rows]


def adopted(db: sqlite3.Connection) -> dict[RelPath, Split]:
    """Return the splits that a dataset which was taken over gave to files."""
    return {RelPath(row["path"]): Split(row["split"]) for row in db.execute("SELECT * FROM adopted")}


def save_adopted(db: sqlite3.Connection, splits: Mapping[RelPath, Split]) -> None:
    """Note the splits of a dataset that is taken over, and no others; call it inside `writing`."""
    db.execute("DELETE FROM adopted")
    db.executemany("INSERT INTO adopted VALUES (?, ?)", splits.items())
