"""Whether what lies at the music root is the library we know."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import library
from melwatch.errors import ConfigError, RootOfflineError
from melwatch.library.part import NOTHING, Part
from melwatch.library.root import read_root
from melwatch.library.scan import scan
from melwatch.manifest import tracks, versions
from melwatch.manifest.database import get_meta, writing
from melwatch.passes import look as look_module
from melwatch.passes.look import ROOT_KEY, accept_root, look, remembered_root, scan_root
from melwatch.track import AudioId, Identity, RelPath, Tags
from workshops import MADE, manifest_of, put_on_record, workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from sqlite3 import Connection

    from building import Tree
    from melwatch.library.root import RootKey
    from melwatch.library.rules import Rules
    from melwatch.library.scan import Scan
    from melwatch.passes.look import Look
    from melwatch.passes.workshop import Workshop

TREE: Tree = {
    "Jazz": {"a.mp3": b"a", "b.mp3": b"bb"},
    "Rock": {"c.mp3": b"ccc", "d.mp3": b"dddd", "cover.jpg": b"no song"},
}
OTHERS: Tree = {"Folk": {"x.mp3": b"x" * 10, "y.mp3": b"y" * 11}}
PATHS = [b"Jazz/a.mp3", b"Jazz/b.mp3", b"Rock/c.mp3", b"Rock/d.mp3"]


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return library(tmp_path / "music", TREE)


@pytest.fixture
def db(shop: Workshop) -> Iterator[Connection]:
    """Open an empty manifest."""
    with manifest_of(shop) as connection:
        yield connection


@pytest.fixture
def known(shop: Workshop, music: Path, db: Connection) -> RootKey:
    """Look once and put everything on record; return which folder that was."""
    assert music.is_dir()
    seen = look(shop, db)
    put_on_record(shop, db, seen.seen.seen)
    return seen.root


def on_record(db: Connection) -> list[RelPath]:
    return list(tracks.songs_by_path(db))


def paths_of(db: Connection, found: Look) -> list[RelPath]:
    """Return all tracks that a look saw: those that are as known are only counted."""
    as_known = set(on_record(db)) - {file.path for file in found.known}
    assert len(as_known) == found.seen.as_known
    return sorted(as_known | {file.path for file in found.seen.seen})


def key_of(folder: Path) -> RootKey:
    key, error = read_root(str(folder).encode())
    assert key is not None, error
    return key


def exchange(music: Path, tree: Tree) -> Path:
    """Put another folder in the place of the music; return where the music is now."""
    away = music.with_name("away")
    music.rename(away)
    library(music, tree)
    return away


def after_scanning(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen once, right after a look has walked the library."""
    is_over = False

    def scan_and_more(root: bytes, rules: Rules, *given: Any) -> Scan:
        nonlocal is_over
        seen = scan(root, rules, *given)
        if not is_over:
            is_over = True
            happens()
        return seen

    monkeypatch.setattr(look_module, "scan", scan_and_more)


# The library we know.


def test_the_first_look_remembers_the_root(shop: Workshop, music: Path, db: Connection) -> None:
    """What lies there is the library from then on, and everything in it is new."""
    assert remembered_root(db) is None
    seen = look(shop, db)

    assert seen.known == []
    assert [file.path for file in seen.seen.seen] == PATHS
    assert seen.root == remembered_root(db) == key_of(music)


def test_looking_puts_no_track_on_record_and_takes_none_off(
    shop: Workshop, music: Path, db: Connection, known: RootKey
) -> None:
    """A look compares; what follows from it is for others."""
    shutil.rmtree(music / "Rock")
    library(music, OTHERS)
    seen = look(shop, db)

    assert on_record(db) == PATHS
    assert [file.path for file in seen.known] == [b"Rock/c.mp3", b"Rock/d.mp3"]
    assert [file.path for file in seen.seen.seen] == [b"Folk/x.mp3", b"Folk/y.mp3"]
    assert seen.seen.as_known == 2
    assert seen.root == known


def test_a_look_without_news_writes_nothing(shop: Workshop, db: Connection, known: RootKey) -> None:
    """Thousands of looks a day leave the manifest alone."""
    written = db.total_changes
    seen = look(shop, db)

    assert seen.root == known
    assert db.total_changes == written


def test_looking_on_trial_writes_nothing(shop: Workshop, music: Path, db: Connection) -> None:
    """`plan` and its kin see the same without remembering it."""
    _, seen, root = scan_root(shop, list, None)

    assert [file.path for file in seen.seen] == PATHS
    assert root == key_of(music)
    assert remembered_root(db) is None


