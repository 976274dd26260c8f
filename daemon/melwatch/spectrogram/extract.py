"""From the bytes of a song to its spectrograms: decode, cut into windows, transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.spectrogram.decode import decode_windows
from melwatch.spectrogram.logmel import log_mel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from melwatch.audio.source import AudioSource
    from melwatch.spectrogram.recipe import Recipe
    from melwatch.track import Sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """A song's spectrograms, (windows, frames, bins) of the recipe's dtype, normalised, and what was heard."""

    values: NDArray[np.floating]
    sound: Sound


def extract(source: AudioSource, recipe: Recipe) -> Extracted:
    """Make the spectrograms of a song by a recipe.

    Stateless: equal bytes and recipe give equal numbers, in whatever process. Raises `TrackError`
    where the bytes are no song.
    """
    policy = recipe.windows
    decoded = decode_windows(
        source,
        rate_hz=recipe.sampling_rate_hz,
        window_samples=policy.window_samples(recipe.sampling_rate_hz),
        starts=policy.starts,
    )
    values = log_mel(decoded.windows, recipe).astype(recipe.dtype, copy=False)
    return Extracted(values=values, sound=decoded.sound)
