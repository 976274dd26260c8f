"""Which genre has which class id, and which new name is an old genre's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.dataset.labels import assign_classes, find_renames
from melwatch.track import AudioId

quick = settings(max_examples=60)

genres = st.sampled_from(["Blues", "Jazz", "Pop", "Rock", "Volksmusik", "Ärzte"])


def songs(ids: str) -> set[AudioId]:
    """Return one song for each letter."""
    return {AudioId(letter) for letter in ids}


@pytest.mark.parametrize(
    ("known", "eligible", "classes"),
    [
        ([], ["Rock", "Jazz", "Ärzte"], ["Jazz", "Rock", "Ärzte"]),
        (["Rock"], ["Rock", "Jazz", "Blues"], ["Rock", "Blues", "Jazz"]),
        (["Rock", "Jazz"], ["Jazz"], ["Rock", "Jazz"]),
        (["Rock", "Jazz"], [], ["Rock", "Jazz"]),
        (["Rock"], ["rock"], ["Rock", "rock"]),
    ],
)
def test_new_genres_come_after_the_known_ones_by_name(
    known: list[str], eligible: list[str], classes: list[str]
) -> None:
    """A known genre keeps its id though its songs be gone; new ones get the next ids."""
    assert assign_classes(known, eligible) == classes


@quick
@given(passes=st.lists(st.sets(genres)))
def test_an_id_never_changes_its_meaning(passes: list[set[str]]) -> None:
    """Through any history of libraries, what class 7 meant once it means for good."""
    names: list[str] = []
    for eligible in passes:
        after = assign_classes(names, eligible)
        assert after[: len(names)] == names
        assert set(after) == {*names, *eligible}
        assert len(after) == len(set(after))
        names = after


@quick
@given(eligible=st.lists(genres))
def test_the_order_in_which_genres_are_found_does_not_matter(eligible: list[str]) -> None:
    """Ids of new genres depend on their names alone."""
    assert assign_classes(["Pop"], eligible) == assign_classes(["Pop"], eligible[::-1])


@pytest.mark.parametrize(
    ("vanished", "present", "renames"),
    [
        ({"Rock": "abcdef"}, {"Rock & Pop": "abcdef"}, {"Rock": "Rock & Pop"}),
        ({"Rock": "abcdef"}, {"Hard": "abc"}, {"Rock": "Hard"}),
        ({"Rock": "abcdef"}, {"Hard": "abcxyz"}, {"Rock": "Hard"}),
        ({"Rock": "abcdef"}, {"Hard": "ab"}, {}),
        ({"Rock": "abcdef"}, {"Hard": "abc", "Soft": "def"}, {}),
        ({"Rock": "abcdef"}, {"Hard": "abcde", "Soft": "f"}, {}),
        ({"Rock": "abc"}, {"Rock": "def", "Hard": "abc"}, {}),
        ({"Rock": "abcdef"}, {"Jazz": "abcdef"}, {}),
        ({"Rock": "abcdef"}, {}, {}),
        ({"Rock": ""}, {"Hard": "abc"}, {}),
        ({"Small": "abc"}, {"Hard": "abc"}, {}),
        ({"Rock": "abc", "Jazz": "def"}, {"A": "abc", "B": "def"}, {"Rock": "A", "Jazz": "B"}),
        ({"Rock": "abc", "Jazz": "def"}, {"A": "abcdef"}, {"Jazz": "A"}),
        ({"Rock": "abcde", "Jazz": "f"}, {"A": "abcdef"}, {"Rock": "A"}),
        ({"Rock": "a"}, {"Small": "awxyz"}, {}),
    ],
    ids=[
        "all of it", "half of it", "with others", "too little of it", "split in two", "a song elsewhere",
        "something left", "merged into a known genre", "deleted", "never read", "never had a class",
        "two at once", "two into one", "a large and a small into one", "the last song moved among others",
    ],
)  # fmt: skip
def test_a_rename_is_told_from_other_changes(
    vanished: dict[str, str], present: dict[str, str], renames: dict[str, str]
) -> None:
    """A genre was renamed when at least half its songs are at least half of what is under one new name."""
    found = find_renames(
        ["Jazz", "Rock"],
        {name: songs(ids) for name, ids in vanished.items()},
        {name: songs(ids) for name, ids in present.items()},
    )

    assert found == renames


def test_who_says_that_a_genre_has_another_name_may_merge_it() -> None:
    """Told so by the configuration, a class goes to its new name whatever else is there."""
    rock, others = {"Rock": songs("ab")}, {"Guitars": songs("abvwxyz")}
    assert find_renames(["Rock"], rock, others) == {}
    assert find_renames(["Rock"], rock, others, may_merge=True) == {"Rock": "Guitars"}
