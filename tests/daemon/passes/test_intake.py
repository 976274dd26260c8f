"""What is taken in of what a look saw, and what is forgotten only once a person agrees."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from building import library, songs
from melwatch.errors import DegradedError
from melwatch.library.part import EVERYTHING, NOTHING
from melwatch.library.settle import Settling
from melwatch.manifest import ledger, tracks
from melwatch.manifest.database import writing
from melwatch.passes import intake as intake_module
from melwatch.passes import plan as plan_module
from melwatch.passes.intake import Intake
from melwatch.passes.look import look
from melwatch.passes.patience import Patience
from melwatch.progress import Unwatched
from melwatch.track import RelPath
from workshops import manifest_of, put_on_record, workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection
    from typing import Any

    from building import Tree
    from melwatch.library.part import Part
    from melwatch.passes.intake import Taken
    from melwatch.passes.workshop import Workshop

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SETTLE_S = 10.0


def files(genre: str, count: int) -> Tree:
    """Return so many files of different bytes, which are never read here."""
    return {f"{number}.mp3": f"{genre} {number}".encode() for number in range(count)}


TREE: Tree = {"Jazz": files("Jazz", 8), "Rock": files("Rock", 6)}


@dataclass
class Bench:
    """A library with everything in it on record, and intakes of what looks see of it."""

    shop: Workshop
    db: Connection
    music: Path
    patience: Patience | None = None

    def take(self, *, is_halted: bool = False, part: Part = EVERYTHING) -> Taken:
        """Look at the library, or a part of it, and take in what is seen."""
        halt = Event()
        if is_halted:
            halt.set()
        intake = Intake(shop=self.shop, db=self.db, progress=Unwatched(), patience=self.patience, halt=halt)
        awaited = self.patience.awaited if self.patience is not None else ()
        return intake.take(look(self.shop, self.db, part, awaited), NOON)

    def record(self) -> None:
        """Put what is new on record, as worked on."""
        known = self.on_record()
        put_on_record(
            self.shop, self.db, [file for file in look(self.shop, self.db).seen.seen if file.path not in known]
        )

    def lose(self, genre: str, numbers: range) -> frozenset[RelPath]:
        """Delete files; return their paths."""
        for number in numbers:
            (self.music / genre / f"{number}.mp3").unlink()
        return paths(genre, numbers)

    def on_record(self) -> set[RelPath]:
        """Return what is on record."""
        return set(tracks.songs_by_path(self.db))

    def held(self) -> set[RelPath]:
        """Return what waits for a person."""
        return tracks.gone(self.db)


def paths(genre: str, numbers: range) -> frozenset[RelPath]:
    return frozenset(RelPath(f"{genre}/{number}.mp3".encode()) for number in numbers)


@pytest.fixture
def settings() -> dict[str, Any]:
    """Return what of the configuration is not as usual; tests say it by a parameter."""
    return {}


@pytest.fixture
def bench(tmp_path: Path, settings: dict[str, Any]) -> Iterator[Bench]:
    """Put a library of two genres on record."""
    music = library(tmp_path / "music", TREE)
    shop = workshop(tmp_path, deletions=settings)
    with manifest_of(shop) as db:
        made = Bench(shop, db, music)
        made.record()
        yield made


ALL = paths("Jazz", range(8)) | paths("Rock", range(6))


# Without a question.


def test_a_library_that_stands_still_stays_on_record(bench: Bench) -> None:
    """Nothing to read, nothing to forget, nothing to ask."""
    taken = bench.take()

    assert (taken.plan.to_read, taken.plan.vanished, taken.plan.unchanged) == ((), (), 14)
    assert (taken.held, taken.kept, taken.unsettled, taken.look_again_in_s) == (None, frozenset(), (), None)
    assert not taken.is_interrupted
    assert bench.on_record() == ALL


def test_some_deletions_need_nobody(bench: Bench) -> None:
    """A few songs out of a genre are gone with the next pass."""
    lost = bench.lose("Rock", range(5))
    taken = bench.take()

    assert (taken.held, taken.kept, taken.renamed) == (None, frozenset(), {})
    assert bench.on_record() == ALL - lost
    assert bench.held() == set()


def test_a_folder_that_cannot_be_looked_at_is_not_gone(bench: Bench) -> None:
    """A genre behind a link to a disk that is not there stays, and nobody is asked."""
    shutil.rmtree(bench.music / "Rock")
    try:
        (bench.music / "Rock").symlink_to(bench.music / "nowhere")
    except OSError:
        pytest.skip("links are not allowed here")
    taken = bench.take()

    assert (taken.held, taken.plan.vanished) == (None, ())
    assert set(taken.plan.unverified) == paths("Rock", range(6))
    assert bench.on_record() == ALL


def test_songs_that_live_on_elsewhere_are_not_lost(bench: Bench) -> None:
    """A genre of which every song is found under another name has been renamed, and keeps class and order."""
    with writing(bench.db):
        ledger.save_classes(bench.db, ["Jazz", "Rock"])
    shutil.copytree(bench.music / "Rock", bench.music / "Hard Rock")
    bench.record()
    shutil.rmtree(bench.music / "Rock")
    taken = bench.take()

    assert (taken.held, taken.kept) == (None, frozenset())
    assert taken.renamed == {"Rock": "Hard Rock"}
    assert ledger.class_names(bench.db) == ["Jazz", "Hard Rock"]
    assert bench.on_record() == paths("Jazz", range(8)) | paths("Hard Rock", range(6))
    ordinals = bench.db.execute(
        "SELECT ordinal FROM track WHERE CAST(path AS TEXT) LIKE 'Hard%' ORDER BY ordinal"
    ).fetchall()
    assert [row["ordinal"] for row in ordinals] == list(range(9, 15))


# With a question.


def test_a_whole_genre_is_not_forgotten_without_a_question(bench: Bench) -> None:
    """However often one looks, its tracks stay on record and wait, and the reason is told each time."""
    lost = bench.lose("Rock", range(6))
    for _ in range(3):
        taken = bench.take()

        assert taken.held == "The whole genre Rock (6 tracks) has vanished"
        assert taken.kept == lost
        assert bench.on_record() == ALL
        assert bench.held() == lost


@pytest.mark.parametrize(
    ("settings", "count", "is_held"),
    [
        ({"max_tracks": 3, "max_fraction": 0.2}, 4, True),
        ({"max_tracks": 4, "max_fraction": 0.2}, 4, False),
        ({"max_tracks": 3, "max_fraction": 0.3}, 4, False),
    ],
)
def test_many_deletions_are_not_done_without_a_question(bench: Bench, count: int, is_held: bool) -> None:  # noqa: FBT001  a parameter of pytest
    """More than `max_tracks` and more than `max_fraction` of the library wait for a person, all of them."""
    lost = bench.lose("Jazz", range(count))
    taken = bench.take()

    assert taken.held == (f"{count} of 14 tracks have vanished at once" if is_held else None)
    assert taken.kept == bench.held() == (lost if is_held else set())
    assert bench.on_record() == (ALL if is_held else ALL - lost)


@pytest.mark.parametrize("settings", [{"whole_genre": False}])
def test_who_does_not_want_to_be_asked_about_genres_is_not(bench: Bench) -> None:
    """With `whole_genre` off a genre goes like any few songs."""
    lost = bench.lose("Rock", range(6))

    assert bench.take().held is None
    assert bench.on_record() == ALL - lost


def test_one_question_holds_all_that_is_gone(bench: Bench) -> None:
    """Where a genre needs a person, the few songs that went with it wait too."""
    lost = bench.lose("Rock", range(6)) | bench.lose("Jazz", range(2))
    taken = bench.take()

    assert taken.held == "The whole genre Rock (6 tracks) has vanished"
    assert taken.kept == bench.held() == lost
    assert bench.on_record() == ALL


def test_accepted_deletions_go_ahead_with_the_next_look(bench: Bench) -> None:
    """After `accept-deletions` they are forgotten, and the question with them."""
    lost = bench.lose("Rock", range(6))
    bench.take()
    assert tracks.accept_deletions(bench.db) == 6
    assert bench.on_record() == ALL
    taken = bench.take()

    assert (taken.held, taken.kept) == (None, frozenset())
    assert bench.on_record() == ALL - lost
    assert bench.held() == tracks.gone(bench.db, "accepted") == set()


def test_accepting_covers_what_was_asked_about_and_no_more(bench: Bench) -> None:
    """What vanishes after the question is a question of its own."""
    library(bench.music, {"Folk": files("Folk", 1)})
    bench.record()
    rock = bench.lose("Rock", range(6))
    bench.take()
    tracks.accept_deletions(bench.db)
    jazz = bench.lose("Jazz", range(8))
    taken = bench.take()

    assert taken.held == "The whole genre Jazz (8 tracks) has vanished"
    assert taken.kept == bench.held() == jazz
    assert bench.on_record() == ALL - rock | paths("Folk", range(1))


def test_what_comes_back_is_no_longer_asked_about(bench: Bench) -> None:
    """A genre that was only moved away for a while is as it was, and nothing waits."""
    bench.take()
    away = bench.music.parent / "away"
    (bench.music / "Rock").rename(away)
    assert bench.take().held is not None
    away.rename(bench.music / "Rock")
    taken = bench.take()

    assert (taken.held, taken.kept) == (None, frozenset())
    assert bench.held() == set()
    assert bench.on_record() == ALL


def test_what_comes_back_in_part_leaves_the_rest_waiting(bench: Bench) -> None:
    """What was asked about waits for an answer, though the others alone would not have been asked about."""
    bench.take()
    away = bench.music.parent / "away"
    (bench.music / "Rock").rename(away)
    bench.take()
    (bench.music / "Rock").mkdir()
    (away / "3.mp3").rename(bench.music / "Rock" / "3.mp3")
    taken = bench.take()

    assert taken.held == "5 tracks have vanished"
    assert bench.on_record() == ALL
    assert bench.held() == paths("Rock", range(6)) - paths("Rock", range(3, 4))


def test_consent_does_not_outlast_a_return(bench: Bench) -> None:
    """A genre that came back after its deletion was accepted is asked about when it goes again."""
    away = bench.music.parent / "away"
    (bench.music / "Rock").rename(away)
    bench.take()
    tracks.accept_deletions(bench.db)
    away.rename(bench.music / "Rock")
    bench.take()
    assert tracks.gone(bench.db, "accepted") == set()
    (bench.music / "Rock").rename(away)

    assert bench.take().held == "The whole genre Rock (6 tracks) has vanished"
    assert bench.on_record() == ALL


# While files are still being written.


class Clocks:
    """Monotonic clock and wall clock, which go only when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.began_ns = datetime.now(UTC).timestamp() * 1e9

    def monotonic(self) -> float:
        """Tell the time of the monotonic clock."""
        return self.now_s

    def time_ns(self) -> int:
        """Tell the time of the wall clock."""
        return int(self.began_ns + (self.now_s - 1000.0) * 1e9)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    hands = Clocks()
    monkeypatch.setattr(intake_module, "time", SimpleNamespace(monotonic=hands.monotonic, time_ns=hands.time_ns))
    return hands


