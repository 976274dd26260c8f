"""Whether one folder lies in another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from melwatch.platform.nesting import lies_in

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_lies_in_itself_and_in_those_above(tmp_path: Path) -> None:
    """Whether they exist or not, and however they are written."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    for inner in ("a", "a/b", "a/c/d", "e/../a/b", "a/b/.."):
        assert lies_in(tmp_path / inner, tmp_path / "a"), inner
    for inner in ("", "ab", "a/..", "a/../e"):
        assert not lies_in(tmp_path / inner, tmp_path / "a"), inner
    assert lies_in(tmp_path / "new" / "x", tmp_path / "new")


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_links_lead_into_a_folder(tmp_path: Path) -> None:
    """In the middle of a path, and to the outer folder itself."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "other").symlink_to(tmp_path / "a")
    assert lies_in(tmp_path / "link" / "new", tmp_path / "a")
    assert lies_in(tmp_path / "a" / "new", tmp_path / "other")
    assert not lies_in(tmp_path / "a", tmp_path / "link")
