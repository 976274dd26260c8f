"""How much faster `log_mel` is than ASTFeatureExtractor, side by side in one run, on one thread.

Run it with the environment that it is measured in: `python tests/bench/bench_log_mel.py`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import warnings
from typing import TYPE_CHECKING

for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"
# ruff: noqa: E402 - numpy and torch read it when they are imported

import numpy as np

from melwatch.spectrogram.logmel import log_mel
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.reference import reference_log_mel

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
STARTS = 5
IMPORTS = ("melwatch.spectrogram.logmel", "scipy.fft")


def main() -> None:
    """Print medians, the ratio, and what importing costs."""
    recipe = Recipe()
    n_samples = recipe.windows.window_samples(recipe.sampling_rate_hz)
    random = np.random.default_rng(0)
    windows = [random.normal(0.0, 0.1, n_samples).astype(np.float32) for _ in range(recipe.windows.per_track)]
    warnings.filterwarnings("ignore", "At least one mel filter has all zero values")

    difference = np.abs(log_mel(windows, recipe) - reference_log_mel(windows, recipe)).max()
    ours_ms, theirs_ms = [], []
    for _ in range(ROUNDS):
        ours_ms.append(milliseconds(lambda: log_mel(windows, recipe)))
        theirs_ms.append(milliseconds(lambda: reference_log_mel(windows, recipe)))

    ours, theirs = statistics.median(ours_ms), statistics.median(theirs_ms)
    write(f"{len(windows)} windows of {n_samples} samples, median of {ROUNDS}, one thread")
    write(f"  ASTFeatureExtractor {theirs:8.1f} ms")
    write(f"  log_mel             {ours:8.1f} ms   (best {min(ours_ms):.1f})")
    write(f"  ratio               {theirs / ours:8.1f}      (max difference {difference:.1e})")
    write(f"import in a new process, median of {STARTS}, numpy there already")
    for module in IMPORTS:
        write(f"  {module:28} {import_ms(module):8.1f} ms")


def milliseconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3


def import_ms(module: str) -> float:
    """How long a module takes to import where numpy is there already."""
    program = (
        f"import numpy, time; begin = time.perf_counter(); import {module}; print((time.perf_counter() - begin) * 1e3)"
    )
    return statistics.median(
        float(
            subprocess.run(
                [sys.executable, "-c", program],
                check=True,
                capture_output=True,
                text=True,
            ).stdout,
        )
        for _ in range(STARTS)
    )


def write(line: str) -> None:
    """Print one line of the result."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
