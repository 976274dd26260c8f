"""What is on record of files and of the work done on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.edition import Split
from melwatch.errors import TrackError
from melwatch.manifest import tracks
from melwatch.manifest.database import open_manifest, writing
from melwatch.manifest.ledger import save_placements
from melwatch.manifest.stamps import unfinished
from melwatch.track import (
    AudioId,
    FileStamp,
    Identity,
    Made,
    RecipeId,
    RelPath,
    SeenFile,
    Sound,
    Tags,
    TrackRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection

RECIPE, OTHER_RECIPE = RecipeId("recipe"), RecipeId("other recipe")
STAMP = FileStamp(size=100, mtime_ns=1_700_000_000_000_000_000, changed_ns=1_700_000_000_000_000_001, inode=7)
MADE = Made(windows=6, checksum="c" * 32, sound=Sound(duration_s=200.0, promised_s=201.0, method="seek"))
A, B, C, D = (RelPath(b"Rock/%c.mp3" % letter) for letter in b"abcd")
BAD = TrackError("It is no MP3", "Convert it.", reason="undecodable")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    """Open an empty manifest."""
    with open_manifest(tmp_path) as connection:
        yield connection


def add(db: Connection, *paths: RelPath) -> None:
    tracks.add_tracks(db, [SeenFile(path=path, stamp=STAMP) for path in paths])


def identify(db: Connection, path: RelPath, song: str, title: str = "", digest: str = "digest") -> None:
    identity = Identity(audio_id=AudioId(song), file_digest=digest, tags=Tags(title=title))
    with writing(db):
        tracks.record_identity(db, path, STAMP, 5, identity)


def make(db: Connection, song: str, recipe: RecipeId = RECIPE) -> None:
    with writing(db):
        tracks.record_spectrogram(db, AudioId(song), recipe, MADE)


def fail(db: Connection, song: str, recipe: RecipeId = RECIPE) -> None:
    with writing(db):
        tracks.record_failure(db, AudioId(song), recipe, BAD, tries=1, at="2024-05-01T12:00:00+00:00")


def pack(db: Connection, song: str, shard: str) -> None:
    with writing(db):
        db.execute("INSERT OR IGNORE INTO shard VALUES (?, 1)", (shard,))
        db.execute("UPDATE spectrogram SET shard = ?, first_row = 0 WHERE audio_id = ?", (shard, song))


def forget(db: Connection, *paths: RelPath) -> None:
    with writing(db):
        tracks.forget_tracks(db, paths)


def records(db: Connection) -> dict[RelPath, TrackRecord]:
    return {record.path: record for record in tracks.track_records(db, RECIPE)}


def ordinals(db: Connection) -> dict[RelPath, int]:
    return {path: record.ordinal for path, record in records(db).items()}


def done(db: Connection, recipe: RecipeId = RECIPE) -> set[RelPath]:
    return {file.path for file in tracks.known_files(db, recipe) if file.is_done}


# Files.


def test_files_get_ordinals_in_the_order_given(db: Connection) -> None:
    """Rows follow the order in which files first came, later ones after all earlier ones."""
    add(db, C, A)
    add(db)
    add(db, D, B)

    assert ordinals(db) == {C: 1, A: 2, D: 3, B: 4}
    assert tracks.count(db) == 4


def test_known_files_come_in_path_order_by_bytes(db: Connection) -> None:
    """What is known comes out as a scan sees it, `a-b` before `a/b`, names of any bytes among them."""
    paths = [
        RelPath(path) for path in (b"a/b", b"a-b/c", b"\xff/x", b"a0/b", b"A/b", "ä/b".encode(), b"a/\n", b"a/b/c")
    ]
    add(db, *paths)

    assert [file.path for file in tracks.known_files(db, RECIPE)] == sorted(paths)
    assert [record.path for record in tracks.track_records(db, RECIPE)] == sorted(paths)


stamps = st.builds(
    FileStamp,
    size=st.integers(0, 2**63 - 1),
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    changed_ns=st.integers(-(2**63), 2**63 - 1),
    inode=st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([2**63 - 1, 2**63, 2**64 - 1])),
)


@settings(max_examples=20)
@given(stamps=st.lists(stamps, min_size=1, max_size=20))
def test_stamps_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, stamps: list[FileStamp]) -> None:
    """Inodes of 64 bits without sign, and times before 1970, survive the manifest."""
    files = [SeenFile(path=RelPath(b"Rock/%02d.mp3" % number), stamp=stamp) for number, stamp in enumerate(stamps)]
    identity = Identity(audio_id=AudioId("a"), file_digest="", tags=Tags())
    with open_manifest(tmp_path_factory.mktemp("state")) as db:
        tracks.add_tracks(db, files)
        assert [file.stamp for file in tracks.known_files(db, RECIPE)] == stamps

        with writing(db):
            for file, stamp in zip(files, reversed(stamps), strict=True):
                tracks.record_identity(db, file.path, stamp, 5, identity)
        assert [file.stamp for file in tracks.known_files(db, RECIPE)] == stamps[::-1]


@pytest.mark.parametrize("year_2300_ns", [10_413_792_000_000_000_000, -10_413_792_000_000_000_000])
def test_a_file_from_the_far_future_does_not_end_the_pass(db: Connection, year_2300_ns: int) -> None:
    """File systems know times that SQLite's integers do not, and one file's time is no reason to fail."""
    stamp = FileStamp(size=1, mtime_ns=year_2300_ns, changed_ns=year_2300_ns, inode=1)
    tracks.add_tracks(db, [SeenFile(path=A, stamp=stamp)])

    assert [file.stamp for file in tracks.known_files(db, RECIPE)] == [stamp]


# Identities.


def test_a_new_file_is_on_record_before_it_is_read(db: Connection) -> None:
    """Of a file that was only seen nothing is known but its place."""
    add(db, A)

    record = records(db)[A]

    assert (record.audio_id, record.replaced, record.location, record.sound) == (None, None, None, None)
    assert (record.trouble, record.is_quarantined, record.tags) == (None, False, Tags())
    assert tracks.songs_by_path(db) == {A: None}


def test_new_tags_leave_the_sound(db: Connection) -> None:
    """A file that was tagged anew keeps song, ordinal and work; nothing was replaced."""
    add(db, A)
    identify(db, A, "song", title="Old", digest="old")
    make(db, "song")
    before = records(db)[A]
    identify(db, A, "song", title="New", digest="new")
    after = records(db)[A]

    assert (before.tags.title, after.tags.title) == ("Old", "New")
    assert (after.audio_id, after.ordinal, after.location) == (before.audio_id, before.ordinal, before.location)
    assert after.replaced is None
    assert done(db) == {A}


def test_what_a_path_held_before_is_remembered(db: Connection) -> None:
    """Replaced content has on record the last predecessor that had a split, also after it was tagged anew."""
    add(db, A)
    save_placements(db, {AudioId("first"): Split.TEST})
    history = []
    for song in ("first", "second", "second", "third", "first"):
        identify(db, A, song)
        history.append((records(db)[A].audio_id, records(db)[A].replaced))

    assert history == [
        ("first", None), ("second", "first"), ("second", "first"), ("third", "first"), ("first", "first"),
    ]  # fmt: skip


# Work.


def test_work_is_keyed_by_sound_and_recipe(db: Connection) -> None:
    """Files of one sound are done together, and under the one recipe only."""
    add(db, A, B, C)
    identify(db, A, "song")
    identify(db, B, "song")
    identify(db, C, "other")
    make(db, "song")

    assert done(db) == {A, B}
    assert done(db, OTHER_RECIPE) == set()
    assert tracks.ready_audio(db, RECIPE) == {"song"}
    assert tracks.ready_audio(db, OTHER_RECIPE) == set()


def test_what_was_made_is_told_as_it_was(db: Connection) -> None:
    """Windows, checksum and sound come back; until a shard holds them they are in the spool."""
    add(db, A)
    identify(db, A, "song")
    make(db, "song")
    record = records(db)[A]

    assert record.sound == MADE.sound
    assert record.location is not None
    assert (record.location.windows, record.location.checksum) == (6, "c" * 32)
    assert (record.location.shard, record.location.first_row) == (None, None)
    assert tracks.spooled_audio(db) == {("song", RECIPE)}

    pack(db, "song", "train/abc.arrow")

    assert tracks.spooled_audio(db) == set()


def test_one_track_is_told_as_among_all(db: Connection) -> None:
    """Whatever is known of a track, asking for it alone tells the same as going through all of them."""
    unread, extra = RelPath(b"Rock/e.mp3"), RelPath(b"Rock/f.mp3")
    add(db, A, B, C, D, unread, extra)
    for path, song in ((A, "made"), (B, "made"), (C, "bad"), (D, "elsewhere"), (extra, "new")):
        identify(db, path, song, title=song)
    make(db, "made")
    make(db, "elsewhere", OTHER_RECIPE)
    fail(db, "bad")

    told = records(db)

    assert [path for path, record in told.items() if record.location is not None] == [A, B]
    assert all([record] == list(tracks.track_records(db, RECIPE, path)) for path, record in told.items())
    assert unfinished(db, RECIPE) == {D, unread, extra} == told.keys() - done(db)
    assert unfinished(db, RECIPE, is_past=True) == {unread}


def test_a_failed_song_is_done_and_says_why(db: Connection) -> None:
    """A bad file is left alone under this recipe, with reason, sentence and hint on record."""
    add(db, A)
    identify(db, A, "song")
    fail(db, "song")
    record = records(db)[A]

    assert (done(db), done(db, OTHER_RECIPE)) == ({A}, set())
    assert record.trouble is not None
    assert (record.trouble.reason, record.trouble.what, record.trouble.hint) == (BAD.reason, BAD.what, BAD.hint)
    assert record.is_quarantined


def test_a_file_that_could_not_be_read_is_tried_again(db: Connection) -> None:
    """A problem of reading is no failure of the song, and ends when the file can be read."""
    add(db, A)
    with writing(db):
        tracks.record_problem(db, A, TrackError("No permission", "Check it.", reason="unreadable"))
    record = records(db)[A]
    assert record.trouble is not None
    assert (record.trouble.reason, record.is_quarantined) == ("unreadable", False)
    assert done(db) == set()

    identify(db, A, "song")

    assert records(db)[A].trouble is None


@pytest.mark.parametrize(
    ("songs", "forgotten", "left"),
    [(None, 3, set()), (["a", "c"], 2, {"b"}), (["x"], 0, {"a", "b", "c"}), ([], 0, {"a", "b", "c"})],
)
def test_failures_can_be_forgotten(db: Connection, songs: list[str] | None, forgotten: int, left: set[str]) -> None:
    """All failed songs, or those named, are to be tried again, and their number is told."""
    for song in "abc":
        fail(db, song)

    assert tracks.forget_failures(db, songs) == forgotten
    assert tracks.ready_audio(db, RECIPE) == left


def test_lost_work_is_taken_off_the_record(db: Connection) -> None:
    """What is forgotten by song and recipe is to be done again, and nothing else."""
    for song in "ab":
        make(db, song)
        make(db, song, OTHER_RECIPE)

    tracks.forget_spectrograms(db, [("a", RECIPE)])

    assert tracks.spooled_audio(db) == {("a", OTHER_RECIPE), ("b", RECIPE), ("b", OTHER_RECIPE)}


@pytest.mark.parametrize(
    ("song", "left"),
    [
        ("a", {"c", "d", "e"}),
        ("c", {"a", "b", "d", "e"}),
        ("d", {"a", "b", "c", "e"}),
        ("x", {"a", "b", "c", "d", "e"}),
    ],
)
def test_a_damaged_song_is_forgotten_with_its_shard(db: Connection, song: str, left: set[str]) -> None:
    """Whoever shares a damaged shard is made again too; the spool and other shards are not touched."""
    for name in "abcde":
        make(db, name)
    for name, shard in (("a", "train/1"), ("b", "train/1"), ("c", "train/2")):
        pack(db, name, shard)

    tracks.forget_songs(db, [song])

    assert tracks.ready_audio(db, RECIPE) == left


def test_lost_shards_are_forgotten_with_what_they_held(db: Connection) -> None:
    """A shard that is gone takes its songs' work off the record, and itself."""
    for name, shard in (("a", "train/1"), ("b", "train/1"), ("c", "test/2")):
        make(db, name)
        pack(db, name, shard)

    tracks.forget_shards(db, ["train/1", "train/unknown"])

    assert tracks.ready_audio(db, RECIPE) == {"c"}
    assert [row["path"] for row in db.execute("SELECT path FROM shard")] == ["test/2"]


