"""Lengths of time as people write them."""

from __future__ import annotations

import pytest

from melwatch.config.durations import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90m", 5400), (" 2 h ", 7200), ("7d", 604_800), ("3650d", 315_360_000)]
)
def test_a_length_of_time_is_so_many_seconds(text: str, seconds: int) -> None:
    """Whole numbers with a unit, blanks around them."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-1h", "1.5h", "1w", "1h30m", "9999999999d", "0 3 * * *"])
def test_other_text_is_no_length_of_time(text: str) -> None:
    """It is for others to say what else it might be."""
    assert seconds_of(text) is None


@pytest.mark.parametrize("text", ["0s", "0h", "3651d", "999999999d"])
def test_lengths_that_make_no_sense_are_refused(text: str) -> None:
    """Nothing at all, or more than ten years."""
    with pytest.raises(ValueError, match="ten years"):
        seconds_of(text)
