"""The border to libsndfile: what it is given to read, and where its chatter goes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from melwatch import system

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from melwatch.spectrogram.resample import Mono

_MAX_FRAME_BYTES = 1441


def silence_native_stderr() -> None:
    """Send what C libraries print to nowhere; Python's `sys.stderr` goes on as before.

    For the start of a worker process: libmpg123 prints a line for each damaged frame.
    """
    sys.stderr.flush()
    ours = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(ours, "w", buffering=1, errors="backslashreplace")


def mix_down(samples: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Mono:
    """The mean over the channels of (n, channels) samples, (n,) float32."""
    n_channels = samples.shape[1]
    if n_channels == 1:
        return samples[:, 0]
    if n_channels == 2:  # noqa: PLR2004 - twenty times faster than mean(1), and equal
        return (samples[:, 0] + samples[:, 1]) * np.float32(0.5)
    mean: Mono = samples.mean(axis=1, dtype=np.float32)
    return mean


@contextmanager
def open_frames(pieces: Sequence[bytes], n_frames: int) -> Iterator[soundfile.SoundFile]:
    """A sound made of nothing but MPEG frames, which libsndfile will read to the last.

    libsndfile guesses the number of samples from the length of the file and reads no further.
    Zeros behind the frames make the guess large enough; nobody reads as far as them.
    """
    with (
        system.memory_file(pieces, n_frames * _MAX_FRAME_BYTES) as file,
        soundfile.SoundFile(file, closefd=False) as sound,
    ):
        yield sound
