"""Which split a group of songs goes into, that it stays there, and what happens when groups come together."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.dataset.groups import Group
from melwatch.dataset.splits import Cause, place, reshuffle
from melwatch.edition import Split
from melwatch.track import AudioId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from melwatch.dataset.splits import Placement

quick = settings(max_examples=150)

SHARES = {"train": 0.7, "validate": 0.1, "test": 0.2}
TRAIN, VALIDATE, TEST = Split


def song(name: object) -> AudioId:
    """Return an id as good as a real one: a digest."""
    return AudioId(hashlib.sha256(str(name).encode()).hexdigest()[:32])


def artist(name: str, count: int, first: int = 0) -> Group:
    """Return an artist with so many songs."""
    return Group(name=name, songs=tuple(sorted(song(f"{name} {number}") for number in range(first, first + count))))


def joined(*groups: Group) -> Group:
    """Return what becomes of groups when a retag makes them one."""
    return Group(name=groups[0].name, songs=tuple(sorted(each for group in groups for each in group.songs)))


def songs_of(groups: Iterable[Group]) -> list[AudioId]:
    return [each for group in groups for each in group.songs]


def placed(
    genres: Mapping[str, Sequence[Group]], ledger: Mapping[AudioId, Split] | None = None, also: Sequence[Group] = ()
) -> Placement:
    """Place genres given as artists; `also` are groups of which nothing is shown now."""
    groups = [*dict.fromkeys(group for members in genres.values() for group in members), *also]
    return place(
        {genre: songs_of(members) for genre, members in genres.items()}, ledger or {}, SHARES, {}, groups=groups
    )


def split_of(group: Group, splits: Mapping[AudioId, Split]) -> Split:
    """Return the one split that a group is in."""
    (split,) = {splits[each] for each in group.songs}
    return split


def ledger_of(where: Mapping[Group, Split]) -> dict[AudioId, Split]:
    return {each: split for group, split in where.items() for each in group.songs}


TEN = [artist(f"Artist {number}", 4) for number in range(10)]


# New groups.


def test_groups_of_a_size_are_divided_by_the_shares() -> None:
    """Ten artists of four songs become seven, one and two; each is in one split."""
    result = placed({"Rock": TEN})

    assert Counter(split_of(group, result.decided) for group in TEN) == {TRAIN: 7, VALIDATE: 1, TEST: 2}
    assert (result.moves, result.shared, result.lacking) == ([], [], {})


def test_large_groups_are_placed_first() -> None:
    """Where large and small ones arrive together, small ones even out what the large ones leave."""
    rock = [artist("Large", 20), artist("Middle", 10), *(artist(f"Small {number}", 1) for number in range(20))]
    result = placed({"Rock": rock})
    counts = Counter(result.decided.values())

    assert split_of(rock[0], result.decided) is TRAIN
    assert [counts[split] for split in Split] == [35, 5, 10]


def test_a_new_song_goes_to_its_groups_split() -> None:
    """Whatever the genre lacks, an artist's next song is where the artist is."""
    before = placed({"Rock": TEN}).decided
    for number, known in enumerate(TEN):
        grown = artist(known.name, 9)
        result = placed({"Rock": [*TEN[:number], grown, *TEN[number + 1 :]]}, before)
        assert {split_of(grown, {**before, **result.decided})} == {split_of(known, before)}
        assert result.moves == []


def test_a_group_that_is_not_shown_now_draws_its_new_songs() -> None:
    """An artist known from a genre that waits keeps his split in another."""
    waiting = artist("Known", 2)
    grown = artist("Known", 5)
    result = placed({"Rock": [*TEN, grown]}, dict.fromkeys(waiting.songs, TEST))
    assert split_of(grown, {**dict.fromkeys(waiting.songs, TEST), **result.decided}) is TEST

    shown = Group(name="Known", songs=grown.songs[:1])
    both = joined(shown, artist("Elsewhere", 1))
    elsewhere = dict.fromkeys(artist("Elsewhere", 1).songs, TEST)
    result = place({"Rock": songs_of([*TEN, shown])}, elsewhere, SHARES, {}, groups=[*TEN, both])
    assert result.decided[shown.songs[0]] is TEST
    assert artist("Elsewhere", 1).songs[0] not in result.decided


# Too few groups.


