"""Which songs belong together and share a split: those of an artist or album, and exact duplicates. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from melwatch.names import display, folded, genre_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from melwatch.track import AudioId, RelPath, Tags

Key: TypeAlias = tuple[str, ...]
"""What two songs have in common that belong together: a kind, and names to compare."""

_GUESTS = re.compile(r"[\s(\[]+(?:feat\.|ft\.|(?:feat|ft|featuring)(?=\s)).*", re.DOTALL)
_DISC = re.compile(r"(?:cd|dis[ck])[\s_.-]*\d+")
_NOBODY = frozenset(
    {
        "", "various", "various artists", "various artist", "va", "v.a.", "v/a", "v. a.",
        "unknown", "unknown artist", "verschiedene", "verschiedene interpreten", "verschiedene künstler",
        "diverse", "diverse interpreten", "unbekannt", "unbekannter interpret", "unbekannter künstler",
    }
)  # fmt: skip
_NO_ALBUM = frozenset({"", "unknown", "unknown album", "unbekannt", "unbekanntes album"})
_FOLDERS_OF_ALBUM = 2
"""Genre and album: a song right in the genre folder is in no album folder."""


class GroupBy(StrEnum):
    """What makes a group, from the finest to the coarsest."""

    TRACK = "track"
    ALBUM = "album"
    ARTIST = "artist"

    def is_coarser_than(self, other: GroupBy) -> bool:
        """Whether groups of this kind may join what groups of the other kind keep apart."""
        order = list(GroupBy)
        return order.index(self) > order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of a song, as far as grouping is concerned."""

    audio_id: AudioId
    path: RelPath
    tags: Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Songs that share a split, sorted, and what to call them."""

    name: str
    songs: tuple[AudioId, ...]


def make_groups(members: Iterable[Member], by: GroupBy) -> list[Group]:
    """Put songs into groups; files of one sound are one song, whatever their tags say.

    A song of which two files name two artists joins both groups.
    """
    forest = _Forest()
    names: dict[AudioId, str] = {}
    for member in sorted(members, key=lambda member: (member.path, member.audio_id)):
        forest.add(member.audio_id, keys_of(member, by))
        names.setdefault(member.audio_id, _name_of(member, by))
    return [Group(name=names[songs[0]], songs=songs) for songs in forest.trees()]


def keys_of(member: Member, by: GroupBy) -> Sequence[Key]:
    """Return what ties a file to others besides its sound; nothing where it stands alone."""
    folder = album_folder(member.path)
    fallback: list[Key] = [("folder", folder)] if folder else []
    match by:
        case GroupBy.ARTIST:
            artist = artist_key(member.tags.artist)
            return [("artist", artist)] if artist else fallback
        case GroupBy.ALBUM:
            album = album_key(member.tags.album)
            if not album:
                return fallback
            # Many artists have a "Greatest Hits"; an album of many artists lies in one folder.
            place = folder or folded(genre_of(member.path))
            artist = artist_key(member.tags.artist)
            return [("album", album, "in", place), *([("album", album, "by", artist)] if artist else [])]
        case GroupBy.TRACK:
            return []


def artist_key(artist: str) -> str:
    """Return the form in which artists are compared, without guests; empty where nobody is named.

    Of several artists the first counts.
    """
    name = _GUESTS.sub("", _plain(artist)).split(";")[0].strip()
    return "" if name.strip("<>[]() ") in _NOBODY else name


def album_key(album: str) -> str:
    """Return the form in which albums are compared; empty where none is named."""
    name = _plain(album)
    return "" if name.strip("<>[]() ") in _NO_ALBUM else name


def album_folder(path: RelPath) -> str:
    """Return the folder below the genre that a song lies in, discs of an album as one; empty if it is in none."""
    folders = [folded(display(part)) for part in path.split(b"/")[:-1]]
    if len(folders) > _FOLDERS_OF_ALBUM and _DISC.fullmatch(folders[-1]):
        folders.pop()
    return "/".join(folders) if len(folders) >= _FOLDERS_OF_ALBUM else ""


def _plain(text: str) -> str:
    return " ".join(folded(text).split())


def _name_of(member: Member, by: GroupBy) -> str:
    """Return what a person would call the group of a file."""
    keys = keys_of(member, by)
    if not keys:
        return display(member.path)
    match keys[0][0]:
        case "artist":
            return member.tags.artist
        case "album":
            return member.tags.album
        case _:
            return display(member.path.rsplit(b"/", 1)[0])


class _Forest:
    """Songs joined by what they have in common (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[AudioId, AudioId] = {}
        self._first: dict[Key, AudioId] = {}

    def add(self, song: AudioId, keys: Iterable[Key]) -> None:
        """Join a song with all that share one of its keys."""
        self._parent.setdefault(song, song)
        for key in keys:
            one, other = self._root(song), self._root(self._first.setdefault(key, song))
            self._parent[max(one, other)] = min(one, other)

    def trees(self) -> list[tuple[AudioId, ...]]:
        """Return the songs that hang together, each group and all of them in order."""
        trees: dict[AudioId, list[AudioId]] = defaultdict(list)
        for song in self._parent:
            trees[self._root(song)].append(song)
        return sorted(tuple(sorted(songs)) for songs in trees.values())

    def _root(self, song: AudioId) -> AudioId:
        while self._parent[song] != song:
            self._parent[song] = song = self._parent[self._parent[song]]
        return song
