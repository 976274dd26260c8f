"""What is wanted of a version, what is remembered of it, and that splits and classes keep their word."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.census import splits_report
from melwatch.dataset.groups import artist_key
from melwatch.edition import Split
from melwatch.errors import ConfigError
from melwatch.manifest import epochs, ledger, tracks
from melwatch.manifest.database import writing
from melwatch.publishing import publication
from melwatch.publishing.renaming import follow_config, rename_vanished
from melwatch.publishing.terms import begin_asked_epoch, remember
from melwatch.report import shared_groups
from melwatch.track import AudioId, FileStamp, Identity, RelPath, SeenFile, Tags
from workshops import MADE, manifest_of, workshop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop
    from melwatch.publishing.compose import Composition

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
STAMP = FileStamp(size=1, mtime_ns=1, changed_ns=1, inode=1)
TRAIN, VALIDATE, TEST = Split
Files = dict[str, tuple[str, str]]
"""Song and artist of each file, by its path below the root."""


def song(name: str) -> AudioId:
    return AudioId(hashlib.sha256(name.encode()).hexdigest()[:32])


def genre(name: str, artists: int, songs: int = 2) -> Files:
    """Return a genre of so many artists with so many songs each."""
    return {
        f"{name}/{artist}-{number}.mp3": (f"{name} {artist} {number}", f"{name} artist {artist}")
        for artist in range(artists)
        for number in range(songs)
    }


@dataclass
class Bench:
    """A manifest that is told what a library holds, and passes over it that publish nothing."""

    shop: Workshop
    db: Connection
    files: Files = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    last: Composition | None = None

    def compose(self, files: Files) -> Composition:
        """Do what a pass does to the record: take in, rename, begin an epoch, place, remember."""
        added = [RelPath(path.encode()) for path in sorted(files.keys() - self.files.keys())]
        tracks.add_tracks(self.db, [SeenFile(path=path, stamp=STAMP) for path in added])
        with writing(self.db):
            for path, (name, artist) in files.items():
                if self.files.get(path) != (name, artist):
                    identity = Identity(audio_id=song(name), file_digest="", tags=Tags(artist=artist))
                    tracks.record_identity(self.db, RelPath(path.encode()), STAMP, 10**10, identity)
                    tracks.record_spectrogram(self.db, song(name), self.shop.recipe.id, MADE)
            gone = {RelPath(path.encode()): song(self.files[path][0]) for path in self.files.keys() - files.keys()}
            left = {RelPath(path.encode()): song(name) for path, (name, _) in files.items()}
            self.renamed = rename_vanished(self.db, self.shop.genres, gone, left) if gone else {}
            tracks.forget_tracks(self.db, sorted(gone))
        self.files = dict(files)
        self.renamed |= follow_config(self.db, self.shop.genres)
        begin_asked_epoch(self.shop, self.db, NOON)
        records = list(tracks.track_records(self.db, self.shop.recipe.id))
        self.last = publication.compose_version(self.shop, self.db, records)
        remember(self.db, self.last, NOON)
        return self.last

    def classes(self) -> list[str]:
        """Return the class names by id."""
        return ledger.class_names(self.db)

    def splits(self) -> dict[str, Split]:
        """Return the split of each file shown, by path."""
        assert self.last is not None
        return {track.path.decode(): track.split for track in self.last.tracks}

    def begin(self, epoch: str) -> None:
        """Ask for a new epoch."""
        with writing(self.db):
            epochs.ask_for_epoch(self.db, epoch)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "music").mkdir()
    return tmp_path


def bench_at(place: Path, db: Connection, before: Bench | None = None, **sections: dict[str, Any]) -> Bench:
    """Return a bench with a configuration; after another one, on the same manifest."""
    return Bench(workshop(place, **sections), db, before.files if before else {})


@pytest.fixture
def db(place: Path) -> Iterator[Connection]:
    with manifest_of(workshop(place)) as connection:
        yield connection


def artists_apart(bench: Bench) -> bool:
    """Whether no artist is in two splits."""
    homes: dict[str, set[Split]] = {}
    for path, split in bench.splits().items():
        homes.setdefault(artist_key(bench.files[path][1]), set()).add(split)
    return all(len(found) == 1 for found in homes.values())


BY_ARTIST = {"splits": {"group_by": "artist"}}
LIBRARY = genre("Rock", 10) | genre("Jazz", 12)


# Groups.


def test_artists_are_kept_together_by_their_tags(place: Path, db: Connection) -> None:
    """With `artist` none is in two splits, also when songs come later; with `track` some are."""
    by_artist = bench_at(place, db, **BY_ARTIST)
    by_artist.compose(LIBRARY)
    before = by_artist.splits()
    by_artist.compose(LIBRARY | {f"Rock/more {n}.mp3": (f"more {n}", f"rock ARTIST {n} feat. X") for n in range(10)})

    assert artists_apart(by_artist)
    assert {path: by_artist.splits()[path] for path in before} == before


def test_coarser_groups_wait_for_a_new_epoch(place: Path, db: Connection) -> None:
    """A library that was divided by track stays so when the setting changes, until splits are reset."""
    by_track = bench_at(place, db)
    by_track.compose(LIBRARY)
    before = by_track.splits()
    assert not artists_apart(by_track)

    by_artist = bench_at(place, db, by_track, **BY_ARTIST)
    waiting = by_artist.compose(LIBRARY)
    assert by_artist.splits() == before
    assert (waiting.terms.group_by, waiting.terms.group_by_wanted) == ("track", "artist")

    by_artist.begin("2024")
    begun = by_artist.compose(LIBRARY)
    assert artists_apart(by_artist)
    assert (begun.terms.group_by, begun.placement.moves) == ("artist", [])
    assert [(epoch.name, epoch.group_by) for epoch in epochs.all_epochs(db)] == [("first", "track"), ("2024", "artist")]


def test_finer_groups_take_effect_at_once(place: Path, db: Connection) -> None:
    """Nothing has to move for it; it is what the epoch keeps together from then on."""
    by_artist = bench_at(place, db, **BY_ARTIST)
    by_artist.compose(LIBRARY)
    before = by_artist.splits()
    by_track = bench_at(place, db, by_artist)
    by_track.compose(LIBRARY)

    assert by_track.splits() == before
    assert bench_at(place, db, by_track, **BY_ARTIST).compose(LIBRARY).terms.group_by == "track"


def test_a_retag_that_joins_artists_is_reported(place: Path, db: Connection) -> None:
    """What was in train goes to the artist's held-out split, and the moves are on record."""
    bench = bench_at(place, db, **BY_ARTIST)
    bench.compose(LIBRARY)
    before = bench.splits()
    one, other = (
        min(path for path in before if path.startswith("Rock") and before[path] is split) for split in (TRAIN, TEST)
    )
    name = LIBRARY[other][1]
    retagged = {
        path: (sound, name if artist == LIBRARY[one][1] else artist) for path, (sound, artist) in LIBRARY.items()
    }
    composition = bench.compose(retagged)
    moved = {path for path in before if before[path] is not bench.splits()[path]}

    assert moved == {path for path in LIBRARY if LIBRARY[path][1] == LIBRARY[one][1]}
    assert {bench.splits()[path] for path in moved} == {TEST}
    report = splits_report(bench.shop, db)
    assert [(move["from"], move["to"], move["cause"]) for move in report["moves"]] == [("train", "test", "joined")] * 2
    assert report["genres"]["Rock"]["moves"] == 2
    assert len(composition.placement.moves) == 2


