"""Which tracks share a shard: order kept, little copied, nothing lost."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.dataset.packing import TRACKS_PER_SHARD, Segment, most_copied, most_shards, pack, shard_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

quick = settings(max_examples=60)

targets = st.integers(1, 40)
tracks = st.lists(st.integers(0, 120), unique=True).map(tuple)


def keys_of(segments: Sequence[Segment[int]]) -> tuple[int, ...]:
    return tuple(key for segment in segments for key in segment.keys)


def stored(segments: Sequence[Segment[int]]) -> dict[str, tuple[int, ...]]:
    """Return the shards that a publish would leave, named by what they hold."""
    return {segment.name or f"shard {segment.keys}": segment.keys for segment in segments}


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...], int]:
    """Draw the shards that some passes left, the tracks of the next one, and the size to aim at."""
    target = draw(targets)
    growing = st.lists(st.integers(0, 120)).map(lambda counts: [tuple(range(count)) for count in sorted(counts)])
    *before, after = draw(st.one_of(st.lists(tracks, max_size=4), growing)) or [()]
    shards: dict[str, tuple[int, ...]] = {}
    for wanted in before:
        shards = stored(pack(shards, wanted, target))
    return shards, after, target


@quick
@given(history=histories())
def test_all_that_is_wanted_is_packed_in_order(
    history: tuple[dict[str, tuple[int, ...]], tuple[int, ...], int],
) -> None:
    """The segments one after another are the tracks wanted, and none is empty or above the target."""
    existing, wanted, target = history
    segments = pack(existing, wanted, target)

    assert keys_of(segments) == wanted
    assert all(1 <= len(segment.keys) <= target for segment in segments)


@quick
@given(history=histories())
def test_a_named_segment_is_that_shard(history: tuple[dict[str, tuple[int, ...]], tuple[int, ...], int]) -> None:
    """A shard is reused only for exactly the tracks that it holds."""
    existing, wanted, target = history

    for segment in pack(existing, wanted, target):
        assert segment.name is None or existing[segment.name] == segment.keys


@quick
@given(history=histories())
def test_packing_again_changes_nothing(history: tuple[dict[str, tuple[int, ...]], tuple[int, ...], int]) -> None:
    """What was packed once stays as it is, every shard by its name."""
    existing, wanted, target = history
    once = pack(existing, wanted, target)
    again = pack(stored(once), wanted, target)

    assert all(segment.name is not None for segment in again)
    assert [segment.keys for segment in again] == [segment.keys for segment in once]


@quick
@given(wanted=tracks, target=targets)
def test_a_new_dataset_has_as_few_shards_as_possible(wanted: tuple[int, ...], target: int) -> None:
    """Packed at once, tracks are spread evenly over the fewest shards."""
    lengths = [len(segment.keys) for segment in pack({}, wanted, target)]

    assert len(lengths) == math.ceil(len(wanted) / target)
    assert not lengths or max(lengths) - min(lengths) <= 1


@quick
@given(history=histories())
def test_neighbours_that_fit_together_are_merged(
    history: tuple[dict[str, tuple[int, ...]], tuple[int, ...], int],
) -> None:
    """Nowhere are there two neighbours that fit into one shard and are alike in size."""
    existing, wanted, target = history

    for left, right in pairwise(pack(existing, wanted, target)):
        small, large = sorted((len(left.keys), len(right.keys)))
        assert small + large > target or large > 2 * small


@quick
@given(history=histories(), changes=st.lists(tracks, max_size=4))
def test_thrift_bounds_what_is_copied(
    history: tuple[dict[str, tuple[int, ...]], tuple[int, ...], int], changes: list[tuple[int, ...]]
) -> None:
    """Beyond what is new or touched, a publish copies at most one shard and three tracks for each track written."""
    shards, wanted, target = history
    for goal in (wanted, *changes):
        segments = pack(shards, goal, target, is_thrifty=True)
        assert keys_of(segments) == goal
        assert all(1 <= len(segment.keys) <= target for segment in segments)

        position = {key: at for at, key in enumerate(goal)}
        at = {name: position.get(keys[0]) for name, keys in shards.items() if keys}
        untouched = [
            keys for name, keys in shards.items()
            if keys and (start := at[name]) is not None and goal[start : start + len(keys)] == keys
        ]  # fmt: skip
        names = {segment.keys for segment in segments if segment.name is not None}
        touched = len(goal) - len({key for keys in untouched for key in keys})
        copied = sum(len(keys) for keys in untouched if keys not in names)
        assert copied <= most_copied(touched, target)
        shards = stored(segments)


@quick
@given(history=histories())
def test_thrift_only_puts_off(history: tuple[dict[str, tuple[int, ...]], tuple[int, ...], int]) -> None:
    """Publishes that bring nothing new end with shards that need no more merging, and are not too many."""
    shards, wanted, target = history
    for _ in range(130):
        segments = pack(shards, wanted, target, is_thrifty=True)
        if all(segment.name is not None for segment in segments):
            break
        shards = stored(segments)

    assert all(segment.name is not None for segment in segments)
    assert segments == pack(shards, wanted, target)
    assert len(segments) <= most_shards(len(wanted), target)


@pytest.mark.parametrize("seed", range(3))
def test_two_thousand_small_changes_leave_few_shards_and_copy_little(seed: int) -> None:
    """Songs come one by one, some go: shards stay near the fewest possible, and each song is copied a few times."""
    random, target = Random(seed), TRACKS_PER_SHARD  # noqa: S311  nothing secret
    wanted, following = list(range(2000)), 2000
    shards, written, changed = stored(pack({}, wanted, target)), 0, 0
    for _ in range(2000):
        if random.random() < 0.25:
            del wanted[random.randrange(len(wanted))]
        else:
            wanted.append(following)
            following += 1
        changed += 1
        segments = pack(shards, wanted, target, is_thrifty=True)
        cost = sum(len(segment.keys) for segment in segments if segment.name is None)
        written += cost
        assert cost <= target + most_copied(target, target)
        assert len(segments) <= most_shards(len(wanted), target)
        shards = stored(segments)

    assert written <= 14 * changed


def test_a_library_that_outgrows_its_shards_is_repacked_little_by_little() -> None:
    """Where shards should be larger than they were, each publish merges one pair."""
    tracks, larger = 96 * 32, 64
    shards = stored(pack({}, range(tracks), 32))
    for count in range(1, 97):
        segments = pack(shards, range(tracks + count), larger, is_thrifty=True)
        assert sum(len(segment.keys) for segment in segments if segment.name is None) <= 2 * larger
        shards = stored(segments)

    assert len(shards) <= most_shards(tracks, larger)


def test_shards_grow_with_the_library() -> None:
    """A split of 70,000 tracks has at most some 2,200 files, one of 700,000 some 11,000."""
    assert [shard_target(tracks) for tracks in (1, 7_000, 48_000, 70_000, 100_000, 700_000)] == [
        32,
        32,
        32,
        64,
        128,
        128,
    ]
    assert most_shards(70_000, shard_target(70_000)) < 3_000


FULL = {"a": range(32), "b": range(32, 64), "c": range(64, 96)}


@pytest.mark.parametrize(
    ("existing", "wanted", "names"),
    [
        (FULL, [*range(96)], ["a", "b", "c"]),
        (FULL, [*range(100)], ["a", "b", "c", None]),
        (FULL, [-1, *range(96)], [None, "a", "b", "c"]),
        (FULL, [*range(32), 500, *range(32, 96)], ["a", None, "b", "c"]),
        (FULL, [*range(40), 500, *range(40, 96)], ["a", None, None, "c"]),
        (FULL, [key for key in range(96) if key != 40], ["a", None, "c"]),
        (FULL, [*range(32), *range(64, 96)], ["a", "c"]),
        (FULL, [*range(64, 96), *range(32)], ["c", "a"]),
        (FULL, [*range(1, 96)], [None, "b", "c"]),
        (FULL, [*range(95)], ["a", "b", None]),
        (FULL, [*range(32, 64), *range(31, -1, -1)], ["b", None]),
        ({"a": range(20), "b": range(20, 22)}, [*range(23)], ["a", None]),
        ({"a": range(20), "b": range(20, 24)}, [*range(25)], ["a", "b", None]),
        ({"a": range(20), "b": range(20, 30)}, [*range(30)], [None]),
        ({"a": range(7), "b": range(7, 10), "c": [10]}, [*range(12)], [None]),
        ({"empty": []}, [1], [None]),
        (FULL, [], []),
    ],
    ids=[
        "nothing new", "appended", "put in front", "put between", "put inside", "one removed", "a shard removed",
        "shards exchanged", "first removed", "last removed", "order reversed", "small ones merged", "unlike ones left",
        "alike ones merged", "one after the other",
        "an empty shard", "nothing wanted",
    ],
)  # fmt: skip
def test_untouched_shards_stay(
    existing: Mapping[str, Sequence[int]], wanted: list[int], names: list[str | None]
) -> None:
    """Only shards whose tracks changed are written anew."""
    segments = pack(existing, wanted)

    assert [segment.name for segment in segments] == names
    assert keys_of(segments) == tuple(wanted)


def test_adding_one_at_a_time_copies_each_track_a_logarithmic_number_of_times() -> None:
    """Five hundred single additions write each track less often than the logarithm of a shard's size."""
    shards: dict[str, tuple[int, ...]] = {}
    written = 0
    for count in range(1, 501):
        segments = pack(shards, range(count))
        written += sum(len(segment.keys) for segment in segments if segment.name is None)
        assert max(len(segment.keys) for segment in segments) <= TRACKS_PER_SHARD
        assert keys_of(segments) == tuple(range(count))
        shards = stored(segments)

    assert written <= 500 * math.log2(TRACKS_PER_SHARD)
    assert len(shards) <= 2 * 500 / TRACKS_PER_SHARD
