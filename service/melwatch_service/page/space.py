"""How much room a dataset takes, and how much of its folder is what readers cached there."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder

_FRESH_S = 30.0
_CACHE_PREFIXES = ("cache-", "tmp")
_lock = Lock()
_known: dict[Path, tuple[float, Space]] = {}


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of what melwatch wrote, and of what `.map()` and its kin wrote beside it."""

    own_bytes: int
    cache_bytes: int


def dataset_space(folder: DatasetFolder) -> Space:
    """Return what a dataset takes, as it was within the last half a minute."""
    with _lock:
        now_s = time.monotonic()
        seen = _known.get(folder.path)
        if seen is None or now_s - seen[0] > _FRESH_S:
            own, cached = _measure(folder.path)
            seen = _known[folder.path] = now_s, Space(own, cached)
        return seen[1]


def _measure(folder: Path) -> tuple[int, int]:
    own = cached = 0
    stack = [str(folder)]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        size = entry.stat(follow_symlinks=False).st_size
                        if entry.name.startswith(_CACHE_PREFIXES):
                            cached += size
                        else:
                            own += size
        except OSError:  # gone meanwhile, or not ours to look at
            continue
    return own, cached
