"""What a version elsewhere says of itself, held to what melwatch writes: whoever wrote it may be hostile. Pure."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, TypeGuard

from melwatch.dataset import layout
from melwatch.edition import Split

_NAME = re.compile(rf"(?:{layout.AUDIO}/)?(?:(?:{'|'.join(Split)})/)?\w+\.\w+", re.ASCII)
_LAST = 999_999_999
_SEAL = ("dataset_id", "fingerprint", "content", "recipe", "published_at")
_MADE = {"version", "recipe_id", "recipe", "columns"}


def parsed(content: bytes) -> object:
    """Return what JSON says, None where it is none or nested without end."""
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value


def is_number(said: object) -> TypeGuard[int]:
    """Whether this may be the number of a version."""
    return type(said) is int and 0 < said <= _LAST


def is_seal(said: dict[str, Any], number: int) -> bool:
    """Whether a version's `current.json` tells all it should."""
    if said.get("version") != number or not {"complete", "pending"} <= said.keys():
        return False
    try:
        return all(type(said[key]) is str for key in _SEAL) and bool(
            datetime.fromisoformat(said["published_at"]).tzinfo
        )
    except (KeyError, ValueError):
        return False


def is_provenance(said: dict[str, Any], number: int) -> bool:
    """Whether a `version.json` tells all it should, and names no file outside its folder."""
    digests, sizes = said.get("files", {}), said.get("shards", {})
    return (
        said.keys() >= _MADE
        and said["version"] == number
        and type(digests) is type(sizes) is dict
        and all(_NAME.fullmatch(name) and type(digest) is str for name, digest in digests.items())
        and all(type(size) is int and size >= 0 for size in sizes.values())
    )


def shards_named(said: dict[str, Any], split: Split) -> list[str]:
    """Return the shards, `split/name`, of a `state.json`; empty where it names anything else, or in another place."""
    files = said.get("_data_files")
    try:
        names = [file["filename"] for file in files or []]
        shards = [f"{split}/{name.rpartition('/')[2]}" for name in names]
    except (TypeError, KeyError, AttributeError):
        return []
    are_ours = all(layout.SHARD_NAME.fullmatch(shard.partition("/")[2]) for shard in shards)
    return shards if are_ours and names == [f"../{layout.FROM_VERSION}{shard}" for shard in shards] else []


def has_features(info: object) -> bool:
    """Whether a `dataset_info.json` tells columns in the form of melwatch's."""
    return isinstance(info, dict) and isinstance(info.get("features"), dict)


def are_splits(said: object) -> bool:
    """Whether a `dataset_dict.json` names melwatch's splits, none of which lies elsewhere."""
    return said == {"splits": list(Split)}
