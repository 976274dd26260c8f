"""What the last pass made of each track: a table for those who look, so that looking is quick at any size.

Nothing is decided by it. While a pass is at work, new tracks are `pending`, then `extracted` or failed;
its end brings all in step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from melwatch.manifest.database import writing
from melwatch.names import display, folded, genre_of
from melwatch.track import RelPath

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from melwatch.track import Tags

PENDING, EXTRACTED = "pending", "extracted"
_AT_ONCE = 4000

Row: TypeAlias = tuple[RelPath, str, str | None, int | None, str]
"""Path, genre, split, label and fate of a track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One track as it is shown; `split` and `label` are None unless it is in the dataset."""

    path: RelPath
    genre: str
    split: str | None
    label: int | None
    fate: str
    search: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tracks to list: each criterion narrows it down; `fates` None means any."""

    text: str = ""
    genre: str = ""
    split: str = ""
    fates: Sequence[str] | None = None


def search_text(path: RelPath, tags: Tags | None) -> str:
    """Return what a search looks through."""
    words = [display(path)] + ([tags.title, tags.artist, tags.album] if tags is not None else [])
    return folded("\n".join(words))


def bring_in_step(db: sqlite3.Connection, rows: Iterable[Row], search: Callable[[RelPath], str]) -> None:
    """Make the table hold just these rows, which come in path order; what is so already is not written.

    `search` gives the text to search for a path. It is asked where a row is new or its tags have changed.
    """
    remaining, after = iter(rows), b""
    while chunk := list(islice(remaining, _AT_ONCE)):
        last = chunk[-1][0]
        known = {row[0]: row for row in _between(db, after, last)}
        other = [row for row in chunk if not _is_so(known.get(row[0]), row, search)]
        _write(db, [(*row, search(row[0])) for row in other], known.keys() - {row[0] for row in chunk})
        after = last
    beyond = [row[0] for row in db.execute("SELECT path FROM shown WHERE path > ?", (after,))]
    _write(db, [], beyond)


def add_pending(db: sqlite3.Connection, paths: Iterable[RelPath]) -> None:
    """Show tracks that have just been found; call it inside `writing`."""
    db.executemany(
        "INSERT OR IGNORE INTO shown VALUES (?, ?, NULL, NULL, ?, ?)",
        ((path, genre_of(path), PENDING, search_text(path, None)) for path in paths),
    )


def note_outcome(db: sqlite3.Connection, audio_id: str, fate: str) -> None:
    """Show what became of tracks that were pending; call it inside `writing`."""
    # The plus keeps SQLite from walking through all that are pending instead of looking up a path or two.
    db.execute(
        "UPDATE shown SET fate = ? WHERE +fate = ? AND path IN (SELECT path FROM track WHERE audio_id = ?)",
        (fate, PENDING, audio_id),
    )


def fates_of(db: sqlite3.Connection, paths: Iterable[RelPath]) -> Counter[str]:
    """Count some tracks by what became of them."""
    rows = (db.execute("SELECT fate FROM shown WHERE path = ?", (path,)).fetchone() for path in paths)
    return Counter(row["fate"] for row in rows if row is not None)


def counts(db: sqlite3.Connection) -> list[tuple[str, str, str | None, int]]:
    """Return fate, genre, split, and how many tracks have these."""
    rows = db.execute("SELECT fate, genre, split, count(*) FROM shown GROUP BY fate, genre, split")
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def find(
    db: sqlite3.Connection, wanted: Wanted, *, skip: int, limit: int, most_found: int = 10_000
) -> tuple[int, list[sqlite3.Row]]:
    """Return how many tracks are wanted, and some of them in path order, with their ordinal and tags.

    A search in the text looks at each track; it stops counting at `most_found`.
    """
    where, values = _where(wanted)
    if not wanted.text.strip():
        number = int(db.execute(f"SELECT count(*) FROM shown {where}", values).fetchone()[0])  # noqa: S608  our own words
        found = db.execute(f"SELECT path FROM shown {where} ORDER BY path LIMIT ? OFFSET ?", [*values, limit, skip])  # noqa: S608
        paths = [row[0] for row in found]
    else:
        found = db.execute(f"SELECT path FROM shown {where} ORDER BY path LIMIT ?", [*values, most_found])  # noqa: S608
        every = [row[0] for row in found]
        number, paths = len(every), every[skip : skip + limit]
    return number, _listed(db, paths)


def _listed(db: sqlite3.Connection, paths: Sequence[bytes]) -> list[sqlite3.Row]:
    marks = ", ".join("?" for _ in paths)
    rows = db.execute(
        f"""SELECT path, genre, split, fate, ordinal, title, artist, album, audio_id
            FROM shown JOIN track USING (path) WHERE path IN ({marks}) ORDER BY path""",  # noqa: S608  question marks
        paths,
    )
    return list(rows)


def path_of(db: sqlite3.Connection, ordinal: int) -> RelPath | None:
    """Return the path of the track with this place in the order of rows."""
    row = db.execute("SELECT path FROM track WHERE ordinal = ?", (ordinal,)).fetchone()
    return None if row is None else RelPath(row["path"])


def one(db: sqlite3.Connection, path: RelPath) -> Shown | None:
    """Return what is shown of one track."""
    row = db.execute("SELECT * FROM shown WHERE path = ?", (path,)).fetchone()
    return None if row is None else Shown(**{**dict(row), "path": RelPath(row["path"])})