@pytest.fixture
def patient(bench: Bench, clocks: Clocks) -> Bench:
    """Return the bench with a memory from look to look, as the daemon has."""
    assert clocks.monotonic() == 1000.0
    bench.patience = Patience(settling=Settling(SETTLE_S), gone_s=0.0)
    return bench


def write(bench: Bench, size: int) -> RelPath:
    """Write on at a copy that does not come to an end."""
    (bench.music / "Rock" / "new.mp3").write_bytes(b"x" * size)
    return RelPath(b"Rock/new.mp3")


def test_a_file_that_is_still_being_written_waits(patient: Bench, clocks: Clocks) -> None:
    """It is on record and not read, and the look says why and when to come again."""
    for size in (1, 2, 3):
        new = write(patient, size)
        taken = patient.take()

        assert [entry.path for entry in taken.unsettled] == [new]
        assert taken.look_again_in_s is not None
        assert 0 < taken.look_again_in_s <= SETTLE_S
        assert taken.tally.extracted == set()
        assert patient.on_record() == ALL | {new}
        assert tracks.songs_by_path(patient.db)[new] is None
        clocks.now_s += 5


def test_a_known_song_that_is_written_anew_is_seen_by_every_look(patient: Bench, clocks: Clocks) -> None:
    """No event tells that it has come to rest: the look that waiting leads to must find it by itself."""
    (patient.music / "Rock" / "0.mp3").write_bytes(b"")
    assert [file.path for file in patient.take().unsettled] == [b"Rock/0.mp3"]
    clocks.now_s += 1
    assert [file.path for file in patient.take(part=NOTHING).unsettled] == [b"Rock/0.mp3"]


