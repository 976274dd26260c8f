"""The tables that are never forgotten: which class a genre is, which split a song is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.edition import Split

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from melwatch.track import AudioId


def class_names(db: sqlite3.Connection) -> list[str]:
    """Return the genres that ever had a class, in the order of their ids."""
    return [row["name"] for row in db.execute("SELECT name FROM genre ORDER BY class_id")]


def save_classes(db: sqlite3.Connection, names: Sequence[str]) -> None:
    """Note the class names; ids are their positions. Call it inside `writing`."""
    if class_names(db) == list(names):
        return
    db.execute("DELETE FROM genre")
    db.executemany("INSERT INTO genre (class_id, name) VALUES (?, ?)", enumerate(names))


def placements(db: sqlite3.Connection) -> dict[AudioId, Split]:
    """Return the split of every song that was ever placed."""
    cursor = db.cursor()
    cursor.row_factory = None
    splits = {str(split): split for split in Split}
    return {song: splits[name] for song, name in cursor.execute("SELECT audio_id, split FROM placement")}


def split_of(db: sqlite3.Connection, song: AudioId) -> Split | None:
    """Return the split of a song, if it was ever placed."""
    row = db.execute("SELECT split FROM placement WHERE audio_id = ?", (song,)).fetchone()
    return None if row is None else Split(row["split"])


def save_placements(db: sqlite3.Connection, placed: Mapping[AudioId, Split]) -> None:
    """Note where songs were placed or moved to; call it inside `writing`."""
    db.executemany("INSERT OR REPLACE INTO placement VALUES (?, ?)", placed.items())
