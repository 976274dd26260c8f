"""What a pass says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from melwatch.report import PassReport, like_artists, log_pass
from melwatch.track import RelPath, Tags, TrackRecord


def track(path: str, artist: str) -> TrackRecord:
    return TrackRecord(
        path=RelPath(path.encode()),
        ordinal=1,
        audio_id=None,
        replaced=None,
        tags=Tags(artist=artist),
        location=None,
        sound=None,
        trouble=None,
        is_quarantined=False,
    )


@pytest.mark.parametrize(
    ("artists", "expected"),
    [
        (["Motörhead", "motörhead", "MOTÖRHEAD"], ["Motörhead"]),
        (["Motörhead", "Motörhead"], []),
        (["Motörhead", "Girlschool", "Saxon"], []),
        (["Motörhead", "Motörhead", "Motörhead", "Motörhead", "Girlschool"], ["Motörhead"]),
        (["Motörhead", "Motörhead", "Motörhead", "", ""], ["Motörhead"]),
        ([], []),
    ],
)
def test_a_folder_named_after_its_artist_is_no_genre(artists: list[str], expected: list[str]) -> None:
    """It is pointed out where four of five tagged tracks, of three at least, name the folder as their artist."""
    records = [track(f"Motörhead/{number}.mp3", artist) for number, artist in enumerate(artists)]
    assert like_artists(records) == expected


REPORT = PassReport(
    extracted=0, reused=0, failed=0, found=0, balance={}, genres={}, waiting={}, like_artists=[], version=None,
    is_published=False, bytes_written=0, moves=[], renamed_genres={}, unsettled=[], unsettled_files=0, vanished=0,
    held=None,
)  # fmt: skip


def test_what_is_decided_for_good_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """One line each for a new name, a new epoch and a forced move."""
    caplog.set_level("INFO")
    move = {"audio_id": "song", "genre": "Rock", "from": "train", "to": "test", "cause": "lacking"}
    log_pass(replace(REPORT, renamed_genres={"Jazz": "Swing"}, new_epoch="spring", moves=[move]))
    assert caplog.messages == [
        "Genre Jazz is now called Swing.",
        "Began the epoch spring: all songs were given new splits.",
        "Moved from train to test, which Rock would have lacked: song song.",
    ]


def test_a_change_of_the_recipe_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """It is said again where another recipe is configured, or where it cannot go on, not where numbers change."""
    change = {"wanted": "new", "is_accepted": False, "is_stuck": False, "left": 7, "gone": 0, "sentence": "7 songs"}
    waiting = replace(REPORT, recipe_change=change)
    more = replace(REPORT, recipe_change=change | {"left": 8, "sentence": "8 songs"})
    stuck = replace(REPORT, recipe_change=change | {"is_accepted": True, "is_stuck": True, "left": 0})
    other = replace(REPORT, recipe_change=change | {"wanted": "other", "sentence": "9 songs"})
    before = None
    for report in (waiting, waiting, more, stuck, stuck, other):
        log_pass(report, before)
        before = report
    assert [message.split(".")[0] for message in caplog.messages] == ["7 songs", "7 songs", "9 songs"]