# Vanished files.


def test_a_vanished_file_leaves_the_record_and_its_sound_stays(db: Connection) -> None:
    """Forgetting a path forgets no work: the song may come back."""
    add(db, A, B)
    identify(db, A, "song")
    make(db, "song")
    forget(db, A)

    assert ordinals(db) == {B: 2}
    assert tracks.ready_audio(db, RECIPE) == {"song"}


def test_a_moved_song_keeps_its_place_in_the_order(db: Connection) -> None:
    """The file in which a sound lives on takes the place of the one that is gone."""
    add(db, A, B, C)
    for path, song in ((A, "song"), (B, "b"), (C, "c")):
        identify(db, path, song)
    add(db, D)
    identify(db, D, "song")
    forget(db, A)

    assert ordinals(db) == {D: 1, B: 2, C: 3}


def test_a_copy_that_came_before_keeps_its_own_place(db: Connection) -> None:
    """A place is handed on to later files only: nobody moves back."""
    add(db, B, A)
    identify(db, A, "song")
    identify(db, B, "song")
    forget(db, A)

    assert ordinals(db) == {B: 1}


def test_of_several_copies_the_first_by_path_takes_the_place(db: Connection) -> None:
    """A place goes to the copy that stands for the others."""
    add(db, A, D, C)
    for path in (A, C, D):
        identify(db, path, "song")
    forget(db, A)

    assert ordinals(db) == {C: 1, D: 2}