def test_an_artist_who_is_a_whole_genre_is_named(place: Path, db: Connection) -> None:
    """His songs are divided, since the genre would lack splits otherwise."""
    bench = bench_at(place, db, **BY_ARTIST)
    composition = bench.compose(LIBRARY | genre("Opera", 1, songs=10))

    assert shared_groups(composition) == [
        {"group": "Opera artist 0", "genres": ["Opera"], "songs": {"train": 7, "validate": 1, "test": 2}}
    ]
    assert splits_report(bench.shop, db)["genres"]["Opera"]["shared_groups"] == ["Opera artist 0"]


@pytest.mark.parametrize("duplicates", ["once", "all"])
def test_one_sound_in_two_genres_is_in_one_split(place: Path, db: Connection, duplicates: str) -> None:
    """Exact duplicates across genres are shown in both, share a split and are counted."""
    bench = bench_at(place, db, dataset={"path": place / "dataset", "state": place / "state", "duplicates": duplicates})
    both = {f"Jazz/copy {n}.mp3": (f"Rock {n} 0", "") for n in range(5)}
    composition = bench.compose(LIBRARY | both | {"Jazz/again.mp3": ("Jazz 0 0", "")})

    assert all(bench.splits()[path] is bench.splits()[f"Rock/{n}-0.mp3"] for n, path in enumerate(both))
    assert composition.across_genres == 5
    assert composition.genres["Jazz"] == 29 + (duplicates == "all")