def test_what_vanished_may_turn_out_to_have_moved_while_anything_is_unsettled(patient: Bench, clocks: Clocks) -> None:
    """It stays on record for a minute from when it was first missed, and no longer."""
    write(patient, 1)
    lost = patient.lose("Jazz", range(2))
    for size, passed_s in ((2, 30.0), (3, 29.0), (4, 2.0)):
        taken = patient.take()
        assert taken.unsettled
        assert (taken.kept, taken.held) == (lost, None)
        assert lost < patient.on_record()
        assert patient.held() == set()
        write(patient, size)
        clocks.now_s += passed_s
    taken = patient.take()

    assert taken.unsettled
    assert taken.kept == frozenset()
    assert patient.on_record() == ALL - lost | {RelPath(b"Rock/new.mp3")}


def test_what_vanished_is_forgotten_once_everything_stands_still(patient: Bench, clocks: Clocks) -> None:
    """Where nothing is unsettled there is nothing that it could have become."""
    new = write(patient, 1)
    lost = patient.lose("Jazz", range(2))
    assert patient.take().kept == lost
    (patient.music / "Rock" / "new.mp3").unlink()
    clocks.now_s += 1
    taken = patient.take()

    assert (taken.unsettled, taken.kept, taken.held) == ((), frozenset(), None)
    assert patient.on_record() == ALL - lost
    assert new not in patient.on_record()


