"""What the daemon remembers from look to look of files that are not what they will be. Pure but for its memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from melwatch.library.settle import Settling
    from melwatch.track import FileStamp, RelPath, SeenFile

_POSTPONED_S = 60.0
"""How long something that vanished may turn out to have moved, while other files are still being written."""

_REFUSED_FIRST_S, _REFUSED_LONGEST_S = 5.0, 300.0
"""When to try a file again that could not be read: later and later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """A file that could not be read as it was; moments on the monotonic clock."""

    stamp: FileStamp
    wait_s: float
    due_s: float


@dataclass(slots=True, kw_only=True)
class Patience:
    """Which files to wait for: those still being written, those that cannot be read, those that have vanished."""

    settling: Settling
    gone_s: float
    """How long nothing more must have vanished before what has is taken for gone."""
    missing_since_s: dict[RelPath, float] = field(default_factory=dict)
    refused: dict[RelPath, _Refused] = field(default_factory=dict)
    out_of_sight: frozenset[RelPath] = frozenset()
    """Folders and files that could not be looked at the last time."""
    _sight_wait_s: float = _REFUSED_FIRST_S

    def take_over(self, other: Patience) -> None:
        """Remember what another, which a pass in another process was given, remembers now."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(other, name))

    @property
    def awaited(self) -> frozenset[RelPath]:
        """What each look takes in, whatever part it is of: all that is being written, refused, or vanished."""
        return frozenset({*self.settling.waiting, *self.refused, *self.missing_since_s})

    def recently_missing(
        self, removed: Collection[RelPath], now_s: float, *, may_move: bool
    ) -> tuple[frozenset[RelPath], float]:
        """Return what is still to be waited for, and for how long: all of it, so that it is judged together.

        That is while more keeps vanishing, and longer where it `may_move`: where files are being
        written that could turn out to be the same songs.
        """
        self.missing_since_s = {path: self.missing_since_s.get(path, now_s) for path in removed}
        if not removed:
            return frozenset(), 0.0
        patience_s = max(self.gone_s, _POSTPONED_S) if may_move else self.gone_s
        wait_s = max(self.missing_since_s.values()) + patience_s - now_s
        return (frozenset(removed), wait_s) if wait_s > 0 else (frozenset(), 0.0)

    def worth_reading(self, files: Sequence[SeenFile], now_s: float) -> tuple[tuple[SeenFile, ...], float | None]:
        """Leave out files that could not be read and are as they were; return also when the first is due again."""
        self.refused = {file.path: self.refused[file.path] for file in files if file.path in self.refused}
        due, waits_s = [], []
        for file in files:
            before = self.refused.get(file.path)
            if before is None or before.stamp != file.stamp or before.due_s <= now_s:
                due.append(file)
            else:
                waits_s.append(before.due_s - now_s)
        return tuple(due), min(waits_s, default=None)

    def note_sight(self, out_of_sight: Collection[RelPath]) -> float | None:
        """Note what could not be looked at; return when to look again: ever more rarely while it is the same."""
        now = frozenset(out_of_sight)
        same = now == self.out_of_sight
        self._sight_wait_s = min(2 * self._sight_wait_s, _REFUSED_LONGEST_S) if same else _REFUSED_FIRST_S
        self.out_of_sight = now
        return self._sight_wait_s if now else None

    def forget_refusals(self) -> None:
        """Try everything again at once: a person has asked."""
        self.refused.clear()

    def note_read(self, files: Sequence[SeenFile], unread: Collection[RelPath], now_s: float) -> float | None:
        """Note which files were read and which could not be; return when the first of these is due again."""
        waits_s = []
        for file in files:
            before = self.refused.pop(file.path, None)
            if file.path in unread:
                again = before is not None and before.stamp == file.stamp
                wait_s = min(2 * before.wait_s, _REFUSED_LONGEST_S) if before and again else _REFUSED_FIRST_S
                self.refused[file.path] = _Refused(stamp=file.stamp, wait_s=wait_s, due_s=now_s + wait_s)
                waits_s.append(wait_s)
        return min(waits_s, default=None)