def test_an_artist_who_is_a_whole_genre_is_divided_and_named() -> None:
    """Each genre is in each split, if need be at the price of a group, which is reported."""
    alone = artist("Alone", 20)
    result = placed({"Rock": TEN, "Opera": [alone]})

    assert Counter(result.decided[each] for each in alone.songs) == {TRAIN: 14, VALIDATE: 2, TEST: 4}
    assert result.shared == [alone]
    assert result.moves == []


def test_of_two_artists_the_larger_one_is_divided() -> None:
    """One group is kept together where that is enough."""
    large, small = artist("Large", 8), artist("Small", 4)
    result = placed({"Rock": [large, small]})

    assert result.shared == [large]
    assert result.lacking == {}


def test_a_divided_artist_stays_as_he_is_when_others_come() -> None:
    """Joining again would take nearly all there is to train on; nothing moves, and it is still reported."""
    alone = artist("Alone", 20)
    before = placed({"Opera": [alone]}).decided
    result = placed({"Opera": [alone, artist("One", 1), artist("Two", 1), artist("Three", 1)]}, before)

    assert result.moves == []
    assert result.shared == [alone]


# Groups that come together.


@pytest.mark.parametrize(
    ("one", "other", "target"),
    [(TRAIN, TEST, TEST), (TRAIN, VALIDATE, VALIDATE), (VALIDATE, TEST, TEST), (TEST, TEST, TEST)],
)
def test_a_joined_group_goes_towards_held_out(one: Split, other: Split, target: Split) -> None:
    """After a retag that makes two artists one, nothing has moved into train, and what moved is reported."""
    before = placed({"Rock": TEN}).decided
    first = next(group for group in TEN if split_of(group, before) is one)
    second = next(group for group in reversed(TEN) if split_of(group, before) is other)
    both = joined(first, second)
    rest = [group for group in TEN if group not in {first, second}]
    result = placed({"Rock": [*rest, both]}, before)
    after = {**before, **result.decided}

    assert split_of(both, after) is target
    causes = {move.audio_id: move.cause for move in result.moves}
    assert all(causes[each] is Cause.JOINED for each in both.songs if before[each] is not target)
    assert {each for each in before if before[each] is not after[each]} == causes.keys()
    assert all(move.target is not TRAIN for move in result.moves)
    assert set(Split) == {after[each] for each in songs_of(TEN)}


def test_a_retag_does_not_take_a_genres_train_songs_away() -> None:
    """Where one name is written into every file of a genre, its songs stay where they are, and that is reported."""
    before = placed({"Rock": TEN}).decided
    everyone = joined(*TEN)
    result = placed({"Rock": [everyone]}, before)

    assert result.decided == {}
    assert result.shared == [everyone]


# Any history.


Library = dict[str, list[AudioId]]


@st.composite
def libraries(draw: st.DrawFn) -> tuple[Library, list[Group]]:
    """Draw up to three genres of six songs or more by up to 14 artists, some of them at home in two; and the artists.

    Now and then a song is in two genres.
    """
    genres: Library = {}
    groups = []
    for number in range(draw(st.integers(1, 14))):
        homes = draw(st.lists(st.sampled_from(["Blues", "Jazz", "Rock"]), min_size=1, max_size=2, unique=True))
        group = artist(f"Artist {number}", draw(st.integers(1, 5)) * len(homes))
        groups.append(group)
        for place_in_order, each in enumerate(group.songs):
            genres.setdefault(homes[place_in_order % len(homes)], []).append(each)
        if draw(st.integers(0, 9)) == 0:
            genres.setdefault(draw(st.sampled_from(["Blues", "Jazz", "Rock"])), []).append(group.songs[0])
    return {genre: sorted(songs) for genre, songs in sorted(genres.items()) if len(set(songs)) >= 6}, groups


def placed_library(library: tuple[Library, list[Group]], ledger: Mapping[AudioId, Split] | None = None) -> Placement:
    genres, groups = library
    return place(genres, ledger or {}, SHARES, {}, groups=groups)


ledgers = st.dictionaries(
    st.tuples(st.integers(0, 13), st.integers(0, 9)).map(lambda pair: song(f"Artist {pair[0]} {pair[1]}")),
    st.sampled_from(Split),
)
any_library = libraries()


