"""The tables about recipes: what they say, which one a person accepted, and what is still to be made by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.track import AudioId, FileStamp, RecipeId, RelPath, SeenFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

_ACCEPTED = "accepted_recipe"

_UNMADE = """
    track.audio_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM spectrogram s WHERE s.audio_id = track.audio_id AND s.recipe = :wanted)
    AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.audio_id = track.audio_id AND f.recipe IN (:wanted, :published))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmade:
    """How many songs there are, how many of them a recipe has not been applied to, and seconds of music in these.

    `gone` are those of the latter whose files have vanished, which waits for a person; `failing` are songs of
    the dataset to which it was applied in vain.
    """

    songs: int
    left: int
    left_s: float
    gone: int
    failing: int


def note_recipe(db: sqlite3.Connection, recipe: RecipeId, text: str) -> None:
    """Remember what a recipe says."""
    if recipe_json(db, recipe) is None:
        with writing(db):
            db.execute("INSERT OR REPLACE INTO recipe VALUES (?, ?)", (recipe, text))


def recipe_json(db: sqlite3.Connection, recipe: str) -> str | None:
    """Return what a recipe says, as far as that is on record."""
    row = db.execute("SELECT json FROM recipe WHERE id = ?", (recipe,)).fetchone()
    return None if row is None else str(row["json"])


def accept(db: sqlite3.Connection, recipe: str) -> None:
    """Let a recipe replace that of the dataset."""
    with writing(db):
        set_meta(db, _ACCEPTED, recipe)


def accepted(db: sqlite3.Connection) -> str | None:
    """Return the recipe that a person accepted last and that has not been given up since."""
    return get_meta(db, _ACCEPTED)


def forget_accepted(db: sqlite3.Connection) -> None:
    """Have the next change of the recipe ask again."""
    with writing(db):
        db.execute("DELETE FROM meta WHERE key = ?", (_ACCEPTED,))


def count_unmade(db: sqlite3.Connection, wanted: RecipeId, published: RecipeId) -> Unmade:
    """Count what a recipe has not been applied to; songs that fail by the published one are left aside."""
    names = {"wanted": wanted, "published": published}
    songs = db.execute(
        """SELECT count(DISTINCT audio_id) FROM track WHERE audio_id NOT IN (
               SELECT audio_id FROM failure WHERE recipe = :published)""",
        {"published": published},
    ).fetchone()[0]
    left, left_s = db.execute(
        f"""SELECT count(*), coalesce(sum(duration_s), 0)
            FROM (SELECT DISTINCT audio_id AS song FROM track WHERE {_UNMADE})
            LEFT JOIN spectrogram s ON s.audio_id = song AND s.recipe = :published""",  # noqa: S608
        names,
    ).fetchone()
    gone = db.execute(
        f"""SELECT count(DISTINCT audio_id) FROM track WHERE {_UNMADE}
            AND audio_id NOT IN (SELECT audio_id FROM track WHERE gone IS NULL AND audio_id IS NOT NULL)""",  # noqa: S608
        names,
    ).fetchone()[0]
    failing = db.execute(
        """SELECT count(DISTINCT track.audio_id) FROM track
           JOIN spectrogram s ON s.audio_id = track.audio_id AND s.recipe = :published
           JOIN failure f ON f.audio_id = track.audio_id AND f.recipe = :wanted""",
        names,
    ).fetchone()[0]
    return Unmade(songs=songs, left=left, left_s=left_s, gone=gone, failing=failing)


def count_lost(db: sqlite3.Connection, recipe: RecipeId) -> int:
    """Count the songs that have a split, are in the library and are no longer made by a recipe, which once was done."""
    return int(
        db.execute(
            """SELECT count(DISTINCT audio_id) FROM track WHERE audio_id IN (SELECT audio_id FROM placement)
               AND audio_id NOT IN (SELECT audio_id FROM spectrogram WHERE recipe = :recipe)
               AND audio_id NOT IN (SELECT audio_id FROM failure WHERE recipe = :recipe)""",
            {"recipe": recipe},
        ).fetchone()[0]
    )


def failing_songs(db: sqlite3.Connection, wanted: RecipeId, published: RecipeId) -> dict[RelPath, tuple[AudioId, bool]]:
    """Return the tracks that the published recipe made, each with its song and whether that fails by the other."""
    rows = db.execute(
        """SELECT path, track.audio_id, f.audio_id IS NOT NULL AS fails FROM track
           JOIN spectrogram s ON s.audio_id = track.audio_id AND s.recipe = :published
           LEFT JOIN failure f ON f.audio_id = track.audio_id AND f.recipe = :wanted""",
        {"wanted": wanted, "published": published},
    )
    return {RelPath(row["path"]): (AudioId(row["audio_id"]), bool(row["fails"])) for row in rows}


def unmade_files(
    db: sqlite3.Connection, wanted: RecipeId, published: RecipeId
) -> tuple[list[SeenFile], list[SeenFile]]:
    """Return a file for each song that a recipe has not been applied to: readable ones, and those that were not."""
    rows = db.execute(
        f"""SELECT audio_id, path, size, mtime_ns, changed_ns, inode, problem FROM track
            WHERE gone IS NULL AND {_UNMADE} ORDER BY problem IS NOT NULL, path""",  # noqa: S608
        {"wanted": wanted, "published": published},
    )
    readable: dict[str, SeenFile] = {}
    unreadable: dict[str, SeenFile] = {}
    for row in rows:
        stamp = FileStamp(
            size=row["size"],
            mtime_ns=int(row["mtime_ns"]),
            changed_ns=int(row["changed_ns"]),
            inode=int(row["inode"]),
        )
        file = SeenFile(path=RelPath(row["path"]), stamp=stamp)
        if row["problem"] is None:
            readable.setdefault(row["audio_id"], file)
        elif row["audio_id"] not in readable:
            unreadable.setdefault(row["audio_id"], file)
    return sorted(readable.values(), key=_path), sorted(unreadable.values(), key=_path)


def forget_spooled(db: sqlite3.Connection, kept: Collection[str]) -> None:
    """Take work in the spool off the record that was made by other recipes than these."""
    with writing(db):
        found = [row[0] for row in db.execute("SELECT DISTINCT recipe FROM spectrogram WHERE shard IS NULL")]
        db.executemany(
            "DELETE FROM spectrogram WHERE shard IS NULL AND recipe = ?",
            ((recipe,) for recipe in found if recipe not in kept),
        )


def _path(file: SeenFile) -> RelPath:
    return file.path
