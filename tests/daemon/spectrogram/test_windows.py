"""Where the windows of a track lie."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melwatch.spectrogram.windows import WindowPolicy

policies = st.builds(
    WindowPolicy,
    length_s=st.floats(min_value=0.025, max_value=60.0),
    per_track=st.integers(min_value=1, max_value=50),
)
lengths = st.integers(min_value=0, max_value=200_000_000)


@given(policy=policies, track_samples=lengths)
def test_first_start_is_0_and_steps_are_equal(policy: WindowPolicy, track_samples: int) -> None:
    """As many windows as asked for start at multiples of one stride, from 0 on."""
    starts = policy.starts(track_samples)

    steps = {later - earlier for earlier, later in pairwise(starts)}
    assert steps <= {track_samples // policy.per_track}
    assert len(starts) == policy.per_track
    assert starts[0] == 0


@given(policy=policies, track_samples=lengths)
def test_every_window_starts_inside_the_track(policy: WindowPolicy, track_samples: int) -> None:
    """What lies behind a start is at least one share of the track."""
    share = track_samples // policy.per_track

    assert all(track_samples - start >= share for start in policy.starts(track_samples))


@pytest.mark.parametrize(
    ("track_samples", "starts"),
    [
        (6, (0, 1, 2, 3, 4, 5)),
        (2_400, (0, 400, 800, 1_200, 1_600, 2_000)),
        (2_405, (0, 400, 800, 1_200, 1_600, 2_000)),
        (3_840_000, (0, 640_000, 1_280_000, 1_920_000, 2_560_000, 3_200_000)),
    ],
)
def test_starts_are_the_notebooks(track_samples: int, starts: tuple[int, ...]) -> None:
    """Six windows start at k * (samples // 6)."""
    assert WindowPolicy().starts(track_samples) == starts


@pytest.mark.parametrize(
    ("length_s", "rate_hz", "samples"),
    [(10.24, 16_000, 163_840), (10.24, 44_100, 451_584), (0.1, 16_000, 1_600), (1.1, 10, 11)],
)
def test_window_samples_are_whole(length_s: float, rate_hz: int, samples: int) -> None:
    """A length in seconds becomes the nearest whole number of samples."""
    assert WindowPolicy(length_s=length_s).window_samples(rate_hz) == samples
