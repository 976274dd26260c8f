"""One walk over the music: every file is met once, in order, and has a reason."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
import unicodedata
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import library
from melwatch.library.rules import Reason, Rules
from melwatch.library.scan import Scan, scan
from melwatch.passes.plan import is_under
from melwatch.track import RelPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from building import Tree

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs links, FIFOs or names that Windows has not")


def look(root: Path, *, exclude: tuple[str, ...] = ("Hörbücher", "downloads"), ignore: tuple[str, ...] = ()) -> Scan:
    return scan(os.fsencode(root), Rules.of(extensions=(".mp3",), exclude=exclude, ignore=ignore))


def seen_in(result: Scan) -> list[bytes]:
    return [file.path for file in result.seen]


def left_out_of(result: Scan) -> dict[bytes, Reason]:
    reasons: dict[bytes, Reason] = {entry.path: entry.reason for entry in result.left_out}
    assert len(reasons) == len(result.left_out), "a path has two reasons"
    return reasons


def files_below(root: Path) -> list[bytes]:
    """Return the relative paths of all files, by `os.walk`."""
    top = os.fsencode(root)
    return [
        os.path.relpath(os.path.join(folder, name), top).replace(os.sep.encode(), b"/")
        for folder, _, names in os.walk(top)
        for name in names
    ]


# Order and completeness.


def test_tracks_come_in_the_byte_order_of_their_paths(tmp_path: Path) -> None:
    """The order is that of whole paths, in which `a-b` comes before `a/b` and `a0` after."""
    root = library(
        tmp_path,
        {
            "a": {"b.mp3": b"", "b": {"c.mp3": b""}, "b-c.mp3": b"", "B.mp3": b""},
            "a-b": {"x.mp3": b""},
            "a0": {"x.mp3": b""},
            "A": {"x.mp3": b""},
            "ä": {"x.mp3": b""},
        },
    )

    assert seen_in(look(root)) == [
        b"A/x.mp3", b"a-b/x.mp3", b"a/B.mp3", b"a/b-c.mp3", b"a/b.mp3", b"a/b/c.mp3", b"a0/x.mp3",
        "ä/x.mp3".encode(),
    ]  # fmt: skip


names = st.sampled_from(
    ["a", "a-b", "a.b", "a b", "a0", "b", "a.mp3", "a-b.mp3", "a.mp3-b.mp3", "ü.mp3", ".h", ".h.mp3", "x.flac", "x.txt"]
)
trees = st.recursive(st.just(b""), lambda inner: st.dictionaries(names, inner, max_size=5), max_leaves=25).filter(
    lambda tree: isinstance(tree, dict)
)


@settings(max_examples=50)
@given(tree=trees)
def test_a_scan_finds_what_a_walk_finds(tree: Tree) -> None:
    """Whatever the tree, tracks are those of `os.walk`, sorted, and every other file is accounted for."""
    with tempfile.TemporaryDirectory() as folder:
        root = library(Path(folder), tree)
        result = look(root)
        on_disk = files_below(root)

    tracks = [
        path
        for path in on_disk
        if path.endswith(b".mp3") and b"/" in path and not any(part.startswith(b".") for part in path.split(b"/"))
    ]
    assert seen_in(result) == sorted(tracks)
    assert result.found == len(on_disk)
    assert [entry.path for entry in result.left_out] == sorted(left_out_of(result))
    assert not set(seen_in(result)) & left_out_of(result).keys()


def test_every_file_has_its_reason_and_the_sum_is_right(tmp_path: Path) -> None:
    """Audio files are left out by name and reason, others are counted, and nothing is met twice."""
    root = library(
        tmp_path,
        {
            "Rock": {
                "a.mp3": b"", "._a.mp3": b"", "b.mp3.part": b"", "c.flac": b"", "cover.jpg": b"", "live.mp3": b"",
                ".hidden": {"d.mp3": b"", "e.flac": b"", "notes.txt": b""},
            },
            "Hörbücher": {"f.mp3": b"", "CD 1": {"g.mp3": b"", "cover.jpg": b""}},
            "in root.mp3": b"",
            "desktop.ini": b"",
            "Empty": {},
        },
    )  # fmt: skip

    result = look(root, ignore=("live*",))

    assert seen_in(result) == [b"Rock/a.mp3"]
    assert left_out_of(result) == {
        b"Rock/._a.mp3": Reason.HIDDEN,
        b"Rock/.hidden/d.mp3": Reason.HIDDEN,
        b"Rock/.hidden/e.flac": Reason.HIDDEN,
        b"Rock/b.mp3.part": Reason.PARTIAL,
        b"Rock/c.flac": Reason.EXTENSION,
        b"Rock/live.mp3": Reason.IGNORED,
        "Hörbücher/CD 1/g.mp3".encode(): Reason.EXCLUDED,
        "Hörbücher/f.mp3".encode(): Reason.EXCLUDED,
        b"in root.mp3": Reason.IN_ROOT,
    }
    assert result.other_files == {Reason.NOT_AUDIO: 4}
    assert result.found == len(files_below(root)) == 14
    assert result.unverified == []


def test_stamps_are_those_of_stat(tmp_path: Path) -> None:
    """Size, times and inode of a track are what the system says of it."""
    file = library(tmp_path, {"Rock": {"a.mp3": b"12345"}}) / "Rock" / "a.mp3"
    os.utime(file, ns=(1, 1_234_567_890_123_456_700))

    (track,) = look(tmp_path).seen

    facts = file.stat()
    assert (track.stamp.size, track.stamp.mtime_ns, track.stamp.inode) == (5, facts.st_mtime_ns, facts.st_ino)
    assert track.stamp.changed_ns != track.stamp.mtime_ns or sys.platform == "win32"


def test_an_ignored_folder_takes_its_files_with_it(tmp_path: Path) -> None:
    """A pattern for a folder leaves out all the audio files below it."""
    root = library(tmp_path, {"Rock": {"Live": {"CD 1": {"a.mp3": b""}}, "Alive": {"a.mp3": b""}}})

    result = look(root, ignore=("Live/",))

    assert seen_in(result) == [b"Rock/Alive/a.mp3"]
    assert left_out_of(result) == {b"Rock/Live/CD 1/a.mp3": Reason.IGNORED}


@on_posix
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_excluded_folders_are_found_however_they_are_spelt(tmp_path: Path, form: str) -> None:
    """A folder copied from a Mac is excluded like one made here."""
    name = unicodedata.normalize(form, "hÖrbücher")  # type: ignore[arg-type]
    root = library(tmp_path, {name: {"a.mp3": b""}})

    assert left_out_of(look(root)) == {f"{name}/a.mp3".encode(): Reason.EXCLUDED}


@pytest.mark.parametrize("exclude", [(), ("$RECYCLE.BIN",)])
def test_the_waste_bin_is_never_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exclude: tuple[str, ...]
) -> None:
    """Of the system's own folders nothing but the name is looked at, whatever the user excludes."""
    root = library(tmp_path, {"$RECYCLE.BIN": {"a.mp3": b""}, "Rock": {"a.mp3": b""}})
    listed = []
    scandir = os.scandir

    def note(path: bytes) -> Iterator[os.DirEntry[bytes]]:
        listed.append(os.path.basename(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", note)
    result = look(root, exclude=exclude)

    assert listed == [os.fsencode(root.name), b"Rock"]
    assert left_out_of(result) == {b"$RECYCLE.BIN/": Reason.EXCLUDED}
    assert (seen_in(result), result.found) == ([b"Rock/a.mp3"], 1)


@on_posix
@pytest.mark.parametrize(
    "name", [b"caf\xe9.mp3", b"line\nbreak.mp3", "u\u0308.mp3".encode(), b"\xff\xfe.mp3", b"\x1b[31m.mp3", b"a\\b.mp3"]
)
def test_odd_names_are_kept_byte_for_byte(tmp_path: Path, name: bytes) -> None:
    """A path is what the file system says, whether it is text, normalised, or on one line."""
    root = library(tmp_path, {os.fsdecode(b"Genre \xe9"): {os.fsdecode(name): b""}})

    assert seen_in(look(root)) == [b"Genre \xe9/" + name]


def test_an_empty_root_holds_nothing(tmp_path: Path) -> None:
    """Where there is nothing, nothing is found and nothing goes wrong."""
    assert look(tmp_path) == Scan()


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    """A root that is gone is not an empty library."""
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "missing")


# What is neither file nor folder.


@on_posix
def test_fifos_and_sockets_are_not_opened(tmp_path: Path) -> None:
    """Something that is no regular file is left out, even if it is called like a song."""
    root = library(tmp_path, {"Rock": {}})
    os.mkfifo(root / "Rock" / "pipe.mp3")
    os.mkfifo(root / "Rock" / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        bind_below(listening, root / "Rock", "socket.mp3")
        result = look(root)

    assert left_out_of(result) == {b"Rock/pipe.mp3": Reason.NOT_REGULAR, b"Rock/socket.mp3": Reason.NOT_REGULAR}
    assert (result.seen, result.found) == ([], 3)


def bind_below(unbound: socket.socket, folder: Path, name: str) -> None:
    """Bind a socket by a relative name, for absolute ones may be too long."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        unbound.bind(name)
    finally:
        os.chdir(before)


# Links.


@on_posix
def test_links_to_files_are_followed(tmp_path: Path) -> None:
    """A link to a song outside the root is a track under its own name, with the song's size."""
    (tmp_path / "elsewhere.bin").write_bytes(b"12345")
    root = library(tmp_path / "music", {"Rock": {}})
    (root / "Rock" / "a.mp3").symlink_to(tmp_path / "elsewhere.bin")

    (track,) = look(root).seen

    assert (track.path, track.stamp.size) == (b"Rock/a.mp3", 5)


@on_posix
def test_links_to_folders_are_followed_in_order(tmp_path: Path) -> None:
    """A linked folder is walked like any other, at its place in the order of paths."""
    elsewhere = library(tmp_path / "elsewhere", {"CD 1": {"a.mp3": b""}})
    root = library(tmp_path / "music", {"Rock-n": {"a.mp3": b""}, "Rock0": {"a.mp3": b""}})
    (root / "Rock").symlink_to(elsewhere)

    assert seen_in(look(root)) == [b"Rock-n/a.mp3", b"Rock/CD 1/a.mp3", b"Rock0/a.mp3"]


@on_posix
def test_a_link_to_another_genre_shows_its_songs_in_both(tmp_path: Path) -> None:
    """A folder of the library that is linked too is met at both places."""
    root = library(tmp_path, {"Jazz": {"a.mp3": b""}, "Rock": {}})
    (root / "Rock" / "more").symlink_to(root / "Jazz")

    assert seen_in(look(root)) == [b"Jazz/a.mp3", b"Rock/more/a.mp3"]


@on_posix
def test_links_that_lead_in_a_circle_are_left_out(tmp_path: Path) -> None:
    """A link to a folder that the walk is in ends there, be it the root itself."""
    root = library(tmp_path, {"Rock": {"CD 1": {"a.mp3": b""}}})
    (root / "Rock" / "CD 1" / "up").symlink_to(root / "Rock")
    (root / "Rock" / "top").symlink_to(root)

    result = look(root)

    assert seen_in(result) == [b"Rock/CD 1/a.mp3"]
    assert left_out_of(result) == {b"Rock/CD 1/up/": Reason.LINK_LOOP, b"Rock/top/": Reason.LINK_LOOP}
    assert result.found == 1


@on_posix
def test_two_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    """Each is met at its own place and once through the other."""
    root = library(tmp_path, {"Jazz": {"j.mp3": b""}, "Rock": {"r.mp3": b""}})
    (root / "Jazz" / "rock").symlink_to(root / "Rock")
    (root / "Rock" / "jazz").symlink_to(root / "Jazz")

    result = look(root)

    assert seen_in(result) == [b"Jazz/j.mp3", b"Jazz/rock/r.mp3", b"Rock/jazz/j.mp3", b"Rock/r.mp3"]
    assert set(left_out_of(result).values()) == {Reason.LINK_LOOP}


@on_posix
def test_a_folder_is_entered_through_one_link_only(tmp_path: Path) -> None:
    """The second of two links to one folder is left out, so that links cannot multiply a library."""
    elsewhere = library(tmp_path / "elsewhere", {"a.mp3": b""})
    root = library(tmp_path / "music", {"Rock": {}})
    (root / "Rock" / "one").symlink_to(elsewhere)
    (root / "Rock" / "two").symlink_to(elsewhere)

    result = look(root)

    assert seen_in(result) == [b"Rock/one/a.mp3"]
    assert left_out_of(result) == {b"Rock/two/": Reason.LINK_LOOP}


@on_posix
@pytest.mark.parametrize("left_out", [".hidden", "Eigenes", "Ignored"])
def test_a_link_in_a_folder_that_does_not_count_takes_nothing_from_one_that_does(tmp_path: Path, left_out: str) -> None:
    """Songs that a genre links to are tracks, also where an excluded folder links to them first."""
    elsewhere = library(tmp_path / "elsewhere", {"a.mp3": b""})
    root = library(tmp_path / "music", {left_out: {}, "Rock": {}})
    (root / left_out / "link").symlink_to(elsewhere)
    (root / "Rock" / "link").symlink_to(elsewhere)

    assert seen_in(look(root, exclude=("Eigenes",), ignore=("Ignored/",))) == [b"Rock/link/a.mp3"]


@on_posix
@pytest.mark.parametrize("target", ["missing", "a.mp3", "b.mp3", "c.mp3/below"])
def test_links_that_lead_nowhere_are_broken(tmp_path: Path, target: str) -> None:
    """A link to nothing, to itself, to one that leads back, or below a file is left out as broken."""
    root = library(tmp_path, {"Rock": {"c.mp3": b""}})
    (root / "Rock" / "a.mp3").symlink_to(target)
    (root / "Rock" / "b.mp3").symlink_to("a.mp3")

    result = look(root)

    assert left_out_of(result) == {b"Rock/a.mp3": Reason.BROKEN_LINK, b"Rock/b.mp3": Reason.BROKEN_LINK}
    assert (seen_in(result), result.found) == ([b"Rock/c.mp3"], 3)


@on_posix
@pytest.mark.parametrize("target", ["missing", "link"])
def test_a_linked_genre_that_leads_nowhere_has_not_vanished(tmp_path: Path, target: str) -> None:
    """Behind a dead link to a folder is an unmounted disk, so nothing is known of what was below it."""
    root = library(tmp_path, {"Rock": {"a.mp3": b""}})
    (root / "link").symlink_to(target)

    result = look(root)

    assert is_under(RelPath(b"link/a.mp3"), result.unverified)
    assert seen_in(result) == [b"Rock/a.mp3"]


# What cannot be looked at.


@contextmanager
def unlistable(folder: Path, number: int) -> Iterator[None]:
    """Let listing one folder fail: root, who may run these tests, can read everything."""
    scandir = os.scandir

    def fail(path: bytes) -> Iterator[os.DirEntry[bytes]]:
        if path == os.fsencode(folder):
            raise OSError(number, os.strerror(number), path)
        return scandir(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", fail)
        yield


class BlindEntry:
    """An entry of which the system tells nothing but name and kind."""

    def __init__(self, entry: os.DirEntry[bytes], number: int) -> None:
        self.name, self.path, self.number = entry.name, entry.path, number
        self.is_dir: Callable[[], bool] = entry.is_dir
        self.is_symlink: Callable[[], bool] = entry.is_symlink

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Fail, whatever is asked."""
        del follow_symlinks
        raise OSError(self.number, os.strerror(self.number), self.path)


@contextmanager
def unlookable(blind: Path, number: int) -> Iterator[None]:
    """Let `stat` fail for one entry, as in a folder without the right to pass, or on a stale share."""
    scandir = os.scandir

    @contextmanager
    def listing(path: bytes) -> Iterator[list[os.DirEntry[bytes] | BlindEntry]]:
        with scandir(path) as entries:
            yield [BlindEntry(entry, number) if entry.path == os.fsencode(blind) else entry for entry in entries]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", listing)
        yield


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOENT])
def test_an_unreadable_folder_is_unverified(tmp_path: Path, number: int) -> None:
    """Where a folder cannot be listed nothing is said of what lies below it, and the walk goes on."""
    root = library(tmp_path, {"Jazz": {"CD 1": {"a.mp3": b""}, "b.mp3": b""}, "Rock": {"a.mp3": b""}})

    with unlistable(root / "Jazz" / "CD 1", number):
        result = look(root)

    assert seen_in(result) == [b"Jazz/b.mp3", b"Rock/a.mp3"]
    assert result.unverified == [b"Jazz/CD 1/"]
    assert left_out_of(result) == {b"Jazz/CD 1/": Reason.UNREADABLE}
    assert result.found == 2


def test_an_unreadable_root_is_an_error(tmp_path: Path) -> None:
    """A root that cannot be listed is not an empty library."""
    root = library(tmp_path, {"Rock": {"a.mp3": b""}})

    with unlistable(root, errno.EACCES), pytest.raises(PermissionError):
        look(root)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_looked_at_is_unverified(tmp_path: Path, number: int) -> None:
    """A song out of reach has not vanished."""
    root = library(tmp_path, {"Rock": {"a.mp3": b"", "b.mp3": b""}})

    with unlookable(root / "Rock" / "a.mp3", number):
        result = look(root)

    assert result.unverified == [b"Rock/a.mp3"]
    assert left_out_of(result) == {b"Rock/a.mp3": Reason.UNREADABLE}
    assert (seen_in(result), result.found) == ([b"Rock/b.mp3"], 2)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("folder", ["Rock", "Rock/CD 1"])
def test_a_folder_that_cannot_be_looked_at_is_unverified(tmp_path: Path, folder: str, number: int) -> None:
    """A folder out of reach has not vanished with all its songs, nor is it a file."""
    root = library(tmp_path, {"Jazz": {"a.mp3": b""}, "Rock": {"CD 1": {"a.mp3": b""}}})

    with unlookable(root / folder, number):
        result = look(root)

    assert is_under(RelPath(b"Rock/CD 1/a.mp3"), result.unverified)
    assert left_out_of(result) == {folder.encode() + b"/": Reason.UNREADABLE}
    assert (seen_in(result), result.found) == ([b"Jazz/a.mp3"], 1)


@on_posix
def test_a_path_too_long_to_open_is_left_out_and_unverified(tmp_path: Path) -> None:
    """Folders nested deeper than the system can open are named as such, and not taken for files."""
    root = library(tmp_path, {"Rock": {"a.mp3": b""}})
    nest(root / "Rock", "x" * 200, 25)

    result = look(root)

    assert seen_in(result) == [b"Rock/a.mp3"]
    ((path, reason),) = left_out_of(result).items()
    assert reason is Reason.PATH_TOO_LONG
    assert path.startswith(b"Rock/xxx")
    assert path.endswith(b"x/")
    assert result.unverified == [path]
    assert result.found == 1


def nest(folder: Path, name: str, depth: int) -> None:
    """Make folders one inside the other, by handles, for their paths become too long to name."""
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=handle)
        inner = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("deep.mp3", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)
