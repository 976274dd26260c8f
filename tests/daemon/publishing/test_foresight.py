"""Early versions decide nothing: what an import comes to does not depend on what was published meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.dataset.groups import GroupBy
from melwatch.dataset.splits import Policy
from melwatch.edition import Split
from melwatch.names import GenreNames
from melwatch.publishing.compose import Remembered, Terms, compose
from melwatch.publishing.foresight import in_turns
from melwatch.track import AudioId, Location, RelPath, Sound, Tags, TrackRecord, Trouble

if TYPE_CHECKING:
    from melwatch.publishing.compose import Composition

SHARES = {Split.TRAIN: 0.7, Split.VALIDATE: 0.1, Split.TEST: 0.2}
SOUND = Sound(duration_s=60.0, promised_s=60.0, method="slices")


@dataclass(frozen=True)
class File:
    """A file of a library: its song, who made it, and whether it can be decoded."""

    path: RelPath
    song: AudioId
    artist: str
    fails: bool


@st.composite
def libraries(draw: st.DrawFn) -> list[File]:
    """Draw up to four genres, some of them small, with duplicates within and across them, and songs that fail."""
    files, bad = [], draw(st.sets(st.integers(0, 60), max_size=8))
    for genre in draw(st.lists(st.sampled_from(["Folk", "Jazz", "Pop", "Rock"]), unique=True, min_size=1)):
        for number in range(draw(st.integers(4, 22))):
            name = draw(st.integers(0, 60)) if draw(st.integers(0, 9)) == 0 else f"{genre} {number}"
            song = AudioId(sha256(str(name).encode()).hexdigest()[:32])
            artist = draw(st.sampled_from(["A", "B", "C", "D", "E", "F", "G", ""]))
            is_bad = number in bad if isinstance(name, str) else name in bad
            files.append(File(RelPath(f"{genre}/{number:02}.mp3".encode()), song, artist, is_bad))
    return sorted(files, key=lambda file: file.path)


class Import:
    """An import of a library: how far it is, and what its versions have settled."""

    def __init__(self, files: list[File], group_by: GroupBy, *, count_duplicates: bool) -> None:
        self.files = files
        self.terms = Terms(
            genres=GenreNames(),
            min_tracks_per_genre=6,
            count_duplicates=count_duplicates,
            shares=SHARES,
            policy=Policy.STICKY,
            group_by=group_by,
            group_by_wanted=group_by,
        )
        self.done: set[AudioId] = set()
        self.in_shards: set[AudioId] = set()
        self.remembered = Remembered(class_names=(), splits={}, adopted={})

    def publish(self) -> Composition:
        """Compose a version of what is there, and remember what it settles."""
        records = [self._record(number, file) for number, file in enumerate(self.files)]
        awaited = [file.path for file in self.files if file.song not in self.done]
        made = compose(
            records, self.remembered, self.terms, shown=lambda path: path.decode(), spooled=str, awaited=awaited
        )
        self.in_shards |= {track.audio_id for track in made.tracks}
        self.remembered = Remembered(
            class_names=made.class_names, splits={**self.remembered.splits, **made.placement.decided}, adopted={}
        )
        return made

    def _record(self, ordinal: int, file: File) -> TrackRecord:
        is_done, location = file.song in self.done, None
        if is_done and not file.fails:
            shard = "train/a.arrow" if file.song in self.in_shards else None
            location = Location(windows=6, checksum="", shard=shard, first_row=0 if shard else None)
        is_bad = is_done and file.fails
        return TrackRecord(
            path=file.path,
            ordinal=ordinal,
            audio_id=file.song,
            replaced=None,
            tags=Tags(artist=file.artist, album=file.artist),
            location=location,
            sound=SOUND if location else None,
            trouble=Trouble(reason="undecodable", what="", hint="") if is_bad else None,
            is_quarantined=is_bad,
        )


@settings(max_examples=300)
@given(data=st.data(), library=libraries(), group_by=st.sampled_from(GroupBy), count_duplicates=st.booleans())
def test_early_versions_decide_nothing(
    data: st.DataObject, library: list[File], group_by: GroupBy, *, count_duplicates: bool
) -> None:
    """Splits, class ids and row order are those of an import that published once, whatever was ready first."""
    straight = Import(library, group_by, count_duplicates=count_duplicates)
    straight.done = {file.song for file in library}
    expected = straight.publish()

    early = Import(library, group_by, count_duplicates=count_duplicates)
    order = data.draw(st.permutations(sorted(straight.done)))
    stops = data.draw(st.sets(st.integers(0, len(order) - 1), min_size=1, max_size=4))
    held_out: dict[AudioId, Split] = {}
    for stop in sorted(stops):
        early.done = set(order[:stop])
        version = early.publish()
        assert version.class_names == expected.class_names[: len(version.class_names)]
        splits_of = {}
        for track in version.tracks:
            splits_of.setdefault(track.genre, set()).add(track.split)
            assert held_out.get(track.audio_id, track.split) is track.split
            held_out[track.audio_id] = track.split
        assert all(found == set(Split) for found in splits_of.values())
    early.done = set(order)
    final = early.publish()

    assert final.class_names == expected.class_names
    assert [_row(track) for track in final.tracks] == [_row(track) for track in expected.tracks]
    for track in final.tracks:
        before = held_out.get(track.audio_id, track.split)
        assert track.split is before or track.split is not Split.TRAIN


def _row(track: object) -> object:
    return replace(track, shard=None, first_row=None, source=None)  # type: ignore[type-var]


def test_genres_take_turns_and_begin_with_each_split() -> None:
    """What is extracted first is a song for each split of each genre, small genres are done early."""
    splits = {b"A/1": "train", b"A/2": "train", b"A/3": "train", b"A/4": "validate", b"A/5": "test", b"B/1": "train"}
    paths = [RelPath(path) for path in splits]
    found = in_turns(paths, lambda path: path.decode()[0], lambda path: Split(splits[path]))
    assert found == [b"A/1", b"B/1", b"A/4", b"A/5", b"A/2", b"A/3"]
