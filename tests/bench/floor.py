"""The floor: soundfile seeking to each song's six windows and reading them, and nothing else.

No hash, no resampling, no spectrogram, nothing written: less than this no method can do that reads
these windows through libsndfile. Each read starts four MPEG frames early, as a right one must.

    python tests/bench/floor.py --music MUSIC [--processes 2]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from pathlib import Path

import soundfile
from genres import songs_by_genre

_LEAD_IN_SAMPLES = 4 * 1152
_WINDOW_S = 10.24
_WINDOWS = 6


def read_windows(path: str) -> int:
    """Read one song's windows; how many samples they had."""
    samples = 0
    with soundfile.SoundFile(path) as file:
        step = file.frames // _WINDOWS
        window = round(_WINDOW_S * file.samplerate)
        for start in range(0, step * _WINDOWS, step):
            lead_in = min(start, _LEAD_IN_SAMPLES)
            file.seek(start - lead_in)
            samples += len(file.read(lead_in + window, dtype="float32", always_2d=True)) - lead_in
    return samples


def main() -> None:
    """Read all windows of a library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()

    songs = [str(path) for paths in songs_by_genre(args.music).values() for path in paths]
    begin = time.perf_counter()
    if args.processes == 1:
        samples = sum(map(read_windows, songs))
    else:
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        with context.Pool(args.processes) as pool:
            samples = sum(pool.imap_unordered(read_windows, songs))
    seconds = time.perf_counter() - begin
    print(f"{len(songs)} songs, {samples} samples, {len(songs) / seconds:.2f} songs a second")


if __name__ == "__main__":
    main()
