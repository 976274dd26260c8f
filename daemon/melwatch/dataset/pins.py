"""Versions that a person wants kept: a mark in the folder of the version, which no collection removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.dataset import layout
from melwatch.errors import ConfigError
from melwatch.platform.disk import replace_file

if TYPE_CHECKING:
    from melwatch.dataset.layout import DatasetFolder


def pin(folder: DatasetFolder, number: int) -> None:
    """Keep a version until it is unpinned; raises `ConfigError` where there is no such version."""
    require_version(folder, number)
    replace_file(folder.version(number) / layout.PINNED, b"")
    require_version(folder, number)  # a collection may have been faster


def unpin(folder: DatasetFolder, number: int) -> None:
    """Let a version be collected when its time has come; raises `ConfigError` where there is no such version."""
    require_version(folder, number)
    (folder.version(number) / layout.PINNED).unlink(missing_ok=True)


def is_pinned(folder: DatasetFolder, number: int) -> bool:
    """Whether a version is to be kept; an unfinished one never is."""
    return folder.is_complete(number) and (folder.version(number) / layout.PINNED).exists()


def require_version(folder: DatasetFolder, number: int) -> None:
    """Raise `ConfigError` where there is no such version, naming those that there are."""
    if not folder.is_complete(number):
        known = [each for each in folder.version_numbers() if folder.is_complete(each)]
        hint = f"There are: {', '.join(map(str, known))}" if known else "Nothing is published there yet."
        raise ConfigError(f"There is no version {number} in {folder.path}", hint)
