"""The tables about files and the work done on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from melwatch.manifest import shown
from melwatch.manifest.database import writing
from melwatch.manifest.stamps import iter_known
from melwatch.track import AudioId, Location, RelPath, Sound, Tags, TrackRecord, Trouble

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from melwatch.errors import TrackError
    from melwatch.track import FileStamp, Identity, KnownFile, Made, RecipeId, SeenFile


def known_files(db: sqlite3.Connection, recipe: RecipeId, *, is_past: bool = False) -> list[KnownFile]:
    """Return every track on record, in path order, with whether its work is done."""
    return list(iter_known(db, recipe, is_past=is_past))


def count(db: sqlite3.Connection) -> int:
    """Return how many tracks are on record."""
    return int(db.execute("SELECT count(*) FROM track").fetchone()[0])


def add_tracks(db: sqlite3.Connection, files: Sequence[SeenFile]) -> None:
    """Put new files on record, in the order given, which becomes the order of rows in the dataset."""
    if not files:
        return
    with writing(db):
        start = db.execute("SELECT coalesce(max(ordinal), 0) FROM track").fetchone()[0]
        db.executemany(
            "INSERT INTO track (path, ordinal, size, mtime_ns, changed_ns, inode) VALUES (?, ?, ?, ?, ?, ?)",
            ((file.path, start + number, *_columns(file.stamp)) for number, file in enumerate(files, start=1)),
        )
        shown.add_pending(db, (file.path for file in files))


def respell(db: sqlite3.Connection, spellings: Mapping[RelPath, RelPath]) -> None:
    """Note that tracks, by the paths on record, are spelled differently now; call it inside `writing`."""
    db.executemany("UPDATE track SET path = ? WHERE path = ?", ((new, old) for old, new in spellings.items()))


def record_identity(db: sqlite3.Connection, path: RelPath, stamp: FileStamp, read_ns: int, identity: Identity) -> None:
    """Note what a file turned out to be; call it inside `writing`."""
    tags = identity.tags
    db.execute(
        """UPDATE track SET size = ?, mtime_ns = ?, changed_ns = ?, inode = ?, read_ns = ?, file_digest = ?,
               replaced = CASE WHEN audio_id <> ? AND audio_id IN (SELECT audio_id FROM placement)
                               THEN audio_id ELSE replaced END,
               audio_id = ?, title = ?, artist = ?, album = ?, problem = NULL
           WHERE path = ?""",
        (
            *_columns(stamp), read_ns, identity.file_digest,
            identity.audio_id,
            identity.audio_id, tags.title, tags.artist, tags.album,
            path,
        ),
    )  # fmt: skip


def record_spectrogram(db: sqlite3.Connection, audio_id: AudioId, recipe: RecipeId, made: Made) -> None:
    """Note that a song's spectrogram lies in the spool; call it inside `writing`."""
    db.execute(
        "INSERT OR REPLACE INTO spectrogram VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (
            audio_id, recipe, made.windows, made.checksum,
            made.sound.duration_s, made.sound.promised_s, made.sound.method,
        ),
    )  # fmt: skip
    shown.note_outcome(db, audio_id, shown.EXTRACTED)


def record_failure(
    db: sqlite3.Connection, audio_id: AudioId, recipe: RecipeId, error: TrackError, *, tries: int, at: str
) -> None:
    """Note that a song cannot be worked on, so that it is left alone; call it inside `writing`."""
    db.execute(
        "INSERT OR REPLACE INTO failure VALUES (?, ?, ?, ?, ?, ?, ?)",
        (audio_id, recipe, error.reason, error.what, error.hint, tries, at),
    )
    shown.note_outcome(db, audio_id, error.reason)


def record_problem(db: sqlite3.Connection, path: RelPath, error: TrackError) -> bool:
    """Note that a file could not be read this time; return whether that is news. Call it inside `writing`."""
    problem = json.dumps({"reason": error.reason, "what": error.what, "hint": error.hint})
    changed = db.execute("UPDATE track SET problem = ? WHERE path = ? AND problem IS NOT ?", (problem, path, problem))
    return changed.rowcount > 0


