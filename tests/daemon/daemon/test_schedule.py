"""What happens at set times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING

import pytest

from melwatch.daemon.schedule import Task, Timetable, trigger_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LONG_S = 60.0


@pytest.fixture
def woken() -> Event:
    return Event()


@pytest.fixture
def timetable(woken: Event) -> Iterator[Timetable]:
    """Return a timetable of distant times, not started."""
    table = Timetable({Task.GC: "1d", Task.VERIFY: "7d", Task.PUBLISH: "0 3 * * *"}, woken.set)
    yield table
    table.stop()


# Times.


@pytest.mark.parametrize(
    ("times", "expected_s"),
    [("40s", 40), ("90m", 5400), ("1h", 3600), ("7d", 604_800), ("1 h", 3600), (" 90m ", 5400)],
)
def test_an_interval_comes_round_within_a_quarter(times: str, expected_s: int) -> None:
    """Each time is up to a quarter earlier or later, so that many machines do not wake one server at once."""
    trigger = trigger_of(times)
    leads_s = set()
    for _ in range(50):
        at = trigger.get_next_fire_time(NOON, NOON)
        leads_s.add((at - NOON).total_seconds())

    assert expected_s * 0.75 <= min(leads_s) <= max(leads_s) <= expected_s * 1.25
    assert len(leads_s) > 1


@pytest.mark.parametrize(("times", "expected_s"), [("1s", 1), ("3s", 3)])
def test_an_interval_of_few_seconds_is_kept_exactly(times: str, expected_s: int) -> None:
    """There a quarter is no whole second."""
    assert trigger_of(times).get_next_fire_time(NOON, NOON) == NOON + timedelta(seconds=expected_s)


@pytest.mark.parametrize(
    ("times", "then"),
    [
        ("0 3 * * *", (5, 2, 3, 0)),
        ("30 12 * * *", (5, 1, 12, 30)),
        ("*/15 * * * *", (5, 1, 12, 15)),
        ("0 4 1 * *", (6, 1, 4, 0)),
        ("0 4 * * mon", (5, 6, 4, 0)),
        ("0 4 * * 1", (5, 6, 4, 0)),
        ("0 4 * * 0", (5, 5, 4, 0)),
        ("0 4 * * 7", (5, 5, 4, 0)),
        ("0 4 * * 6,1-3", (5, 4, 4, 0)),
    ],
)
def test_a_cron_expression_means_local_time(times: str, then: tuple[int, int, int, int]) -> None:
    """Three in the morning is three where the machine stands."""
    here = NOON.astimezone().replace(month=5, day=1, hour=12, minute=0, second=1)
    at = trigger_of(times).get_next_fire_time(None, here)

    assert (at.month, at.day, at.hour, at.minute) == then
    assert at.second == 0


@pytest.mark.parametrize(
    "times",
    ["", " ", "5", "m", "0s", "0h", "-1h", "1.5h", "1w", "1h30m", "often", "* * * *", "* * * * * *", "61 3 * * *",
     "0 25 * * *", "a b c d e"],
)  # fmt: skip
def test_what_is_no_time_is_refused(times: str) -> None:
    """Neither interval nor cron expression: a `ValueError` that a person can read."""
    with pytest.raises(ValueError, match=r"interval"):
        trigger_of(times)


def test_nonsense_is_refused_before_anything_begins(woken: Event) -> None:
    """A timetable of times that mean nothing is never made."""
    with pytest.raises(ValueError, match="often"):
        Timetable({Task.GC: "1d", Task.VERIFY: "often"}, woken.set)


# Noting what is due.


def test_each_task_is_noted_once_however_often_it_was_due(timetable: Timetable, woken: Event) -> None:
    """Whoever comes late has one thing to do, not a hundred."""
    for _ in range(100):
        timetable._note(Task.GC)
    timetable._note(Task.VERIFY)

    assert woken.is_set()
    assert timetable.take() == {Task.GC, Task.VERIFY}
    assert timetable.take() == set()
    timetable._note(Task.GC)
    assert timetable.take() == {Task.GC}


def test_a_task_is_noted_before_anyone_is_woken() -> None:
    """Whoever is woken finds what woke them."""
    found: list[set[Task]] = []
    table = Timetable({}, lambda: found.append(table.take()))
    table._note(Task.RESCAN)

    assert found == [{Task.RESCAN}]


def test_nothing_is_due_where_nothing_is_planned(woken: Event) -> None:
    """A timetable may be empty, and tells so."""
    table = Timetable({}, woken.set)
    table.start()
    try:
        assert table.take() == set()
    finally:
        table.stop()


def test_keeping_time_can_be_ended_at_any_point(timetable: Timetable) -> None:
    """Before it has begun, after it has, twice: ending is always allowed, and nothing has become due."""
    timetable.stop()
    timetable.wakeup()
    timetable.start()
    timetable.wakeup()
    timetable.stop()
    timetable.stop()
    timetable.wakeup()

    assert timetable.take() == set()


def test_a_task_really_becomes_due(woken: Event) -> None:
    """A second after the start, and again after that, the clock notes it and wakes whoever waits."""
    table = Timetable({Task.RESCAN: "1s", Task.VERIFY: "7d"}, woken.set)
    table.start()
    try:
        for _ in range(2):
            assert woken.wait(LONG_S)
            woken.clear()
            assert table.take() == {Task.RESCAN}
    finally:
        table.stop()
