"""What a version says of how it was made, `version.json`: recipe, libraries, configuration, counts, parent."""

from __future__ import annotations

import json
import platform
from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Any

from melwatch.edition import Split
from melwatch.version import __version__

if TYPE_CHECKING:
    from melwatch.edition import Edition

LIBRARIES = ("numpy", "scipy", "soundfile", "soxr", "av", "pyarrow", "datasets")
"""What the numbers, or the files, may depend on."""


def provenance(edition: Edition) -> dict[str, Any]:
    """Return what `version.json` says of an edition made here and now."""
    return {
        "version": edition.number,
        "parent": edition.parent,
        "recipe_id": edition.recipe,
        "recipe": json.loads(edition.recipe_json),
        "columns": list(edition.columns),
        "config": edition.config,
        "libraries": libraries(),
        "counts": counts(edition),
    }


def libraries() -> dict[str, str]:
    """Return the versions of melwatch, Python and the libraries that are installed."""
    found = {"melwatch": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def counts(edition: Edition) -> dict[str, Any]:
    """Return how much an edition holds."""
    splits, genres = Counter(track.split for track in edition.tracks), Counter(track.genre for track in edition.tracks)
    return {
        "tracks": len(edition.tracks),
        "rows": edition.rows,
        "pending": edition.pending,
        "splits": {str(split): splits[split] for split in Split},
        "genres": dict(sorted(genres.items())),
        "hours": round(sum(track.sound.duration_s for track in edition.tracks) / 3600, 3),
    }
