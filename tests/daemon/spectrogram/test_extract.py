"""From a song to spectrograms in the number format of the recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from building import tone
from melwatch.audio.source import AudioSource
from melwatch.spectrogram import recipe
from melwatch.spectrogram.extract import extract
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.windows import WindowPolicy

SONG = AudioSource.of_bytes(tone(440, 12.0))


def test_half_precision_is_the_same_numbers_rounded() -> None:
    """Half the bytes, each number within half a unit in its eleventh binary digit."""
    whole, half = extract(SONG, Recipe()).values, extract(SONG, Recipe(dtype="float16")).values

    assert (whole.dtype, half.dtype) == (np.float32, np.float16)
    assert half.nbytes == whole.nbytes / 2 == Recipe(dtype="float16").bytes_per_track
    assert np.all(np.abs(whole - half.astype(np.float32)) <= np.abs(whole) * 2.0**-11 + 2.0**-25)


def test_windows_start_where_the_recipe_says() -> None:
    """In seconds of the song as it was heard, evenly spaced, the first at 0."""
    made = Recipe(windows=WindowPolicy(per_track=4))
    starts_s = made.starts_s(extract(SONG, made).sound.duration_s)

    assert starts_s[0] == 0.0
    assert np.diff(starts_s) == pytest.approx([3.0] * 3, abs=0.1)


def test_a_recipe_of_an_older_front_end_is_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more can be made by it once the code computes other numbers; it comes back from JSON as it was."""
    old = Recipe()
    monkeypatch.setattr(recipe, "FRONT_END_REVISION", 2)

    assert old.is_past
    assert not replace(old, front_end_revision=2).is_past
    assert Recipe.from_json(old.to_json()) == old
