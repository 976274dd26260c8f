"""Versions that are kept because a person wants them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import melwatch
from editions import Press, songs
from melwatch.dataset import layout
from melwatch.dataset.collect import Limits, find_garbage, remove_garbage
from melwatch.dataset.history import all_versions
from melwatch.dataset.pins import pin, unpin
from melwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

LATER = datetime(2030, 1, 1, tzinfo=UTC)


def collect(press: Press) -> list[int]:
    """Collect all that may go; return the versions that are left."""
    garbage = find_garbage(press.folder, Limits(keep_versions=1, keep_hours=0, now=LATER), needed=())
    remove_garbage(press.folder, garbage)
    return press.folder.version_numbers()


def test_a_pinned_version_outlives_collection(tmp_path: Path) -> None:
    """It opens with all its rows until it is unpinned; then it goes, with its shards and its mark."""
    press = Press(place=tmp_path)
    for count in (30, 12, 18):
        press.publish(songs(count), music_root=str(tmp_path), recipe=f"recipe {count}")
    rows = sum(part.num_rows for part in melwatch.load(press.folder.path, version=1).values())
    pin(press.folder, 1)

    assert collect(press) == [1, 3]
    assert sum(len(part[:]["paths"]) for part in melwatch.load(press.folder.path, version=1).values()) == rows
    assert [version["pinned"] for version in all_versions(press.folder)] == [False, True]

    unpin(press.folder, 1)
    assert collect(press) == [3]
    for library, named in (
        (press.folder.library, layout.shards_of_version(press.folder, 3)),
        (press.folder.audio.library, layout.audio_shards(press.folder, 3)),
    ):
        assert {f"{file.parent.name}/{file.name}" for file in library.glob("*/*.arrow")} == named


def test_only_whole_versions_can_be_pinned(tmp_path: Path) -> None:
    """The error names the versions that are there; a mark on an unfinished one keeps nothing."""
    press = Press(place=tmp_path)
    press.publish(songs(6))
    press.publish(songs(7))
    with pytest.raises(ConfigError, match="no version 9"):
        pin(press.folder, 9)
    pin(press.folder, 1)
    os.unlink(press.folder.version(1) / layout.CURRENT)

    assert collect(press) == [2]
