"""How names on disk become text: comparison, display, genre names. Pure."""

from __future__ import annotations

import os
import unicodedata


def folded(name: str) -> str:
    """Return the form in which names are compared: NFC, without regard to case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def display(path: bytes) -> str:
    r"""Return a path as text; bytes that are not UTF-8 appear as `\xNN`."""
    return path.decode("utf-8", "backslashreplace")


def genre_of(path: bytes) -> str:
    """Return the genre of a track's relative path: its top-level folder, NFC."""
    return unicodedata.normalize("NFC", display(path.split(b"/", 1)[0]))


def key_of(path: bytes) -> str:
    """Return what two spellings of one path have in common where case or Unicode form do not count."""
    return folded(display(path))


def native(root: bytes, path: bytes) -> bytes:
    """Return the path to open for a relative path below `root`."""
    return os.path.join(root, path.replace(b"/", os.sep.encode()))


def printable(text: str) -> str:
    """Return text fit for a terminal or log line: control characters become escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
