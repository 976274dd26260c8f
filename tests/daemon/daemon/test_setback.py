"""What the daemon waits out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from melwatch.daemon.setback import Setback
from melwatch.errors import DegradedError

if TYPE_CHECKING:
    import pytest

FULL = DegradedError("The disk is full", "Free some space.")


def test_the_same_trouble_is_told_once_and_waited_out_ever_longer(caplog: pytest.LogCaptureFixture) -> None:
    """Five seconds, then twice as long each time, at most five minutes."""
    setback, now_s, waits_s = Setback(), 100.0, []
    for _ in range(8):
        setback.note(FULL, now_s)
        waits_s.append(setback.not_before_s - now_s)
        now_s = setback.not_before_s
    assert waits_s == [5, 10, 20, 40, 80, 160, 300, 300]
    assert [record.message for record in caplog.records] == ["The disk is full. Free some space."]


def test_trouble_seen_again_before_it_was_tried_again_costs_nothing() -> None:
    """A disk that is full for a moment, in which the loop sees that again and again, is not waited for long."""
    setback = Setback()
    for now_s in range(100, 105):
        setback.note(FULL, float(now_s))
    assert setback.not_before_s == 105


def test_other_trouble_begins_anew() -> None:
    """It is told, and tried again soon."""
    setback = Setback()
    for _ in range(3):
        setback.note(FULL, 0.0)
    setback.note(DegradedError("The music is gone"), 0.0)
    assert setback.not_before_s == 5


def test_the_end_of_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once, and only where there was trouble."""
    caplog.set_level(logging.INFO)
    setback = Setback()
    setback.is_over()
    setback.note(FULL, 0.0)
    setback.is_over()
    assert [record.message for record in caplog.records][1:] == ["All is well again"]
    assert setback.trouble is None


def test_a_person_is_not_kept_waiting() -> None:
    """What somebody asks for is tried at once."""
    setback = Setback()
    setback.note(FULL, 100.0)
    setback.try_now()
    assert setback.not_before_s == 0
