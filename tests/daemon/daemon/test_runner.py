"""The loop of the daemon: what it begins, and when, and that hints never decide what is true."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from building import library, songs, tone
from melwatch.daemon.agenda import Agenda
from melwatch.daemon.live import LiveProgress
from melwatch.daemon.runner import Runner
from melwatch.daemon.schedule import Task
from melwatch.daemon.wiring import open_runner
from melwatch.errors import DegradedError
from melwatch.library.hints import Hints
from melwatch.library.part import EVERYTHING, Part
from melwatch.library.root import RootKey
from melwatch.library.watch import Mode
from melwatch.manifest import requests, tracks
from melwatch.manifest.requests import Ask
from melwatch.passes.pipeline import Passed
from melwatch.passes.work import Work
from melwatch.report import PassReport
from melwatch.track import RelPath
from workshops import manifest_of, workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from melwatch.daemon.schedule import Timetable
    from melwatch.library.watch import Watch
    from melwatch.passes.work import Wishes

ROOT_KEY = RootKey(device=1, inode=2)
REPORT = PassReport(
    extracted=0, reused=0, failed=0, found=0, balance={}, genres={}, waiting={}, like_artists=[], version=None,
    is_published=False, bytes_written=0, moves=[], renamed_genres={}, unsettled=[], unsettled_files=0, vanished=0,
    held=None,
)  # fmt: skip


class ScriptedWatch:
    """A watch that tells what a test puts into it, and nothing of what happens on disk."""

    mode, words, overflows = Mode.WATCHING, "watching", 0

    def __init__(self) -> None:
        self.folders: set[RelPath] = set()
        self.everything: str | None = None

    def start(self) -> None:
        """Watch nothing."""

    stop = wake = start

    def check(self, root_key: tuple[int, int] | None) -> None:
        """All is always well."""

    def renew(self, why: str) -> None:
        """Have everything looked at."""
        self.everything = why

    def wait(self, timeout_s: float) -> bool:
        """Wait a little, so that a test's loop is not a busy one."""
        time.sleep(min(timeout_s, 0.02))
        return False

    def take(self) -> Hints:
        """Hand over what was put in."""
        hints = Hints(folders=frozenset(self.folders), everything=self.everything, closed=frozenset())
        self.folders, self.everything = set(), None
        return hints


class StoppedTimetable:
    """A timetable by which only that is due which a test says."""

    def __init__(self) -> None:
        self.due: set[Task] = set()

    def start(self) -> None:
        """Keep no time."""

    stop = wakeup = start

    def next_at(self, task: Task) -> None:
        """Tell no time."""

    def take(self) -> set[Task]:
        """Hand over what is due."""
        due, self.due = self.due, set()
        return due


class SilentFace:
    """A supervisor that does not listen."""

    is_watched = False

    def ready(self) -> None:
        """Say nothing."""

    stopping = ready

    def progress(self, sentence: str) -> None:
        """Say nothing."""