def same_sound(db: sqlite3.Connection, audio_id: str) -> list[sqlite3.Row]:
    """Return ordinal, path and fate of the tracks that sound exactly alike, in path order."""
    rows = db.execute(
        "SELECT ordinal, path, fate FROM track JOIN shown USING (path) WHERE audio_id = ? ORDER BY path", (audio_id,)
    )
    return list(rows)


def failure_of(db: sqlite3.Connection, audio_id: str) -> sqlite3.Row | None:
    """Return when a song's work failed last, and after how many tries."""
    row: sqlite3.Row | None = db.execute(
        "SELECT at, tries FROM failure WHERE audio_id = ? ORDER BY at DESC", (audio_id,)
    ).fetchone()
    return row


def moves(db: sqlite3.Connection, audio_id: str) -> list[sqlite3.Row]:
    """Return the splits that a song had to change, oldest first."""
    return list(db.execute("SELECT * FROM move WHERE audio_id = ? ORDER BY number", (audio_id,)))


def read_at_ns(db: sqlite3.Connection, path: RelPath) -> int:
    """Return when a file was last read."""
    return int(db.execute("SELECT read_ns FROM track WHERE path = ?", (path,)).fetchone()[0])


def left_out(db: sqlite3.Connection, *, skip: int, limit: int) -> list[sqlite3.Row]:
    """Return some of what the last scan left out, and why; what is no audio by its name is of no interest."""
    rows = db.execute(
        "SELECT path, reason FROM left_out WHERE reason <> 'not_audio' ORDER BY path LIMIT ? OFFSET ?", (limit, skip)
    )
    return list(rows)


def count_left_out_by_reason(db: sqlite3.Connection) -> dict[str, int]:
    """Return how much the last scan left out, folders included, by reason."""
    rows = db.execute("SELECT reason, count(*) FROM left_out GROUP BY reason ORDER BY reason")
    return {row[0]: row[1] for row in rows}


def recent_passes(db: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    """Return the last passes that did something, newest first."""
    rows = db.execute(
        """SELECT number, started_at, seconds,
                  json_extract(report, '$.extracted') AS extracted,
                  json_extract(report, '$.failed') AS failed,
                  json_extract(report, '$.vanished') AS vanished,
                  json_extract(report, '$.version') AS version,
                  json_extract(report, '$.is_published') AS is_published,
                  json_extract(report, '$.held') AS held
           FROM pass
           WHERE extracted OR vanished OR is_published
           ORDER BY number DESC LIMIT ?""",
        (limit,),
    )
    return list(rows)


def marks(db: sqlite3.Connection) -> tuple[object, ...]:
    """Return what changes whenever there is something new to show."""
    row = db.execute(
        """SELECT (SELECT max(number) FROM pass), (SELECT max(number) FROM version),
                  (SELECT max(number) FROM request WHERE answer IS NOT NULL),
                  (SELECT value FROM meta WHERE key = 'live'), (SELECT value FROM meta WHERE key = 'paused_until'),
                  (SELECT count(*) FROM failure)"""
    ).fetchone()
    return tuple(row)


def count_gone(db: sqlite3.Connection) -> int:
    """Return how many vanished tracks' deletion waits for a person."""
    return int(db.execute("SELECT count(*) FROM track WHERE gone = 'held'").fetchone()[0])


def count_left_out(db: sqlite3.Connection) -> int:
    """Return how many audio files, not folders, the last scan left out."""
    return int(db.execute("SELECT count(*) FROM left_out WHERE substr(path, -1) <> x'2f'").fetchone()[0])


def _where(wanted: Wanted) -> tuple[str, list[object]]:
    criteria: list[str] = []
    values: list[object] = []
    for column, value in (("genre", wanted.genre), ("split", wanted.split)):
        if value:
            criteria.append(f"{column} = ?")
            values.append(value)
    if wanted.fates is not None:
        criteria.append(f"fate IN ({', '.join('?' for _ in wanted.fates)})")
        values += wanted.fates
    for word in folded(wanted.text).split():
        criteria.append("instr(search, ?)")
        values.append(word)
    return ("WHERE " + " AND ".join(criteria) if criteria else ""), values


def _between(db: sqlite3.Connection, after: bytes, last: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield what is shown of some tracks; in the place of the text to search 1, where that is known to be right."""
    cursor = db.cursor()
    cursor.row_factory = None
    yield from cursor.execute(
        """SELECT path, genre, split, label, fate, CASE WHEN fate IN (?, ?) OR search = '' THEN search ELSE 1 END
           FROM shown WHERE path > ? AND path <= ?""",
        (PENDING, EXTRACTED, after, last),
    )


def _is_so(known: tuple[Any, ...] | None, row: Row, search: Callable[[RelPath], str]) -> bool:
    return known is not None and known[:-1] == row and (known[-1] == 1 or known[-1] == search(row[0]))


def _write(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], gone: Iterable[bytes]) -> None:
    gone = list(gone)
    if not rows and not gone:
        return
    with writing(db):
        db.executemany("DELETE FROM shown WHERE path = ?", ((path,) for path in gone))
        db.executemany("INSERT OR REPLACE INTO shown VALUES (?, ?, ?, ?, ?, ?)", rows)