def test_what_vanishes_little_by_little_is_judged_together(patient: Bench, clocks: Clocks) -> None:
    """A genre that goes file by file, while something else is being written, is asked about as a whole."""
    for number in range(8):
        write(patient, 1 + number)
        patient.lose("Jazz", range(number, number + 1))
        taken = patient.take()
        assert taken.kept == paths("Jazz", range(number + 1))
        clocks.now_s += 40
    write(patient, 20)
    clocks.now_s += 30
    taken = patient.take()
    assert taken.unsettled
    assert taken.held == "The whole genre Jazz (8 tracks) has vanished"
    assert patient.held() == paths("Jazz", range(8))


def test_a_whole_genre_is_asked_about_when_its_minute_is_over(patient: Bench, clocks: Clocks) -> None:
    """Nobody is asked while it may yet have moved; afterwards it is held like any other."""
    write(patient, 1)
    lost = patient.lose("Jazz", range(8))
    assert patient.take().held is None
    write(patient, 2)
    clocks.now_s += 61
    taken = patient.take()

    assert taken.held == "The whole genre Jazz (8 tracks) has vanished"
    assert taken.kept == patient.held() == lost


def test_removals_are_judged_together_when_no_more_come_in(patient: Bench, clocks: Clocks) -> None:
    """A genre that is deleted file by file is asked about, as if it had gone at once."""
    patient.patience = Patience(settling=Settling(SETTLE_S), gone_s=30.0)
    for number in range(6):
        patient.lose("Rock", range(number, number + 1))
        taken = patient.take()
        assert (len(taken.kept), taken.held) == (number + 1, None)
        assert taken.look_again_in_s == 30.0
        clocks.now_s += 20
    assert patient.take().look_again_in_s == 10.0
    clocks.now_s += 10

    assert patient.take().held == "The whole genre Rock (6 tracks) has vanished"
    assert patient.on_record() == ALL


def test_additions_release_nothing_that_is_held(bench: Bench) -> None:
    """However many songs come, what was asked about waits for an answer."""
    lost = bench.lose("Rock", range(6))
    bench.take()
    library(bench.music, {"Rock": {f"new {number}.mp3": f"new {number}".encode() for number in range(60)}})
    bench.record()

    assert bench.take().kept == lost
    assert bench.held() == lost


# Interrupted.