def forget_tracks(db: sqlite3.Connection, paths: Iterable[RelPath]) -> None:
    """Take vanished files off the record; call it inside `writing`.

    One whose sound lives on in another file hands on its place in the order of rows.
    """
    for path in paths:
        gone = db.execute("SELECT ordinal, audio_id FROM track WHERE path = ?", (path,)).fetchone()
        db.execute("DELETE FROM track WHERE path = ?", (path,))
        db.execute(
            """UPDATE track SET ordinal = :ordinal WHERE path = (
                   SELECT path FROM track WHERE audio_id = :audio_id ORDER BY path LIMIT 1
               ) AND ordinal > :ordinal""",
            {"ordinal": gone["ordinal"], "audio_id": gone["audio_id"]},
        )


def hold(db: sqlite3.Connection, paths: Iterable[RelPath]) -> None:
    """Mark vanished tracks whose deletion waits for a person; call it inside `writing`."""
    db.executemany("UPDATE track SET gone = 'held' WHERE path = ? AND gone IS NULL", ((path,) for path in paths))


def accept_deletions(db: sqlite3.Connection) -> int:
    """Let the deletions that wait go ahead; return how many."""
    with writing(db):
        return db.execute("UPDATE track SET gone = 'accepted' WHERE gone = 'held'").rowcount


def gone(db: sqlite3.Connection, what: str = "held") -> set[RelPath]:
    """Return the vanished tracks whose deletion is `held`, or `accepted`."""
    return {RelPath(row["path"]) for row in db.execute("SELECT path FROM track WHERE gone = ?", (what,))}


def note_returned(db: sqlite3.Connection, vanished: Collection[RelPath]) -> None:
    """Take the mark off tracks that are there again; call it inside `writing`."""
    back = (gone(db) | gone(db, "accepted")) - set(vanished)
    db.executemany("UPDATE track SET gone = NULL WHERE path = ?", ((path,) for path in back))


def replace_left_out(db: sqlite3.Connection, entries: Iterable[tuple[RelPath, str]]) -> None:
    """Remember the audio files that are not tracks, and why."""
    wanted = dict(entries)
    known = left_out(db)
    if wanted == known:
        return
    with writing(db):
        db.executemany("DELETE FROM left_out WHERE path = ?", ((path,) for path in known.keys() - wanted.keys()))
        db.executemany("INSERT OR REPLACE INTO left_out VALUES (?, ?)", wanted.items() - known.items())


def left_out(db: sqlite3.Connection) -> dict[RelPath, str]:
    """Return what the last scan left out, and the reasons, in path order."""
    rows = db.execute("SELECT path, reason FROM left_out ORDER BY path")
    return {RelPath(row["path"]): row["reason"] for row in rows}


def track_records(db: sqlite3.Connection, recipe: RecipeId, path: RelPath | None = None) -> Iterator[TrackRecord]:
    """Yield every track, or the one at a path, with all that is known of it, in path order.

    Each table is gone through in its own order: to have SQLite look each song up takes three times as long.
    """
    cursor = db.cursor()
    cursor.row_factory = None
    values = {"recipe": recipe, "path": path}
    of_song = "" if path is None else " AND audio_id IN (SELECT audio_id FROM track WHERE path = :path)"
    made = _by_song(
        cursor,
        f"""SELECT audio_id, windows, checksum, shard, first_row, duration_s, promised_s, method
            FROM spectrogram WHERE recipe = :recipe{of_song}""",  # noqa: S608  our own words
        values,
    )
    failed = _by_song(
        cursor,
        f"SELECT audio_id, reason, what, hint FROM failure WHERE recipe = :recipe{of_song}",  # noqa: S608
        values,
    )
    rows = cursor.execute(
        f"""SELECT path, ordinal, audio_id, replaced, title, artist, album, problem FROM track
            {"" if path is None else "WHERE path = :path"} ORDER BY path""",  # noqa: S608
        values,
    )
    for place, ordinal, song, replaced, title, artist, album, problem in rows:
        trouble, failure = None, failed.get(song)
        if failure is not None:
            trouble = Trouble(reason=failure[0], what=failure[1], hint=failure[2])
        elif problem is not None:
            trouble = Trouble(**json.loads(problem))
        location, sound = _made(made.get(song))
        tags = Tags(title, artist, album)
        yield TrackRecord(place, ordinal, song, replaced, tags, location, sound, trouble, failure is not None)


def _by_song(cursor: sqlite3.Cursor, statement: str, values: Mapping[str, object]) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in cursor.execute(statement, values)}


