"""Lengths of time as people write them: 90m, 2h, 1d."""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"(\d{1,9})\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 10 * 365 * 86400


def seconds_of(text: str) -> int | None:
    """Return the seconds that a length of time means; None where the text is none at all.

    Raises `ValueError` for one that is less than a second or more than ten years.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        return None
    seconds = int(written[1]) * _SECONDS[written[2]]
    if not 1 <= seconds <= _LONGEST_S:
        raise ValueError(f"the interval {text!r} is not between a second and ten years")
    return seconds
