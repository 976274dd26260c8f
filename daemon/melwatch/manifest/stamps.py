"""What is on record of files for a look to hold against what it sees: in path order, and never all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.track import FileStamp, KnownFile, RelPath

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from melwatch.track import RecipeId

_AT_ONCE = 2000

_FILES = """
    SELECT path, size, mtime_ns, changed_ns, inode, read_ns,
           s.audio_id IS NOT NULL OR f.audio_id IS NOT NULL OR (:is_past AND track.audio_id IS NOT NULL) AS is_done
    FROM track
    LEFT JOIN spectrogram s ON s.audio_id = track.audio_id AND s.recipe = :recipe
    LEFT JOIN failure f ON f.audio_id = track.audio_id AND f.recipe = :recipe"""


def iter_known(db: sqlite3.Connection, recipe: RecipeId, *, is_past: bool = False) -> Iterator[KnownFile]:
    """Yield every track on record, in path order, with whether its work is done.

    By a recipe that `is_past` nothing more can be made, so that all is done once it is known which song it is.
    They are read page by page, so that no reading lasts for as long as a scan may take.
    """
    cursor = db.cursor()
    cursor.row_factory = None
    values = {"recipe": recipe, "is_past": is_past, "after": b"", "limit": _AT_ONCE}
    while rows := cursor.execute(f"{_FILES} WHERE path > :after ORDER BY path LIMIT :limit", values).fetchall():
        for path, size, mtime_ns, changed_ns, inode, read_ns, is_done in rows:
            stamp = FileStamp(size=size, mtime_ns=int(mtime_ns), changed_ns=int(changed_ns), inode=int(inode))
            yield KnownFile(path=RelPath(path), stamp=stamp, read_ns=read_ns, is_done=bool(is_done))
        values["after"] = rows[-1][0]


def unfinished(db: sqlite3.Connection, recipe: RecipeId, *, is_past: bool = False) -> set[RelPath]:
    """Return the tracks whose work is not done."""
    rows = db.execute(f"SELECT path FROM ({_FILES}) WHERE NOT is_done", {"recipe": recipe, "is_past": is_past})  # noqa: S608
    return {RelPath(row["path"]) for row in rows}
