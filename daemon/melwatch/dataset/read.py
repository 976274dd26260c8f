"""Reading a published dataset from Python: the part of melwatch that training programs import."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from melwatch.dataset import layout
from melwatch.dataset.layout import DatasetFolder
from melwatch.dataset.pins import require_version
from melwatch.edition import Split
from melwatch.errors import ConfigError, DegradedError
from melwatch.platform.disk import replace_file

if TYPE_CHECKING:
    from datasets import DatasetDict

_AUDIO_SUFFIX = "_audio"


def current_version(path: str | os.PathLike[str]) -> int:
    """Return the number of the version that is current in a dataset folder.

    Raises `ConfigError` where nothing is published there.
    """
    return int(_current(folder_of(Path(path)))["version"])


def load(
    path: str | os.PathLike[str],
    version: int | None = None,
    require_complete: bool = False,  # noqa: FBT001, FBT002  other programs rely on this signature
) -> DatasetDict:
    """Open one version of a dataset, the current one by default, as a `datasets.DatasetDict`.

    `path` is the dataset folder or the `music_lib` in it, or `music_lib_audio` for the audio dataset. The
    three splits belong to one version whatever is published meanwhile. Where the reader may not write to
    the dataset, `map`, `filter` and `shuffle` cache in the reader's own cache folder.

    Raises `ConfigError` where there is no such version, and `DegradedError` where
    `require_complete` is set and tracks are still pending.
    """
    import datasets

    folder = shards = folder_of(Path(path))
    number = int(_current(folder)["version"]) if version is None else version
    home = folder.version(number)
    require_version(folder, number)
    said = layout.read_json(home / layout.CURRENT)
    if _is_audio(Path(path), folder):
        home, shards = home / layout.AUDIO, folder.audio
        if not home.exists():
            raise ConfigError(f"Version {number} has no audio dataset", "It has one while `dataset.audio` is on.")
    if require_complete and not said["complete"]:
        raise DegradedError(f"Version {number} is not complete: {said['pending']} tracks are pending")
    if not all(os.access(shards.library / split, os.W_OK) for split in Split):
        home = _shadow(shards, home, str(said["dataset_id"]))
    loaded = datasets.load_from_disk(str(home))
    assert isinstance(loaded, datasets.DatasetDict)  # noqa: S101  it has a dataset_dict.json
    return loaded


def rows_of_track(path: str | os.PathLike[str], shown_path: str) -> tuple[str, int, int]:
    """Return split, first row in the split and number of rows of a track in the current version.

    `shown_path` is what the column `paths` says. Raises `ConfigError` where there is no such track.
    """
    from melwatch.dataset.tables import read_tracks

    folder = folder_of(Path(path))
    for row in read_tracks(folder.version(current_version(path)) / layout.TRACKS):
        if row["path"] == shown_path:
            return row["split"], row["row"], row["windows"]
    raise ConfigError(f"{shown_path} is not in the dataset", "`melwatch why FILE` tells the reason.")


def folder_of(path: Path) -> DatasetFolder:
    """Return the dataset of a folder that is `<dataset>`, or the `music_lib` or `music_lib_audio` in it."""
    path = path.expanduser().absolute()
    beside = path.with_name(path.name.removesuffix(_AUDIO_SUFFIX))
    if beside != path and (beside / layout.CURRENT).exists():
        path = beside
    is_library = (path / layout.CURRENT).exists()
    return DatasetFolder(path.parent, path.name) if is_library else DatasetFolder(path)


def _current(folder: DatasetFolder) -> dict[str, Any]:
    try:
        return layout.read_json(folder.current)
    except FileNotFoundError:
        raise ConfigError(f"Nothing is published in {folder.path}", "`melwatch sync` publishes.") from None


def _is_audio(path: Path, folder: DatasetFolder) -> bool:
    return path.expanduser().absolute() == folder.audio.library


def _shadow(folder: DatasetFolder, home: Path, dataset_id: str) -> Path:
    """Describe a version once more in the reader's cache folder.

    `datasets` caches beside a split's first data file, so that is a local one without rows.
    """
    of_version = home.relative_to(home.parent.parent) if home.name == layout.AUDIO else home.name
    cache = platformdirs.user_cache_path("melwatch", appauthor=False) / dataset_id / of_version
    for split in Split:
        (cache / split).mkdir(parents=True, exist_ok=True)
        state = layout.read_json(home / split / layout.STATE)
        names = [file["filename"].rsplit("/", 1)[-1] for file in state["_data_files"]]
        files = [folder.shard(f"{split}/{name}") for name in names]
        replace_file(cache / split / "empty.arrow", _without_rows(files[0]))
        state["_data_files"] = [{"filename": "empty.arrow"}, *({"filename": str(file)} for file in files)]
        replace_file(cache / split / layout.STATE, json.dumps(state).encode())
        replace_file(cache / split / layout.INFO, (home / split / layout.INFO).read_bytes())
    replace_file(cache / layout.DATASET_DICT, (home / layout.DATASET_DICT).read_bytes())
    return cache


def _without_rows(shard: Path) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.memory_map(str(shard)) as source, pa.ipc.open_stream(source) as stream:
        pa.ipc.new_stream(sink, stream.schema).close()
    return bytes(sink.getvalue())
