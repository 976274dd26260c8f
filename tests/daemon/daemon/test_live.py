"""What the running daemon says of itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from melwatch.daemon import live
from melwatch.daemon.live import Live, LiveProgress, forget_live, read_live, save_live
from melwatch.manifest.database import get_meta, open_manifest, read_manifest, set_meta, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection

WORKING = Live(
    state="extracting",
    sentence="3 of 7 files: \udce9 \n ♫",
    watching="watching",
    overflows=2,
    unsettled=[{"path": "Rock/a.mp3", "age_s": 1.5, "what": "It is still growing"}],
    unsettled_files=1,
    progress={"what": "Extracting", "done": 3, "total": 7, "songs_per_s": 1.5, "seconds_left": 2.7},
    next_publish_at="2026-01-02T03:04:05+00:00",
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    """Open an empty manifest."""
    with open_manifest(tmp_path) as connection:
        yield connection


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hand = Clock()
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=hand))
    return hand


# On record.


def test_nothing_is_said_at_first(db: Connection) -> None:
    """Where no daemon ever ran there is nothing to read."""
    assert read_live(db) is None


def test_others_read_what_was_said(db: Connection, tmp_path: Path) -> None:
    """Every value comes back as it was, with the process it is from, be it read by another process."""
    save_live(db, WORKING, 4711)

    with read_manifest(tmp_path) as reader:
        assert read_live(reader) == {
            "pid": 4711,
            "state": "extracting",
            "sentence": WORKING.sentence,
            "watching": "watching",
            "overflows": 2,
            "unsettled": WORKING.unsettled,
            "unsettled_files": 1,
            "progress": WORKING.progress,
            "next_publish_at": WORKING.next_publish_at,
        }


def test_the_last_word_counts(db: Connection) -> None:
    """What was said before is gone, whole."""
    save_live(db, WORKING, 4711)
    save_live(db, Live(state="idle"), 4712)

    assert read_live(db) == {
        "pid": 4712, "state": "idle", "sentence": "", "watching": "", "overflows": 0, "unsettled": [],
        "unsettled_files": 0, "progress": None, "next_publish_at": None,
    }  # fmt: skip


def test_a_daemon_that_ends_leaves_nothing_behind(db: Connection) -> None:
    """It forgets what it said and nothing else, and may do so twice."""
    with writing(db):
        set_meta(db, "other", "stays")
    save_live(db, WORKING, 4711)
    forget_live(db)
    forget_live(db)

    assert read_live(db) is None
    assert get_meta(db, "other") == "stays"


# Progress.


def test_there_is_no_progress_before_work_begins_and_after_it_ends() -> None:
    """Outside a stretch of work there is no value, whatever is said."""
    progress = LiveProgress()
    assert progress.value is None
    progress.say("3 songs, about a minute.")
    assert progress.value is None
    progress.begin("Extracting", 2)
    assert progress.value is not None
    progress.end()
    assert progress.value is None


def test_progress_tells_how_far_and_how_fast(clock: Clock) -> None:
    """Done and total are counts; pace and remaining time follow from the time since the beginning."""
    progress = LiveProgress()
    progress.begin("Extracting", 10)
    assert progress.value == {
        "what": "Extracting", "done": 0, "total": 10, "songs_per_s": 0, "seconds_left": None,
    }  # fmt: skip

    clock.now_s += 2
    for _ in range(4):
        progress.advance()

    assert progress.value == {"what": "Extracting", "done": 4, "total": 10, "songs_per_s": 2, "seconds_left": 3}
    for _ in range(6):
        progress.advance()
    assert progress.value["seconds_left"] == 0


def test_progress_begins_anew_with_each_stretch(clock: Clock) -> None:
    """The pace of one stretch is not that of the next."""
    progress = LiveProgress()
    for _ in range(2):
        progress.begin("Extracting", 4)
        clock.now_s += 1
        progress.advance()
        assert progress.value == {"what": "Extracting", "done": 1, "total": 4, "songs_per_s": 1, "seconds_left": 3}
        clock.now_s += 100
        progress.end()


def test_songs_that_take_no_time_are_no_error(clock: Clock) -> None:
    """A clock may stand still between two calls."""
    progress = LiveProgress()
    progress.begin("Extracting", 2)
    progress.advance()

    assert progress.value is not None
    assert progress.value["done"] == 1
    assert clock.now_s == 1000.0
    assert progress.value["seconds_left"] >= 0


def test_a_value_that_was_read_does_not_change() -> None:
    """One thread reads what another writes: each value is a new one."""
    progress = LiveProgress()
    progress.begin("Extracting", 2)
    before = progress.value
    progress.advance()

    assert before is not None
    assert before["done"] == 0
    assert progress.value is not before


def test_progress_can_be_put_on_record(db: Connection) -> None:
    """What it tells survives the manifest."""
    progress = LiveProgress()
    progress.begin("Extracting", 3)
    progress.advance()
    save_live(db, Live(state="extracting", progress=progress.value), 1)
    said = read_live(db)

    assert said is not None
    assert said["progress"] == progress.value


def test_a_change_of_the_recipe_that_cannot_go_on_is_shown() -> None:
    """A deletion that waits for a person comes first, since that may be why."""
    report: Any = SimpleNamespace(
        recipe_waits=None, held=None, recipe_stuck="2 songs fail", unsettled=[], unsettled_files=0
    )
    watch: Any = SimpleNamespace(words="watching", overflows=0)

    def shown() -> Live:
        return live.live_now(
            trouble=None, paused=None, progress=None, is_busy=False, is_publishing=False, report=report, watch=watch
        )

    assert shown().words == "degraded: 2 songs fail."
    report.held = "One track has vanished"
    assert shown().state == "needs_confirmation"
