"""Which songs belong together, by tags, folders and sound."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.dataset.groups import Group, GroupBy, Member, album_folder, album_key, artist_key, make_groups
from melwatch.track import AudioId, RelPath, Tags

quick = settings(max_examples=60)

TRACK, ALBUM, ARTIST = GroupBy


def member(song: str, path: str, artist: str = "", album: str = "") -> Member:
    return Member(audio_id=AudioId(song), path=RelPath(path.encode()), tags=Tags(artist=artist, album=album))


def together(members: list[Member], by: GroupBy) -> list[str]:
    """Return the groups, each as its songs in one word."""
    return ["".join(group.songs) for group in make_groups(members, by)]


# Names.


@pytest.mark.parametrize(
    "artist",
    [
        "Die Ärzte", "die ärzte", "DIE ÄRZTE", "Die A\u0308rzte", " Die  Ärzte ", "Die Ärzte feat. Somebody",
        "Die Ärzte (feat. Somebody)", "Die Ärzte [ft. Somebody]", "Die Ärzte ft Somebody", "Die Ärzte Feat.Somebody",
        "Die Ärzte featuring Somebody & Others", "Die Ärzte; Somebody", "Die Ärzte feat. A; Somebody",
    ],
)  # fmt: skip
def test_spellings_of_an_artist_are_one(artist: str) -> None:
    """Case, spaces, composition and guests make no difference."""
    assert artist_key(artist) == "die ärzte"


@pytest.mark.parametrize(
    "artist",
    [
        "", " ", "Various Artists", "VARIOUS ARTISTS", "Various", "VA", "V.A.", "Unknown Artist", "<Unknown>",
        "[unknown artist]", "Verschiedene", "Verschiedene Interpreten", "Unbekannter Interpret", "Diverse",
    ],
)  # fmt: skip
def test_nobody_is_no_artist(artist: str) -> None:
    """What programs write where they know no artist, or where there are many, names none."""
    assert artist_key(artist) == ""


@pytest.mark.parametrize("artist", ["Daft Punk", "Ft. Minor", "Featuring", "Left", "Vanessa", "AC/DC"])
def test_names_that_only_look_alike_stay(artist: str) -> None:
    """A name is cut only where guests follow it."""
    assert artist_key(artist) == artist.casefold()


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("Rock/a.mp3", ""),
        ("Rock/Album/a.mp3", "rock/album"),
        ("Rock/Artist/Album/a.mp3", "rock/artist/album"),
        ("Rock/Album/CD1/a.mp3", "rock/album"),
        ("Rock/Album/Disc 2/a.mp3", "rock/album"),
        ("Rock/CD1/a.mp3", "rock/cd1"),
    ],
)
def test_an_album_folder_lies_below_the_genre(path: str, folder: str) -> None:
    """Discs of an album are one folder; a song right in the genre folder is in none."""
    assert album_folder(RelPath(path.encode())) == folder


@pytest.mark.parametrize("album", ["", "Unknown Album", "Unbekanntes Album"])
def test_no_album_is_none(album: str) -> None:
    """What programs write where they know no album names none."""
    assert album_key(album) == ""


# Groups.


def test_songs_of_an_artist_are_together_across_genres() -> None:
    """The artist's name counts, wherever the files lie."""
    members = [
        member("a", "Rock/1.mp3", "Queen"),
        member("b", "Pop/2.mp3", "queen feat. David Bowie"),
        member("c", "Pop/3.mp3", "ABBA"),
    ]
    assert together(members, ARTIST) == ["ab", "c"]
    assert together(members, TRACK) == ["a", "b", "c"]


def test_without_an_artist_the_album_folder_counts_then_the_song() -> None:
    """Songs of nobody are together where they lie in an album folder, and alone where they do not."""
    members = [
        member("a", "Rock/Hits/1.mp3", "Various Artists"),
        member("b", "Rock/Hits/2.mp3"),
        member("c", "Rock/3.mp3"),
        member("d", "Rock/4.mp3", "VA"),
    ]
    assert together(members, ARTIST) == ["ab", "c", "d"]


