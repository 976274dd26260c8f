"""Samples to log-mel spectrograms, as transformers' ASTFeatureExtractor makes them; pure and fast.

The method is Kaldi's `fbank` as transformers calls it: per frame the mean is removed, then come
pre-emphasis, a Hann window, a zero-padded FFT, its power, triangular mel filters, a floor and
the natural logarithm. Everything is float32, in blocks of frames that stay in the processor's
cache. Decoding and the choice of windows live elsewhere.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from melwatch.spectrogram.recipe import Recipe

    Floats: TypeAlias = NDArray[np.float32]
    Transform: TypeAlias = Callable[[Floats, NDArray[np.complex64]], object]

# In samples, whatever the sampling rate: so does the extractor without torchaudio.
FRAME_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
FFT_SAMPLES: Final = 512
FFT_BINS: Final = FFT_SAMPLES // 2 + 1
LOWEST_HZ: Final = 20
PRE_EMPHASIS: Final = 0.97
ENERGY_FLOOR: Final = 2.0**-23

# Measured: fewer frames pay numpy's cost per call too often, more of them leave the cache; 16
# filters side by side look at few FFT bins, which saves 7/8 of the product, and suit BLAS.
_BLOCK_FRAMES: Final = 256
_BAND_FILTERS: Final = 16

# A frame is five tiles long and starts every two, so tiles are summed once for all frames.
_TILE_SAMPLES: Final = 80
_TILES_PER_HOP: Final = HOP_SAMPLES // _TILE_SAMPLES
_TILES_PER_FRAME: Final = FRAME_SAMPLES // _TILE_SAMPLES


def log_mel(windows: Sequence[Floats], recipe: Recipe) -> Floats:
    """Log-mel spectrograms, (len(windows), max_frames, mel_bins) float32, normalised.

    A window is mono, (n_samples,) float32, nominally in [-1, 1], at the recipe's sampling rate.
    What it has too few frames for is padded with zeros before they are normalised; frames
    beyond `max_frames` are left out.
    """
    front_end = _front_end(recipe)
    scratch = _Scratch(recipe.mel_bins)
    spectrograms = np.empty((len(windows), recipe.max_frames, recipe.mel_bins), np.float32)
    for window, spectrogram in zip(windows, spectrograms, strict=True):
        _fill(spectrogram, np.ascontiguousarray(window, np.float32), front_end, scratch)
    return spectrograms


def _fill(spectrogram: Floats, window: Floats, front_end: _FrontEnd, scratch: _Scratch) -> None:
    """Write one window's spectrogram, (max_frames, mel_bins) float32, block by block."""
    n_frames = min(count_frames(window), len(spectrogram))
    means = frame_means(window, n_frames)
    for first in range(0, n_frames, _BLOCK_FRAMES):
        last = min(first + _BLOCK_FRAMES, n_frames)
        samples = window[first * HOP_SAMPLES : (last - 1) * HOP_SAMPLES + FRAME_SAMPLES]
        block = spectrogram[first:last]
        frames = cut_frames(samples, means[first:last], front_end.hann, scratch)
        mel_energies(power_spectrum(frames, scratch), front_end.mel_bands, out=block)
        log_energies(block, scratch.floor)
        block *= front_end.scale
        block += front_end.offset
    spectrogram[n_frames:] = front_end.offset


def count_frames(window: Floats) -> int:
    """How many whole frames lie in a window, (n_samples,) float32; a last part is left out."""
    if window.ndim != 1:
        raise ValueError(f"A window must be mono, of shape (n_samples,), but it is {window.shape}.")
    if len(window) < FRAME_SAMPLES:
        raise ValueError(
            f"A window of {len(window)} samples is too short for a spectrogram: one frame needs {FRAME_SAMPLES}.",
        )
    return (len(window) - FRAME_SAMPLES) // HOP_SAMPLES + 1


