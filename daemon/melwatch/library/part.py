"""Part of a library: some folders with all that lies below them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from melwatch.track import RelPath

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

ROOT = RelPath(b"")


@dataclass(frozen=True, slots=True)
class Part:
    """The outermost folders of a part, each standing for itself and all below it, and what lies `above` them."""

    folders: frozenset[RelPath]
    above: frozenset[RelPath]

    @classmethod
    def of(cls, folders: Iterable[RelPath]) -> Self:
        """Return the part that holds these folders."""
        left = frozenset(outermost(frozenset(folders)))
        return cls(left, frozenset(place for folder in left for place in _above(folder)))

    def __or__(self, other: Part) -> Part:
        """Return the part that holds what either holds."""
        return Part.of(self.folders | other.folders)

    @property
    def is_everything(self) -> bool:
        """Whether it is the whole library."""
        return ROOT in self.folders

    def holds(self, path: RelPath) -> bool:
        """Whether a file, or a folder (which may end in `/`), lies in this part or is one of its folders."""
        return is_covered(RelPath(path.rstrip(b"/")), self.folders)

    def leads_through(self, path: RelPath) -> bool:
        """Whether what lies at a path is in this part, or has to be gone through to get there."""
        return path in self.above or self.holds(path)


def parent(path: RelPath) -> RelPath:
    """Return the folder that holds a file or folder."""
    return RelPath(path.rpartition(b"/")[0])


def outermost(folders: Iterable[RelPath]) -> set[RelPath]:
    """Leave out the folders that lie below another one."""
    known = frozenset(folders)
    return {folder for folder in known if folder == ROOT or not is_covered(parent(folder), known)}


def is_covered(path: RelPath, folders: Container[RelPath]) -> bool:
    """Whether what lies at a path, or a folder above it, is among these."""
    while path not in folders and path != ROOT:
        path = parent(path)
    return path in folders


def _above(folder: RelPath) -> Iterable[RelPath]:
    while folder != ROOT:
        folder = parent(folder)
        yield folder


EVERYTHING = Part.of([ROOT])
NOTHING = Part.of([])
