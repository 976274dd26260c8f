"""What the numbers must be: decode whole, mean to mono, soxr HQ to 16 kHz, cut, extract.

The notebook's method song by song, plain rather than quick; melwatch is judged against it.
"""

from __future__ import annotations

import os
import warnings
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import soundfile
import soxr
from mpeg import promised_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

RATE_HZ = 16_000
WINDOW_SAMPLES = 163_840
WINDOWS = 6
FRAMES, MEL_BINS = 1024, 128


class Decoder(StrEnum):
    """The decoders that a notebook would take."""

    SOUNDFILE = "soundfile"
    AV = "av"
    DATASETS = "datasets"


def decode_soundfile(path: Path) -> tuple[Samples, int]:
    """All of the song, (samples, channels) float32, and its rate."""
    samples: Samples
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return samples, rate_hz


def decode_av(path: Path) -> tuple[Samples, int]:
    """The same by FFmpeg."""
    with av.open(os.fspath(path)) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray() for frame in container.decode(stream)]
        samples = np.concatenate(blocks, axis=1).T.astype(np.float32, copy=False)
        return samples, stream.codec_context.sample_rate


def decode_datasets(path: Path) -> tuple[Samples, int]:
    """The same by `datasets.Audio`, which is torchcodec, which is FFmpeg."""
    from datasets import Audio

    decoded = Audio().decode_example({"path": os.fspath(path), "bytes": None}).get_all_samples()
    samples: Samples = decoded.data.numpy().T
    return samples, decoded.sample_rate


DECODE: dict[Decoder, Callable[[Path], tuple[Samples, int]]] = {
    Decoder.SOUNDFILE: decode_soundfile,
    Decoder.AV: decode_av,
    Decoder.DATASETS: decode_datasets,
}


def to_mono(samples: Samples) -> Samples:
    """Mean over the channels; for two, the same bits as `mean(axis=1)` in half the time."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    if samples.shape[1] == 2:
        return (samples[:, 0] + samples[:, 1]) * np.float32(0.5)
    mono: Samples = samples.mean(axis=1, dtype=np.float32)
    return mono


def to_16k(mono: Samples, rate_hz: int) -> Samples:
    """The whole song at 16 kHz by soxr HQ, as librosa does it."""
    if rate_hz == RATE_HZ:
        return mono
    resampled: Samples = soxr.resample(mono, rate_hz, RATE_HZ, quality="HQ")
    return resampled


def cut_windows(signal: Samples) -> list[Samples]:
    """Six windows of 10.24 s, evenly spaced, the first at 0; shorter where the song ends."""
    step = len(signal) // WINDOWS
    return [signal[k * step : k * step + WINDOW_SAMPLES] for k in range(WINDOWS)]


@cache
def extractor() -> Any:
    """`ASTFeatureExtractor` with its defaults, which are the model's parameters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*mel filter has all zero values")
        import transformers

        make: Any = transformers.ASTFeatureExtractor
        return make()


def spectrograms(windows: Sequence[Samples]) -> Samples:
    """(len(windows), 1024, 128) float32, normalised."""
    inputs = extractor()(list(windows), sampling_rate=RATE_HZ, return_tensors="np")
    return np.asarray(inputs["input_values"], dtype=np.float32)


def reference_rows(path: Path) -> tuple[Samples, Decoder]:
    """A song's six rows, and the decoder that gave them.

    That is soundfile, unless it raises or returns less than the frame headers promise.
    """
    decoder = Decoder.SOUNDFILE
    try:
        samples, rate_hz = decode_soundfile(path)
    except soundfile.LibsndfileError:
        decoder = Decoder.AV
    else:
        if len(samples) < promised_samples(path.read_bytes()):
            decoder = Decoder.AV
    if decoder is Decoder.AV:
        samples, rate_hz = decode_av(path)
    return spectrograms(cut_windows(to_16k(to_mono(samples), rate_hz))), decoder
