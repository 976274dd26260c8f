"""Which song goes into which split, and that it stays there."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from melwatch.dataset.splits import Move, place
from melwatch.edition import Split
from melwatch.track import AudioId

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from melwatch.dataset.splits import Placement

quick = settings(max_examples=60)

SHARES = {"train": 0.7, "validate": 0.1, "test": 0.2}
TRAIN, VALIDATE, TEST = Split


def song(name: object) -> AudioId:
    """Return an id as good as a real one: a digest."""
    return AudioId(hashlib.sha256(str(name).encode()).hexdigest()[:32])


def songs(genre: str, count: int) -> list[AudioId]:
    return [song(f"{genre} {number}") for number in range(count)]


def placed(
    genres: Mapping[str, Collection[AudioId]],
    ledger: Mapping[AudioId, Split] | None = None,
    *,
    shares: Mapping[str, float] = SHARES,
    replaced: Mapping[AudioId, AudioId] | None = None,
) -> Placement:
    return place(genres, ledger or {}, shares, replaced or {})


def sizes(members: Collection[AudioId], splits: Mapping[AudioId, Split]) -> tuple[int, int, int]:
    """Return how many songs are in train, validate and test."""
    counts = Counter(splits[member] for member in members)
    return counts[TRAIN], counts[VALIDATE], counts[TEST]


shares_of_any_kind = st.tuples(*[st.floats(0.05, 1)] * 3).map(
    lambda parts: {split.value: part / sum(parts) for split, part in zip(Split, parts, strict=True)}
)
some_songs = st.sets(st.integers(0, 40).map(song), min_size=3, max_size=30)
libraries = st.dictionaries(st.sampled_from(["Blues", "Jazz", "Rock"]), some_songs, min_size=1)


# New genres.


@pytest.mark.parametrize(
    ("count", "expected"),
    [(3, (1, 1, 1)), (6, (4, 1, 1)), (10, (7, 1, 2)), (20, (14, 2, 4)), (100, (70, 10, 20)), (1000, (700, 100, 200))],
)
def test_a_genre_is_divided_by_the_shares(count: int, expected: tuple[int, int, int]) -> None:
    """Six songs become 4, 1 and 1; many come as near to 70, 10 and 20 % as whole songs can."""
    rock = songs("Rock", count)

    result = placed({"Rock": rock})

    assert sizes(rock, result.decided) == expected
    assert result.moves == []


@quick
@given(count=st.integers(3, 12), shares=shares_of_any_kind)
def test_any_three_songs_are_in_three_splits(count: int, shares: dict[str, float]) -> None:
    """Each genre is in each split, whatever the shares, and nothing had to move for it."""
    rock = songs("Rock", count)
    result = placed({"Rock": rock}, shares=shares)

    assert all(sizes(rock, result.decided))
    assert result.moves == []


@pytest.mark.parametrize("count", [*range(6, 40), 99, 500])
def test_a_new_genre_is_within_one_song_of_its_shares(count: int) -> None:
    """No split of a genre placed at once lacks a whole song, or has one too many."""
    rock = songs("Rock", count)

    for share, size in zip(SHARES.values(), sizes(rock, placed({"Rock": rock}).decided), strict=True):
        assert abs(share * count - size) < 1


@quick
@given(counts=st.lists(st.integers(1, 20), min_size=1))
def test_a_genre_that_grows_stays_within_one_song_of_its_shares(counts: list[int]) -> None:
    """However songs come in, six at first and then so many a pass, the shares hold without a move."""
    ledger: dict[AudioId, Split] = {}
    total = 6
    for added in [0, *counts]:
        total += added
        rock = songs("Rock", total)
        result = placed({"Rock": rock}, ledger)
        ledger |= result.decided
        assert result.moves == []
        for share, size in zip(SHARES.values(), sizes(rock, ledger), strict=True):
            assert abs(share * total - size) < 1.5


def test_twenty_five_small_genres_are_all_in_all_splits() -> None:
    """Where stratifying all at once raises, 25 genres of six songs become 100, 25 and 25."""
    genres = {f"Genre {number:02}": songs(f"Genre {number}", 6) for number in range(25)}
    result = placed(genres)

    assert {sizes(members, result.decided) for members in genres.values()} == {(4, 1, 1)}
    assert Counter(result.decided.values()) == {TRAIN: 100, VALIDATE: 25, TEST: 25}


# Those that are there.


@quick
@given(before=libraries, after=libraries)
def test_additions_move_nothing(before: dict[str, set[AudioId]], after: dict[str, set[AudioId]]) -> None:
    """Where each genre has songs in each split, only songs without a split are decided on."""
    before = {genre: set(songs(genre, 6)) | members for genre, members in before.items()}
    ledger = placed(before).decided
    grown = {
        genre: before.get(genre, set()) | after.get(genre, set()) | set(songs(genre, 6))
        for genre in {**before, **after}
    }
    result = placed(grown, ledger)

    assert not result.decided.keys() & ledger.keys()
    assert result.moves == []
    assert result.decided.keys() | ledger.keys() >= set().union(*grown.values())


@quick
@given(library=libraries)
@example(
    library={
        "Blues": {song(0), song(19), song(20)},
        "Jazz": {song(0), song(1), song(3)},
        "Rock": {song(0), song(1), song(20)},
    }
)
def test_what_was_placed_is_not_placed_again(library: dict[str, set[AudioId]]) -> None:
    """A second pass over the same library decides nothing."""
    ledger = placed(library).decided

    assert placed(library, ledger).decided == {}


def test_a_song_that_comes_back_is_where_it_was() -> None:
    """The ledger outlives the song: deleted and restored, it has the split that it had."""
    rock = songs("Rock", 12)
    ledger = placed({"Rock": rock}).decided
    without = placed({"Rock": rock[6:]}, ledger)
    result = placed({"Rock": rock}, {**ledger, **without.decided})

    assert result.decided == {}


@quick
@given(library=libraries, order=st.randoms(use_true_random=False))
def test_the_order_in_which_songs_are_found_does_not_matter(library: dict[str, set[AudioId]], order: object) -> None:
    """The same songs without a split get the same splits, in whatever order they and their genres come."""
    shuffled = {genre: sorted(members) for genre, members in library.items()}
    names = list(shuffled)
    for listed in (names, *shuffled.values()):
        order.shuffle(listed)  # type: ignore[attr-defined]

    assert placed({genre: shuffled[genre] for genre in names}) == placed(library)


@quick
@given(library=libraries)
def test_a_song_of_two_genres_is_in_one_split(library: dict[str, set[AudioId]]) -> None:
    """Exact duplicates in several genres share their split, so train and test never share a sound."""
    result = placed(library)

    assert result.decided.keys() == set().union(*library.values())


@pytest.mark.parametrize("inherited", list(Split))
def test_a_replaced_song_hands_on_its_split(inherited: Split) -> None:
    """A better copy under the same path is where the former copy was, whatever the genre lacks."""
    rock = songs("Rock", 12)
    ledger = dict(zip(rock, [TRAIN] * 6 + [VALIDATE] * 3 + [TEST] * 3, strict=True))
    former = next(old for old in rock if ledger[old] is inherited)
    better = song("better copy")
    result = placed({"Rock": [better, *(set(rock) - {former})]}, ledger, replaced={better: former})

    assert result.decided == {better: inherited}


def test_a_song_that_was_placed_keeps_its_split_though_it_replaces_another() -> None:
    """Where a known song turns up in place of another, it is the ledger's word that counts."""
    rock = songs("Rock", 6)
    ledger = dict(zip(rock, [TRAIN, TRAIN, TRAIN, TRAIN, VALIDATE, TEST], strict=True))

    assert placed({"Rock": rock}, ledger, replaced={rock[0]: rock[5]}).decided == {}