# Policies.


def test_reshuffled_splits_stay_while_the_library_does(place: Path, db: Connection) -> None:
    """The same splits pass after pass; others, by the shares, once a song is new."""
    bench = bench_at(place, db, splits={"policy": "reshuffle"})
    library = genre("Rock", 25) | genre("Jazz", 50)
    bench.compose(library)
    before = bench.splits()
    for _ in range(3):
        bench.compose(library)
        assert bench.splits() == before
    grown = bench.compose(library | {"Rock/new.mp3": ("new", "")})

    assert sum(before[path] is not bench.splits()[path] for path in before) > 20
    assert grown.placement.moves == []
    counts = Counter((path.split("/")[0], split) for path, split in bench.splits().items())
    assert [counts["Jazz", split] for split in Split] == [70, 10, 20]


def test_a_new_epoch_draws_new_splits_once(place: Path, db: Connection) -> None:
    """What was asked for is done by the next pass and stays done; a name serves once."""
    bench = bench_at(place, db)
    bench.compose(LIBRARY)
    before = bench.splits()
    bench.begin("2024")
    assert splits_report(bench.shop, db)["epoch_asked"] == "2024"
    bench.compose(LIBRARY)
    after = bench.splits()
    assert after != before
    bench.compose(LIBRARY)
    assert bench.splits() == after
    for name in ("2024", "first", "", "a\nb"):
        with pytest.raises(ConfigError):
            bench.begin(name)


def test_the_report_tells_target_actual_and_drift(place: Path, db: Connection) -> None:
    """For each genre and split, and in how many groups its songs are."""
    bench = bench_at(place, db, **BY_ARTIST)
    bench.compose(LIBRARY)
    rock = splits_report(bench.shop, db)["genres"]["Rock"]

    assert (rock["tracks"], rock["groups"], rock["moves"]) == (20, 10, 0)
    assert rock["splits"] == {
        "train": {"target": 14, "actual": 14, "drift": 0},
        "validate": {"target": 2, "actual": 2, "drift": 0},
        "test": {"target": 4, "actual": 4, "drift": 0},
    }


# Genres.


def test_a_genre_renamed_by_config_keeps_its_class_id(place: Path, db: Connection) -> None:
    """The id follows the genre to its new name; folders compare in NFC and without regard to case."""
    plain = bench_at(place, db)
    library = LIBRARY | genre("Ärzte", 4)
    plain.compose(library)
    before = plain.splits()
    assert plain.classes() == ["Jazz", "Rock", "Ärzte"]

    renaming = bench_at(place, db, plain, genres={"jazz": "Swing", "A\u0308RZTE": "Punk"})
    renaming.compose(library)
    assert renaming.classes() == ["Swing", "Rock", "Punk"]
    assert renaming.renamed == {"Jazz": "Swing", "Ärzte": "Punk"}
    assert renaming.splits() == before

    back = bench_at(place, db, renaming)
    back.compose(library)
    assert back.classes() == ["Jazz", "Rock", "Ärzte"]


def test_folders_of_one_name_are_one_genre(place: Path, db: Connection) -> None:
    """Merged into another genre, songs have its class; the class they had stays, empty."""
    plain = bench_at(place, db)
    plain.compose(LIBRARY)
    merging = bench_at(place, db, plain, genres={"Jazz": "rock"})
    composition = merging.compose(LIBRARY)

    assert composition.genres == {"rock": 44}
    assert {track.label for track in composition.tracks} == {1}
    assert merging.classes() == ["Jazz", "rock"]


