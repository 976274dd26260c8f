"""Where things lie in a dataset folder, and what its small JSON files say. Imports no Arrow."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from melwatch.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

CURRENT = "current.json"
TRACKS = "tracks.parquet"
LEDGER = "ledger.parquet"
GENRES = "genres.json"
CARD = "README.md"
STATE = "state.json"
INFO = "dataset_info.json"
DATASET_DICT = "dataset_dict.json"
PROVENANCE = "version.json"
PINNED = "pinned"
AUDIO = "audio"
SHARD_NAME = re.compile(r"[0-9a-f]{32}\.arrow")
FROM_VERSION = "../../"
"""Leads from `versions/N/` to `music_lib/`; shards of a version are named relative to it."""


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """The paths inside `<dataset>`."""

    path: Path
    library_name: str = "music_lib"
    """A copy of the folder that `load_from_disk` opens may have another name."""

    @property
    def library(self) -> Path:
        """The folder that `load_from_disk` opens."""
        return self.path / self.library_name

    @property
    def audio(self) -> DatasetFolder:
        """The same for the audio dataset, which has no versions of its own."""
        return DatasetFolder(self.path, f"{self.library_name}_audio")

    @property
    def current(self) -> Path:
        """The file that says which version is current."""
        return self.library / CURRENT

    @property
    def versions(self) -> Path:
        """The folder of immutable versions."""
        return self.library / "versions"

    def version(self, number: int) -> Path:
        """Return the folder of one version."""
        return self.versions / f"{number:06d}"

    def shard(self, path: str) -> Path:
        """Return the file of a shard, named `split/name`."""
        return self.library / path

    def version_numbers(self) -> list[int]:
        """Return the versions on disk, complete or not, oldest first."""
        try:
            return sorted(
                int(entry.name) for entry in self.versions.iterdir() if entry.name.isascii() and entry.name.isdecimal()
            )
        except FileNotFoundError:
            return []

    def is_complete(self, number: int) -> bool:
        """Whether a version was written to its end: its own `current.json` comes last."""
        return (self.version(number) / CURRENT).exists()


def read_current(folder: DatasetFolder) -> dict[str, Any] | None:
    """Return what `current.json` says, or None where nothing was published yet.

    Raises `ConfigError` for a folder that holds a dataset of somebody else.
    """
    try:
        said = read_json(folder.current)
    except FileNotFoundError:
        _refuse_foreign(folder)
        return None
    if not {"dataset_id", "version", "fingerprint"} <= said.keys():
        raise StoreError(f"{folder.current} is not melwatch's", "Restore it from the newest folder in versions/.")
    return said


def dataset_id(folder: DatasetFolder) -> str | None:
    """Return the id of a dataset, which its first version has even before that is the current one.

    Raises what `read_current` raises.
    """
    said = read_current(folder)
    if said is None:
        whole = [number for number in folder.version_numbers() if folder.is_complete(number)]
        said = read_json(folder.version(whole[-1]) / CURRENT) if whole else {}
    return said.get("dataset_id")


def _refuse_foreign(folder: DatasetFolder) -> None:
    strangers = [folder.library / DATASET_DICT, folder.library / STATE, folder.path / GENRES]
    strangers += [folder.path / name for name in (DATASET_DICT, STATE, CURRENT)]
    for stranger in strangers:
        if stranger.exists() and not folder.version_numbers():
            raise ConfigError(
                f"{folder.path} holds a dataset that melwatch did not write ({stranger.name})",
                "`melwatch adopt` takes over its class ids and splits; or choose another --dataset folder.",
            )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of our own; raises `StoreError` where it is damaged."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} is damaged: {error}") from None
    if not isinstance(said, dict):
        raise StoreError(f"{path} is damaged: not an object")
    return said


def read_provenance(folder: DatasetFolder, number: int) -> dict[str, Any]:
    """Return what a version says of how it was made: recipe, libraries, configuration, counts, parent.

    Empty where it does not say.
    """
    try:
        return read_json(folder.version(number) / PROVENANCE)
    except FileNotFoundError:
        return {}


def size_of(path: Path) -> int | None:
    """Return a file's size in bytes, or None where there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def shards_of_version(folder: DatasetFolder, number: int) -> set[str]:
    """Return the shards, `split/name`, that a version refers to."""
    return _shards_named(folder.version(number))


def audio_shards(folder: DatasetFolder, number: int) -> set[str]:
    """Return the audio shards, `split/name`, that a version refers to."""
    return _shards_named(folder.version(number) / AUDIO)


def installed_audio_shards(folder: DatasetFolder) -> set[str]:
    """Return the audio shards that the audio dataset consists of as it is."""
    return _shards_named(folder.audio.library)


def _shards_named(home: Path) -> set[str]:
    return {
        f"{state.parent.name}/{file['filename'].rsplit('/', 1)[-1]}"
        for state in home.glob(f"*/{STATE}")
        for file in read_json(state)["_data_files"]
    }


def from_version_to_audio(folder: DatasetFolder) -> str:
    """Lead from `versions/N/audio/<split>/` to the folder of the audio dataset."""
    return f"../../../../../{folder.audio.library.name}/"


def state_json(
    shards: list[str], fingerprint: str, split: str, prefix: str, format_type: str | None = "numpy"
) -> bytes:
    """Return a split's `state.json`: all seven keys that `load_from_disk` asks for."""
    return _encoded(
        {
            "_data_files": [{"filename": f"{prefix}{name}"} for name in shards],
            "_fingerprint": fingerprint,
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": format_type,
            "_output_all_columns": False,
            "_split": split,
        }
    )


def info_json(features: dict[str, Any] | None) -> bytes:
    """Return a split's `dataset_info.json`; without features the shards speak for themselves."""
    return _encoded({"citation": "", "description": "", "features": features, "homepage": "", "license": ""})


def huggingface_metadata(features: dict[str, Any]) -> dict[bytes, bytes]:
    """Return the metadata of an Arrow schema by which `datasets` knows the columns."""
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def described_json(said: dict[str, Any]) -> bytes:
    """Return `current.json`, or `version.json`."""
    return _encoded(said)


def dataset_dict_json(splits: list[str]) -> bytes:
    """Return `dataset_dict.json`, which never changes."""
    return json.dumps({"splits": splits}).encode()


def genres_json(names: list[str]) -> bytes:
    """Return `genres.json`: class names in label order, readable as they are."""
    return (json.dumps(names, ensure_ascii=False, indent=2) + "\n").encode()


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode()
