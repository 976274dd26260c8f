"""What is decided while songs are still on their way: nothing that would be otherwise once all are there. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from melwatch.track import AudioId, RelPath, TrackRecord

    Songs = Mapping[str, Sequence[tuple[AudioId, TrackRecord]]]
    """By genre the songs that can be shown."""


def planned_songs(
    records: Sequence[TrackRecord],
    ready: Songs,
    placed: Container[AudioId],
    awaited: AbstractSet[RelPath],
    genre_of: Callable[[RelPath], str],
    *,
    count_duplicates: bool,
    least: int,
) -> dict[str, list[AudioId]]:
    """Return the songs to be placed by genre: those that can be shown, and those that are or were on their way.

    A song that fails counts where it was never placed, since it is not known beforehand that it will.
    """
    planned = {genre: [song for song, _ in songs] for genre, songs in ready.items()}
    coming = [
        (genre_of(record.path), record.audio_id)
        for record in records
        if record.audio_id is not None and record.location is None
        and (record.path in awaited or (record.is_quarantined and record.audio_id not in placed))
    ]  # fmt: skip
    met = {(genre, song) for genre, songs in planned.items() for song in songs} if coming else set()
    for genre, song in coming:
        if (genre, song) not in met or count_duplicates:
            met.add((genre, song))
            planned.setdefault(genre, []).append(song)
    return {genre: songs for genre, songs in planned.items() if len(songs) >= least}


def certain_genres(
    ready: Songs,
    records: Sequence[TrackRecord],
    awaited: AbstractSet[RelPath],
    genre_of: Callable[[RelPath], str],
    splits: Mapping[AudioId, Split],
    known: Collection[str],
    *,
    least: int,
) -> tuple[set[str], list[str]]:
    """Return the genres that an early version shows, and the new ones whose class ids are certain.

    New genres get their ids by name, so one has to wait while it is open whether another before it
    will have songs enough. One that was never shown waits until it has a song for each split.
    """
    hopes = Counter({genre: len(songs) for genre, songs in ready.items()})
    hopes.update(
        genre_of(record.path)
        for record in records
        if record.path in awaited and record.location is None and not record.is_quarantined
    )
    certain = []
    for genre in sorted(hopes.keys() - set(known)):
        if len(ready.get(genre, ())) >= least:
            certain.append(genre)
        elif hopes[genre] >= least:
            break
    homes = Counter(song for songs in ready.values() for song in {song for song, _ in songs})
    shown = {
        genre
        for genre in {*certain, *known} & ready.keys()
        if len(ready[genre]) >= least
        and (_was_shown(ready[genre], homes) or {splits[song] for song, _ in ready[genre]} == set(Split))
    }
    return shown, certain


def in_turns(
    files: Sequence[RelPath], genre_of: Callable[[RelPath], str], split_of: Callable[[RelPath], str | None]
) -> list[RelPath]:
    """Return files in an order in which each genre soon has songs, and some for each split.

    Genres take turns; each begins with a song for each split, and goes on in the order given.
    """
    queues: dict[str, list[RelPath]] = defaultdict(list)
    met: set[tuple[str, str | None]] = set()
    first: dict[str, list[RelPath]] = defaultdict(list)
    for path in files:
        genre, split = genre_of(path), split_of(path)
        (queues if (genre, split) in met or split is None else first)[genre].append(path)
        met.add((genre, split))
    ranks = [
        (rank, genre, path)
        for genre in queues.keys() | first.keys()
        for rank, path in enumerate([*first[genre], *queues[genre]])
    ]
    return [path for _, _, path in sorted(ranks)]


def _was_shown(songs: Sequence[tuple[AudioId, TrackRecord]], homes: Mapping[AudioId, int]) -> bool:
    """Whether a genre was in an earlier version: songs that several genres hold may be in shards for another's sake."""
    return any(record.location is not None and record.location.shard and homes[song] == 1 for song, record in songs)
