"""From what a pass worked out to the table that those look at who only look; and what that table tells in sum."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.manifest import shown
from melwatch.manifest.shown import EXTRACTED, search_text
from melwatch.publishing.compose import CHANGING, DUPLICATE, FATES, IN_DATASET, PENDING, WAITING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from sqlite3 import Connection

    from melwatch.manifest.shown import Row
    from melwatch.publishing.compose import Composition
    from melwatch.track import TrackRecord

READY = (IN_DATASET, DUPLICATE, WAITING, EXTRACTED)
UNDER_WAY = (PENDING, CHANGING)
SENTENCES = {**FATES, EXTRACTED: "is extracted; the pass that is at work gives it its place"}


_added_up: dict[tuple[object, ...], Tally] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many tracks there are of each kind; `splits` counts those in the dataset by genre and split."""

    ready: int
    pending: int
    failed: int
    genres: dict[str, int]
    waiting: dict[str, int]
    splits: dict[str, dict[str, int]]
    fates: dict[str, int]


def show(db: Connection, records: Sequence[TrackRecord], composition: Composition) -> None:
    """Bring the table in step with what a pass has worked out."""
    tags = {record.path: record.tags for record in records}
    shown.bring_in_step(db, _rows(records, composition), lambda path: search_text(path, tags[path]))


def _rows(records: Sequence[TrackRecord], composition: Composition) -> Iterator[Row]:
    in_dataset = {track.path: track for track in composition.tracks}
    genre_of, fates = composition.terms.genres.genre_of, composition.fates
    for record in records:
        path = record.path
        track = in_dataset.get(path)
        if track is None:
            yield path, genre_of(path), None, None, fates[path]
        else:
            yield path, track.genre, track.split, track.label, fates[path]


def tally(db: Connection) -> Tally:
    """Add up what is shown, again only when something has happened."""
    marks = (db.execute("PRAGMA database_list").fetchone()["file"], *shown.marks(db))
    known = _added_up.get(marks)
    if known is None:
        known = _tally(db)
        _added_up.clear()  # of several threads the last one wins
        _added_up[marks] = known
    return known


def _tally(db: Connection) -> Tally:
    fates: Counter[str] = Counter()
    genres: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    splits: dict[str, dict[str, int]] = {}
    for fate, genre, split, number in shown.counts(db):
        fates[fate] += number
        if fate == IN_DATASET:
            genres[genre] += number
            splits.setdefault(genre, {})[split or ""] = number
        elif fate in {WAITING, EXTRACTED}:
            waiting[genre] += number
    ready, pending = sum(fates[fate] for fate in READY), sum(fates[fate] for fate in UNDER_WAY)
    return Tally(
        ready=ready,
        pending=pending,
        failed=fates.total() - ready - pending,
        genres=dict(sorted(genres.items())),
        waiting={name: number for name, number in sorted(waiting.items()) if name not in genres},
        splits=splits,
        fates=dict(sorted(fates.items())),
    )
