"""Which tracks share a shard: order kept, untouched shards kept, small neighbours merged. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRACKS_PER_SHARD = 32

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Segment(Generic[Key]):
    """A run of tracks in one shard; `name` is that of the existing shard that holds just them."""

    keys: tuple[Key, ...]
    name: str | None = None


def pack(
    existing: Mapping[str, Sequence[Key]], wanted: Sequence[Key], target: int = TRACKS_PER_SHARD
) -> list[Segment[Key]]:
    """Divide the wanted tracks, in order, into shards of at most about `target` tracks.

    An existing shard stays where its tracks still follow one another in `wanted`. Two neighbours
    are merged where both fit into one and neither is more than twice the other, so that over many
    additions each track is copied a logarithmic number of times.
    """
    merged: list[Segment[Key]] = []
    for segment in _segments(existing, wanted, target):
        merged.append(segment)
        while len(merged) > 1 and _should_merge(merged[-2], merged[-1], target):
            last = merged.pop()
            merged[-1] = Segment(merged[-1].keys + last.keys)
    return merged


def _should_merge(left: Segment[Key], right: Segment[Key], target: int) -> bool:
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