def test_a_library_copied_to_a_new_disk_is_taken_for_the_same(
    shop: Workshop, music: Path, db: Connection, known: RootKey
) -> None:
    """Another folder with the same tracks in the same places is the library, and is remembered as such."""
    shutil.copytree(exchange(music, {}), music, dirs_exist_ok=True)
    seen = look(shop, db)

    assert seen.root == key_of(music) != known
    assert remembered_root(db) == seen.root


@pytest.mark.parametrize("left", [{}, {"Rock": {"e.mp3": b"e"}}])
def test_nothing_is_asked_of_a_root_while_no_track_is_known(
    shop: Workshop, music: Path, db: Connection, left: Tree
) -> None:
    """An empty folder is a fine beginning, and may be exchanged for any other."""
    shutil.rmtree(music)
    library(music, {})
    look(shop, db)
    exchange(music, left)

    assert look(shop, db).root == remembered_root(db) == key_of(music)


# A root that is gone.


def test_a_root_that_was_never_there_is_a_mistake_of_the_user(shop: Workshop, db: Connection) -> None:
    """Nothing is known yet, so that the name of the folder is most likely wrong."""
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        look(shop, db)

    assert "--music" in raised.value.hint
    assert remembered_root(db) is None


def test_a_root_that_is_missing_keeps_every_track(shop: Workshop, music: Path, db: Connection, known: RootKey) -> None:
    """A disk that is not connected is not a library without songs; connected again, all is as before."""
    away = music.with_name("away")
    music.rename(away)
    for _ in range(2):
        with pytest.raises(RootOfflineError, match="cannot be reached") as raised:
            look(shop, db)
        assert "nothing is removed" in raised.value.hint
        assert str(music) in raised.value.what
        assert on_record(db) == PATHS
        assert remembered_root(db) == known
    away.rename(music)

    assert look(shop, db).root == known


def test_a_root_that_is_empty_keeps_every_track(shop: Workshop, music: Path, db: Connection, known: RootKey) -> None:
    """The folder on which a disk should be mounted is there while the disk is not."""
    exchange(music, {"Rock": {"cover.jpg": b"no song"}, "lost+found": {}})
    with pytest.raises(RootOfflineError, match="no track at all, though 4 are known"):
        look(shop, db)

    assert on_record(db) == PATHS
    assert remembered_root(db) == known


def test_a_root_that_was_emptied_keeps_every_track(shop: Workshop, music: Path, db: Connection, known: RootKey) -> None:
    """The same folder without a single track is taken for no library either."""
    for genre in ("Jazz", "Rock"):
        shutil.rmtree(music / genre)
    with pytest.raises(RootOfflineError, match="no track at all"):
        look(shop, db)

    assert on_record(db) == PATHS
    assert remembered_root(db) == known


def test_a_root_that_was_exchanged_keeps_every_track(
    shop: Workshop, music: Path, db: Connection, known: RootKey
) -> None:
    """Another disk at the same place is not the library, however often one looks."""
    exchange(music, OTHERS)
    for _ in range(2):
        with pytest.raises(RootOfflineError, match="0 of 4 tracks are in place") as raised:
            look(shop, db)
        assert "accept-root" in raised.value.hint
        assert on_record(db) == PATHS
        assert remembered_root(db) == known


def test_a_root_that_was_accepted_is_the_library(shop: Workshop, music: Path, db: Connection, known: RootKey) -> None:
    """After `accept-root` the next look takes what lies there, remembers it, and is watchful again."""
    away = exchange(music, OTHERS)
    with pytest.raises(RootOfflineError):
        look(shop, db)
    accept_root(db)
    seen = look(shop, db)

    assert [file.path for file in seen.known] == PATHS
    assert [file.path for file in seen.seen.seen] == [b"Folk/x.mp3", b"Folk/y.mp3"]
    assert remembered_root(db) == seen.root == key_of(music) != known
    shutil.rmtree(music)
    away.rename(music)
    assert look(shop, db).root == known, "the tracks on record are still in place there"


def test_an_empty_root_is_not_accepted_for_the_library(
    shop: Workshop, music: Path, db: Connection, known: RootKey
) -> None:
    """Accepting a root is for another folder with songs in it: where none are, none are gone."""
    assert known == key_of(music)
    exchange(music, {})
    accept_root(db)
    with pytest.raises(RootOfflineError, match="no track at all"):
        look(shop, db)

    assert on_record(db) == PATHS
    assert get_meta(db, ROOT_KEY) is None


@pytest.mark.parametrize("instead", [OTHERS, {}])
def test_one_dead_link_does_not_make_another_root_the_library(
    shop: Workshop, music: Path, db: Connection, known: RootKey, instead: Tree
) -> None:
    """What cannot be looked at proves nothing either way: the rest is judged without it."""
    exchange(music, instead)
    try:
        (music / "dead").symlink_to(music / "nowhere")
    except OSError:
        pytest.skip("links are not allowed here")
    with pytest.raises(RootOfflineError):
        look(shop, db)

    assert on_record(db) == PATHS
    assert remembered_root(db) == known