@dataclass
class Bench:
    """A runner whose passes do nothing but be noted."""

    runner: Runner
    watch: ScriptedWatch
    timetable: StoppedTimetable
    parts: list[Part]
    published: list[bool]
    outcome: dict[str, Any] = field(default_factory=dict)

    def settle(self) -> None:
        """Let the loop go round until nothing is due."""
        for _ in range(500):
            self.runner.tick()
            if not self.runner.background.is_busy and self.runner.agenda.seconds_left(time.monotonic()) is None:
                return
            time.sleep(0.01)
        raise AssertionError("it does not come to rest")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Make a runner that has had its first pass."""
    shop = workshop(tmp_path)
    parts: list[Part] = []
    published: list[bool] = []
    outcome: dict[str, Any] = {}

    def run_pass(wishes: Wishes, _now: datetime, part: Part, _closed: frozenset[RelPath]) -> Passed:
        parts.append(part)
        published.append(wishes.publish.is_set())
        if "error" in outcome:
            raise outcome.pop("error")
        values = {
            "look_again_in_s": None,
            "is_interrupted": False,
            "has_regained_sight": False,
            "unpublished": None,
        } | outcome
        outcome.clear()
        return Passed(report=REPORT, root=ROOT_KEY, overhead_s=0.0, **values)

    with manifest_of(shop) as db:
        watch, timetable = ScriptedWatch(), StoppedTimetable()
        runner = Runner(
            db=db,
            watch=_as_watch(watch),
            timetable=_as_timetable(timetable),
            agenda=Agenda(quiet_s=0.05, max_wait_s=60),
            face=SilentFace(),
            progress=LiveProgress(),
            work=Work(
                run_pass=run_pass, run_task=lambda *_: None, find_root=lambda: (1, 2), why_rest=lambda: None
            ),
        )  # fmt: skip
        made = Bench(runner, watch, timetable, parts, published, outcome)
        made.settle()
        assert parts == [EVERYTHING]
        parts.clear()
        published.clear()
        yield made


def _as_watch(watch: Any) -> Watch:
    return watch  # type: ignore[no-any-return]


def _as_timetable(timetable: Any) -> Timetable:
    return timetable  # type: ignore[no-any-return]


def test_nothing_is_done_while_nothing_happens(bench: Bench) -> None:
    """No hint, no pass."""
    for _ in range(20):
        bench.runner.tick()
    assert bench.parts == []


def test_hints_lead_to_one_look_at_where_they_point(bench: Bench) -> None:
    """Folders are collected until the look, and looked at together."""
    bench.watch.folders = {RelPath(b"Rock/Live"), RelPath(b"Jazz")}
    bench.runner.tick()
    bench.watch.folders = {RelPath(b"Rock")}
    bench.settle()
    assert bench.parts == [Part.of([RelPath(b"Rock"), RelPath(b"Jazz")])]
    assert bench.published == [False]


@pytest.mark.parametrize("why", ["lost events", "rescan", "the clock", "sleep"])
def test_what_may_have_been_missed_is_found_by_a_look_at_everything(bench: Bench, why: str) -> None:
    """Whatever makes the hints doubtful, everything is looked at, once."""
    match why:
        case "lost events":
            bench.watch.everything = "events were lost"
        case "rescan":
            bench.runner.rescan()
        case "the clock":
            bench.timetable.due = {Task.RESCAN}
        case _:
            bench.runner._drift_s -= 3600
    bench.settle()
    assert bench.parts == [EVERYTHING]


def test_what_is_published_was_looked_at_as_a_whole(bench: Bench) -> None:
    """After quiet a pass publishes, and looks at everything for that."""
    bench.outcome["unpublished"] = "digest"
    bench.watch.folders = {RelPath(b"Rock")}
    bench.settle()
    assert bench.parts == [Part.of([RelPath(b"Rock")]), EVERYTHING]
    assert bench.published == [False, True]


def test_a_pass_that_was_cut_short_is_followed_by_a_look_at_everything(bench: Bench) -> None:
    """What it had seen vanish, and had not come to, must not be taken to be there."""
    bench.outcome["is_interrupted"] = True
    bench.watch.folders = {RelPath(b"Rock")}
    bench.settle()
    assert bench.parts == [Part.of([RelPath(b"Rock")]), EVERYTHING]


def test_trouble_is_told_once_and_tried_again_at_everything(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The state says what is wrong until it is over; what was hinted at is not forgotten."""
    bench.outcome["error"] = DegradedError("The disk is full", "Free some space.")
    bench.watch.folders = {RelPath(b"Rock")}
    for _ in range(100):
        bench.runner.tick()
        time.sleep(0.01)
    assert [record.message for record in caplog.records].count("The disk is full. Free some space.") == 1
    assert bench.parts == [Part.of([RelPath(b"Rock")])]
    bench.runner.look_now(Part.of([RelPath(b"Jazz")]))
    bench.settle()
    assert bench.parts[-1] == EVERYTHING
    assert bench.runner.setback.trouble is None


def test_trouble_beside_a_pass_that_went_well_keeps_nothing_from_being_done(bench: Bench) -> None:
    """It is told, and tried again, but what is hinted at meanwhile is looked at right away."""
    for genre in (b"Rock", b"Jazz"):
        bench.outcome["trouble"] = DegradedError("The disk is full", "Free some space.")
        bench.watch.folders = {RelPath(genre)}
        for _ in range(100):
            bench.runner.tick()
            time.sleep(0.01)
        assert bench.parts[-1] == Part.of([RelPath(genre)])
        assert bench.runner.setback.trouble is not None
    assert len(bench.parts) == 2
    bench.runner.look_now()
    bench.settle()
    assert bench.runner.setback.trouble is None


@pytest.mark.parametrize(("path", "part"), [(b"", EVERYTHING), (b"Rock/a.mp3", Part.of([RelPath(b"Rock/a.mp3")]))])
def test_a_request_to_look_is_taken_answered_and_carried_out(bench: Bench, path: bytes, part: Part) -> None:
    """`rescan` looks at everything, `rescan PATH` at that."""
    number = requests.ask(bench.runner.db, Ask.RESCAN, path.hex(), "now")
    bench.settle()
    assert requests.answer_to(bench.runner.db, number)
    assert bench.parts == [part]


# With real passes: hints of any kind end in the same state.

