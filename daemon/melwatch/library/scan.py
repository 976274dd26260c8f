"""One walk over the music root, in path order, that states what became of every file it met."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from melwatch.library.part import EVERYTHING
from melwatch.library.rules import Reason
from melwatch.names import native
from melwatch.platform import filesystem
from melwatch.track import RelPath, SeenFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from melwatch.library.part import Part
    from melwatch.library.rules import Rules
    from melwatch.track import FileStamp

OUT_OF_REACH = frozenset({Reason.UNREADABLE, Reason.PATH_TOO_LONG, Reason.BROKEN_LINK})
LOST_SIGHT = OUT_OF_REACH | {Reason.ONLINE_ONLY}
"""Why nothing is known of something that is there."""


class LinkMetError(Exception):
    """A link to a folder lies in the part to look at, and what it leads to depends on the rest of the library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An audio file, or a folder that may hold some (its path ends in `/`), that is not a track."""

    path: RelPath
    reason: Reason


@dataclass(slots=True, kw_only=True)
class Scan:
    """What one walk found; of `unverified` folders and files nothing new is known, since they could not be read.

    Tracks that are `as_known` are counted, the others `seen`.
    """

    seen: list[SeenFile] = field(default_factory=list)
    as_known: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    unverified: list[RelPath] = field(default_factory=list)
    other_files: Counter[Reason] = field(default_factory=Counter)

    @property
    def out_of_reach(self) -> frozenset[RelPath]:
        """Folders and files that could not be looked at."""
        return frozenset(entry.path for entry in self.left_out if entry.reason in OUT_OF_REACH)

    @property
    def tracks(self) -> int:
        """Number of tracks met."""
        return len(self.seen) + self.as_known

    @property
    def found(self) -> int:
        """Number of files met."""
        folders = sum(entry.path.endswith(b"/") for entry in self.left_out)
        return self.tracks + len(self.left_out) - folders + self.other_files.total()


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder still to be listed; `inherited` is why nothing below it counts, if so."""

    path: bytes
    inherited: Reason | None
    ancestors: frozenset[tuple[int, int]]
    is_whole: bool
    """Whether all in it is to be looked at, rather than what leads on to the part."""


@dataclass(slots=True)
class _Entry:
    path: bytes
    of: os.DirEntry[bytes]
    folder: _Folder


def scan(
    root: bytes,
    rules: Rules,
    part: Part = EVERYTHING,
    is_known: Callable[[RelPath, FileStamp], bool] = lambda path, stamp: False,  # noqa: ARG005  nothing is
) -> Scan:
    """Walk the root, or a part of it, and sort every file into tracks, left-out audio files and others.

    `is_known` is asked of each track, in path order, whether it need not be told of. Folders reached
    through links are followed unless that leads in a circle. Raises `OSError` only where the root itself
    cannot be listed, and `LinkMetError` where a part cannot be seen for itself.
    """
    walk = _Walk(root, rules, part, is_known)
    listings = [iter(walk.list_root())]
    while listings:
        for entry in listings[-1]:
            if (folder := walk.meet(entry)) is not None:
                listings.append(iter(walk.list_folder(folder)))
                break
        else:
            listings.pop()
    return walk.result