# While looking.


@pytest.mark.parametrize("instead", [TREE, OTHERS, {}])
def test_a_root_exchanged_while_looking_proves_nothing(
    shop: Workshop, music: Path, db: Connection, known: RootKey, monkeypatch: pytest.MonkeyPatch, instead: Tree
) -> None:
    """What was walked may be half the one and half the other folder; the next look judges anew."""
    after_scanning(monkeypatch, lambda: exchange(music, instead))
    with pytest.raises(RootOfflineError):
        look(shop, db)

    assert on_record(db) == PATHS
    assert remembered_root(db) == known
    if instead is TREE:
        assert look(shop, db).root == key_of(music) != known


def test_a_root_that_vanishes_while_looking_keeps_every_track(
    shop: Workshop, music: Path, db: Connection, known: RootKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is unplugged in the middle is a disk that is not there."""
    after_scanning(monkeypatch, lambda: music.rename(music.with_name("away")))
    with pytest.raises(RootOfflineError, match="cannot be reached"):
        look(shop, db)

    assert on_record(db) == PATHS
    assert remembered_root(db) == known


def test_a_root_that_cannot_be_walked_keeps_every_track(
    shop: Workshop, music: Path, db: Connection, known: RootKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk ends the look; nothing is concluded from it."""

    def fail(root: bytes, rules: Rules, *_: object) -> Scan:
        raise OSError(5, "Input/output error", root, rules)

    monkeypatch.setattr(look_module, "scan", fail)
    with pytest.raises(RootOfflineError, match="Input/output error"):
        look(shop, db)

    assert music.is_dir()
    assert on_record(db) == PATHS
    assert remembered_root(db) == known


# A look at a part.

PLACES = [b"Jazz", b"Rock", b"Rock/Live", b"Rock/Live/2", b"Folk", b".hidden", b"Mixes"]
NAMES = [b"a.mp3", b"b.mp3", b"cover.jpg", b"half.part"]
EDITS = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(NAMES), st.sampled_from([0, 1, 2])), max_size=12)


def edit(root: bytes, place: bytes, name: bytes, size: int) -> None:
    """Write a file, or with size 0 delete it and the folder that it leaves empty."""
    folder = os.path.join(root, place)
    if size:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(place + name * size)
    elif os.path.exists(os.path.join(folder, name)):
        os.remove(os.path.join(folder, name))
        with suppress(OSError):
            os.rmdir(folder)


def remember(shop: Workshop, db: Connection, seen: Look) -> None:
    """Put on record what a look saw, as a pass would."""
    known = on_record(db)
    put_on_record(shop, db, [file for file in seen.seen.seen if file.path not in known])
    for file in seen.seen.seen:
        with writing(db):
            identity = Identity(audio_id=AudioId(str(file.stamp)), file_digest="", tags=Tags())
            tracks.record_identity(db, file.path, file.stamp, file.stamp.changed_ns + 10**10, identity)
            tracks.record_spectrogram(db, identity.audio_id, shop.recipe.id, MADE)
    with writing(db):
        tracks.forget_tracks(db, set(on_record(db)) - {file.path for file in seen.seen.seen})
    tracks.replace_left_out(db, [(entry.path, entry.reason) for entry in seen.seen.left_out])
    balance = {str(reason): number for reason, number in seen.seen.other_files.items()}
    versions.record_pass(db, "", 0.0, {"balance": balance})


def told(seen: Scan) -> tuple[object, ...]:
    """Return all that a look tells, but for the order of what is left out."""
    return seen.seen, {entry.path: entry.reason for entry in seen.left_out}, set(seen.unverified)


@settings(max_examples=60)
@given(EDITS, EDITS)
def test_a_look_at_what_changed_sees_what_a_look_at_everything_sees(before: Any, after: Any) -> None:
    """Whatever is changed in some folders, to look at those is as good as to look at all."""
    with TemporaryDirectory() as place:
        shop = workshop(Path(place))
        library(Path(place) / "music", TREE)
        with manifest_of(shop) as db:
            for change in before:
                edit(shop.root, *change)
            remember(shop, db, look(shop, db))
            for change in after:
                edit(shop.root, *change)
            part = Part.of(RelPath(folder) for folder, _, _ in after)
            assert told(look(shop, db, part).seen) == told(look(shop, db).seen)