@pytest.mark.parametrize(
    "genres", [{"Jazz": " "}, {"": "Jazz"}, {"Jazz": "Swing", "JAZZ": "Bebop"}], ids=["no genre", "no folder", "twice"]
)
def test_genre_names_that_cannot_be_meant_are_refused(place: Path, genres: dict[str, str]) -> None:
    """A name is missing, or a folder has two."""
    with pytest.raises(ValueError, match=r"names|twice"):
        workshop(place, genres=genres)


# Any history.


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Draw library edits: what is done, and two numbers that say to which files."""
    kinds = st.sampled_from(["add", "delete", "retag", "move", "copy", "rename file", "replace", "rename genre"])
    return draw(st.lists(st.tuples(kinds, st.integers(0, 10**6), st.integers(0, 10**6)), min_size=8, max_size=12))


def edited(files: Files, edit: tuple[str, int, int], number: int) -> Files:
    """Return the library after an edit; genres never shrink below what they need."""
    kind, one, other = edit
    paths = sorted(files)
    path, target = paths[one % len(paths)], paths[other % len(paths)]
    sizes = Counter(each.split("/")[0] for each in files)
    home, sound, artist = path.split("/")[0], *files[path]
    after = dict(files)
    match kind:
        case "add":
            after |= {
                f"{home}/new {number} {n}.mp3": (
                    f"new {number} {n}",
                    files[target][1] if other % 3 else f"new {number}",
                )
                for n in range(1 + one % 5)
            }
        case "delete" if sizes[home] > 8:
            del after[path]
        case "retag":
            after[path] = (sound, files[target][1])
        case "move" if sizes[home] > 8:
            after[f"{target.split('/')[0]}/moved {number}.mp3"] = after.pop(path)
        case "copy":
            after[f"{target.split('/')[0]}/copy {number}.mp3"] = (sound, artist)
        case "rename file":
            after[f"{home}/renamed {number}.mp3"] = after.pop(path)
        case "replace":
            after[path] = (f"better {number}", artist)
        case "rename genre":
            for each in [each for each in paths if each.split("/")[0] == home]:
                after[f"{home.split(' ')[0]} {number}/{each.split('/')[1]}"] = after.pop(each)
    return after


@pytest.mark.parametrize("group_by", ["track", "album", "artist"])
@settings(max_examples=10)
@given(history=edits())
def test_over_a_hundred_edits_ids_and_splits_keep_their_word(
    tmp_path_factory: pytest.TempPathFactory, group_by: str, history: list[tuple[str, int, int]]
) -> None:
    """Class ids of survivors stay; splits stay but for reported moves, none into train; each genre is in each split."""
    place = tmp_path_factory.mktemp("edits")
    (place / "music").mkdir()
    files = genre("Rock", 8, songs=3) | genre("Jazz", 10) | genre("Soul", 6)
    with manifest_of(workshop(place)) as db:
        bench = bench_at(place, db, splits={"group_by": group_by})
        bench.compose(files)
        for number, edit in enumerate(history):
            before, ids = ledger.placements(db), bench.classes()
            shown_before = {files[path][0] for path in bench.splits()}
            files = edited(files, edit, number)
            composition = bench.compose(files)
            _check_edit(bench, composition, before, ids, shown_before)


def _check_edit(
    bench: Bench, composition: Composition, before: Mapping[AudioId, Split], ids: list[str], shown_before: set[str]
) -> None:
    assert [bench.renamed.get(name, name) for name in ids] == bench.classes()[: len(ids)]
    after = {song(bench.files[path][0]): split for path, split in bench.splits().items()}
    moved = {each: after[each] for each in after if each in before and after[each] is not before[each]}
    assert moved == {move.audio_id: move.target for move in composition.placement.moves}
    assert TRAIN not in moved.values()
    assert {song(name) for name in shown_before} & after.keys() <= before.keys()
    found: dict[str, set[Split]] = {}
    for track in composition.tracks:
        found.setdefault(track.genre, set()).add(track.split)
    assert all(splits == set(Split) for splits in found.values())
    assert composition.placement.lacking == {}