def test_an_album_of_many_artists_in_one_folder_is_one() -> None:
    """Compilations are one album, and so are the discs of an artist's album."""
    members = [
        member("a", "Rock/Hits/1.mp3", "Queen", "Bravo Hits"),
        member("b", "Rock/Hits/2.mp3", "ABBA", "bravo  hits"),
        member("c", "Rock/One/1.mp3", "Pink Floyd", "The Wall"),
        member("d", "Rock/Two/1.mp3", "Pink Floyd", "The Wall"),
    ]
    assert together(members, ALBUM) == ["ab", "cd"]


def test_albums_of_one_name_by_different_artists_are_different() -> None:
    """Many artists have a "Greatest Hits"."""
    members = [
        member("a", "Rock/Queen/1.mp3", "Queen", "Greatest Hits"),
        member("b", "Rock/ABBA/2.mp3", "ABBA", "Greatest Hits"),
    ]
    assert together(members, ALBUM) == ["a", "b"]


@pytest.mark.parametrize("by", list(GroupBy))
def test_files_of_one_sound_are_one_song(by: GroupBy) -> None:
    """Exact duplicates are in one group whatever their tags and folders say."""
    members = [member("a", "Rock/x/1.mp3", "Queen", "One"), member("a", "Pop/y/2.mp3", "ABBA", "Two")]
    assert [group.songs for group in make_groups(members, by)] == [("a",)]


def test_a_duplicate_joins_the_groups_of_both_its_tags() -> None:
    """Where two files of one sound name two artists, whatever either of them made is together."""
    members = [
        member("a", "Rock/1.mp3", "Queen"),
        member("b", "Rock/2.mp3", "Queen"),
        member("a", "Pop/1.mp3", "Freddie Mercury"),
        member("c", "Pop/3.mp3", "Freddie Mercury"),
    ]
    assert together(members, ARTIST) == ["abc"]


def test_a_group_is_called_what_a_person_would_call_it() -> None:
    """By artist, album, folder or file, as the tags spell it."""
    members = [member("a", "Rock/Hits/1.mp3", "Queen"), member("b", "Rock/Hits/2.mp3"), member("c", "Rock/3.mp3")]
    assert make_groups(members, ARTIST) == [
        Group(name="Queen", songs=(AudioId("a"),)),
        Group(name="Rock/Hits", songs=(AudioId("b"),)),
        Group(name="Rock/3.mp3", songs=(AudioId("c"),)),
    ]


some_members = st.lists(
    st.builds(
        member,
        st.sampled_from("abcdefgh"),
        st.sampled_from(["Rock/1.mp3", "Rock/Hits/2.mp3", "Pop/Hits/3.mp3", "Pop/4.mp3", "Pop/Live/CD1/5.mp3"]),
        st.sampled_from(["", "Queen", "ABBA", "Various Artists"]),
        st.sampled_from(["", "Gold", "Live"]),
    )
)


@quick
@given(members=some_members, by=st.sampled_from(GroupBy), order=st.randoms(use_true_random=False))
def test_groups_share_no_song_and_depend_on_no_order(members: list[Member], by: GroupBy, order: object) -> None:
    """Each song is in exactly one group, the same in whatever order the files are found."""
    groups = make_groups(members, by)
    assert sorted(song for group in groups for song in group.songs) == sorted({each.audio_id for each in members})
    shuffled = members[:]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [group.songs for group in make_groups(shuffled, by)] == [group.songs for group in groups]


@quick
@given(members=some_members)
def test_nobody_shares_an_artist_with_another_group(members: list[Member]) -> None:
    """No artist is in two groups."""
    group_of = {song: number for number, each in enumerate(make_groups(members, ARTIST)) for song in each.songs}
    homes: dict[str, set[int]] = {}
    for each in members:
        homes.setdefault(artist_key(each.tags.artist), set()).add(group_of[each.audio_id])
    assert all(len(found) == 1 for artist, found in homes.items() if artist)


def test_coarser_kinds_are_known() -> None:
    """Artists may join albums, albums may join tracks, and nothing is coarser than itself."""
    assert ARTIST.is_coarser_than(ALBUM)
    assert ALBUM.is_coarser_than(TRACK)
    assert not any(one.is_coarser_than(one) for one in GroupBy)
