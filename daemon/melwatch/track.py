"""The values that the stages hand to one another; they hold facts and decide nothing.

Those of which there are as many as files are named tuples: they take a fifth of the time to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, NewType

AudioId = NewType("AudioId", str)
"""Hex digest of a song's audio bytes without its tags: equal ids mean equal samples."""

RecipeId = NewType("RecipeId", str)
"""Hex digest of everything that shapes the numbers of a spectrogram."""

RelPath = NewType("RelPath", bytes)
"""A path below the music root as the file system spells it, parts joined by `/`."""


class FileStamp(NamedTuple):
    """What `stat` says of a file; while it stands still, the file is taken to be unchanged.

    `changed_ns` is when the system last noted a change of content or attributes: it moves even
    where a program sets the modification time back.
    """

    size: int
    mtime_ns: int
    changed_ns: int
    inode: int


class SeenFile(NamedTuple):
    """A candidate track found by a scan."""

    path: RelPath
    stamp: FileStamp


class Tags(NamedTuple):
    """What a file says of itself; empty where it says nothing."""

    title: str = ""
    artist: str = ""
    album: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a file is, whatever it is called."""

    audio_id: AudioId
    file_digest: str
    tags: Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What was learnt about a song while its spectrograms were made."""

    duration_s: float
    promised_s: float
    method: str

    @property
    def is_partial(self) -> bool:
        """Whether the decoders gave up before the end that the file's frames promise."""
        return self.duration_s < self.promised_s


class KnownFile(NamedTuple):
    """A track as the manifest remembers it; `is_done` once it is made or known to fail."""

    path: RelPath
    stamp: FileStamp
    read_ns: int
    is_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Spectrograms in the spool: how many windows, the XXH3-128 of their bytes, and of what sound."""

    windows: int
    checksum: str
    sound: Sound


class Location(NamedTuple):
    """Where a song's spectrograms lie: in the rows of a shard from `first_row` on, or in the spool."""

    windows: int
    checksum: str
    shard: str | None
    first_row: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a track is not in the dataset, in a word, a sentence, and what may help."""

    reason: str
    what: str
    hint: str


class TrackRecord(NamedTuple):
    """All that is known of one track."""

    path: RelPath
    ordinal: int
    audio_id: AudioId | None
    replaced: AudioId | None
    tags: Tags
    location: Location | None
    sound: Sound | None
    trouble: Trouble | None
    is_quarantined: bool
