"""A song made up on the spot, taken through the workers and compared with what transformers makes of it.

Runs in child processes: imported there, so that the parent needs neither NumPy nor torch.
"""

from __future__ import annotations

import io
import os
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from melwatch.audio.source import AudioSource
from melwatch.platform import system
from melwatch.spectrogram.extract import extract
from melwatch.spectrogram.native import silence_native_stderr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from melwatch.spectrogram.recipe import Recipe

_SECONDS, _RATE_HZ = 62, 44_100
_SEED = 20_260


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a worker made of the song, and how long it took."""

    mp3: bytes
    values: NDArray[np.floating]
    seconds: float
    method: str


def can_encode() -> bool:
    """Whether this libsndfile knows MP3."""
    return "MP3" in soundfile.available_formats()


def song() -> bytes:
    """Return an MP3 of a rising tone in noise: the same samples everywhere, the bytes are the encoder's."""
    random = np.random.default_rng(_SEED)
    time_s = np.arange(_SECONDS * _RATE_HZ) / _RATE_HZ
    tone = 0.3 * np.sin(2 * np.pi * (220 + 40 * time_s) * time_s)
    noise = 0.05 * random.standard_normal((len(time_s), 2), np.float32)
    out = io.BytesIO()
    soundfile.write(out, noise + tone[:, np.newaxis], _RATE_HZ, format="MP3", subtype="MPEG_LAYER_III")
    return out.getvalue()


def try_extraction(recipe: Recipe, memory_mb: int) -> Trial | None:
    """Extract as a worker does, within its limit of memory; None where this libsndfile knows no MP3."""
    if not can_encode():
        return None
    mp3 = song()
    silence_native_stderr()
    system.limit_memory(memory_mb)
    source = AudioSource.of_bytes(mp3)
    extract(source, recipe)  # the first song loads what the others find loaded
    began_s = time.monotonic()
    made = extract(source, recipe)
    return Trial(mp3=mp3, values=made.values, seconds=time.monotonic() - began_s, method=made.sound.method)


def largest_difference(trial: Trial, recipe: Recipe) -> float:
    """Return how far the worker's numbers are from `ASTFeatureExtractor`'s on the wholly decoded song.

    Raises `ImportError` where transformers, or torch below it, cannot be imported.
    """
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    warnings.simplefilter("ignore")
    import soxr

    from melwatch.spectrogram.reference import reference_log_mel

    samples, rate_hz = soundfile.read(io.BytesIO(trial.mp3), dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate_hz, recipe.sampling_rate_hz).astype(np.float32)
    length = recipe.windows.window_samples(recipe.sampling_rate_hz)
    windows = [mono[start : start + length] for start in recipe.windows.starts(len(mono))]
    away = np.abs(reference_log_mel(windows, recipe) - trial.values.astype(np.float32))
    return float(np.nan_to_num(away, nan=np.inf).max())
