"""Whether the music root is the one we know; what it holds is judged elsewhere."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from melwatch.platform import filesystem

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEANT = "If this is meant, run `melwatch accept-root`."
_WAITING = "Connect or mount it; until then nothing is removed from the dataset."
_REFUSED = "Let the user that melwatch runs as list and read it; until then nothing is removed from the dataset."

_DENIALS = frozenset({errno.EACCES, errno.EPERM})
_WINDOWS_DENIALS = frozenset({5, 65})
"""ERROR_ACCESS_DENIED, ERROR_NETWORK_ACCESS_DENIED. A drive that is not ready (21) has EACCES as its errno too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKey:
    """What tells one root from another that appears at the same path."""

    device: int
    inode: int

    @classmethod
    def from_json(cls, values: Mapping[str, int]) -> RootKey:
        """Return the key that `to_json` wrote."""
        return cls(device=values["device"], inode=values["inode"])

    def to_json(self) -> dict[str, int]:
        """Return the key as plain values."""
        return {"device": self.device, "inode": self.inode}


class RootState(StrEnum):
    """What became of the music root."""

    ONLINE = "online"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    EXCHANGED = "exchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootVerdict:
    """The state of the root, with a sentence and a hint unless it is online."""

    state: RootState
    what: str = ""
    hint: str = ""


def read_root(root: bytes) -> tuple[RootKey | None, OSError | None]:
    """Return which folder the root is, or why that cannot be told: it must be there, and be listed."""
    try:
        place = filesystem.openable(root)
        facts = os.stat(place)
        with os.scandir(place) as listing:
            next(listing, None)
    except OSError as error:
        return None, error
    return RootKey(device=facts.st_dev, inode=facts.st_ino), None


def judge_root(
    *,
    known: RootKey | None,
    found: RootKey | None,
    error: OSError | None,
    known_tracks: int,
    seen_tracks: int,
    tracks_in_place: int,
) -> RootVerdict:
    """Decide whether what is not there may count as gone.

    `tracks_in_place` are known tracks with the path and size that they had. What could not be looked
    at must not be among the `known_tracks`: nothing is concluded from it.
    """
    if error is not None or found is None:
        return _out_of_reach(error)
    if not known_tracks:
        return RootVerdict(state=RootState.ONLINE)
    if not seen_tracks:
        what = f"The music root holds no track at all, though {known_tracks} are known"
        return RootVerdict(state=RootState.EMPTY, what=what, hint=_WAITING)
    if known is not None and found != known and 2 * tracks_in_place < known_tracks:
        what = f"The music root is another folder or disk: {tracks_in_place} of {known_tracks} tracks are in place"
        return RootVerdict(state=RootState.EXCHANGED, what=what, hint=_MEANT)
    return RootVerdict(state=RootState.ONLINE)


def _out_of_reach(error: OSError | None) -> RootVerdict:
    reason = (error and (error.strerror or str(error))) or "it is not there"
    if error is not None and _is_denial(error):
        what = f"The music root may not be read: {reason}"
        return RootVerdict(state=RootState.UNREADABLE, what=what, hint=_REFUSED)
    return RootVerdict(state=RootState.MISSING, what=f"The music root cannot be reached: {reason}", hint=_WAITING)


def _is_denial(error: OSError) -> bool:
    code = getattr(error, "winerror", None)
    return error.errno in _DENIALS if code is None else code in _WINDOWS_DENIALS
