"""The heavy work of the page, in a process of its own: `python -m melwatch_service.page.labour` does one task.

A task comes pickled on standard input, from the page alone; what comes of it leaves on standard output.
"""

from __future__ import annotations

import io
import pickle
import sys
import wave
from typing import TYPE_CHECKING, Any

from melwatch.errors import ConfigError, MelwatchError, StoreError
from melwatch.platform import system

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.spectrogram.recipe import Recipe
    from melwatch.track import Location

MOST_LISTED = 200
_MEMORY_MB = 1536


def draw_track(folder: DatasetFolder, spooled: Path, location: Location, recipe: Recipe, title: str) -> bytes:
    """Return all windows of a track in one grid, as `melwatch plot track` draws them, as PNG."""
    from melwatch_service.plots import track_figure

    return _png(track_figure(list(_values(folder, spooled, location, recipe)), title))


def draw_genres(counts: Mapping[str, int], waiting: Mapping[str, int]) -> bytes:
    """Return songs per genre, as `melwatch plot genres` draws them, as PNG."""
    from melwatch_service.plots import genres_figure

    return _png(genres_figure(counts, waiting))


def cut_windows(root: bytes, path: bytes, recipe: Recipe, *, hydrate: bool) -> list[bytes]:
    """Return the windows of a song as they are heard, each a WAV file."""
    from melwatch.audio.audiofile import open_audio
    from melwatch.names import native
    from melwatch.spectrogram.decode import decode_windows

    policy, rate_hz = recipe.windows, recipe.sampling_rate_hz
    with open_audio(native(root, path), hydrate=hydrate) as audio:
        decoded = decode_windows(
            audio.audio, rate_hz=rate_hz, window_samples=policy.window_samples(rate_hz), starts=policy.starts
        )
    return [_wav(window, rate_hz) for window in decoded.windows]


def compare_versions(folder: DatasetFolder, before: int, after: int) -> dict[str, Any]:
    """Return what differs between two versions, as `melwatch diff --json` does, each kind up to a limit."""
    from melwatch.dataset.history import compare

    found = compare(folder, before, after).to_json()
    lists = {name: value for name, value in found.items() if isinstance(value, list) and name != "recipes"}
    return (
        found
        | {name: value[:MOST_LISTED] for name, value in lists.items()}
        | {"counts": {name: len(value) for name, value in lists.items()}}
    )


TASKS = {task.__name__: task for task in (draw_track, draw_genres, cut_windows, compare_versions)}


def _values(folder: DatasetFolder, spooled: Path, location: Location, recipe: Recipe) -> NDArray[np.float32]:
    """Return a track's spectrograms, (windows, frames, bins) float32, from its shard or the spool."""
    import numpy as np

    from melwatch.dataset.arrow import ShardReader

    shape = (location.windows, *recipe.shape)
    size = int(np.prod(shape)) * np.dtype(recipe.dtype).itemsize
    if location.shard is not None and location.first_row is not None:
        shard = ShardReader(folder.shard(location.shard))
        block: memoryview | bytes = shard.block(location.first_row, location.windows)
    else:
        block = spooled.read_bytes()[:size]
    if len(block) != size:
        raise StoreError("The spectrograms of this track are not as they should be", "Run `melwatch verify`.")
    return np.frombuffer(block, recipe.dtype).reshape(shape).astype(np.float32)


def _png(figure: Figure) -> bytes:
    from melwatch_service.plots import save_figure

    out = io.BytesIO()
    save_figure(figure, out)  # type: ignore[arg-type]  # what it is given is written to
    return out.getvalue()


def _wav(samples: NDArray[np.float32], rate_hz: int) -> bytes:
    """Return mono samples as 16-bit WAV."""
    import numpy as np

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def main() -> None:
    """Do the task that is asked for."""
    system.die_with_parent()
    system.ignore_interrupts()
    system.lower_priority()
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    task, values = pickle.loads(sys.stdin.buffer.read())  # noqa: S301  the page's own words
    system.limit_memory(_MEMORY_MB)
    try:
        answer: object = TASKS[task](**values)
    except MelwatchError as error:
        answer = error
    except OSError as error:
        answer = ConfigError(f"It cannot be read: {error.strerror or error}", "Is its disk connected?")
    answers.write(pickle.dumps(answer))
    answers.flush()


if __name__ == "__main__":
    main()