def test_a_pass_that_is_interrupted_forgets_nothing(bench: Bench) -> None:
    """Whether what has vanished has moved is not known yet, so nothing is forgotten, and nobody asked."""
    lost = bench.lose("Rock", range(6)) | bench.lose("Jazz", range(1))
    taken = bench.take(is_halted=True)

    assert taken.is_interrupted
    assert (taken.kept, taken.held) == (lost, None)
    assert bench.on_record() == ALL
    assert bench.held() == set()
    assert bench.take().held is not None


def test_consent_outlasts_an_interruption(bench: Bench) -> None:
    """Accepted deletions are done by the next pass that comes to its end."""
    lost = bench.lose("Rock", range(6))
    bench.take()
    tracks.accept_deletions(bench.db)
    bench.take(is_halted=True)
    assert tracks.gone(bench.db, "accepted") == lost
    assert not bench.take().is_interrupted

    assert bench.on_record() == ALL - lost


def test_a_moved_genre_survives_an_interruption(tmp_path: Path) -> None:
    """Real songs whose move is read only after an interruption keep place and spectrogram, and nobody is asked."""
    music = library(tmp_path / "music", {"Rock": songs(6)})
    shop = workshop(tmp_path, spectrogram={"window_s": 0.5, "windows_per_track": 2})
    with manifest_of(shop) as db:
        bench = Bench(shop, db, music)
        assert len(bench.take().tally.extracted) == 6
        before = db.execute("SELECT ordinal, audio_id FROM track ORDER BY ordinal").fetchall()
        (music / "Rock").rename(music / "Metal")

        taken = bench.take(is_halted=True)
        assert taken.is_interrupted
        assert len(bench.on_record()) == 12
        taken = bench.take()

        assert (taken.held, taken.is_interrupted, taken.tally.extracted) == (None, False, set())
        assert {path.split(b"/")[0] for path in bench.on_record()} == {b"Metal"}
        after = db.execute("SELECT ordinal, audio_id FROM track ORDER BY ordinal").fetchall()
        assert [tuple(row) for row in after] == [tuple(row) for row in before]


def test_what_there_is_no_space_for_waits(patient: Bench, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many new songs are taken as there is space for, what moved is read all the same, and it says what is short."""
    monkeypatch.setattr(plan_module, "SETTLED_AFTER_NS", 0)  # these files have just been written
    library(patient.music, {"Folk": songs(5)})
    known = (patient.music / "Jazz" / "0.mp3").read_bytes()
    library(patient.music, {"Folk": {"moved.mp3": known}})
    patient.lose("Jazz", range(2))
    clocks.now_s += 100
    monkeypatch.setattr(intake_module, "songs_that_fit", lambda *_: 2)
    taken = patient.take()
    assert len(taken.tally.extracted) == 2
    assert taken.is_short_of_space
    assert taken.is_interrupted
    assert patient.on_record().isdisjoint(paths("Jazz", range(2)))

    def refuse(*_: object) -> None:
        raise DegradedError("The disk has no room")

    monkeypatch.setattr(intake_module, "songs_that_fit", lambda *_: 0)
    monkeypatch.setattr(intake_module, "check_space", refuse)
    with pytest.raises(DegradedError, match="no room"):
        take_until_settled(patient, clocks)


def take_until_settled(bench: Bench, clocks: Clocks) -> None:
    """Look again and again, until whatever had to wait has stood still."""
    for _ in range(5):
        clocks.now_s += SETTLE_S
        bench.take()


@pytest.mark.skipif(sys.platform == "win32", reason="makes a link that leads nowhere")
def test_what_waits_for_a_person_still_does_while_it_is_out_of_sight(bench: Bench) -> None:
    """A held deletion is neither forgotten nor let go because its folder cannot be looked at for a while."""
    shutil.rmtree(bench.music / "Jazz")
    assert bench.take().held is not None
    tracks.accept_deletions(bench.db)
    (bench.music / "Jazz").symlink_to("nowhere")
    bench.take()
    assert tracks.gone(bench.db, "accepted") == paths("Jazz", range(8))
    assert paths("Jazz", range(8)) < bench.on_record()
    (bench.music / "Jazz").unlink()
    assert bench.take().held is None
    assert bench.on_record() == paths("Rock", range(6))
