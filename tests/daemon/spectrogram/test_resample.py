"""Resampling in pieces and in blocks is resampling at once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.spectrogram.resample import MARGIN_SAMPLES, Ratio, line_up, resample_blocks

if TYPE_CHECKING:
    from melwatch.spectrogram.resample import Mono

RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
EXACT = 1e-6


def at_once(mono: Mono, input_hz: int) -> Mono:
    """Return samples at 16 kHz, resampled in one go."""
    if input_hz == 16_000:
        return mono
    resampled: Mono = soxr.resample(mono, input_hz, 16_000, quality="HQ")
    return resampled


@given(
    input_hz=st.sampled_from(RATES_HZ),
    input_samples=st.integers(1, 60_000),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
)
@settings(max_examples=60)
def test_resampling_a_span_is_a_span_of_the_resampled(input_hz: int, input_samples: int, ends: list[float]) -> None:
    """With aligned margins, at any rate, length and place, also at both ends."""
    ratio = Ratio(input_hz=input_hz, output_hz=16_000)
    mono = np.random.default_rng(input_samples).uniform(-1, 1, input_samples).astype(np.float32)
    resampled = at_once(mono, input_hz)
    total = ratio.output_samples(input_samples)
    assert len(resampled) == total

    start, stop = (int(end * total) for end in ends)
    first, last = ratio.input_span(start, stop, input_samples)
    origin = first // ratio.block_in * ratio.block_out
    piece = ratio.resample_pieces([(first, mono[first:last])])[0][start - origin : stop - origin]

    np.testing.assert_allclose(piece, resampled[start:stop], rtol=0, atol=EXACT)


@given(sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_resampling_in_blocks_is_resampling_at_once(sizes: list[int]) -> None:
    """However the stream is cut into blocks."""
    mono = np.random.default_rng(4).uniform(-1, 1, sum(sizes)).astype(np.float32)
    edges = np.cumsum([0, *sizes])
    blocks = [(44_100, mono[start:stop]) for start, stop in pairwise(edges)]

    streamed = np.concatenate(list(resample_blocks(blocks, 16_000)))

    np.testing.assert_array_equal(streamed, at_once(mono, 44_100))


@pytest.mark.parametrize("input_hz", sorted(set(RATES_HZ) - {16_000}))
def test_pieces_of_a_long_song_are_the_resampled_song_bit_by_bit(input_hz: int) -> None:
    """Loud and quiet parts, beginning and end of the song, in whatever order the pieces lie."""
    ratio = Ratio(input_hz=input_hz, output_hz=16_000)
    random = np.random.default_rng(input_hz)
    seconds = 40
    mono = random.normal(0, 0.2, seconds * input_hz + 77).astype(np.float32)
    mono *= np.repeat(10.0 ** random.integers(-4, 1, seconds + 1), input_hz)[: len(mono)].astype(np.float32)
    resampled = at_once(mono, input_hz)
    spans = [(16_000 * at, min(16_000 * (at + 3), len(resampled))) for at in (0, 7, 13, 22, 31, 38)]
    inputs = [ratio.input_span(*span, len(mono)) for span in spans]

    pieces = ratio.resample_pieces([(first, mono[first:last]) for first, last in inputs])

    for span, (first, _), piece in zip(spans, inputs, pieces, strict=True):
        origin = first // ratio.block_in * ratio.block_out
        np.testing.assert_array_equal(piece[span[0] - origin : span[1] - origin], resampled[slice(*span)])


@given(
    pieces=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 5_000)), min_size=1, max_size=8),
    period=st.integers(1, 3_000),
)
def test_pieces_line_up_in_step_and_apart(pieces: list[tuple[int, int]], period: int) -> None:
    """Each once, on its own sample modulo the period, and never close behind another."""
    at, seen = 0, []
    for number, gap in line_up(pieces, period):
        assert gap >= (MARGIN_SAMPLES if seen else 0)
        assert (at + gap - pieces[number][0]) % period == 0
        at += gap + pieces[number][1]
        seen.append(number)
    assert sorted(seen) == list(range(len(pieces)))