def _made(row: tuple[Any, ...] | None) -> tuple[Location | None, Sound | None]:
    if row is None:
        return None, None
    windows, checksum, shard, first_row, duration_s, promised_s, method = row
    location = Location(windows, checksum, shard, first_row)
    return location, Sound(duration_s=duration_s, promised_s=promised_s, method=method)


def songs_by_path(db: sqlite3.Connection) -> dict[RelPath, AudioId | None]:
    """Return which song each track on record holds, as far as it was read."""
    return {RelPath(row["path"]): row["audio_id"] for row in db.execute("SELECT path, audio_id FROM track")}


def count_on_record(db: sqlite3.Connection, songs: Iterable[AudioId]) -> int:
    """Return how many of these songs the library holds."""
    return sum(db.execute("SELECT 1 FROM track WHERE audio_id = ?", (song,)).fetchone() is not None for song in songs)


def ready_audio(db: sqlite3.Connection, recipe: RecipeId) -> set[AudioId]:
    """Return the songs that need no more work: made, or known to fail."""
    rows = db.execute(
        "SELECT audio_id FROM spectrogram WHERE recipe = :recipe"
        " UNION ALL SELECT audio_id FROM failure WHERE recipe = :recipe",
        {"recipe": recipe},
    )
    return {AudioId(row[0]) for row in rows}


def spooled_audio(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return (audio_id, recipe) of all that lies in the spool."""
    return {(song, recipe) for song, recipe, *_ in spooled(db)}


def spooled(db: sqlite3.Connection) -> list[tuple[str, str, int, str]]:
    """Return song, recipe, number of windows and checksum of all that lies in the spool."""
    return [*map(tuple, db.execute("SELECT audio_id, recipe, windows, checksum FROM spectrogram WHERE shard IS NULL"))]


def forget_strays(db: sqlite3.Connection) -> None:
    """Take work in the spool off the record whose song is no longer in the library."""
    with writing(db):
        db.execute(
            "DELETE FROM spectrogram WHERE shard IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM track WHERE track.audio_id = spectrogram.audio_id)"
        )


def forget_spectrograms(db: sqlite3.Connection, keys: Iterable[tuple[str, str]]) -> None:
    """Take work off the record whose result is lost, so that it is done again."""
    with writing(db):
        db.executemany("DELETE FROM spectrogram WHERE audio_id = ? AND recipe = ?", keys)


def forget_songs(db: sqlite3.Connection, audio_ids: Sequence[str]) -> None:
    """Take songs' spectrograms off the record, with all that share their shards."""
    with writing(db):
        for audio_id in audio_ids:
            _forget_song(db, audio_id)


def _forget_song(db: sqlite3.Connection, audio_id: str) -> None:
    shards = db.execute(
        "SELECT DISTINCT shard FROM spectrogram WHERE audio_id = ? AND shard IS NOT NULL", (audio_id,)
    ).fetchall()
    db.execute("DELETE FROM spectrogram WHERE audio_id = ?", (audio_id,))
    for shard in shards:
        _forget_shard(db, shard["shard"])


def forget_shards(db: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Take shards, `split/name`, off the record, with the work that they held."""
    with writing(db):
        for path in paths:
            _forget_shard(db, path)


def _forget_shard(db: sqlite3.Connection, path: str) -> None:
    db.execute("DELETE FROM spectrogram WHERE shard = ?", (path,))
    db.execute("DELETE FROM shard WHERE path = ?", (path,))


def songs_at(db: sqlite3.Connection, path_hex: str) -> list[str] | None:
    """Return the song at a path, written in hex; None, which means all, for no path."""
    if not path_hex:
        return None
    rows = db.execute("SELECT audio_id FROM track WHERE path = ? AND audio_id IS NOT NULL", (bytes.fromhex(path_hex),))
    return [row["audio_id"] for row in rows]


def forget_failures(db: sqlite3.Connection, audio_ids: Sequence[str] | None = None) -> int:
    """Let failed songs, all or these, be tried again; return how many."""
    with writing(db):
        if audio_ids is None:
            return db.execute("DELETE FROM failure").rowcount
        cursor = db.executemany("DELETE FROM failure WHERE audio_id = ?", ((audio_id,) for audio_id in audio_ids))
        return cursor.rowcount


def _columns(stamp: FileStamp) -> tuple[int, str, str, str]:
    """Return a stamp as stored: times of odd files and inodes can be larger than SQLite's integers."""
    return stamp.size, str(stamp.mtime_ns), str(stamp.changed_ns), str(stamp.inode)
