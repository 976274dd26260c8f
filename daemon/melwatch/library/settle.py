"""Which files stand still, so that they may be read; the clocks come in as arguments. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Sequence

    from melwatch.track import FileStamp, RelPath, SeenFile

WAIT_AFTER_CLOSING_S = 1.0
"""A file that its writer has closed is as good as finished, unless it is opened again at once."""

SOONEST_LOOK_S = 0.2
"""However soon a file may be finished, looking for it does not become a busy loop."""

_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A file still being written: since when it has been waiting, and why, in a sentence."""

    path: RelPath
    age_s: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The candidates sorted, each list in path order.

    `look_again_in_s` is when the soonest file that waits, whether it was a candidate this time or
    not, may be settled; None if nothing waits.
    """

    settled: tuple[SeenFile, ...]
    unsettled: tuple[Unsettled, ...]
    look_again_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """What was seen of a file so far; moments on the monotonic clock."""

    stamp: FileStamp
    former: FileStamp | None
    first_seen_s: float
    still_since_s: float
    same_body_since_s: float
    is_closed: bool
    due_s: float

    def seen_again(self, stamp: FileStamp, now_s: float, *, is_closed: bool) -> _Waiting:
        """Take in another look at the file; what was known of its closing ends with a change."""
        if stamp == self.stamp:
            return replace(self, is_closed=self.is_closed or is_closed)
        return replace(
            self,
            stamp=stamp,
            former=self.stamp,
            still_since_s=now_s,
            same_body_since_s=self.same_body_since_s if _body(stamp) == _body(self.stamp) else now_s,
            is_closed=is_closed,
        )

    @property
    def what(self) -> str:
        """Why the file waits, if nobody is known to have it open."""
        if self.stamp.size == 0:
            return "It is still empty"
        if self.former is None:
            return "It was written only just now"
        if _body(self.former) == _body(self.stamp):
            return "Its time still changes"
        return "It is still growing" if self.former.size < self.stamp.size else "It is still changing"


class Settling:
    """Which files stand still; remembers what it saw of those that did not yet."""

    def __init__(self, settle_s: float, longest_wait_s: float = 60.0) -> None:
        self._settle_s = settle_s
        self._longest_wait_s = max(longest_wait_s, settle_s)
        self._waiting: dict[RelPath, _Waiting] = {}
        self._smallest_lead_ns: int | None = None

    def sort(
        self,
        candidates: Sequence[SeenFile],
        *,
        now_s: float,
        now_ns: int,
        closed: Collection[RelPath] = (),
        known_stamps: Collection[tuple[int, int, int]] = (),
        busy: Collection[RelPath] = (),
    ) -> Verdict:
        """Tell the files that may be read from those to wait for; `now_s` is monotonic, `now_ns` the wall clock.

        `closed` files were closed by their writer, `busy` ones are open for writing, and a file whose
        (size, mtime_ns, inode) is among the `known_stamps` was only renamed.
        """
        self._compare_clocks(now_s, now_ns)
        settled: list[SeenFile] = []
        unsettled: list[Unsettled] = []
        for file in sorted(candidates, key=lambda file: file.path):
            seen = self._look(file, now_s, is_closed=file.path in closed)
            is_busy = file.path in busy
            if not is_busy and (_is_known(file.stamp, known_stamps) or seen.due_s <= now_s + _ROUNDING_S):
                self._waiting.pop(file.path, None)
                settled.append(file)
                continue
            age_s = now_s - seen.first_seen_s
            due_s = max(seen.due_s, now_s + self._patience_s(age_s)) if is_busy else seen.due_s
            self._waiting[file.path] = replace(seen, due_s=due_s)
            what = "It is open for writing" if is_busy else seen.what
            unsettled.append(Unsettled(path=file.path, age_s=age_s, what=what))
        return Verdict(settled=tuple(settled), unsettled=tuple(unsettled), look_again_in_s=self._look_again_in_s(now_s))

    @property
    def waiting(self) -> Collection[RelPath]:
        """The files that did not stand still when they were last looked at."""
        return self._waiting.keys()

    def retain(self, paths: Container[RelPath]) -> None:
        """Forget all files but these."""
        self._waiting = {path: seen for path, seen in self._waiting.items() if path in paths}

    def _look(self, file: SeenFile, now_s: float, *, is_closed: bool) -> _Waiting:
        """Join what is seen of a file now to what was seen before, and say when it may be read."""
        before = self._waiting.get(file.path)
        if before is not None:
            seen = before.seen_again(file.stamp, now_s, is_closed=is_closed)
        else:
            seen = _Waiting(
                stamp=file.stamp,
                former=None,
                first_seen_s=now_s,
                still_since_s=now_s,
                same_body_since_s=now_s,
                is_closed=is_closed,
                due_s=now_s,
            )
        return replace(seen, due_s=self._due_s(seen))

    def _due_s(self, seen: _Waiting) -> float:
        """Return when a file may be read if it stays as it is and nobody has it open."""
        is_empty = seen.stamp.size == 0
        due_s = [
            self._still_since_s(seen) + (self._longest_wait_s if is_empty else self._settle_s),
            seen.same_body_since_s + self._longest_wait_s,
        ]
        if seen.is_closed and not is_empty:
            due_s.append(seen.still_since_s + min(WAIT_AFTER_CLOSING_S, self._settle_s))
        return min(due_s)

    def _still_since_s(self, seen: _Waiting) -> float:
        """Return since when a file stands still: by its own times too, unless it was seen to change."""
        if seen.former is not None or self._smallest_lead_ns is None:
            return seen.still_since_s
        last_change_ns = max(seen.stamp.changed_ns, seen.stamp.mtime_ns)
        return min(seen.still_since_s, (last_change_ns - self._smallest_lead_ns) / 1e9)

    def _compare_clocks(self, now_s: float, now_ns: int) -> None:
        """Note how far the wall clock is ahead of the monotonic one; a jump changes that.

        A file's time may be from before the jump or after it. By the smallest lead ever seen it is
        the younger of both, so that a wrong guess only costs the wait.
        """
        lead_ns = now_ns - int(now_s * 1e9)
        self._smallest_lead_ns = lead_ns if self._smallest_lead_ns is None else min(self._smallest_lead_ns, lead_ns)

    def _look_again_in_s(self, now_s: float) -> float | None:
        if not self._waiting:
            return None
        waits_s = (self._wait_s(seen.due_s, now_s) for seen in self._waiting.values())
        return max(SOONEST_LOOK_S, min(waits_s))

    def _wait_s(self, due_s: float, now_s: float) -> float:
        """Return how long to wait for a file; one that was due, but was not looked at, is tried ever more rarely."""
        return due_s - now_s if due_s > now_s else min(now_s - due_s, self._longest_wait_s)

    def _patience_s(self, age_s: float) -> float:
        """Return when to look again for a file that somebody has open: after as long as it has taken already."""
        return max(self._settle_s, min(age_s, self._longest_wait_s))


def _body(stamp: FileStamp) -> tuple[int, int]:
    """Return what of a stamp is not a time."""
    return stamp.size, stamp.inode


def _is_known(stamp: FileStamp, known_stamps: Collection[tuple[int, int, int]]) -> bool:
    return (stamp.size, stamp.mtime_ns, stamp.inode) in known_stamps
