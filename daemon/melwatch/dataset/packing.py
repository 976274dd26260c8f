"""Which tracks share a shard: order kept, untouched shards kept, small neighbours merged. Pure."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TRACKS_PER_SHARD, MOST_TRACKS_PER_SHARD = 32, 128
_FULL_SHARDS = 1_500
"""From so many full shards on they become larger: with many files all reading is slower."""
_COPIED_FOR_NEW = 3
_MOST_SHARDS_FACTOR, _FEW_SHARDS = 2, 16

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Segment(Generic[Key]):
    """A run of tracks in one shard; `name` is that of the existing shard that holds just them."""

    keys: tuple[Key, ...]
    name: str | None = None


def shard_target(tracks: int) -> int:
    """Return how many tracks a shard should hold in a split of so many: 32 up to 48,000, then more."""
    target = TRACKS_PER_SHARD
    while tracks > target * _FULL_SHARDS and target < MOST_TRACKS_PER_SHARD:
        target *= 2
    return target


def most_copied(new: int, target: int) -> int:
    """Return how many tracks of untouched shards may be copied while so many others are written."""
    return target + _COPIED_FOR_NEW * new


def most_shards(tracks: int, target: int) -> int:
    """Return into how many shards tracks are packed in the long run, however they came and went."""
    return _MOST_SHARDS_FACTOR * -(-tracks // target) + _FEW_SHARDS


def pack(
    existing: Mapping[str, Sequence[Key]],
    wanted: Sequence[Key],
    target: int = TRACKS_PER_SHARD,
    *,
    is_thrifty: bool = False,
) -> list[Segment[Key]]:
    """Divide the wanted tracks, in order, into shards of at most about `target` tracks.

    An existing shard stays where its tracks still follow one another in `wanted`. Two neighbours
    are merged where both fit into one and neither is more than twice the other, so that over many
    additions each track is copied a logarithmic number of times; where there are too many shards all
    the same, the smallest neighbours are. If `is_thrifty`, that is put off as far as it would copy more than
    `most_copied` says.
    """
    segments = _segments(existing, wanted, target)
    new = sum(len(segment.keys) for segment in segments if segment.name is None)
    purse = _Purse(most_copied(new, target) if is_thrifty else math.inf)
    segments = _merged(segments, lambda left, right: _is_new(left, right) and _are_alike(left, right, target), purse)
    segments = _merged(segments, lambda left, right: _are_alike(left, right, target), purse)
    while len(segments) > most_shards(len(wanted), target):
        pairs = [(len(left.keys) + len(right.keys), at) for at, (left, right) in enumerate(pairwise(segments))]
        size, at = min(pairs)
        if size > target or not purse.pays(segments[at], segments[at + 1]):
            break
        segments[at : at + 2] = [Segment(segments[at].keys + segments[at + 1].keys)]
    return segments


class _Purse:
    """How many tracks of untouched shards may yet be copied."""

    def __init__(self, left: float) -> None:
        self._left = left

    def pays(self, *segments: Segment[Key]) -> bool:
        """Whether these may be copied, which then is taken as done."""
        price = sum(len(segment.keys) for segment in segments if segment.name is not None)
        if price > self._left:
            return False
        self._left -= price
        return True


def _merged(
    segments: Sequence[Segment[Key]], should: Callable[[Segment[Key], Segment[Key]], bool], purse: _Purse
) -> list[Segment[Key]]:
    """Merge neighbours as far as they should be and that can be paid for."""
    merged: list[Segment[Key]] = []
    for segment in segments:
        merged.append(segment)
        while len(merged) > 1 and should(merged[-2], merged[-1]) and purse.pays(merged[-2], merged[-1]):
            last = merged.pop()
            merged[-1] = Segment(merged[-1].keys + last.keys)
    return merged


def _is_new(left: Segment[Key], right: Segment[Key]) -> bool:
    return left.name is None or right.name is None


def _are_alike(left: Segment[Key], right: Segment[Key], target: int) -> bool:
    small, large = sorted((len(left.keys), len(right.keys)))
    return small + large <= target and large <= 2 * small


def _segments(existing: Mapping[str, Sequence[Key]], wanted: Sequence[Key], target: int) -> list[Segment[Key]]:
    position = {key: index for index, key in enumerate(wanted)}
    kept: dict[int, Segment[Key]] = {}
    for name, keys in existing.items():
        start = position.get(keys[0]) if keys else None
        if start is not None and tuple(wanted[start : start + len(keys)]) == tuple(keys):
            kept.setdefault(start, Segment(tuple(keys), name))
    segments: list[Segment[Key]] = []
    index = 0
    for start in sorted(kept):
        if start < index:
            continue
        segments += _evenly(wanted[index:start], target)
        segments.append(kept[start])
        index = start + len(kept[start].keys)
    return segments + _evenly(wanted[index:], target)


def _evenly(keys: Sequence[Key], target: int) -> list[Segment[Key]]:
    """Cut a run into as few shards as possible, of equal size to within one."""
    if not keys:
        return []
    shards = -(-len(keys) // target)
    cuts = [len(keys) * number // shards for number in range(shards + 1)]
    return [Segment(tuple(keys[start:end])) for start, end in pairwise(cuts)]