def frame_means(window: Floats, n_frames: int) -> Floats:
    """Mean of each frame's samples, (n_frames,) float32."""
    tiles = window[: len(window) // _TILE_SAMPLES * _TILE_SAMPLES].reshape(-1, _TILE_SAMPLES)
    shares = tiles @ np.full(_TILE_SAMPLES, 1 / FRAME_SAMPLES, np.float32)
    end = (n_frames - 1) * _TILES_PER_HOP + 1
    means: Floats = np.sum([shares[tile : tile + end : _TILES_PER_HOP] for tile in range(_TILES_PER_FRAME)], axis=0)
    return means


def cut_frames(samples: Floats, means: Floats, hann: Floats, scratch: _Scratch) -> Floats:
    """Windowed frames without their mean, pre-emphasised, (len(means), FFT_SAMPLES) float32.

    Pre-emphasis is linear, so it is done once on the samples that the frames share: of a frame's
    mean it leaves 1 - 0.97. A frame's first sample has no predecessor; the Hann window is 0 there.
    """
    emphasised = scratch.samples[: len(samples)]
    emphasised[0] = 0.0
    np.multiply(samples[:-1], -PRE_EMPHASIS, out=emphasised[1:])
    emphasised[1:] += samples[1:]
    frames = scratch.frames[: len(means)]
    remaining_means = means[:, np.newaxis] * (1 - PRE_EMPHASIS)
    np.subtract(scratch.sliding[: len(means)], remaining_means, out=frames[:, :FRAME_SAMPLES])
    frames *= hann  # whole rows are faster than their first 400 samples
    return frames


def power_spectrum(frames: Floats, scratch: _Scratch) -> Floats:
    """Squared magnitudes, (n_frames, FFT_BINS) float32, of (n_frames, FFT_SAMPLES) float32."""
    spectrum = scratch.spectrum[: len(frames)]
    _transform()(frames, spectrum)
    parts = spectrum.view(np.float32)
    np.square(parts, out=parts)
    return np.add(parts[:, 0::2], parts[:, 1::2], out=scratch.power[: len(frames)])


def mel_energies(power: Floats, bands: Sequence[MelBand], out: Floats) -> None:
    """Energies behind the mel filters, (n_frames, mel_bins) float32."""
    for band in bands:
        np.matmul(power[:, band.bins], band.weights, out=out[:, band.filters])


def log_energies(energies: Floats, floor: Floats) -> None:
    """Natural logarithm, in place, of (n_frames, mel_bins) float32 and no less than the floor.

    The floor is an array because numpy takes four times as long with a scalar.
    """
    np.maximum(energies, floor[: len(energies)], out=energies)
    np.log(energies, out=energies)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MelBand:
    """Neighbouring mel filters, and the only FFT bins that they look at."""

    filters: slice
    bins: slice
    weights: Floats
    """(FFT bins, filters) float32"""


def mel_filters(rate_hz: int, mel_bins: int) -> NDArray[np.float64]:
    """Kaldi's triangular filters from 20 Hz to half the rate, (FFT_BINS, mel_bins) float64.

    The triangles are straight on the mel scale, of height 1, and not normalised by their area.
    """
    bins_mel = _mel(np.arange(FFT_BINS, dtype=np.float64) * (rate_hz / FFT_SAMPLES))
    lowest_mel, highest_mel = _mel(np.array([LOWEST_HZ, rate_hz // 2], np.float64))
    corners_mel = np.linspace(lowest_mel, highest_mel, mel_bins + 2)
    widths_mel = np.diff(corners_mel)
    distances_mel = bins_mel[:, np.newaxis] - corners_mel
    rising = distances_mel[:, :-2] / widths_mel[:-1]
    falling = -distances_mel[:, 2:] / widths_mel[1:]
    triangles: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return triangles


def _mel(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 1127.0 * np.log(1.0 + frequency_hz / 700.0)
    return mel


def _mel_bands(filters: NDArray[np.float64]) -> tuple[MelBand, ...]:
    """Cut a filter bank, mostly zeros, into small dense products."""
    bands = []
    for first in range(0, filters.shape[1], _BAND_FILTERS):
        band = filters[:, first : first + _BAND_FILTERS]
        used = np.flatnonzero(band.any(axis=1))
        bins = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)
        weights = np.ascontiguousarray(band[bins], np.float32)
        bands.append(MelBand(filters=slice(first, first + band.shape[1]), bins=bins, weights=weights))
    return tuple(bands)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _FrontEnd:
    """What is computed once per recipe."""

    hann: Floats
    """(FFT_SAMPLES,) float32, symmetric over a frame, zero behind it"""
    mel_bands: tuple[MelBand, ...]
    scale: float
    offset: float
    """What 0, the padding, becomes when it is normalised."""


@lru_cache(maxsize=8)
def _front_end(recipe: Recipe) -> _FrontEnd:
    hann = np.zeros(FFT_SAMPLES, np.float32)
    hann[:FRAME_SAMPLES] = np.hanning(FRAME_SAMPLES)
    return _FrontEnd(
        hann=hann,
        mel_bands=_mel_bands(mel_filters(recipe.sampling_rate_hz, recipe.mel_bins)),
        scale=1 / (2 * recipe.std) if recipe.do_normalize else 1.0,
        offset=-recipe.mean / (2 * recipe.std) if recipe.do_normalize else 0.0,
    )


class _Scratch:
    """Memory for one block of frames, used again for each."""

    def __init__(self, mel_bins: int) -> None:
        """Make room for `_BLOCK_FRAMES` overlapping frames."""
        self.samples = np.zeros((_BLOCK_FRAMES - 1) * HOP_SAMPLES + FRAME_SAMPLES, np.float32)
        self.sliding = sliding_window_view(self.samples, FRAME_SAMPLES)[::HOP_SAMPLES]
        self.frames = np.zeros((_BLOCK_FRAMES, FFT_SAMPLES), np.float32)
        self.spectrum = np.empty((_BLOCK_FRAMES, FFT_BINS), np.complex64)
        self.power = np.empty((_BLOCK_FRAMES, FFT_BINS), np.float32)
        self.floor = np.full((_BLOCK_FRAMES, mel_bins), ENERGY_FLOOR, np.float32)


@lru_cache(maxsize=1)
def _transform() -> Transform:
    """Real FFT of each row into the array given.

    Scipy's transforms four rows at once, numpy's one: a quarter of the time. But `import
    scipy.fft` takes 0.3 s of every worker's start, and what it wraps, 2 ms. So the compiled
    module is loaded by itself; where a scipy keeps it elsewhere, the public way still works.
    """
    try:
        r2c = _load_pocketfft().r2c
        r2c(np.zeros((1, 4), np.float32), axes=(1,), out=np.empty((1, 3), np.complex64))
    except (ImportError, AttributeError, TypeError, ValueError):
        return _transform_through_scipy
    return lambda rows, spectrum: r2c(rows, axes=(1,), out=spectrum)


def _load_pocketfft() -> ModuleType:
    """Load scipy's compiled FFT without the packages around it."""
    scipy = importlib.util.find_spec("scipy")
    if scipy is None or scipy.origin is None:
        raise ImportError("scipy is not installed", name="scipy")
    folder = Path(scipy.origin).parent / "fft" / "_pocketfft"
    for suffix in EXTENSION_SUFFIXES:
        file = folder / f"pypocketfft{suffix}"
        spec = importlib.util.spec_from_file_location("pypocketfft", file)
        if file.exists() and spec is not None and spec.loader is not None:
            pocketfft = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(pocketfft)
            return pocketfft
    raise ImportError("scipy keeps its FFT elsewhere", name="pypocketfft")


def _transform_through_scipy(rows: Floats, spectrum: NDArray[np.complex64]) -> None:
    from scipy import fft

    spectrum[:] = fft.rfft(rows, axis=1, workers=1)
