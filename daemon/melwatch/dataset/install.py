"""Making a version the current one, in the order that keeps every moment in between readable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from melwatch.dataset import layout
from melwatch.dataset.layout import FROM_VERSION
from melwatch.disk import replace_file
from melwatch.edition import Split
from melwatch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder


def install(folder: DatasetFolder, number: int) -> int:
    """Make a whole version the current one; in this order every state in between opens."""
    home = folder.version(number)
    states = {
        folder.library / split / layout.STATE: _at_top(
            (home / split / layout.STATE).read_bytes(), f"../{FROM_VERSION}{split}/"
        )
        for split in Split
    }
    infos = {folder.library / split / layout.INFO: (home / split / layout.INFO).read_bytes() for split in Split}
    written = 0
    if _features_change(infos):
        for path in infos:
            written += replace_file(path, layout.info_json(None))
        order: list[Mapping[Path, bytes]] = [states, infos]
    else:
        order = [infos, states]
    rest = {
        folder.library / layout.CARD: _at_top((home / layout.CARD).read_bytes(), FROM_VERSION),
        folder.path / layout.GENRES: (home / layout.GENRES).read_bytes(),
        folder.library / layout.TRACKS: (home / layout.TRACKS).read_bytes(),
        folder.library / layout.DATASET_DICT: (home / layout.DATASET_DICT).read_bytes(),
        folder.current: (home / layout.CURRENT).read_bytes(),
    }
    for files in [*order, rest]:
        for path, content in files.items():
            written += replace_file(path, content)
    return written


def _at_top(content: bytes, prefix: str) -> bytes:
    return content.replace(b'"' + prefix.encode(), b'"')


def _features_change(infos: Mapping[Path, bytes]) -> bool:
    """Whether columns change in more than their class names."""
    for path, content in infos.items():
        try:
            before = layout.read_json(path)["features"]
        except (FileNotFoundError, StoreError):
            return False
        after = json.loads(content)["features"]
        if before is None or before | {"labels": None} != after | {"labels": None}:
            return True
    return False
