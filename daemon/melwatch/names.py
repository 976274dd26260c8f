"""How names on disk become text: comparison, display, genre names. Pure."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def folded(name: str) -> str:
    """Return the form in which names are compared: NFC, without regard to case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def display(path: bytes) -> str:
    r"""Return a path as text; bytes that are not UTF-8 appear as `\xNN`."""
    return path.decode("utf-8", "backslashreplace")


def genre_of(path: bytes) -> str:
    """Return the genre of a track's relative path: its top-level folder, NFC."""
    return _name_of_folder(path.split(b"/", 1)[0])


@lru_cache(1000)
def _name_of_folder(folder: bytes) -> str:
    """Return what a top-level folder is called; there are few, and each has many tracks."""
    return _composed(display(folder))


@dataclass(frozen=True, slots=True)
class GenreNames:
    """What genres are called whose folders are called otherwise, by folder name as it is compared."""

    by_folder: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Mapping[str, str]) -> GenreNames:
        """Take names by folder; a folder that only spells a genre's name in another case is that genre's too."""
        genres = {folder: _composed(genre.strip()) for folder, genre in names.items()}
        return cls({folded(genre): genre for genre in genres.values()} | {folded(f): g for f, g in genres.items()})

    def genre_of(self, path: bytes) -> str:
        """Return the genre of a track's relative path."""
        folder = genre_of(path)
        return self.by_folder.get(folded(folder), folder) if self.by_folder else folder


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def key_of(path: bytes) -> str:
    """Return what two spellings of one path have in common where case or Unicode form do not count."""
    return folded(display(path))


def native(root: bytes, path: bytes) -> bytes:
    """Return the path to open for a relative path below `root`."""
    return os.path.join(root, path.replace(b"/", os.sep.encode()))


def printable(text: str) -> str:
    """Return text fit for a terminal or log line: control characters become escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