@quick
@given(library=any_library, ledger=ledgers)
def test_whatever_the_ledger_says_nothing_moves_into_train(
    library: tuple[Library, list[Group]], ledger: dict[AudioId, Split]
) -> None:
    """Each change of a split is a reported move, none goes to train, no genre loses its last train song for it.

    Each genre is in each split, unless all there is to train on was held out before; groups in several
    splits are named.
    """
    genres, groups = library
    result = placed_library(library, ledger)
    after = {**ledger, **result.decided}
    changed = {each: split for each, split in result.decided.items() if each in ledger}
    shown = set().union(*genres.values())

    assert {move.audio_id: move.target for move in result.moves} == changed
    assert TRAIN not in changed.values()
    for group in groups:
        assert (len({after[each] for each in group.songs if each in shown}) > 1) == (group in result.shared)
    for genre, songs in genres.items():
        lacking = set(Split) - {after[each] for each in songs}
        assert lacking == set(result.lacking.get(genre, []))
        assert lacking <= {TRAIN}
        assert not lacking or TRAIN not in {ledger.get(each) for each in songs}


@quick
@given(library=any_library, ledger=ledgers)
def test_what_was_placed_stays_though_it_is_looked_at_again(
    library: tuple[Library, list[Group]], ledger: dict[AudioId, Split]
) -> None:
    """A second pass over the same library decides nothing, whatever the first one met."""
    after = {**ledger, **placed_library(library, ledger).decided}

    assert placed_library(library, after).decided == {}


@quick
@given(library=any_library)
def test_each_genre_is_in_each_split_at_once(library: tuple[Library, list[Group]]) -> None:
    """A new library lacks nothing and needs no move; an artist is divided only in a genre of few artists.

    Fewer than three cannot do; three or four may not, where they are at home in other genres too.
    """
    genres, groups = library
    result = placed_library(library)

    assert (result.lacking, result.moves) == ({}, [])
    homes = {genre: sum(bool(set(group.songs) & set(songs)) for group in groups) for genre, songs in genres.items()}
    for group in result.shared:
        assert min(homes[genre] for genre, songs in genres.items() if set(group.songs) & set(songs)) <= 4


@quick
@given(library=any_library, order=st.randoms(use_true_random=False), seed=st.text(max_size=3))
def test_the_order_in_which_groups_are_found_does_not_matter(
    library: tuple[Library, list[Group]], order: object, seed: str
) -> None:
    """The same library gets the same splits, however it is listed."""
    genres, groups = library
    listed = {genre: songs[:] for genre, songs in genres.items()}
    names = list(listed)
    for each in (names, *listed.values()):
        order.shuffle(each)  # type: ignore[attr-defined]
    shuffled = {genre: listed[genre] for genre in names}

    assert place(shuffled, {}, SHARES, {}, groups=groups, seed=seed) == place(
        genres, {}, SHARES, {}, groups=groups, seed=seed
    )
    assert reshuffle(shuffled, SHARES, groups=groups, seed=seed) == reshuffle(genres, SHARES, groups=groups, seed=seed)


# The notebook's way.


def test_reshuffled_splits_change_with_the_library_alone() -> None:
    """The same library has the same splits; one song more and many songs are elsewhere, still by the shares."""
    rock = [song(number) for number in range(100)]
    first, again = (reshuffle({"Rock": rock}, SHARES) for _ in range(2))
    grown = reshuffle({"Rock": [*rock, song("new")]}, SHARES)
    renamed = reshuffle({"Hard Rock": rock}, SHARES)

    assert first == again
    assert first.decided == renamed.decided
    assert [Counter(first.decided.values())[split] for split in Split] == [70, 10, 20]
    assert sum(first.decided[each] is not grown.decided[each] for each in rock) > 20
    assert first.moves == grown.moves == []


def test_a_seed_draws_other_splits_of_the_same_shares() -> None:
    """A new epoch of the same library is another draw."""
    rock = {"Rock": [song(number) for number in range(100)]}
    one, other = (place(rock, {}, SHARES, {}, seed=seed).decided for seed in ("", "second"))

    assert Counter(one.values()) == Counter(other.values())
    assert one != other


def test_adopted_songs_keep_the_splits_that_another_dataset_gave_them() -> None:
    """Where the ledger knows nothing, the dataset that was taken over decides; then it is the ledger's word."""
    rock = [song(number) for number in range(20)]
    adopted = dict(zip(rock, [TEST] * 10 + [TRAIN] * 5 + [VALIDATE] * 3, strict=False))
    result = place({"Rock": rock}, {rock[0]: VALIDATE}, SHARES, {}, adopted=adopted)

    assert rock[0] not in result.decided
    assert {each: result.decided[each] for each in rock[1:18]} == {each: adopted[each] for each in rock[1:18]}
    assert result.moves == []