GENRES = ("Rock", "Jazz")
CONTENT = [tone(300 + 50 * number, 0.3) for number in range(5)]
KINDS = st.sampled_from(["write", "delete", "move"])
CHANGES = st.lists(st.tuples(st.sampled_from(GENRES), st.integers(0, 9), KINDS, st.integers(0, 4)), max_size=8)
HINTS = st.lists(st.sampled_from([b"Rock", b"Jazz", b"Rock/Gone", b"Nowhere/At all", b""]), max_size=6)
SMALL: dict[str, dict[str, Any]] = {
    "spectrogram": {"window_s": 0.1, "windows_per_track": 1},
    "watch": {"settle_s": 0},
    "schedule": {"quiet_s": 0},
    "deletions": {"whole_genre": False},
}


@contextmanager
def real_runner(place: Path, **sections: dict[str, Any]) -> Iterator[tuple[Runner, ScriptedWatch]]:
    """Make a runner with everything but the watch as it is in earnest."""
    with open_runner(workshop(place, **SMALL | sections), SilentFace(), datetime.now(UTC)) as runner:
        watch = ScriptedWatch()
        runner.watch = _as_watch(watch)
        yield runner, watch


def until(runner: Runner, condition: Callable[[], bool]) -> None:
    """Let the loop go round until something holds."""
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s
        runner.tick()
        time.sleep(0.01)


def at_rest(runner: Runner) -> bool:
    return not runner.background.is_busy and runner.agenda.seconds_left(time.monotonic()) is None


@pytest.mark.slow
def test_what_no_event_told_of_is_found_by_the_next_reconcile(tmp_path: Path) -> None:
    """With a watch that reports nothing at all, the timetable's look at everything finds what changed."""
    library(tmp_path / "music", {"Rock": songs(6)})
    with real_runner(tmp_path, schedule={"quiet_s": 0, "rescan": "2s"}) as (runner, _):
        runner.timetable.start()
        until(runner, lambda: len(tracks.songs_by_path(runner.db)) == 6)
        (tmp_path / "music" / "Rock" / "new.mp3").write_bytes(CONTENT[0])
        (tmp_path / "music" / "Rock" / "00.mp3").unlink()
        until(runner, lambda: RelPath(b"Rock/new.mp3") in tracks.songs_by_path(runner.db))
        until(runner, lambda: RelPath(b"Rock/00.mp3") not in tracks.songs_by_path(runner.db))
        until(runner, lambda: not runner.background.is_busy)
        runner.timetable.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(CHANGES, HINTS), max_size=3))
def test_hints_lost_repeated_reordered_or_made_up_end_in_the_same_state(rounds: Any) -> None:
    """Whatever the watch tells, after a look at everything the manifest holds what the folders hold."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        library(place / "music", {genre: songs(6, first=10 * n) for n, genre in enumerate(GENRES)})
        with real_runner(place) as (runner, watch):
            until(runner, lambda: at_rest(runner))
            for changes, hints in rounds:
                for genre, number, what, content in changes:
                    _change(place / "music" / genre / f"{number:02}.mp3", what, CONTENT[content])
                watch.folders = {RelPath(hint) for hint in hints}
                runner.tick()
            runner.rescan()
            runner.tick()
            until(runner, lambda: at_rest(runner))
            on_disk = {
                str(file.relative_to(place / "music")).encode(): file.read_bytes()
                for file in (place / "music").rglob("*.mp3")
            }
            known = tracks.songs_by_path(runner.db)
            assert known.keys() == on_disk.keys()
            pairs = {(content, known[RelPath(path)]) for path, content in on_disk.items()}
            assert len(pairs) == len({content for content, _ in pairs}) == len({song for _, song in pairs})
            assert None not in known.values()


def _change(file: Path, what: str, content: bytes) -> None:
    if what == "write":
        file.write_bytes(content)
    elif file.exists() and what == "delete":
        file.unlink()
    elif file.exists():
        file.rename(file.with_name(f"1{file.name}"))


def test_publishing_on_request_is_not_lost_while_a_pass_is_under_way(bench: Bench) -> None:
    """The pass at hand publishes what there is, and the next one what a look at everything finds."""
    requests.ask(bench.runner.db, Ask.PUBLISH, "", "now")
    bench.runner.look_now(Part.of([RelPath(b"Rock")]))
    bench.runner._begin_what_is_due(time.monotonic())
    bench.settle()
    assert bench.parts == [Part.of([RelPath(b"Rock")]), EVERYTHING]
    assert bench.published[-1]


def test_folders_that_can_be_read_again_are_watched_again(bench: Bench) -> None:
    """Nobody tells the watch that a folder's permissions have changed."""
    bench.outcome["has_regained_sight"] = True
    bench.runner.look_now()
    bench.settle()
    bench.runner.tick()
    bench.settle()
    assert bench.parts == [EVERYTHING, EVERYTHING]
