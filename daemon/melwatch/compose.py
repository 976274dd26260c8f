"""From all that is known of the tracks to what the next version shows, and why it shows no more. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.dataset.labels import assign_classes
from melwatch.dataset.splits import place
from melwatch.edition import DatasetTrack
from melwatch.names import genre_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from melwatch.dataset.splits import Placement
    from melwatch.edition import Split
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
class Composition:
    """What a version would show, and what became of each track: a word for every path."""

    tracks: tuple[DatasetTrack, ...]
    class_names: tuple[str, ...]
    placement: Placement
    fates: dict[RelPath, str]
    genres: dict[str, int]
    waiting: dict[str, int]

    @property
    def pending(self) -> int:
        """Tracks whose work is still to be done."""
        return sum(fate in {PENDING, CHANGING} for fate in self.fates.values())

    def balance(self) -> Counter[str]:
        """Count tracks by what became of them."""
        return Counter(self.fates.values())


def compose(
    records: Sequence[TrackRecord],
    *,
    class_names: Sequence[str],
    ledger: Mapping[AudioId, Split],
    min_tracks_per_genre: int,
    shares: Mapping[str, float],
    shown: Callable[[RelPath], str],
    spooled: Callable[[AudioId], str],
) -> Composition:
    """Choose the tracks that the dataset shows and give each its class and split.

    `records` come in path order. `shown` gives the text of the `paths` column, `spooled` the file
    in the spool that holds a song.
    """
    fates, genres = _sort_out(records)
    eligible = {name: songs for name, songs in genres.items() if len(songs) >= min_tracks_per_genre}
    for name in genres.keys() - eligible.keys():
        fates |= {record.path: WAITING for record in genres[name].values()}
    names = assign_classes(class_names, eligible)
    replaced = {record.audio_id: record.replaced for record in records if record.audio_id and record.replaced}
    placement = place({name: list(songs) for name, songs in eligible.items()}, ledger, shares, replaced)
    splits = {**ledger, **placement.decided}
    tracks = []
    for name, songs in eligible.items():
        for song, record in songs.items():
            fates[record.path] = IN_DATASET
            tracks.append(_shown_track(record, song, name, names.index(name), splits[song], shown, spooled))
    return Composition(
        tracks=tuple(sorted(tracks, key=lambda track: track.ordinal)),
        class_names=tuple(names),
        placement=placement,
        fates=fates,
        genres={name: len(songs) for name, songs in sorted(eligible.items())},
        waiting={name: len(songs) for name, songs in sorted(genres.items()) if name not in eligible},
    )


def _sort_out(
    records: Sequence[TrackRecord],
) -> tuple[dict[RelPath, str], dict[str, dict[AudioId, TrackRecord]]]:
    """Return a word for each track that cannot be shown, and by genre the songs that can.

    Of several files of one sound in a genre the first in path order stands for all. A file that can
    be shown is, as it was last read, even if it cannot be read just now.
    """
    fates: dict[RelPath, str] = {}
    genres: dict[str, dict[AudioId, TrackRecord]] = defaultdict(dict)
    for record in records:
        songs = genres[genre_of(record.path)]
        if record.audio_id is None or record.location is None:
            fates[record.path] = record.trouble.reason if record.trouble else PENDING
        elif record.audio_id in songs:
            fates[record.path] = DUPLICATE
        else:
            songs[record.audio_id] = record
    return fates, {name: songs for name, songs in genres.items() if songs}


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
        duration_s=sound.duration_s,
        audio_id=song,
        windows=location.windows,
        checksum=location.checksum,
        source=None if location.shard else spooled(song),
        shard=location.shard,
        first_row=location.first_row,
    )