def test_a_song_that_replaced_one_never_placed_is_placed_like_any_other() -> None:
    """Where there is no split to inherit, the genre's needs decide."""
    rock = songs("Rock", 6)

    assert placed({"Rock": rock}, replaced={rock[0]: song("unknown")}) == placed({"Rock": rock})


# Moves.


@pytest.mark.parametrize(
    ("ledger_splits", "expected", "moved"),
    [
        ([TRAIN] * 6, (4, 1, 1), [(TRAIN, TEST), (TRAIN, VALIDATE)]),
        ([TRAIN] * 5 + [TEST], (4, 1, 1), [(TRAIN, VALIDATE)]),
        ([TRAIN] * 5 + [VALIDATE], (4, 1, 1), [(TRAIN, TEST)]),
        ([TRAIN] * 3 + [TEST] * 3, (2, 1, 3), [(TRAIN, VALIDATE)]),
        ([TRAIN] * 3 + [VALIDATE] * 3, (2, 3, 1), [(TRAIN, TEST)]),
        ([TRAIN] + [TEST] * 5, (1, 1, 4), [(TEST, VALIDATE)]),
        ([TRAIN] + [VALIDATE] * 5, (1, 4, 1), [(VALIDATE, TEST)]),
        ([TEST] * 6, (0, 1, 5), [(TEST, VALIDATE)]),
        ([TRAIN] * 4 + [VALIDATE, TEST], (4, 1, 1), []),
    ],
)
def test_a_genre_without_a_held_out_song_gets_one(
    ledger_splits: list[Split], expected: tuple[int, int, int], moved: list[tuple[Split, Split]]
) -> None:
    """Train gives first, else the other held-out split, never one its last; each move is reported."""
    rock = songs("Rock", 6)
    ledger = dict(zip(rock, ledger_splits, strict=True))
    result = placed({"Rock": rock}, ledger)

    assert sizes(rock, {**ledger, **result.decided}) == expected
    assert [(move.source, move.target) for move in result.moves] == moved


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, set[AudioId]], dict[AudioId, Split]]:
    """Draw a library and any ledger at all for some of its songs, and for others."""
    library = draw(libraries)
    ledger = draw(st.dictionaries(st.integers(0, 45).map(song), st.sampled_from(Split)))
    return library, ledger


