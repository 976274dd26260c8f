"""Which deletions wait for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.passes.brake import BrakePolicy, held_deletions
from melwatch.track import AudioId, RelPath

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

quick = settings(max_examples=100)

POLICY = BrakePolicy()
COUNTS_ONLY = BrakePolicy(whole_genre=False)


def genre(name: str, count: int, *, songs_of: str = "") -> dict[RelPath, AudioId | None]:
    """Return tracks of a genre; their songs are named after it, or after another one."""
    return {RelPath(f"{name}/{n:03}.mp3".encode()): AudioId(f"{songs_of or name} {n}") for n in range(count)}


def first(tracks: Mapping[RelPath, AudioId | None], count: int) -> list[RelPath]:
    return sorted(tracks)[:count]


# Many at once.


def test_a_large_part_of_the_library_waits() -> None:
    """More than a fifth and more than fifty tracks: a sentence with both numbers."""
    tracks = genre("Rock", 300)

    assert held_deletions(POLICY, tracks, first(tracks, 112)) == "112 of 300 tracks have vanished at once"


@pytest.mark.parametrize(
    ("total", "gone", "is_held"),
    [
        (1000, 200, False),  # a fifth is not more than a fifth
        (1000, 201, True),
        (100, 50, False),  # half of them, but only fifty
        (100, 51, True),
        (10_000, 1000, False),  # many, but a tenth
    ],
)
def test_both_limits_must_be_passed(total: int, gone: int, *, is_held: bool) -> None:
    """Neither many tracks of a large library nor most of a small one are much by themselves."""
    tracks = genre("Rock", total)

    assert (held_deletions(COUNTS_ONLY, tracks, first(tracks, gone)) is not None) is is_held


def test_the_limits_are_the_users() -> None:
    """One track of two, where that is what the policy says."""
    tracks = genre("Rock", 2)
    strict = BrakePolicy(max_fraction=0, max_tracks=0)

    assert held_deletions(strict, tracks, first(tracks, 1)) == "1 of 2 tracks have vanished at once"


def test_moved_songs_have_not_vanished() -> None:
    """A folder of hundreds of songs may get another name; each of its songs counts once."""
    before = genre("Rock", 300) | genre("Metal", 300, songs_of="Rock") | genre("Jazz", 100)
    moved = [path for path in before if path.startswith(b"Rock/")]

    assert held_deletions(POLICY, before, moved) is None
    also_lost = [*moved, *(path for path in before if path.startswith(b"Jazz/"))]
    assert held_deletions(COUNTS_ONLY, before, also_lost) == "100 of 400 tracks have vanished at once"


def test_a_copy_that_vanishes_too_saves_nothing() -> None:
    """A song lives on only where its file is still there."""
    before = genre("Rock", 60) | genre("Copies", 60, songs_of="Rock")

    assert held_deletions(POLICY, before, before) == "120 of 120 tracks have vanished at once"


def test_tracks_that_were_never_read_count_and_prove_nothing() -> None:
    """Two unread tracks are not the same song."""
    before: dict[RelPath, AudioId | None] = dict.fromkeys(genre("Rock", 100))
    before |= dict.fromkeys(genre("Jazz", 100))

    gone = [path for path in before if path.startswith(b"Rock/")]
    assert held_deletions(POLICY, before, gone) == "100 of 200 tracks have vanished at once"


# A whole genre.


def test_a_whole_genre_waits() -> None:
    """Few tracks of many, but a class of the dataset."""
    before = genre("Rock", 40) | genre("Jazz", 960)

    assert held_deletions(POLICY, before, genre("Rock", 40)) == "The whole genre Rock (40 tracks) has vanished"
    assert held_deletions(COUNTS_ONLY, before, genre("Rock", 40)) is None


def test_several_genres_are_named_together() -> None:
    """One sentence for a person who answers once; a name cannot break the line."""
    before = genre("Rock", 7) | genre("Ja\nzz", 6) | genre("Pop", 960)
    gone = genre("Rock", 7) | genre("Ja\nzz", 6)

    sentence = r"2 whole genres have vanished: Ja\nzz (6 tracks), Rock (7 tracks)"
    assert held_deletions(POLICY, before, gone) == sentence


def test_a_genre_of_which_a_track_is_left_goes_on() -> None:
    """It is thinned out, not gone; a newly found track keeps it alive too."""
    before = genre("Rock", 40) | genre("Jazz", 960)

    assert held_deletions(POLICY, before, first(genre("Rock", 40), 39)) is None
    found = {RelPath(b"Rock/new.mp3"): AudioId("new")}
    assert held_deletions(POLICY, before | found, genre("Rock", 40)) is None


def test_a_genre_too_small_for_the_dataset_goes_unasked() -> None:
    """From the least number of tracks that a genre needs on, it is asked about."""
    before = genre("Rock", 5) | genre("Jazz", 995)

    assert held_deletions(POLICY, before, genre("Rock", 5)) is None
    assert held_deletions(POLICY, before, genre("Rock", 5), min_genre=5) is not None


def test_a_genre_with_another_name_is_no_loss() -> None:
    """Its songs turned up elsewhere."""
    before = genre("Rock", 40) | genre("Metal", 40, songs_of="Rock") | genre("Jazz", 960)

    assert held_deletions(POLICY, before, genre("Rock", 40)) is None


def test_one_genre_may_be_spelt_in_two_ways() -> None:
    """Composed and decomposed letters are the same genre, so half of it is not the whole."""
    before = genre("J\u00e4zz", 10) | genre("Ja\u0308zz", 10) | genre("Pop", 980)

    assert held_deletions(POLICY, before, genre("J\u00e4zz", 10)) is None


# What a person has accepted.


def test_accepted_deletions_do_not_count() -> None:
    """Neither to the many nor to a genre; what vanishes beyond them does."""
    before = genre("Rock", 60) | genre("Jazz", 100) | genre("Pop", 40)
    gone = genre("Rock", 60) | genre("Jazz", 100)

    assert held_deletions(POLICY, before, gone) == "160 of 200 tracks have vanished at once"
    assert held_deletions(POLICY, before, gone, gone) is None
    assert held_deletions(POLICY, before, gone, genre("Rock", 60)) == "100 of 140 tracks have vanished at once"
    assert held_deletions(COUNTS_ONLY, before, gone, genre("Jazz", 100)) == "60 of 100 tracks have vanished at once"


def test_a_track_accepted_as_gone_that_is_there_counts_as_there() -> None:
    """What a person accepted is a deletion, and there is none."""
    tracks = genre("Rock", 260)

    assert held_deletions(POLICY, tracks, first(tracks, 51), accepted=sorted(tracks)[51:]) is None


@st.composite
def losses(draw: st.DrawFn) -> tuple[dict[RelPath, AudioId | None], list[RelPath], list[RelPath]]:
    """Draw tracks, which of them vanished, and which of those were accepted."""
    songs = st.sampled_from([None, *map(AudioId, "abcdefghij")])
    paths = st.builds(lambda g, n: RelPath(f"{g}/{n}".encode()), st.sampled_from("RJP"), st.integers(0, 9))
    before = draw(st.dictionaries(paths, songs))
    gone = [path for path in sorted(before) if draw(st.booleans())]
    return before, gone, [path for path in gone if draw(st.booleans())]


@quick
@given(loss=losses(), policy=st.builds(BrakePolicy, max_fraction=st.floats(0, 1), max_tracks=st.integers(0, 5)))
def test_accepting_everything_releases_everything(
    loss: tuple[Mapping[RelPath, AudioId | None], Collection[RelPath], Collection[RelPath]], policy: BrakePolicy
) -> None:
    """Nothing vanished, or all of it accepted, needs nobody, whatever the policy."""
    before, gone, _ = loss

    assert held_deletions(policy, before, []) is None
    assert held_deletions(policy, before, gone, gone) is None


@quick
@given(loss=losses())
def test_accepted_tracks_might_as_well_not_be_on_record(
    loss: tuple[dict[RelPath, AudioId | None], list[RelPath], list[RelPath]],
) -> None:
    """Leaving them out of the counting is all that accepting does."""
    before, gone, accepted = loss
    policy = BrakePolicy(max_fraction=0.2, max_tracks=3)
    without = {path: song for path, song in before.items() if path not in accepted}

    rest = [path for path in gone if path not in accepted]
    assert held_deletions(policy, before, gone, accepted, min_genre=2) == held_deletions(
        policy, without, rest, min_genre=2
    )
