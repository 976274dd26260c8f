"""Folders that lie in one another, whatever links and spellings lead there."""

from __future__ import annotations

import os
from pathlib import Path

from melwatch.errors import ConfigError


def lies_in(inner: Path, outer: Path) -> bool:
    """Whether a folder is another one, or is below it; neither has to exist."""
    inner, outer = (Path(os.path.realpath(path)) for path in (inner, outer))
    return any(place == outer or _is_same(place, outer) for place in (inner, *inner.parents))


def require_apart(target: Path, place: Path, what: str) -> None:
    """Raise `ConfigError` where a folder to be written lies in one that is not for it."""
    if lies_in(target, place):
        raise ConfigError(f"{target} lies in {what} {place}", "Name a folder elsewhere.")


def _is_same(one: Path, other: Path) -> bool:
    """Whether two names, which may differ in case, lead to one folder."""
    try:
        return one.samefile(other)
    except OSError:
        return False
