"""What a pass has to do: the known and the seen, compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from melwatch.track import FileStamp, KnownFile, RelPath, SeenFile

SETTLED_AFTER_NS = 2_000_000_000
"""A file read within the coarsest clock tick of a file system (FAT: 2 s) after it changed may have
changed again within that tick, unseen; it is read once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The actions of one pass, each list in path order."""

    added: tuple[SeenFile, ...]
    changed: tuple[SeenFile, ...]
    unfinished: tuple[SeenFile, ...]
    unchanged: int
    vanished: tuple[RelPath, ...]
    unverified: tuple[RelPath, ...]

    @property
    def to_read(self) -> tuple[SeenFile, ...]:
        """Every file to open, in path order."""
        return tuple(sorted((*self.added, *self.changed, *self.unfinished), key=lambda file: file.path))


def make_plan(known: Iterable[KnownFile], seen: Iterable[SeenFile], unverified: Sequence[RelPath] = ()) -> Plan:
    """Compare two streams in path order.

    `unverified` names folders (ending in `/`) and files that could not be looked at: what is known
    of them or below them stays. Of such a file that was never read nothing is known, so that it goes.
    """
    lost_sight = frozenset(unverified)
    added: list[SeenFile] = []
    changed: list[SeenFile] = []
    unfinished: list[SeenFile] = []
    vanished: list[RelPath] = []
    kept: list[RelPath] = []
    unchanged = 0
    for before, now in _paired(known, seen):
        if before is None and now is not None:
            added.append(now)
        elif now is None and before is not None:
            is_unknown = before.path in lost_sight and not before.read_ns
            (kept if is_under(before.path, lost_sight) and not is_unknown else vanished).append(before.path)
        elif before is not None and now is not None:
            if not is_as_it_was(before, now.stamp):
                changed.append(now)
            elif not before.is_done:
                unfinished.append(now)
            else:
                unchanged += 1
    return Plan(
        added=tuple(added),
        changed=tuple(changed),
        unfinished=tuple(unfinished),
        unchanged=unchanged,
        vanished=tuple(vanished),
        unverified=tuple(kept),
    )


class Register:
    """What is on record, gone through in step with a scan, so that both are held against each other as they come.

    What is as it was and needs no work is only counted, and need not be compared any more; all else is `left`.
    """

    def __init__(self, known: Iterable[KnownFile]) -> None:
        self.left: list[KnownFile] = []
        self._known = iter(known)
        self._next = next(self._known, None)

    def is_known(self, path: RelPath, stamp: FileStamp) -> bool:
        """Whether a file is as it was and needs no work; paths come in ascending order."""
        while self._next is not None and self._next.path < path:
            self.left.append(self._next)
            self._next = next(self._known, None)
        before = self._next
        if before is None or before.path != path:
            return False
        self._next = next(self._known, None)
        if before.is_done and is_as_it_was(before, stamp):
            return True
        self.left.append(before)
        return False

    def end(self) -> None:
        """Take what has not been met for left."""
        if self._next is not None:
            self.left.append(self._next)
            self._next = None
        self.left.extend(self._known)


def is_as_it_was(before: KnownFile, stamp: FileStamp) -> bool:
    """Whether a file can be taken to hold what it held when it was last read."""
    if before.stamp != stamp:
        return False
    return not before.is_done or abs(before.read_ns - stamp.changed_ns) > SETTLED_AFTER_NS


def is_under(path: RelPath, places: Collection[RelPath]) -> bool:
    """Whether a path is one of the places, or lies below one that ends in `/`."""
    parts = path.split(b"/")
    above = (b"/".join(parts[:count]) + b"/" for count in range(1, len(parts)))
    return path in places or any(place in places for place in above)


def _paired(known: Iterable[KnownFile], seen: Iterable[SeenFile]) -> Iterator[tuple[KnownFile | None, SeenFile | None]]:
    """Join two streams, each in strictly ascending path order, by path."""
    left, right = iter(known), iter(seen)
    before, now = next(left, None), next(right, None)
    while before is not None or now is not None:
        if now is None or (before is not None and before.path < now.path):
            yield before, None
            before = next(left, None)
        elif before is None or now.path < before.path:
            yield None, now
            now = next(right, None)
        else:
            yield before, now
            before, now = next(left, None), next(right, None)
