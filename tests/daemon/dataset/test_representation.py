"""Which genres have few songs and which many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.dataset.representation import quantile, representation

if TYPE_CHECKING:
    from collections.abc import Mapping

quick = settings(max_examples=60)


@quick
@given(
    sizes=st.lists(st.integers(0, 1_000_000), min_size=1, max_size=30),
    share=st.one_of(st.sampled_from([0, 0.25, 0.5, 0.75, 1]), st.floats(0, 1)),
)
def test_quantiles_are_numpys(sizes: list[int], share: float) -> None:
    """A quantile is what `numpy.quantile` with linear interpolation gives."""
    expected = np.quantile(sizes, share, method="linear")

    assert quantile(sorted(sizes), share) == pytest.approx(expected, rel=1e-12, abs=1e-9)


@quick
@given(counts=st.dictionaries(st.text(max_size=3), st.integers(0, 1000), min_size=1))
def test_genres_are_sorted_out_as_by_numpy(counts: dict[str, int]) -> None:
    """Under-represented is strictly below the 25 % quantile of sizes, over-represented strictly above 75 %."""
    low, high = np.quantile(list(counts.values()), [0.25, 0.75], method="linear")
    result = representation(counts)

    assert (result.low, result.high) == (low, high)
    assert result.under == tuple(sorted(name for name in counts if counts[name] < low))
    assert result.over == tuple(sorted(name for name in counts if counts[name] > high))


@pytest.mark.parametrize(
    ("counts", "under", "over"),
    [
        ({}, (), ()),
        ({"Rock": 6}, (), ()),
        ({"Rock": 6, "Jazz": 6, "Pop": 6}, (), ()),
        ({"Rock": 6, "Jazz": 60}, ("Rock",), ("Jazz",)),
        ({"Rock": 6, "Jazz": 10, "Pop": 10, "Folk": 10, "Soul": 99}, ("Rock",), ("Soul",)),
        ({"A": 1, "B": 2, "C": 3, "D": 4, "E": 5}, ("A",), ("E",)),
    ],
)
def test_examples(counts: Mapping[str, int], under: tuple[str, ...], over: tuple[str, ...]) -> None:
    """Genres of one size, one genre and no genre are neither few nor many."""
    result = representation(counts)

    assert (result.under, result.over) == (under, over)
