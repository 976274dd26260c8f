"""What storing spectrograms as float16 costs in accuracy, and saves on disk: `python half_precision.py MUSIC`.

Every song below the folder is extracted once; its numbers are rounded to float16 and compared.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melwatch.audio.source import AudioSource
from melwatch.errors import TrackError
from melwatch.spectrogram.extract import extract
from melwatch.spectrogram.native import silence_native_stderr
from melwatch.spectrogram.recipe import Recipe


@dataclass(slots=True, kw_only=True)
class Errors:
    """Sums over many spectrograms."""

    songs: int = 0
    numbers: int = 0
    largest: float = 0.0
    squares: float = 0.0
    spread_squares: float = 0.0
    range_low: float = 0.0
    range_high: float = 0.0

    def add(self, exact: np.ndarray, rounded: np.ndarray) -> None:
        """Take in the spectrograms of a song, (windows, frames, bins), before and after."""
        difference = exact - rounded.astype(np.float32)
        self.songs += 1
        self.numbers += exact.size
        self.largest = max(self.largest, float(np.abs(difference).max()))
        self.squares += float(np.square(difference, dtype=np.float64).sum())
        self.spread_squares += float(np.square(exact - exact.mean(), dtype=np.float64).sum())
        self.range_low = min(self.range_low, float(exact.min()))
        self.range_high = max(self.range_high, float(exact.max()))


def main(music: Path) -> None:
    """Extract, round, compare, and print a table."""
    silence_native_stderr()
    errors = Errors()
    for file in sorted(music.rglob("*.mp3")):
        try:
            exact = extract(AudioSource.of_bytes(file.read_bytes()), Recipe()).values
        except TrackError as error:
            print(f"{file.name}: {error.what}", file=sys.stderr)
            continue
        errors.add(exact, exact.astype(np.float16))
    rms = (errors.squares / errors.numbers) ** 0.5
    spread = (errors.spread_squares / errors.numbers) ** 0.5
    print(f"| songs | {errors.songs} |")
    print(f"| numbers | {errors.numbers:,} |")
    print(f"| range | {errors.range_low:.3f} to {errors.range_high:.3f} |")
    print(f"| spread (standard deviation) | {spread:.3f} |")
    print(f"| largest error | {errors.largest:.2e} |")
    print(f"| root mean square error | {rms:.2e} |")
    print(f"| signal to noise | {20 * np.log10(spread / rms):.1f} dB |")
    print(f"| bytes a song, float32 | {Recipe().bytes_per_track:,} |")
    print(f"| bytes a song, float16 | {Recipe(dtype='float16').bytes_per_track:,} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
