"""Checking a dataset on disk against its own metadata and the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.child import run_in_child
from melwatch.dataset import layout
from melwatch.edition import Split
from melwatch.errors import StoreError
from melwatch.manifest import tracks, versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.workshop import Workshop


def verify_dataset(shop: Workshop, db: Connection) -> list[str]:
    """Return a sentence for each thing that is wrong, as far as that shows without reading shards."""
    return [*_versions(shop.folder), *_current(shop.folder, db), *_shards(shop.folder, db)]


def verify_data(shop: Workshop, db: Connection) -> list[str]:
    """Read every byte of every shard; damaged ones are taken off the record, so that a pass replaces them."""
    damaged = run_in_child(_damaged_shards, shop.folder, _referred(shop.folder))
    tracks.forget_shards(db, damaged)
    return [f"The shard {path} is damaged: its bytes have another digest than its name says" for path in damaged]


def _versions(folder: DatasetFolder) -> Iterator[str]:
    for number in folder.version_numbers():
        if not folder.is_complete(number):
            yield f"Version {number} is unfinished; `melwatch gc` removes it"
            continue
        try:
            shards = layout.shards_of_version(folder, number)
        except StoreError as error:
            yield error.what
            continue
        for path in sorted(shards):
            if not folder.shard(path).exists():
                yield f"Version {number} needs the shard {path}, which is missing"


def _current(folder: DatasetFolder, db: Connection) -> Iterator[str]:
    try:
        said = layout.read_current(folder)
    except StoreError as error:
        yield error.what
        return
    known = versions.newest_version(db)
    if said is None or known is None:
        if known is not None:
            yield f"Version {known.number} is on record, but nothing is published in {folder.path}"
        return
    if (said["version"], said["fingerprint"]) != (known.number, known.fingerprint):
        yield f"current.json names version {said['version']}; the manifest has version {known.number}"
    for path in _metadata(folder):
        if not path.exists():
            yield f"{path} is missing"
        elif path.suffix == ".json" and path.name != layout.GENRES:
            try:
                layout.read_json(path)
            except StoreError as error:
                yield error.what


def _metadata(folder: DatasetFolder) -> list[Path]:
    top = [folder.path / layout.GENRES]
    top += [folder.library / name for name in (layout.DATASET_DICT, layout.CARD, layout.TRACKS)]
    return top + [folder.library / split / name for split in Split for name in (layout.STATE, layout.INFO)]


def _shards(folder: DatasetFolder, db: Connection) -> Iterator[str]:
    for path, size in sorted(versions.shard_sizes(db).items()):
        found = layout.size_of(folder.shard(path))
        if found is None:
            yield f"The shard {path} is missing"
        elif found != size:
            yield f"The shard {path} has {found:,} bytes instead of {size:,}"


def _referred(folder: DatasetFolder) -> list[str]:
    shards = set()
    for number in folder.version_numbers():
        if folder.is_complete(number):
            shards |= layout.shards_of_version(folder, number)
    return sorted(path for path in shards if folder.shard(path).exists())


def _damaged_shards(folder: DatasetFolder, shards: list[str]) -> list[str]:
    """Compare each shard's bytes with the digest that is its name."""
    from melwatch.dataset.arrow import shard_digest

    return [path for path in shards if shard_digest(folder.shard(path)) != folder.shard(path).stem]
