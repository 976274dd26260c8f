"""Parts of a library."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from melwatch.library.part import EVERYTHING, NOTHING, Part, outermost
from melwatch.track import RelPath

PATHS = st.lists(st.sampled_from([b"a", b"b", b"ab"]), max_size=4).map(lambda parts: RelPath(b"/".join(parts)))
FOLDERS = st.sets(PATHS)


def is_inside(path: bytes, folder: bytes) -> bool:
    return path == folder or not folder or path.startswith(folder + b"/")


@given(FOLDERS)
def test_outermost_folders_cover_all_and_not_one_another(folders: set[RelPath]) -> None:
    """Every folder lies in one that is left, and none of those in another."""
    left = outermost(folders)
    assert left <= folders
    assert all(any(is_inside(folder, other) for other in left) for folder in folders)
    assert not any(is_inside(one, other) for one in left for other in left - {one})


@given(FOLDERS, PATHS)
def test_a_part_holds_its_folders_and_what_is_below(folders: set[RelPath], path: RelPath) -> None:
    """A path is in the part if it lies in one of the folders, with or without a slash at its end."""
    part = Part.of(folders)
    assert part.holds(path) == part.holds(RelPath(path + b"/")) == any(is_inside(path, folder) for folder in folders)


@given(FOLDERS, PATHS)
def test_a_part_is_reached_through_what_lies_above(folders: set[RelPath], path: RelPath) -> None:
    """A walk to the part goes through the folders above its own, and through no others."""
    is_above = any(is_inside(folder, path) for folder in folders)
    assert Part.of(folders).leads_through(path) == (Part.of(folders).holds(path) or is_above)


@given(FOLDERS, FOLDERS)
def test_parts_can_be_joined(one: set[RelPath], other: set[RelPath]) -> None:
    """Two parts together hold what either holds."""
    assert Part.of(one) | Part.of(other) == Part.of(one | other)


@given(FOLDERS)
def test_everything_and_nothing(folders: set[RelPath]) -> None:
    """Everything takes in every part, and nothing adds to none."""
    assert Part.of(folders) | EVERYTHING == EVERYTHING
    assert Part.of(folders) | NOTHING == Part.of(folders)
    assert EVERYTHING.is_everything
    assert not NOTHING.is_everything
