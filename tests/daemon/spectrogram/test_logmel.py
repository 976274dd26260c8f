"""Log-mel spectrograms: the same however they are asked for, and the same as the extractor's."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.spectrogram import logmel
from melwatch.spectrogram.logmel import FRAME_SAMPLES, HOP_SAMPLES, log_mel, mel_filters
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.reference import reference_log_mel

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_SAMPLES = 163_840
RATE_HZ = 16_000
SILENCE_LOG = np.log(np.float32(2.0**-23))


def noise(n_samples: int, scale: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    """Make white noise, (n_samples,) float32."""
    return np.random.default_rng(seed).normal(0.0, scale, n_samples).astype(np.float32)


def sine(hz: float, scale: float = 1.0) -> NDArray[np.float32]:
    """Make a sine of one window's length, (WINDOW_SAMPLES,) float32."""
    phase = 2 * np.pi * hz / RATE_HZ * np.arange(WINDOW_SAMPLES)
    samples: NDArray[np.float32] = (scale * np.sin(phase)).astype(np.float32)
    return samples


def song() -> NDArray[np.float32]:
    """Make something like music, chords that decay over hiss, (WINDOW_SAMPLES,) float32."""
    beat_samples = 8_000
    decay = np.exp(-np.arange(WINDOW_SAMPLES) % beat_samples / 2_000)
    chord = sum(sine(hz, 0.2) for hz in (110.0, 277.18, 659.26, 1760.0))
    samples: NDArray[np.float32] = (chord * decay + noise(WINDOW_SAMPLES, 0.003)).astype(np.float32)
    return samples


def click(position: int) -> NDArray[np.float32]:
    """Put one sample at full scale in silence, (WINDOW_SAMPLES,) float32."""
    samples = np.zeros(WINDOW_SAMPLES, np.float32)
    samples[position] = 1.0
    return samples


# Equivalences.


def test_six_at_once_equal_one_by_one() -> None:
    """Windows do not hear one another, whatever their lengths and their order."""
    lengths = (WINDOW_SAMPLES, 400, 41_360, 41_359, 41_361, WINDOW_SAMPLES)
    windows = [noise(length, seed=seed) for seed, length in enumerate(lengths)]

    together = log_mel(windows, Recipe())

    for window, spectrogram in zip(windows, together, strict=True):
        assert np.array_equal(log_mel([window], Recipe())[0], spectrogram)


@settings(max_examples=30)
@given(hops=st.integers(min_value=0, max_value=700), extra=st.integers(min_value=0, max_value=159))
def test_shifting_by_hops_shifts_the_frames(hops: int, extra: int) -> None:
    """A frame depends on its own 400 samples, not on its place in the window or in a block."""
    recipe = Recipe(max_frames=1_100)
    samples = noise(HOP_SAMPLES * 900 + FRAME_SAMPLES + extra)

    whole = log_mel([samples], recipe)[0]
    shifted = log_mel([samples[hops * HOP_SAMPLES :]], recipe)[0]

    n_frames = 901 - hops
    np.testing.assert_allclose(shifted[:n_frames], whole[hops:901], rtol=0, atol=2e-5)


@pytest.mark.parametrize("n_samples", [400, 559, 560, 41_200, 41_360, 163_679])
def test_short_windows_end_in_normalised_zeros(n_samples: int) -> None:
    """Behind a window's last whole frame, each value is (0 - mean) / (2 * std)."""
    n_frames = (n_samples - FRAME_SAMPLES) // HOP_SAMPLES + 1
    recipe = Recipe()

    spectrogram = log_mel([noise(n_samples)], recipe)[0]

    padding = np.float32(-recipe.mean / (2 * recipe.std))
    assert np.all(spectrogram[n_frames:] == padding)
    assert not np.any(spectrogram[n_frames - 1] == padding)


def test_samples_behind_the_last_whole_frame_do_not_count() -> None:
    """A rest of less than a hop changes nothing."""
    samples = noise(40_159)

    assert np.array_equal(log_mel([samples], Recipe()), log_mel([samples[:40_080]], Recipe()))


@pytest.mark.parametrize("max_frames", [1, 128, 255, 256, 257, 512])
def test_fewer_frames_are_the_first_ones(max_frames: int) -> None:
    """`max_frames` cuts; the frames that are left are the same."""
    window = noise(WINDOW_SAMPLES)

    short = log_mel([window], Recipe(max_frames=max_frames))

    assert short.shape == (1, max_frames, 128)
    np.testing.assert_allclose(short[0], log_mel([window], Recipe())[0, :max_frames], rtol=0, atol=2e-5)