@quick
@given(history=histories())
def test_nothing_ever_moves_into_train(history: tuple[dict[str, set[AudioId]], dict[AudioId, Split]]) -> None:
    """What was once held out is never trained on, and all that changes is reported as a move."""
    library, ledger = history
    result = placed(library, ledger)

    changed = {name: split for name, split in result.decided.items() if ledger.get(name, split) is not split}
    assert TRAIN not in changed.values()
    assert changed.keys() <= {move.audio_id for move in result.moves}
    assert all(move.target is not TRAIN for move in result.moves)
    assert all(move.audio_id in library[move.genre] for move in result.moves)


def test_only_what_had_a_split_can_move() -> None:
    """A song placed just now is placed where both its genres need it, and no move is reported of it."""
    blues, rock = map(AudioId, "abcdefg"), map(AudioId, "abcdef")
    result = placed({"Blues": [*blues], "Rock": [*rock]})

    assert result.moves == []


def test_a_song_of_this_genre_alone_moves_before_one_that_another_genre_shares() -> None:
    """A move for the sake of one genre leaves others alone where it can."""
    rock, jazz = songs("Rock", 8), songs("Jazz", 6)
    shared = sorted(rock)[:3]
    ledger = dict.fromkeys(rock, TRAIN) | dict(zip(jazz, [TRAIN] * 4 + [VALIDATE, TEST], strict=True))
    result = placed({"Rock": rock, "Jazz": [*jazz, *shared]}, ledger)

    assert len(result.moves) == 2
    assert not {move.audio_id for move in result.moves} & set(shared)


def test_a_move_names_song_genre_and_splits() -> None:
    """What is reported of a move is enough to find it."""
    rock = sorted(songs("Rock", 6))
    ledger = dict(zip(rock, [TRAIN] * 5 + [TEST], strict=True))
    result = placed({"Rock": rock}, ledger)

    assert result.moves == [Move(audio_id=rock[0], genre="Rock", source=TRAIN, target=VALIDATE)]
    assert result.decided == {rock[0]: VALIDATE}
