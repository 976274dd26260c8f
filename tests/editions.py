"""Versions written without any music: a few made-up songs with tiny spectrograms, published for real."""

from __future__ import annotations

import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from melwatch.dataset.arrow import ShardReader, checksum
from melwatch.dataset.layout import DatasetFolder
from melwatch.dataset.publish import publish
from melwatch.edition import DatasetTrack, Edition, Split
from melwatch.track import AudioId, RecipeId, RelPath, Sound, Tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

WINDOWS = 2


@dataclass(frozen=True, kw_only=True)
class Song:
    """A song as a version shows it; equal `sound` means equal spectrograms."""

    path: str
    sound: int
    genre: str = "Rock"
    split: Split = Split.TRAIN


def songs(count: int, genres: Sequence[str] = ("Jazz", "Rock")) -> list[Song]:
    """Return so many songs of different sound, spread over genres and splits."""
    splits = list(Split)
    return [
        Song(
            path=f"{genres[number % len(genres)]}/{number:03}.mp3",
            sound=number,
            genre=genres[number % len(genres)],
            split=splits[number // len(genres) % 3],
        )
        for number in range(count)
    ]


@dataclass(kw_only=True)
class Press:
    """Publishes one version after another below a folder."""

    place: Path
    class_names: list[str] = field(default_factory=list)
    number: int = 0

    @property
    def folder(self) -> DatasetFolder:
        """Where it publishes."""
        return DatasetFolder(self.place / "dataset")

    def publish(self, shown: Iterable[Song], **changes: Any) -> Edition:
        """Publish these songs as the next version; `changes` are fields of the edition."""
        edition = self.edition(shown, **changes)
        _publisher().submit(publish, self.folder.path, edition).result()
        return edition

    def edition(self, shown: Iterable[Song], **changes: Any) -> Edition:
        """Settle the next version."""
        shown = list(shown)
        self.class_names += sorted({song.genre for song in shown} - set(self.class_names))
        self.number += 1
        facts: dict[str, Any] = {
            "recipe": RecipeId("recipe"), "recipe_json": "{}", "shape": (4, 3), "dtype": "float32", "columns": (),
            "parent": self.number - 1 or None, "published_at": f"2024-01-01T00:00:{self.number % 60:02}+00:00",
        } | changes  # fmt: skip
        tracks = [self._track(ordinal, song, facts) for ordinal, song in enumerate(shown)]
        on_disk = [f"{split}/{file.name}" for split in Split for file in (self.folder.library / split).glob("*.arrow")]
        return Edition(
            dataset_id="dataset",
            number=self.number,
            class_names=tuple(self.class_names),
            tracks=tuple(tracks),
            ledger={track.audio_id: track.split for track in tracks},
            sound_shards=frozenset(on_disk),
            **{"pending": 0} | facts,
        )

    def _track(self, ordinal: int, song: Song, facts: dict[str, Any]) -> DatasetTrack:
        numbers = numbers_of(song.sound, facts["recipe"], facts["shape"], facts["dtype"])
        spool = self.place / "spool"
        spool.mkdir(parents=True, exist_ok=True)
        source = spool / f"{song.sound}.{facts['recipe']}.{facts['dtype']}"
        source.write_bytes(numbers.tobytes())
        return DatasetTrack(
            ordinal=ordinal,
            path=RelPath(song.path.encode()),
            shown_path=song.path,
            genre=song.genre,
            label=self.class_names.index(song.genre),
            split=song.split,
            tags=Tags(title=f"Song {song.sound}"),
            sound=Sound(duration_s=20.0, promised_s=20.0, method="slices"),
            audio_id=AudioId(f"{song.sound:032x}"),
            windows=WINDOWS,
            checksum=checksum(numbers.tobytes()),
            source=str(source),
            shard=None,
            first_row=None,
            starts_s=(0.0, 10.0),
        )


def numbers_at(shard: Path, first_row: int, rows: int = WINDOWS) -> bytes:
    """Return spectrograms from a shard, read where melwatch reads them."""
    return _publisher().submit(_read, shard, first_row, rows).result()


def _read(shard: Path, first_row: int, rows: int) -> bytes:
    return bytes(ShardReader(shard).block(first_row, rows))


@cache
def _publisher() -> ProcessPoolExecutor:
    """Publish where `datasets` is not imported, as melwatch does: it would change how Arrow reads shards."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def numbers_of(sound: int, recipe: str, shape: tuple[int, int], dtype: str) -> NDArray[np.floating]:
    """Return the spectrograms of a made-up song."""
    chance = np.random.default_rng([sound, zlib.crc32(recipe.encode())])
    return chance.standard_normal((WINDOWS, *shape), np.float32).astype(dtype)