def test_normalising_is_what_do_normalize_adds() -> None:
    """Without `do_normalize` there are plain log energies, and zeros as padding."""
    recipe = Recipe()
    window = noise(100_000)

    plain = log_mel([window], Recipe(do_normalize=False))

    assert np.all(plain[0, -1] == 0.0)
    normalised = (plain - recipe.mean) / (2 * recipe.std)
    np.testing.assert_allclose(log_mel([window], recipe), normalised, rtol=0, atol=1e-6)


def test_louder_is_a_constant_more() -> None:
    """Twice the amplitude adds log 4 to every energy above the floor."""
    window = noise(20_000)
    recipe = Recipe(do_normalize=False, max_frames=123)

    quiet, loud = log_mel([window, 2 * window], recipe)

    audible = quiet > SILENCE_LOG
    assert audible.mean() > 0.9
    np.testing.assert_allclose((loud - quiet)[audible], np.log(4.0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("offset", [-1.0, 0.25, 1.0])
def test_a_constant_offset_changes_nothing(offset: float) -> None:
    """The mean of each frame is removed, also under a large offset."""
    window = noise(WINDOW_SAMPLES, scale=0.05)

    np.testing.assert_allclose(log_mel([window + np.float32(offset)], Recipe()), log_mel([window], Recipe()), atol=2e-3)


def test_other_array_layouts_are_the_same_window() -> None:
    """Strided, doubled and read-only samples give what contiguous float32 gives."""
    stereo = np.stack([noise(20_000), noise(20_000, seed=1)], axis=1)
    left = np.ascontiguousarray(stereo[:, 0])
    left.flags.writeable = False

    expected = log_mel([left], Recipe())

    assert np.array_equal(log_mel([stereo[:, 0]], Recipe()), expected)
    assert np.array_equal(log_mel([left.astype(np.float64)], Recipe()), expected)


def test_windows_are_left_as_they_were() -> None:
    """The function is pure."""
    window = noise(20_000)
    before = window.copy()

    log_mel([window], Recipe())

    assert np.array_equal(window, before)


# What the numbers are.


def test_silence_is_the_floor() -> None:
    """Silence, and any constant, has the energy floor in each mel bin."""
    recipe = Recipe(do_normalize=False)
    windows = [np.full(WINDOW_SAMPLES, level, np.float32) for level in (0.0, 0.1, 1.0)]

    spectrograms = log_mel(windows, recipe)

    assert spectrograms.dtype == np.float32
    assert np.all(spectrograms[:, :1_022] == SILENCE_LOG)


def test_a_tone_is_loudest_in_its_own_mel_bin() -> None:
    """Mel bin numbers mean what Kaldi's formula says."""
    lowest_mel, highest_mel = (1127 * math.log1p(hz / 700) for hz in (20, 8_000))
    centres_hz = 700 * np.expm1(np.linspace(lowest_mel, highest_mel, 130)[1:-1] / 1127)

    for mel_bin in (60, 90, 120):
        spectrogram = log_mel([sine(centres_hz[mel_bin], 0.5)], Recipe())[0, :1_022]
        assert np.all(spectrogram.argmax(axis=1) == mel_bin)


@pytest.mark.parametrize("position", [0, 1, 399, 400, 41_199, 41_200, 81_999, 163_839])
def test_a_click_is_heard_only_by_the_frames_around_it(position: int) -> None:
    """Nothing leaks from one frame, or one block of frames, into another."""
    energies = log_mel([click(position)], Recipe(do_normalize=False))[0, :1_022]

    first_sample = np.arange(1_022) * HOP_SAMPLES
    elsewhere = (position < first_sample) | (position >= first_sample + FRAME_SAMPLES)
    assert np.all(energies[elsewhere] == SILENCE_LOG)


def test_nan_stays_in_its_own_window_and_frames() -> None:
    """One bad sample spoils neither the rest of its window nor the next one."""
    bad = noise(WINDOW_SAMPLES)
    bad[50_000] = np.nan
    good = noise(WINDOW_SAMPLES, seed=1)

    spoilt, clean = log_mel([bad, good], Recipe())

    assert np.isnan(spoilt).any(axis=1).sum() <= 4
    assert np.array_equal(clean, log_mel([good], Recipe())[0])


def test_no_windows_are_no_spectrograms() -> None:
    """An empty list gives an empty array of the right shape."""
    assert log_mel([], Recipe()).shape == (0, 1024, 128)


@pytest.mark.parametrize("n_samples", [0, 1, 240, 399])
def test_less_than_one_frame_is_refused(n_samples: int) -> None:
    """The extractor gives padding alone, or fails with a riddle; melwatch says what is wrong."""
    with pytest.raises(ValueError, match=f"{n_samples} samples is too short"):
        log_mel([noise(n_samples)], Recipe())


def test_stereo_is_refused() -> None:
    """A window has one axis."""
    with pytest.raises(ValueError, match="mono"):
        log_mel([np.zeros((1_000, 2), np.float32)], Recipe())


# How it is done.


def test_the_scipy_door_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where scipy's compiled FFT cannot be loaded by itself, `scipy.fft` gives the same."""
    windows = [noise(WINDOW_SAMPLES), noise(5_000)]
    expected = log_mel(windows, Recipe())

    def missing() -> None:
        raise ImportError("elsewhere")

    monkeypatch.setattr(logmel, "_load_pocketfft", missing)
    logmel._transform.cache_clear()
    try:
        assert np.array_equal(log_mel(windows, Recipe()), expected)
    finally:
        logmel._transform.cache_clear()


def test_workers_do_not_pay_for_scipy() -> None:
    """A spectrogram is made without the packages of scipy, torch or transformers."""
    program = (
        "import sys, numpy as np; from melwatch.spectrogram.logmel import log_mel; "
        "from melwatch.spectrogram.recipe import Recipe; "
        "log_mel([np.zeros(400, np.float32)], Recipe()); "
        "sys.exit(' '.join({'scipy', 'torch', 'transformers'} & set(sys.modules)))"
    )

    child = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert child.stderr.strip() == ""


def test_bands_together_are_the_filter_bank() -> None:
    """Cutting the filter bank into small products loses no weight."""
    for mel_bins in (23, 80, 128, 257):
        filters = mel_filters(RATE_HZ, mel_bins)
        together = np.zeros_like(filters)
        for band in logmel._mel_bands(filters):
            together[band.bins, band.filters] += band.weights
        np.testing.assert_allclose(together, filters, atol=1e-7)


# The extractor itself.


@pytest.fixture(scope="module")
def _transformers() -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("torch")


parity = pytest.mark.usefixtures("_transformers")
zero_filter = pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")


@parity
@zero_filter
@pytest.mark.parametrize(
    ("window", "worst", "mean"),
    [
        pytest.param(song(), 3e-4, 1e-5, id="like a song"),
        pytest.param(np.zeros(WINDOW_SAMPLES, np.float32), 1e-6, 1e-7, id="silence"),
        pytest.param(np.full(WINDOW_SAMPLES, 0.5, np.float32), 1e-6, 1e-7, id="a constant"),
        pytest.param(noise(WINDOW_SAMPLES, 1e-7), 1e-6, 1e-7, id="noise below the floor"),
        pytest.param(noise(WINDOW_SAMPLES, 1e-4), 3e-5, 1e-6, id="faint noise"),
        pytest.param(noise(WINDOW_SAMPLES, 0.3), 1e-3, 1e-6, id="loud noise"),
        pytest.param(np.sign(sine(440.3)), 2e-3, 3e-5, id="full-scale square wave"),
        pytest.param(np.sign(sine(1_000.7)), 2e-3, 3e-5, id="higher full-scale square wave"),
        pytest.param(noise(WINDOW_SAMPLES, 1e-3) + np.float32(0.9), 2e-3, 1e-5, id="large offset"),
        pytest.param(click(5_000), 1e-4, 1e-6, id="a click"),
        pytest.param(noise(400), 1e-4, 1e-6, id="one frame"),
        pytest.param(noise(559), 1e-4, 1e-6, id="one frame and a rest"),
        pytest.param(noise(560), 1e-4, 1e-6, id="two frames"),
        pytest.param(noise(2 * WINDOW_SAMPLES), 3e-4, 1e-6, id="more than fits"),
    ],
)
def test_numbers_are_the_extractors(window: NDArray[np.float32], worst: float, mean: float) -> None:
    """What transformers computes in float64, one frame after the other, within float32's reach.

    The tolerances are for values that spread by about 0.5. Pure full-scale tones are the worst
    case: beside them, float32's own rounding stands just below the energy floor.
    """
    difference = np.abs(log_mel([window], Recipe()) - reference_log_mel([window], Recipe()))

    assert difference.max() <= worst
    assert difference.mean() <= mean


@parity
@zero_filter
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(max_frames=128, mean=-6.845978, std=5.5654526),
        Recipe(do_normalize=False),
        Recipe(mel_bins=80, max_frames=300),
        Recipe(mel_bins=23),
        Recipe(sampling_rate_hz=22_050),
    ],
    ids=["speech commands", "plain", "80 bins", "23 bins", "other rate"],
)
def test_other_parameters_are_the_extractors_too(recipe: Recipe) -> None:
    """Each parameter of a checkpoint means what it means to the extractor."""
    windows = [noise(30_000, seed=1), noise(10_000, seed=2)]

    difference = np.abs(log_mel(windows, recipe) - reference_log_mel(windows, recipe))

    assert difference.max() <= 5e-4
    assert difference.mean() <= 1e-5