def test_files_that_were_never_read_hand_nothing_on(db: Connection) -> None:
    """Two files of which nothing is known are not taken for one song."""
    add(db, A, B)
    forget(db, A)

    assert ordinals(db) == {B: 2}


def test_an_album_that_was_renamed_keeps_its_order(db: Connection) -> None:
    """Where a whole folder is renamed, every song keeps its own place."""
    old = [RelPath(b"Rock/Old/%02d.mp3" % number) for number in range(10)]
    new = [RelPath(b"Rock/New/%02d.mp3" % number) for number in range(10)]
    add(db, A, *old, B)
    for number, path in enumerate(old):
        identify(db, path, f"song {number}")
    add(db, *new)
    for number, path in enumerate(new):
        identify(db, path, f"song {number}")
    forget(db, *old)

    assert ordinals(db) == {A: 1, **{path: number for number, path in enumerate(new, start=2)}, B: 12}


# What is left out.


left_out = st.dictionaries(st.sampled_from([A, B, C, RelPath(b"\xff/")]), st.sampled_from(["hidden", "excluded"]))


@settings(max_examples=20)
@given(passes=st.lists(left_out, min_size=1, max_size=5))
def test_what_was_left_out_last_is_what_is_remembered(
    tmp_path_factory: pytest.TempPathFactory, passes: list[dict[RelPath, str]]
) -> None:
    """Each scan's word replaces the one before, in path order, and only differences are written."""
    with open_manifest(tmp_path_factory.mktemp("state")) as db:
        before: dict[RelPath, str] = {}
        for entries in passes:
            written = db.total_changes
            tracks.replace_left_out(db, entries.items())
            different = {path for path in {*before, *entries} if before.get(path) != entries.get(path)}

            assert db.total_changes - written == len(different)
            assert list(tracks.left_out(db).items()) == sorted(entries.items())
            before = entries


def test_work_in_the_spool_is_forgotten_with_its_song(db: Connection) -> None:
    """Songs that left the library leave the spool too, also while another file was never read."""
    add(db, A, B)
    identify(db, A, "here")
    make(db, "here")
    make(db, "gone")

    tracks.forget_strays(db)

    assert {song for song, _ in tracks.spooled_audio(db)} == {"here"}
