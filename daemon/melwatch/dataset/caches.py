"""What readers' `.map()`, `.filter()` and `.shuffle()` left in the dataset's folders: found, and removed when asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from melwatch.dataset.collect import Collected
from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder

_NAME = re.compile(r"cache-.+\.arrow")
"""What `datasets` calls them; it puts them beside the first shard of a split."""


def remove_caches(folder: DatasetFolder, *, unused_for: timedelta, now: datetime) -> Collected:
    """Remove caches that nobody has written or, where the system tells, read for that long."""
    result = Collected()
    for file in _caches(folder):
        try:
            facts = file.stat()
            if now.timestamp() - max(facts.st_mtime, facts.st_atime) < unused_for.total_seconds():
                continue
            file.unlink()
        except FileNotFoundError:
            continue
        except OSError:
            result.postponed += 1
            continue
        result.files += 1
        result.bytes += facts.st_size
    return result


def _caches(folder: DatasetFolder) -> Iterator[Path]:
    for library in (folder.library, folder.audio.library):
        for split in Split:
            try:
                entries = sorted((library / split).iterdir())
            except FileNotFoundError:
                continue
            yield from (entry for entry in entries if _NAME.fullmatch(entry.name) and entry.is_file())
