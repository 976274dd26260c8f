"""The border to libsndfile: what it is given to read, and where its chatter goes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from melwatch.platform import filesystem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from melwatch.spectrogram.resample import Mono

    Samples = np.ndarray[tuple[int, int], np.dtype[np.float32]]

_MAX_FRAME_BYTES = 1441
_BLOCK_SAMPLES = 64 * 1152


def silence_native_stderr() -> None:
    """Send what C libraries print to nowhere; Python's `sys.stderr` goes on as before.

    For the start of a worker process: libmpg123 prints a line for each damaged frame.
    """
    if sys.stderr is None:  # below a service of Windows there may be none, and so nowhere to print to
        return
    sys.stderr.flush()
    ours = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(ours, "w", buffering=1, errors="backslashreplace")


def mix_down(samples: Samples, out: Mono | None = None) -> Mono:
    """The mean over the channels of (n, channels) samples, (n,) float32, put into `out` if there is one."""
    mono: Mono = np.empty(len(samples), np.float32) if out is None else out
    match samples.shape[1]:
        case 1:
            mono[:] = samples[:, 0]
        case 2:  # twenty times faster than mean(1), and equal
            np.add(samples[:, 0], samples[:, 1], out=mono)
            mono *= np.float32(0.5)
        case _:
            samples.mean(axis=1, dtype=np.float32, out=mono)
    return mono


class ForwardSound(soundfile.SoundFile):  # type: ignore[misc]
    """A sound that is read from its beginning to its end.

    soundfile seeks to where it is after each read of a sound that can seek, and in an MP3 that
    means to decode the last frames again.
    """

    def seekable(self) -> bool:
        """Never, as far as soundfile is concerned."""
        return False


class MonoReader:
    """An open sound, read forwards and mixed down in blocks that stay in the processor's cache."""

    def __init__(self, sound: ForwardSound) -> None:
        self._sound = sound
        self._block = np.empty((_BLOCK_SAMPLES, sound.channels), np.float32)
        self._at = 0

    def fill(self, mono: Mono, *, at: int) -> bool:
        """Fill `mono` (n,) with the sound from sample `at` on; whether there was enough of it."""
        while self._at < at:
            if not len(self._read(at - self._at)):
                return False
        done = 0
        while done < len(mono):
            samples = self._read(len(mono) - done)
            if not len(samples):
                return False
            mix_down(samples, mono[done : done + len(samples)])
            done += len(samples)
        return True

    def _read(self, at_most: int) -> Samples:
        samples: Samples = self._sound.read(out=self._block[:at_most])
        self._at += len(samples)
        return samples


@contextmanager
def open_frames(pieces: Sequence[bytes], n_frames: int) -> Iterator[ForwardSound]:
    """A sound made of nothing but MPEG frames, which libsndfile will read to the last.

    libsndfile guesses the number of samples from the length of the file and reads no further.
    Zeros behind the frames make the guess large enough; nobody reads as far as them.
    """
    with (
        filesystem.memory_file(pieces, n_frames * _MAX_FRAME_BYTES) as file,
        ForwardSound(file, closefd=False) as sound,
    ):
        yield sound
