"""A version as a folder of its own, as `DatasetDict.save_to_disk` would have written it. Needs Arrow."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pyarrow as pa

from melwatch.dataset import layout
from melwatch.dataset.pins import require_version
from melwatch.disk import replace_file, temporary_beside
from melwatch.edition import Split
from melwatch.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder

FILE_BYTES = 500_000_000
"""What `save_to_disk` puts into one file."""


def export(folder: DatasetFolder, number: int, target: Path, file_bytes: int = FILE_BYTES) -> int:
    """Copy a version, all rows in order, to a folder that does not exist yet or is empty; return the bytes written.

    The copy needs neither melwatch nor the dataset, and appears as a whole. Raises `ConfigError` where
    there is no such version or something is in the way.
    """
    require_version(folder, number)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} exists already", "Name a folder that does not exist yet.")
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = temporary_beside(target)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        written = sum(_export_split(folder, number, split, beside / split, file_bytes) for split in Split)
        written += replace_file(beside / layout.DATASET_DICT, layout.dataset_dict_json(list(Split)))
        if target.exists():
            target.rmdir()
        beside.replace(target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return written


def _export_split(folder: DatasetFolder, number: int, split: Split, target: Path, file_bytes: int) -> int:
    home = folder.version(number) / split
    state, info = layout.read_json(home / layout.STATE), (home / layout.INFO).read_bytes()
    shards = [home / file["filename"] for file in state["_data_files"]]
    groups = list(_grouped(shards, file_bytes))
    names = [f"data-{position:05d}-of-{len(groups):05d}.arrow" for position in range(len(groups))]
    features = layout.read_json(home / layout.INFO)["features"]
    target.mkdir(parents=True)
    for name, group in zip(names, groups, strict=True):
        _merge(group, target / name, layout.huggingface_metadata(features))
    written = replace_file(target / layout.INFO, info)
    written += replace_file(target / layout.STATE, layout.state_json(names, state["_fingerprint"], split, ""))
    return written + sum((target / name).stat().st_size for name in names)


def _grouped(shards: Sequence[Path], file_bytes: int) -> Iterator[list[Path]]:
    """Divide shards, in order, among files of about that size."""
    group: list[Path] = []
    size = 0
    for shard in shards:
        found = layout.size_of(shard)
        if found is None:
            raise StoreError(f"The shard {shard} is missing", "`melwatch verify` tells what else is.")
        if group and size + found > file_bytes:
            yield group
            group, size = [], 0
        group.append(shard)
        size += found
    yield group


def _merge(shards: Sequence[Path], target: Path, metadata: dict[bytes, bytes]) -> None:
    """Write the rows of shards into one file, with the class names of the version."""
    with target.open("wb") as file, pa.memory_map(str(shards[0])) as first:
        schema = pa.ipc.open_stream(first).schema.with_metadata(metadata)
        with pa.ipc.new_stream(file, schema) as writer:
            for shard in shards:
                with pa.memory_map(str(shard)) as source:
                    for batch in pa.ipc.open_stream(source):
                        writer.write_batch(batch.replace_schema_metadata(metadata))
