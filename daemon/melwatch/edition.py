"""What a version of the dataset says, as values: settled before it is written, and read back from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melwatch.track import AudioId, RecipeId, RelPath, Sound, Tags


COLUMN_DTYPES = {"track_id": "string", "window": "int64", "start_s": "float64"}
"""The optional columns: which song a row is of, which of its windows, and where that begins."""


class Split(StrEnum):
    """The three parts of the dataset, in its order."""

    TRAIN = "train"
    VALIDATE = "validate"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A time during which splits are kept, and what has been kept together since it began."""

    name: str
    group_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetTrack:
    """One track as the dataset shows it, and where its spectrograms are to be had.

    `source` is a file in the spool where `shard` is None; otherwise the spectrograms are the rows of
    that shard (`split/name`) from `first_row` on.
    """

    ordinal: int
    path: RelPath
    shown_path: str
    genre: str
    label: int
    split: Split
    tags: Tags
    sound: Sound
    audio_id: AudioId
    windows: int
    checksum: str
    source: str | None
    shard: str | None
    first_row: int | None
    starts_s: tuple[float, ...] = ()
    """Where its windows begin, if the dataset shows that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowForm:
    """What a row of the dataset looks like: shape and number format of a spectrogram, optional columns, classes."""

    shape: tuple[int, int]
    class_names: tuple[str, ...]
    dtype: str = "float32"
    columns: tuple[str, ...] = ()

    @property
    def value_bytes(self) -> int:
        """Bytes of one number of a spectrogram."""
        return 2 if self.dtype == "float16" else 4

    def bytes_of(self, windows: int) -> int:
        """Bytes of so many spectrograms."""
        frames, bins = self.shape
        return windows * frames * bins * self.value_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """Everything that a version says, settled before a byte of it is written.

    `sound_shards` are the shards on disk that are known to be undamaged and may stay. `parent` is the
    version that was current before, `config` the settings that shape a dataset. With a `music_root`
    there is an audio dataset beside the spectrograms.
    """

    dataset_id: str
    number: int
    recipe: RecipeId
    recipe_json: str
    shape: tuple[int, int]
    class_names: tuple[str, ...]
    tracks: tuple[DatasetTrack, ...]
    ledger: dict[AudioId, Split]
    epoch: Epoch | None = None
    sound_shards: frozenset[str]
    pending: int
    published_at: str
    dtype: str = "float32"
    columns: tuple[str, ...] = ()
    music_root: str | None = None
    parent: int | None = None
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def form(self) -> RowForm:
        """What its rows look like."""
        return RowForm(shape=self.shape, class_names=self.class_names, dtype=self.dtype, columns=self.columns)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(track.windows for track in self.tracks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFacts:
    """A shard on disk; `path` is `split/name`."""

    path: str
    bytes: int

    @property
    def split(self) -> str:
        """The split it belongs to."""
        return self.path.split("/")[0]

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.split("/")[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """In which shard (`split/name`) a song's rows begin, and where."""

    audio_id: AudioId
    shard: str
    first_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a publish left on disk: every shard of the version, the places that are new, and the bytes it wrote."""

    shards: tuple[ShardFacts, ...]
    places: tuple[Place, ...]
    bytes_written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSong:
    """A song whose spectrograms a version holds, and the file that stands for it, as far as that is told."""

    audio_id: AudioId
    sound: Sound
    windows: int
    checksum: str
    shard: str
    first_row: int
    tags: Tags
    path: RelPath | None = None
    ordinal: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a version on disk holds; `said` is its `current.json`, empty unless the version is whole.

    `songs` are not those in shards that a newer version has, too; `tracks` counts all.
    """

    number: int
    said: dict[str, Any]
    recipe: str
    recipe_json: str
    shards: tuple[ShardFacts, ...]
    tracks: int
    songs: tuple[HeldSong, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLedger:
    """The class names by id and the splits of everything ever placed, and the epoch in which that was."""

    class_names: tuple[str, ...]
    splits: dict[AudioId, Split]
    epoch: Epoch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a dataset on disk holds: its versions, newest first, and the newest ledger, if one can be read."""

    versions: tuple[Held, ...]
    ledger: HeldLedger | None
