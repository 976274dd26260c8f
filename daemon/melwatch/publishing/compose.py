"""From all that is known of the tracks to what the next version shows, and why it shows no more. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from melwatch.dataset.groups import GroupBy, Member, make_groups
from melwatch.dataset.labels import assign_classes
from melwatch.dataset.splits import Policy, most_held_out, place, reshuffle
from melwatch.edition import DatasetTrack, Split
from melwatch.publishing.foresight import certain_genres, planned_songs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from melwatch.dataset.groups import Group
    from melwatch.dataset.splits import Placement
    from melwatch.names import GenreNames
    from melwatch.track import AudioId, RelPath, TrackRecord

IN_DATASET = "in_dataset"
DUPLICATE = "duplicate"
WAITING = "genre_too_small"
PENDING = "pending"
CHANGING = "changing"
FATES = {
    IN_DATASET: "is in the dataset",
    DUPLICATE: "sounds exactly like another file of its genre, which stands for both",
    WAITING: "is extracted, and waits until its genre has enough songs",
    PENDING: "is still to be extracted",
    CHANGING: "changed while it was read; the next pass looks again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is wanted of a version; `seed` draws its splits otherwise than another does."""

    genres: GenreNames
    min_tracks_per_genre: int
    count_duplicates: bool
    shares: Mapping[str, float]
    policy: Policy
    group_by: GroupBy
    group_by_wanted: GroupBy
    """What the configuration says, where that waits for a new epoch."""
    seed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What earlier passes settled; `adopted` are the splits that a dataset taken over gave to files."""

    class_names: Sequence[str]
    splits: Mapping[AudioId, Split]
    adopted: Mapping[RelPath, Split]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What a version would show, and what became of each track: a word for every path."""

    terms: Terms
    tracks: tuple[DatasetTrack, ...]
    class_names: tuple[str, ...]
    placement: Placement
    fates: dict[RelPath, str]
    genres: dict[str, int]
    waiting: dict[str, int]
    groups: dict[str, int]
    """In how many groups the songs of each genre are."""
    across_genres: int
    """How many songs are shown in several genres."""

    @property
    def pending(self) -> int:
        """Tracks whose work is still to be done."""
        return sum(fate in {PENDING, CHANGING} for fate in self.fates.values())

    def balance(self) -> Counter[str]:
        """Count tracks by what became of them."""
        return Counter(self.fates.values())


def compose(
    records: Sequence[TrackRecord],
    remembered: Remembered,
    terms: Terms,
    *,
    shown: Callable[[RelPath], str],
    spooled: Callable[[AudioId], str],
    awaited: Collection[RelPath] = (),
) -> Composition:
    """Choose the tracks that the dataset shows and give each its class and split.

    `records` come in path order. `shown` gives the text of the `paths` column, `spooled` the file
    in the spool that holds a song. While files are `awaited`, whose songs are still to be extracted,
    it is for an early version: what later ones will be without it, this one decides nothing of.
    """
    fates, genres = _sort_out(records, terms)
    least, genre_of, soon = terms.min_tracks_per_genre, terms.genres.genre_of, frozenset(awaited)
    eligible = {name: group for name, group in genres.items() if len(group) >= least}
    planned = planned_songs(
        records, genres, remembered.splits, soon, genre_of, count_duplicates=terms.count_duplicates, least=least
    )
    groups = _groups(records, terms.group_by)
    placement = _place(records, _songs(eligible), planned, groups, remembered, terms, is_early=bool(soon))
    splits = {**remembered.splits, **placement.decided}
    new_names: Collection[str] = eligible
    if soon:
        certain, new_names = certain_genres(
            genres, records, soon, genre_of, splits, remembered.class_names, least=least
        )
        eligible = {name: group for name, group in eligible.items() if name in certain}
        lacking = {name: gaps for name, gaps in placement.lacking.items() if name in certain}
        placement = replace(placement, lacking=lacking)
    for name in genres.keys() - eligible.keys():
        fates |= {record.path: WAITING for _, record in genres[name]}
    songs_of = _songs(eligible)
    names = assign_classes(remembered.class_names, new_names)
    labels = {name: label for label, name in enumerate(names)}
    tracks = []
    for name, group in eligible.items():
        for song, record in group:
            fates[record.path] = IN_DATASET
            tracks.append(_shown_track(record, song, name, labels[name], splits[song], shown, spooled))
    group_of: dict[AudioId, object] = {song: number for number, group in enumerate(groups) for song in group.songs}
    return Composition(
        terms=terms,
        tracks=tuple(sorted(tracks, key=lambda track: track.ordinal)),
        class_names=tuple(names),
        placement=placement,
        fates=fates,
        genres={name: len(songs) for name, songs in sorted(eligible.items())},
        waiting={name: len(songs) for name, songs in sorted(genres.items()) if name not in eligible},
        groups={name: len({group_of.get(song, song) for song in songs}) for name, songs in sorted(songs_of.items())},
        across_genres=sum(
            homes > 1 for homes in Counter(s for songs in songs_of.values() for s in set(songs)).values()
        ),
    )


