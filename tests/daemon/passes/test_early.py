"""When an import stops for a version of what there is, and that this costs little."""

from __future__ import annotations

import pytest

from melwatch.extraction.pause import Pause
from melwatch.passes.early import EarlyVersions, first_early_s

FIRST_S = 300.0


def settled(**facts: float) -> EarlyVersions:
    """Return an import whose files have all been read."""
    return EarlyVersions(first_s=FIRST_S, since_s=0.0, is_settled=True, **facts)  # type: ignore[arg-type]


def test_the_first_version_comes_after_minutes_and_all_files_are_read_before() -> None:
    """Files are read at half the time; without songs there is nothing to publish."""
    new = EarlyVersions(first_s=FIRST_S, since_s=0.0)
    assert not new.is_due(FIRST_S / 2 - 1, made=100, left=1000)
    assert new.is_due(FIRST_S / 2, made=100, left=1000)
    assert not settled().is_due(FIRST_S - 1, made=100, left=1000)
    assert settled().is_due(FIRST_S, made=100, left=1000)
    assert not settled().is_due(FIRST_S, made=0, left=1000)


def test_none_is_made_in_the_second_half() -> None:
    """Who has waited for half of an import can wait for the rest."""
    assert not settled().is_due(FIRST_S, made=1000, left=999)
    assert settled().is_due(FIRST_S, made=1000, left=1000)


def test_an_import_shorter_than_a_few_minutes_publishes_once() -> None:
    """Before the first time has passed, nothing is read twice or published early."""
    assert first_early_s(900) == FIRST_S
    assert first_early_s(30) == 10


@pytest.mark.parametrize("songs", [5_000, 100_000])
def test_early_versions_write_less_than_the_last_one_does(songs: int) -> None:
    """Each writes everything so far, and there are few: at a song a second, minutes and songs grow together."""
    when, written, versions = settled(), 0, 0
    for second in range(songs):
        when.waiting = second - when.written - 1
        if when.is_due(float(second), made=1, left=songs - second):
            when.tried(float(second), float(second), is_written=True)
            when.published()
            written, versions = written + second, versions + 1
    assert versions > 1
    assert written <= 0.75 * songs


def test_a_version_that_takes_long_to_write_is_followed_by_a_longer_rest() -> None:
    """Publishing takes no more than a tenth of the time."""
    slow = settled()
    slow.tried(FIRST_S, FIRST_S + 100, is_written=True)
    assert not slow.is_due(FIRST_S + 100 + 999, made=500, left=5000)
    assert slow.is_due(FIRST_S + 100 + 1000, made=500, left=5000)


def test_whoever_asks_for_a_version_gets_it_at_once_and_once() -> None:
    """A request does not wait for hours of extraction, but for a handful of files; it is tried once a pass."""
    new = EarlyVersions(first_s=FIRST_S, since_s=0.0)
    assert new.is_due(1.0, made=1, left=100, is_asked=True)
    assert not new.is_due(1.0, made=1, left=99, is_asked=True)
    new.tried(1.0, 2.0, is_written=False)
    assert not new.is_due(2.0, made=1, left=100, is_asked=True)


def test_a_pause_is_set_by_whoever_halts_and_by_what_is_due() -> None:
    """Workers see no difference."""
    due = False
    pause = Pause(None, lambda: due)
    assert not pause.is_set()
    due = True
    assert pause.is_set()


def test_a_version_that_would_show_nothing_is_tried_again_only_with_more_songs() -> None:
    """Where no genre has songs enough yet, extraction goes on."""
    small = settled()
    small.tried(FIRST_S, FIRST_S + 50, is_written=False)
    small.waiting = 5
    assert not small.is_due(2 * FIRST_S + 50, made=0, left=1000)
    assert small.is_due(2 * FIRST_S + 50, made=1, left=1000)
