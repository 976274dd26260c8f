"""A version of a dataset that lies somewhere else, on a share or in a bucket: its files, held to their digests.

It may be published to and collected meanwhile: whatever is gone then is a `VanishedError`. Imports no Arrow.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xxhash

from melwatch.dataset import claims, layout, soundness
from melwatch.dataset.storage import SMALL_BYTES
from melwatch.edition import Split
from melwatch.errors import ConfigError, DegradedError
from melwatch.platform.disk import put_in_place, remove, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from melwatch.dataset.storage import Megabytes, Storage

LIBRARY = "music_lib"
TABLE_BYTES = 1 << 29
"""What tells of three million tracks has less."""
_SPLIT_FILES = tuple(f"{split}/{name}" for split in Split for name in (layout.STATE, layout.INFO))
_FILES = (layout.TRACKS, layout.LEDGER, layout.GENRES, layout.CARD, layout.DATASET_DICT, *_SPLIT_FILES)


class VanishedError(DegradedError):
    """What was being read is gone: a collection has removed its version."""


class SourceError(DegradedError):
    """What was read is not as it was written, which the one who makes it has to put right."""

    def __init__(self, home: Storage, name: str, what: str = "is damaged") -> None:
        super().__init__(f"{home.shown}/{name} {what}", "`melwatch repair`, where that dataset is made.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distant:
    """A version as it describes itself: its small files by name, and its shards, `split/name`, with their bytes."""

    number: int
    files: Mapping[str, bytes]
    seal: bytes
    """Its `current.json`."""
    shards: Mapping[str, int]

    @property
    def dataset_id(self) -> str:
        """The dataset it is a version of."""
        return str(json.loads(self.seal)["dataset_id"])


def find_library(source: Storage) -> Storage:
    """Return the folder that readers open, in a dataset folder or this one; raises `ConfigError` where nothing is."""
    for place in (source, source.below(LIBRARY)):
        if place.size(layout.CURRENT) is not None:
            return place
    what = f"{source.shown} holds no dataset of melwatch's"
    raise ConfigError(what, "Name the dataset folder of a melwatch that has published, or the music_lib in it.")


def current_number(library: Storage) -> int:
    """Return the version that is current there."""
    said = _object(library, layout.CURRENT, library.read(layout.CURRENT))
    number = said.get("version")
    if not claims.is_number(number) or "dataset_id" not in said:
        raise ConfigError(f"{library.shown}/{layout.CURRENT} is not melwatch's")
    return number


def read_version(library: Storage, number: int) -> Distant:
    """Read all that a version says of itself; raises `VanishedError` where it is not, or no longer, there."""
    home = library.below(f"versions/{number:06d}")
    seal = _present(home, layout.CURRENT)
    made_of = _present(home, layout.PROVENANCE)
    made = _object(home, layout.PROVENANCE, made_of)
    if not claims.is_provenance(made, number):
        raise SourceError(home, layout.PROVENANCE, "is not as melwatch writes it")
    digests, sizes = made.get("files", {}), made.get("shards", {})
    files = {name: _present(home, name) for name in _FILES}
    for name, content in files.items():
        if not soundness.is_as_written(name, content, number, digests.get(name)):
            raise SourceError(home, name)
    if not claims.is_seal(_object(home, layout.CURRENT, seal), number):
        raise SourceError(home, layout.CURRENT)
    named = {split: _shards_named(home, split, files) for split in Split}
    if not claims.are_splits(claims.parsed(files[layout.DATASET_DICT])):
        raise SourceError(home, layout.DATASET_DICT, "names splits that melwatch did not write")
    shards = {
        path: sizes[path] if path in sizes else _size(library, path) for paths in named.values() for path in paths
    }
    return Distant(number=number, files={**files, layout.PROVENANCE: made_of}, seal=seal, shards=shards)


def _shards_named(home: Storage, split: Split, files: Mapping[str, bytes]) -> list[str]:
    """Return the shards of a split, `split/name`, whose columns are told in the form of melwatch's."""
    state, info = f"{split}/{layout.STATE}", f"{split}/{layout.INFO}"
    named = claims.shards_named(_object(home, state, files[state]), split)
    if not named:
        raise SourceError(home, state, "names files that melwatch did not write")
    if not claims.has_features(claims.parsed(files[info])):
        raise SourceError(home, info, "names no columns as melwatch does")
    return named


def fetch_shard(library: Storage, path: str, size: int, target: Path, count: Megabytes) -> None:
    """Copy a shard to its place, synced, if its bytes have the digest that is its name; else raise `DegradedError`."""
    beside = temporary_beside(target)
    try:
        found, digest = _fetch(library, path, size, beside, count)
        _require_whole(f"{library.shown}/{path}", found == size and digest == target.stem)
        put_in_place(beside, target)
    except BaseException:
        remove(beside)
        raise


def _fetch(library: Storage, path: str, size: int, beside: Path, count: Megabytes) -> tuple[int, str]:
    """Copy a file, synced, no further than its size; return the bytes and their digest."""
    digest, found = xxhash.xxh3_128(), 0
    with beside.open("wb") as file:
        try:
            for block in library.blocks(path):
                found += len(block)
                if found > size:
                    break
                digest.update(block)
                file.write(block)
                count.add(len(block))
        except FileNotFoundError:
            raise VanishedError(f"{library.shown}/{path} has been removed") from None
        file.flush()
        os.fsync(file.fileno())
    return found, digest.hexdigest()


def _require_whole(shown: str, is_whole: bool) -> None:  # noqa: FBT001  what it is about
    if not is_whole:
        hint = "`melwatch verify --read-data`, where that dataset is made, tells whether it is damaged there."
        raise DegradedError(f"{shown} came with other bytes than it was written with", hint)


def _present(home: Storage, name: str) -> bytes:
    content = home.read(name, TABLE_BYTES if name.endswith(".parquet") else SMALL_BYTES)
    if content is None:
        raise VanishedError(f"{home.shown}/{name} is not there")
    return content


def _size(library: Storage, path: str) -> int:
    size = library.size(path)
    if size is None:
        raise VanishedError(f"{library.shown}/{path} is not there")
    return size


def _object(home: Storage, name: str, content: bytes | None) -> dict[str, Any]:
    said = claims.parsed(content or b"")
    if not isinstance(said, dict):
        raise SourceError(home, name)
    return said
