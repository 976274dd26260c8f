"""The versions of a dataset as they describe themselves on disk: listed, compared. Needs no manifest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from melwatch.dataset import layout
from melwatch.dataset.difference import Difference, Side, difference
from melwatch.dataset.pins import is_pinned, require_version

if TYPE_CHECKING:
    from melwatch.dataset.layout import DatasetFolder


def describe(folder: DatasetFolder, number: int) -> dict[str, Any]:
    """Return what a version says of itself, as JSON values."""
    require_version(folder, number)
    said = layout.read_json(folder.version(number) / layout.CURRENT)
    made = layout.read_provenance(folder, number)
    counts = made.get("counts", {})
    return {
        "version": number,
        "published_at": said["published_at"],
        "parent": made.get("parent"),
        "tracks": counts.get("tracks"),
        "rows": counts.get("rows"),
        "genres": counts.get("genres"),
        "fingerprint": said["fingerprint"],
        "recipe": said["recipe"],
        "columns": made.get("columns", []),
        "complete": said["complete"],
        "pending": said["pending"],
        "pinned": is_pinned(folder, number),
        "libraries": made.get("libraries", {}),
    }


def all_versions(folder: DatasetFolder) -> list[dict[str, Any]]:
    """Return what all whole versions say of themselves, newest first."""
    numbers = [number for number in folder.version_numbers() if folder.is_complete(number)]
    return [describe(folder, number) for number in reversed(numbers)]


def compare(folder: DatasetFolder, before: int, after: int) -> Difference:
    """Compare two versions, from their own metadata; raises `ConfigError` where there is no such version."""
    return difference(_side(folder, before), _side(folder, after))


def _side(folder: DatasetFolder, number: int) -> Side:
    from melwatch.dataset.tables import read_tracks  # needs Arrow

    require_version(folder, number)
    home = folder.version(number)
    return Side(
        number=number,
        recipe=layout.read_json(home / layout.CURRENT)["recipe"],
        class_names=json.loads((home / layout.GENRES).read_text(encoding="utf-8")),
        tracks=read_tracks(home / layout.TRACKS),
    )