class _Walk:
    def __init__(self, root: bytes, rules: Rules, part: Part, is_known: Callable[[RelPath, FileStamp], bool]) -> None:
        self.root = filesystem.openable(root)
        self.rules = rules
        self.part = part
        self.is_known = is_known
        self.result = Scan()
        self.reached_by_link: set[tuple[int, int]] = set()

    def list_root(self) -> list[_Entry]:
        top = _Folder(b"", None, frozenset([_key(os.stat(self.root))]), self.part.is_everything)
        return self._entries(self.root, top)

    def list_folder(self, folder: _Folder) -> list[_Entry]:
        """List a folder; where that fails, everything known below it stays as it is, unverified."""
        try:
            return self._entries(native(self.root, folder.path), folder)
        except OSError as error:
            self._lose(folder.path + b"/", _reason_of(error))
            return []

    def meet(self, entry: _Entry) -> _Folder | None:
        """Take in one entry; return the folder to go down into, if it is one."""
        try:
            facts = filesystem.stat_entry(entry.of)
        except OSError as error:
            self._fail(entry, error)
            return None
        if stat.S_ISDIR(facts.st_mode):
            return self._enter(entry, _key(facts))
        if self._is_wanted(entry):
            self._judge(entry, facts)
        return None

    def _is_wanted(self, entry: _Entry) -> bool:
        """Whether an entry lies in the part, rather than leading there: a file leads nowhere."""
        return entry.folder.is_whole or self.part.holds(RelPath(entry.path))

    def _enter(self, entry: _Entry, key: tuple[int, int]) -> _Folder | None:
        reason = entry.folder.inherited or self.rules.about_folder(entry.path)
        if not self.rules.may_enter(entry.path):
            self._leave_out(entry.path + b"/", Reason.EXCLUDED)
            return None
        is_link = filesystem.is_link(entry.of)
        if is_link and not self.part.is_everything:
            raise LinkMetError
        if key in entry.folder.ancestors or (is_link and key in self.reached_by_link):
            self._leave_out(entry.path + b"/", Reason.LINK_LOOP)
            return None
        if is_link and reason is None:
            self.reached_by_link.add(key)
        return _Folder(entry.path, reason, entry.folder.ancestors | {key}, self._is_wanted(entry))

    def _judge(self, entry: _Entry, facts: os.stat_result) -> None:
        reason = self.rules.about_file(entry.path)
        if reason is Reason.NOT_AUDIO:
            self.result.other_files[reason] += 1
        elif entry.folder.inherited or reason:
            self._leave_out(entry.path, entry.folder.inherited or reason or Reason.IGNORED)
        elif not stat.S_ISREG(facts.st_mode):
            self._leave_out(entry.path, Reason.NOT_REGULAR)
        elif filesystem.is_online_only(facts) and not self.rules.hydrate:
            self._lose(entry.path, Reason.ONLINE_ONLY)
        else:
            path, stamp = RelPath(entry.path), filesystem.stamp_of(facts)
            if self.is_known(path, stamp):
                self.result.as_known += 1
            else:
                self.result.seen.append(SeenFile(path=path, stamp=stamp))

    def _fail(self, entry: _Entry, error: OSError) -> None:
        """Take in an entry that could not be looked at.

        What is known of it, or below it if it is or may lead to a folder, stays as it is.
        """
        is_dead_link = entry.of.is_symlink() and error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
        reason = Reason.BROKEN_LINK if is_dead_link else _reason_of(error)
        is_no_song = self.rules.about_file(entry.path) is Reason.NOT_AUDIO
        if _is_folder(entry.of) or (entry.of.is_symlink() and is_no_song):
            self._lose(entry.path + b"/", reason)
        elif not self._is_wanted(entry):
            return
        elif is_no_song:
            self.result.other_files[Reason.NOT_AUDIO] += 1
        else:
            self._lose(entry.path, reason)

    def _entries(self, path: bytes, folder: _Folder) -> list[_Entry]:
        """List a folder so that the whole walk comes out in the byte order of relative paths."""
        prefix = folder.path + b"/" if folder.path else b""
        with os.scandir(path) as listing:
            entries = [_Entry(prefix + entry.name, entry, folder) for entry in listing]
        if not folder.is_whole:
            entries = [entry for entry in entries if self.part.leads_through(RelPath(entry.path))]
        return sorted(entries, key=lambda entry: entry.path + b"/" if _is_folder(entry.of) else entry.path)

    def _lose(self, path: bytes, reason: Reason) -> None:
        self.result.unverified.append(RelPath(path))
        self._leave_out(path, reason)

    def _leave_out(self, path: bytes, reason: Reason) -> None:
        self.result.left_out.append(LeftOut(path=RelPath(path), reason=reason))


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _reason_of(error: OSError) -> Reason:
    return Reason.PATH_TOO_LONG if error.errno == errno.ENAMETOOLONG else Reason.UNREADABLE


def _key(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino
