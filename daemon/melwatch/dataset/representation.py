"""Which genres have few songs, and which many, compared with the others. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """Genres below the 25 % quantile of sizes and above the 75 % quantile, and these two sizes."""

    under: tuple[str, ...]
    over: tuple[str, ...]
    low: float
    high: float


def representation(counts: Mapping[str, int]) -> Representation:
    """Compare the sizes of genres; quantiles are interpolated linearly."""
    sizes = sorted(counts.values())
    low, high = quantile(sizes, 0.25), quantile(sizes, 0.75)
    return Representation(
        under=tuple(sorted(name for name, size in counts.items() if size < low)),
        over=tuple(sorted(name for name, size in counts.items() if size > high)),
        low=low,
        high=high,
    )


def quantile(ordered: Sequence[int], share: float) -> float:
    """Return a quantile of sorted numbers by linear interpolation; 0 of none."""
    if not ordered:
        return 0.0
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
