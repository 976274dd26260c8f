"""What is on record of files for a look to hold against what it sees: in path order, and never all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.track import FileStamp, KnownFile, RelPath

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from melwatch.track import RecipeId

_AT_ONCE = 2000

_UNMADE = """
    SELECT path FROM track
    WHERE audio_id IS NOT NULL AND NOT :is_past
        AND NOT EXISTS (SELECT 1 FROM spectrogram s WHERE s.audio_id = track.audio_id AND s.recipe = :recipe)
        AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.audio_id = track.audio_id AND f.recipe = :recipe)
    ORDER BY audio_id"""
"""In this order all tables are gone through from end to end; in that of paths it takes eight times as long."""


def iter_known(db: sqlite3.Connection, recipe: RecipeId, *, is_past: bool = False) -> Iterator[KnownFile]:
    """Yield every track on record, in path order, with whether its work is done.

    By a recipe that `is_past` nothing more can be made, so that all is done once it is known which song it is.
    They are read page by page, so that no reading lasts for as long as a scan may take.
    """
    cursor = db.cursor()
    cursor.row_factory = None
    undone, after = unfinished(db, recipe, is_past=is_past), b""
    while rows := cursor.execute(
        """SELECT path, size, mtime_ns, changed_ns, inode, read_ns FROM track
           WHERE path > ? ORDER BY path LIMIT ?""",
        (after, _AT_ONCE),
    ).fetchall():
        for path, size, mtime_ns, changed_ns, inode, read_ns in rows:
            stamp = FileStamp(size, int(mtime_ns), int(changed_ns), int(inode))
            yield KnownFile(path, stamp, read_ns, path not in undone)
        after = rows[-1][0]


def unfinished(db: sqlite3.Connection, recipe: RecipeId, *, is_past: bool = False) -> set[RelPath]:
    """Return the tracks whose work is not done."""
    rows = [
        *db.execute("SELECT path FROM track WHERE audio_id IS NULL"),
        *db.execute(_UNMADE, {"recipe": recipe, "is_past": is_past}),
    ]
    return {RelPath(row["path"]) for row in rows}
