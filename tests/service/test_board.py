"""How things stand, as lines for a terminal of any size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from melwatch.config.sections import ScheduleSection
from melwatch_service.board import board_lines, needed, next_publish

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)  # a Monday
HOSTILE = "[red]x[/red]\x1b[31m\u202e[link=http://a]"


def facts(**other: Any) -> dict[str, Any]:
    """Return what `status --json` says of a daemon at work."""
    said = {
        "state": "extracting", "sentence": "120 of 4,000 files", "pid": 4711, "watching": "watching",
        "event_overflows": 0, "recipe_change": None, "held_deletions": 0, "unsettled": [], "unsettled_files": 0,
        "progress": {"what": "Extracting", "done": 120, "total": 4000, "songs_per_s": 8.1, "seconds_left": 479.0},
        "version": 12, "fingerprint": "f", "complete": False, "dataset": "/srv/dataset", "music": "/srv/music",
        "published_at": (NOW - timedelta(minutes=3)).isoformat(),
        "tracks": {"ready": 3880, "pending": 120, "failed": 3, "excluded": 45},
        "genres": {"Rock": 1203, "Jazz": 12}, "waiting": {"Polka": 2},
        "splits": {
            "Rock": {"train": 842, "validate": 120, "test": 241}, "Jazz": {"train": 8, "validate": 2, "test": 2},
        },
        "passes": [
            {
                "started_at": (NOW - timedelta(hours=hours)).isoformat(), "seconds": 1.2, "extracted": hours,
                "reused": 7, "failed": 0, "vanished": 0, "version": hours, "is_published": hours == 1,
            }
            for hours in range(1, 9)
        ],
    }  # fmt: skip
    return {**said, **other}


def shown(said: dict[str, Any], width: int = 80, height: int = 24, at: str = "soon") -> list[str]:
    """Return the lines as they stand on the terminal."""
    return [line.plain for line in board_lines(said, next_publish=at, now=NOW, width=width, height=height)]


def test_everything_is_there_on_a_small_terminal() -> None:
    """State, progress, tracks, version, the next one, what needs a person, genres with shares, passes."""
    text = "\n".join(shown(facts()))
    for words in (
        "extracting", "process 4711", "120 of 4,000 files", "3%  120 of 4,000, 8.1 songs/s, about 8 min left",
        "3,880 ready   120 pending   3 failed   45 excluded", "12, published 3 min ago, not all songs are in it yet",
        "Next       soon", "3 songs could not be worked on: `melwatch failures`", "2 genres, 1,215 songs",
        "1,203 █", "70%/10%/20%", "too few songs: Polka (2)",
        "60 min ago  1 extracted, 7 reused, 0 failed, 1.2 s, version 1 published",
    ):  # fmt: skip
        assert words in text, text


@pytest.mark.parametrize("width", [1, 9, 30, 80, 237])
@pytest.mark.parametrize("height", [1, 5, 24, 90])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    """No line is wider and there are no more of them, also with many genres of wide and odd names."""
    names = [f"長い名前のジャンル{number}" * 4 for number in range(50)] + [HOSTILE, "e\u0301" * 70]
    said = facts(
        genres={name: number for number, name in enumerate(names)},
        splits={}, sentence="A long story. " * 60, waiting=dict.fromkeys(names, 1),
    )  # fmt: skip
    lines = board_lines(said, next_publish="some day " * 30, now=NOW, width=width, height=height)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= width


def test_genres_without_room_are_counted() -> None:
    """The largest come first, and the rest are one line."""
    lines = shown(facts(genres={f"G{number:03}": number + 1 for number in range(300)}, waiting={}))
    genres = [line for line in lines if line.startswith("  G")]
    assert genres[0].startswith("  G299")
    rest = 300 - len(genres)
    assert any(line.startswith(f"  and {rest} more with {rest * (rest + 1) // 2:,} songs") for line in lines)


def test_names_are_inert() -> None:
    """Neither markup nor escape sequences in a genre's name or a sentence are carried out."""
    said = facts(genres={HOSTILE: 7}, splits={}, waiting={HOSTILE: 1}, sentence=HOSTILE, dataset=HOSTILE)
    lines = board_lines(said, next_publish="", now=NOW, width=200, height=40)
    assert sum("[red]x[/red]\\x1b[31m" in line.plain for line in lines) == 4
    assert not any(set("\x1b\u202e") & set(line.plain) for line in lines)
    assert not any("link" in str(span.style) for line in lines for span in line.spans)


def test_nothing_yet_is_no_fault() -> None:
    """Before the first pass there is no version, no genre and no pass."""
    said = facts(
        state="idle", sentence="", pid=None, watching=None, progress=None, version=None, published_at=None,
        genres={}, waiting={}, splits={}, passes=[],
        tracks={"ready": 0, "pending": 0, "failed": 0, "excluded": 0},
    )  # fmt: skip
    text = "\n".join(shown(said))
    assert "nothing is published yet" in text
    assert "no daemon runs" in text


def test_what_only_a_person_can_do_is_said_once() -> None:
    """A state that asks for confirmation says by itself what for."""
    change = {"is_accepted": False, "sentence": "The recipe has changed"}
    waiting = facts(held_deletions=70, recipe_change=change)
    assert [need.rpartition("`melwatch ")[2][:6] for need in needed(waiting)] == ["accept", "accept", "failur"]
    assert len(needed({**waiting, "state": "needs_confirmation"})) == 1


@pytest.mark.parametrize(
    ("publish", "is_running", "words"),
    [
        (None, False, "no daemon is at work"),
        (None, True, "after 30 s without changes, 15 min after the first one at the latest"),
        ("90m", True, "every 90m, if something has changed"),
        ("0 3 * * 2", True, "(0 3 * * 2)"),
    ],
)
def test_the_next_publish_is_told(publish: str | None, is_running: bool, words: str) -> None:  # noqa: FBT001
    """From the schedule, as far as it is known."""
    assert words in next_publish(ScheduleSection(publish=publish), NOW, is_running=is_running)


def test_a_need_is_not_told_a_second_time() -> None:
    """A recipe that cannot be changed over to is told by the state, or where that says nothing of it, as a need."""
    stuck = {"is_accepted": True, "is_stuck": True, "sentence": "9 songs fail by the new recipe"}
    assert needed(facts(recipe_change=stuck))[0] == stuck["sentence"]
    assert stuck["sentence"] not in needed(facts(recipe_change=stuck, sentence=f"{stuck['sentence']}."))