def _groups(records: Sequence[TrackRecord], by: GroupBy) -> list[Group]:
    """Group all songs on record, shown or not: an artist who is known from elsewhere is no other.

    Where each song is a group of its own there are none to tell.
    """
    if by is GroupBy.TRACK:
        return []
    return make_groups(
        (
            Member(audio_id=record.audio_id, path=record.path, tags=record.tags)
            for record in records
            if record.audio_id is not None
        ),
        by,
    )


def _songs(genres: Mapping[str, Sequence[tuple[AudioId, TrackRecord]]]) -> dict[str, list[AudioId]]:
    return {name: [song for song, _ in group] for name, group in genres.items()}


def _place(
    records: Sequence[TrackRecord],
    songs_of: Mapping[str, Sequence[AudioId]],
    planned: Mapping[str, Sequence[AudioId]],
    groups: Sequence[Group],
    remembered: Remembered,
    terms: Terms,
    *,
    is_early: bool,
) -> Placement:
    if terms.policy is Policy.RESHUFFLE:
        return reshuffle(songs_of, terms.shares, groups=groups, seed=terms.seed)
    adopted: dict[AudioId, Split] = {}
    for record in records:
        split = remembered.adopted.get(record.path)
        if split is not None and record.audio_id is not None:
            adopted[record.audio_id] = most_held_out({split, adopted.get(record.audio_id, split)})
    replaced = {record.audio_id: record.replaced for record in records if record.audio_id and record.replaced}
    splits = remembered.splits
    if not (groups or is_early) and planned == songs_of:
        songs_of = planned = _stirred(songs_of, splits)
        concerned = chain(replaced.values(), *songs_of.values())
        splits = {song: splits[song] for song in concerned if song in splits}
    return place(
        songs_of,
        splits,
        terms.shares,
        replaced,
        groups=groups,
        adopted=adopted,
        seed=terms.seed,
        planned=planned,
        is_early=is_early,
    )


def _stirred(
    songs_of: Mapping[str, Sequence[AudioId]], splits: Mapping[AudioId, Split]
) -> dict[str, Sequence[AudioId]]:
    """Return the genres with a song without a split, or a split without a song, and those that share songs with them.

    Where songs go each its own way nothing is decided of the others, and nothing by them.
    """
    waiting = {
        genre for genre, songs in songs_of.items()
        if any(song not in splits for song in songs) or len({splits[song] for song in songs}) < len(Split)
    }  # fmt: skip
    while waiting:
        songs = {song for genre in waiting for song in songs_of[genre]}
        joined = {genre for genre, own in songs_of.items() if genre not in waiting and not songs.isdisjoint(own)}
        if not joined:
            break
        waiting |= joined
    return {genre: songs for genre, songs in songs_of.items() if genre in waiting}


def _sort_out(
    records: Sequence[TrackRecord], terms: Terms
) -> tuple[dict[RelPath, str], dict[str, list[tuple[AudioId, TrackRecord]]]]:
    """Return a word for each track that cannot be shown, and by genre the songs that can.

    Of several files of one sound in a genre the first in path order stands for all, unless
    duplicates count. A file that can be shown is, as it was last read, even if it cannot be read
    just now.
    """
    fates: dict[RelPath, str] = {}
    genres: dict[str, list[tuple[AudioId, TrackRecord]]] = defaultdict(list)
    met: set[tuple[str, AudioId]] = set()
    for record in records:
        if record.audio_id is None or record.location is None:
            fates[record.path] = record.trouble.reason if record.trouble else PENDING
            continue
        genre = terms.genres.genre_of(record.path)
        if (genre, record.audio_id) in met and not terms.count_duplicates:
            fates[record.path] = DUPLICATE
        else:
            met.add((genre, record.audio_id))
            genres[genre].append((record.audio_id, record))
    return fates, genres


def _shown_track(
    record: TrackRecord,
    song: AudioId,
    genre: str,
    label: int,
    split: Split,
    shown: Callable[[RelPath], str],
    spooled: Callable[[AudioId], str],
) -> DatasetTrack:
    location, sound = record.location, record.sound
    if location is None or sound is None:
        raise ValueError("only a track whose spectrograms are made can be shown")
    return DatasetTrack(
        ordinal=record.ordinal,
        path=record.path,
        shown_path=shown(record.path),
        genre=genre,
        label=label,
        split=split,
        tags=record.tags,
        sound=sound,
        audio_id=song,
        windows=location.windows,
        checksum=location.checksum,
        source=None if location.shard else spooled(song),
        shard=location.shard,
        first_row=location.first_row,
    )