def test_a_look_at_a_part_does_not_see_the_rest(shop: Workshop, music: Path, db: Connection, known: RootKey) -> None:
    """What changes elsewhere stays on record as it was, until somebody looks there."""
    (music / "Rock" / "e.mp3").write_bytes(b"eeeee")
    (music / "Rock" / "c.mp3").unlink()
    (music / "Jazz" / "f.mp3").write_bytes(b"ffffff")
    seen = look(shop, db, Part.of([RelPath(b"Jazz")]))
    assert seen.root == known
    assert paths_of(db, seen) == sorted([*PATHS, b"Jazz/f.mp3"])


@pytest.mark.usefixtures("known")
def test_one_file_is_a_part_too(shop: Workshop, music: Path, db: Connection) -> None:
    """`rescan FILE` looks at that file alone."""
    (music / "Rock" / "c.mp3").write_bytes(b"changed")
    (music / "Rock" / "d.mp3").write_bytes(b"changed too")
    seen = {file.path: file.stamp.size for file in look(shop, db, Part.of([RelPath(b"Rock/c.mp3")])).seen.seen}
    assert seen == {b"Rock/c.mp3": 7}


@pytest.mark.usefixtures("known")
def test_what_is_not_at_rest_is_always_looked_at(shop: Workshop, music: Path, db: Connection) -> None:
    """Held and awaited files are looked for, and unfinished ones looked at, wherever they are."""
    for path in ("Jazz/a.mp3", "Rock/c.mp3"):
        (music / path).unlink()
    with writing(db):
        tracks.hold(db, [RelPath(b"Jazz/a.mp3")])
    seen = look(shop, db, NOTHING)
    assert paths_of(db, seen) == [b"Jazz/b.mp3", b"Rock/c.mp3", b"Rock/d.mp3"]
    seen = look(shop, db, NOTHING, awaited=[RelPath(b"Rock/c.mp3")])
    assert paths_of(db, seen) == [b"Jazz/b.mp3", b"Rock/d.mp3"]
    (music / "Rock" / "d.mp3").write_bytes(b"longer than before")
    tracks.forget_songs(db, [song for path, song in tracks.songs_by_path(db).items() if path == b"Rock/d.mp3" and song])
    sizes = {file.path: file.stamp.size for file in look(shop, db, NOTHING).seen.seen}
    assert sizes[RelPath(b"Rock/d.mp3")] == 18


@pytest.mark.usefixtures("known")
@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_where_links_lead_somewhere_everything_is_looked_at(shop: Workshop, music: Path, db: Connection) -> None:
    """What a link shows depends on what else leads there, so that a part cannot be seen for itself."""
    (music / "Jazz" / "link").symlink_to(library(music.parent / "elsewhere", OTHERS["Folk"]))
    (music / "Rock" / "e.mp3").write_bytes(b"eeeee")
    seen = look(shop, db, Part.of([RelPath(b"Jazz")]))
    assert {b"Jazz/link/x.mp3", b"Rock/e.mp3"} < {file.path for file in seen.seen.seen}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("how", ["missing", "emptied", "exchanged"])
def test_a_root_that_is_gone_is_noticed_by_a_look_at_a_part(
    shop: Workshop, music: Path, db: Connection, how: str
) -> None:
    """However little is looked at, a root that is not the library ends the look."""
    away = music.with_name("away")
    music.rename(away)
    if how != "missing":
        library(music, OTHERS if how == "exchanged" else {})
    with pytest.raises(RootOfflineError):
        look(shop, db, Part.of([RelPath(b"Jazz")]))
    assert on_record(db) == PATHS


@pytest.mark.usefixtures("known")
def test_a_file_on_the_way_to_a_part_is_not_part_of_it(shop: Workshop, db: Connection) -> None:
    """Where a part is said to lie below what is a file, that file is met once, as it is on record."""
    seen = look(shop, db, Part.of([RelPath(b"Rock/c.mp3/nowhere")]))
    assert paths_of(db, seen) == PATHS


@pytest.mark.usefixtures("known")
def test_what_could_not_be_read_is_looked_at_again(
    shop: Workshop, music: Path, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was out of sight is in every look, until it is seen."""
    library(music / "Rock", {"Live": {"e.mp3": b"eeeee"}})
    listing = os.scandir

    def refuse(path: Any) -> Any:
        if os.fsencode(path).endswith(b"Live"):
            raise PermissionError(13, "Permission denied")
        return listing(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        seen = look(shop, db)
    assert seen.seen.unverified == [b"Rock/Live/"]
    tracks.replace_left_out(db, [(entry.path, entry.reason) for entry in seen.seen.left_out])
    seen = look(shop, db, NOTHING)
    assert RelPath(b"Rock/Live/e.mp3") in {file.path for file in seen.seen.seen}
    assert seen.seen.unverified == []
    assert seen.seen.left_out == []
