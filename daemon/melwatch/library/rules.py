"""Which files below the music root count as tracks, and why the others do not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import pathspec

from melwatch.names import display, folded

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTIAL_EXTENSIONS = (
    ".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".!ut", ".!qb", ".tmp", ".temp",
)  # fmt: skip
AUDIO_EXTENSIONS = (
    ".mp3", ".flac", ".ogg", ".oga", ".opus", ".wav", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".ape", ".mpc",
    ".wv", ".mp2", ".mpga",
)  # fmt: skip
NEVER_ENTERED = frozenset({folded("$RECYCLE.BIN"), folded("System Volume Information")})


class Reason(StrEnum):
    """Why a file is left out of the library."""

    IN_ROOT = "in_root"
    HIDDEN = "hidden"
    PARTIAL = "partial"
    EXCLUDED = "excluded"
    IGNORED = "ignored"
    EXTENSION = "extension"
    NOT_AUDIO = "not_audio"
    NOT_REGULAR = "not_regular"
    BROKEN_LINK = "broken_link"
    LINK_LOOP = "link_loop"
    PATH_TOO_LONG = "path_too_long"
    UNREADABLE = "unreadable"
    ONLINE_ONLY = "online_only"


SENTENCES = {
    Reason.IN_ROOT: "lies directly in the music root; a track belongs in a genre folder",
    Reason.HIDDEN: "is hidden, or lies in a hidden folder (its name begins with a dot)",
    Reason.PARTIAL: "looks like an unfinished download",
    Reason.EXCLUDED: "lies in a top-level folder that library.exclude names",
    Reason.IGNORED: "matches a pattern in library.ignore",
    Reason.EXTENSION: "has an audio extension that library.extensions does not name",
    Reason.NOT_AUDIO: "is no audio file by its name",
    Reason.NOT_REGULAR: "is not a regular file",
    Reason.BROKEN_LINK: "is a link that leads nowhere",
    Reason.LINK_LOOP: "is a link to a folder that the scan is already in or has reached by another link",
    Reason.PATH_TOO_LONG: "has a path longer than the system can open",
    Reason.UNREADABLE: "lies in a folder that could not be read",
    Reason.ONLINE_ONLY: "exists only online, and library.hydrate does not allow to download it",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The user's choice of what counts, ready to be asked about names."""

    extensions: tuple[str, ...]
    excluded: frozenset[str]
    ignored: pathspec.GitIgnoreSpec
    hydrate: bool = False
    """Whether files that exist only online count: to read them is to download them."""

    @classmethod
    def of(
        cls, *, extensions: Sequence[str], exclude: Sequence[str], ignore: Sequence[str], hydrate: bool = False
    ) -> Rules:
        """Compile the settings; `ignore` takes gitignore patterns relative to the root."""
        return cls(
            extensions=tuple(extensions),
            excluded=frozenset(folded(name) for name in exclude),
            ignored=pathspec.GitIgnoreSpec.from_lines(ignore),
            hydrate=hydrate,
        )

    def about_folder(self, path: bytes) -> Reason | None:
        """Why nothing below this folder counts, if so."""
        name = display(path.rsplit(b"/", 1)[-1])
        if b"/" not in path and folded(name) in self.excluded:
            return Reason.EXCLUDED
        if name.startswith("."):
            return Reason.HIDDEN
        if self.is_ignored(path + b"/"):
            return Reason.IGNORED
        return None

    def may_enter(self, path: bytes) -> bool:
        """Whether the scan may look into this folder at all, be it only to tell what is left out."""
        return b"/" in path or folded(display(path)) not in NEVER_ENTERED

    def matters(self, path: bytes, *, is_folder: bool) -> bool:
        """Whether what lies at a path, by its name and the folders above, may be a track or hold some."""
        parts = path.split(b"/")
        above = len(parts) if is_folder else len(parts) - 1
        folders = [b"/".join(parts[:count]) for count in range(1, above + 1)]
        if any(self.about_folder(folder) is not None or not self.may_enter(folder) for folder in folders):
            return False
        return is_folder or self.about_file(path) is None

    def about_file(self, path: bytes) -> Reason | None:
        """Why this file is not a track, if so, judged by its name alone."""
        name = display(path.rsplit(b"/", 1)[-1])
        lowered = name.lower()
        if name.startswith("."):
            return Reason.HIDDEN if lowered.endswith(AUDIO_EXTENSIONS) else Reason.NOT_AUDIO
        if lowered.endswith(PARTIAL_EXTENSIONS):
            return Reason.PARTIAL
        if not lowered.endswith(self.extensions):
            return Reason.EXTENSION if lowered.endswith(AUDIO_EXTENSIONS) else Reason.NOT_AUDIO
        if b"/" not in path:
            return Reason.IN_ROOT
        return Reason.IGNORED if self.is_ignored(path) else None

    def is_ignored(self, path: bytes) -> bool:
        """Whether a pattern matches; most libraries have none, and going through a scan with them takes time."""
        return bool(self.ignored.patterns) and self.ignored.match_file(display(path))
