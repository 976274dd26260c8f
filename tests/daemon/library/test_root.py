"""Whether the music root is the one we know: what is read of it, and what follows."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import library
from melwatch.library.root import RootKey, RootState, RootVerdict, judge_root, read_root

if TYPE_CHECKING:
    from pathlib import Path

quick = settings(max_examples=100)

HERE = RootKey(device=1, inode=2)
ELSEWHERE = RootKey(device=3, inode=2)


def judged(
    *,
    known: RootKey | None = HERE,
    found: RootKey | None = HERE,
    error: OSError | None = None,
    known_tracks: int = 300,
    seen_tracks: int = 300,
    tracks_in_place: int = 300,
) -> RootVerdict:
    return judge_root(
        known=known,
        found=found,
        error=error,
        known_tracks=known_tracks,
        seen_tracks=seen_tracks,
        tracks_in_place=tracks_in_place,
    )


def error_of(root: Path) -> OSError:
    """Return why a root on a real disk cannot be read."""
    key, error = read_root(os.fsencode(root))
    assert key is None
    assert error is not None
    return error


# What is read.


def test_a_root_keeps_its_key_while_it_fills(tmp_path: Path) -> None:
    """What lies in a folder does not change which folder it is."""
    root = os.fsencode(library(tmp_path / "music", {}))
    before = read_root(root)
    library(tmp_path / "music", {"Rock": {"a.mp3": b"x"}})

    assert read_root(root) == before
    assert before[0] is not None
    assert before[1] is None


def test_another_folder_at_the_same_path_has_another_key(tmp_path: Path) -> None:
    """The path is not what tells roots from one another."""
    root = library(tmp_path / "music", {"Rock": {"a.mp3": b"x"}})
    before = read_root(os.fsencode(root))
    root.rename(tmp_path / "away")
    library(root, {"Rock": {"a.mp3": b"x"}})

    assert read_root(os.fsencode(root))[0] != before[0]
    assert read_root(os.fsencode(tmp_path / "away")) == before


def test_a_root_that_is_gone_or_no_folder_is_missing(tmp_path: Path) -> None:
    """Neither an absent path nor a file can be a root."""
    (tmp_path / "file").write_bytes(b"x")

    for root in (tmp_path / "absent", tmp_path / "file"):
        assert judged(found=None, error=error_of(root)).state is RootState.MISSING


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_a_root_that_may_not_be_listed_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That a folder is there does not help if its entries cannot be read."""
    root = library(tmp_path / "music", {"Rock": {}})
    if os.geteuid() == 0:  # whom no permission stops

        def refuse(path: bytes) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", path)

        monkeypatch.setattr("melwatch.library.root.os.scandir", refuse)
    root.chmod(0o000)
    try:
        verdict = judged(found=None, error=error_of(root))
    finally:
        root.chmod(0o755)

    assert verdict.state is RootState.UNREADABLE
    assert verdict.what == "The music root may not be read: Permission denied"


def test_a_key_survives_being_written_down() -> None:
    """Also where inodes fill 64 bits."""
    key = RootKey(device=2**32 + 1, inode=2**64 - 1)

    assert RootKey.from_json(json.loads(json.dumps(key.to_json()))) == key


# What follows.


@pytest.mark.parametrize(
    "code",
    [
        errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.EIO, errno.ETIMEDOUT,
        errno.EHOSTDOWN, errno.ENOTCONN,
    ],
)  # fmt: skip
def test_a_root_that_cannot_be_reached_is_missing(code: int) -> None:
    """Whatever a file server or a cable answers, and also on the first day."""
    for known_tracks in (0, 300):
        verdict = judged(found=None, error=OSError(code, os.strerror(code)), known_tracks=known_tracks)
        assert verdict.state is RootState.MISSING
        assert os.strerror(code) in verdict.what


@pytest.mark.parametrize(
    ("winerror", "state"),
    [(code, RootState.MISSING) for code in (3, 21, 53, 64, 67)] + [(5, RootState.UNREADABLE)],
)
def test_windows_calls_a_drive_that_is_not_ready_a_denial(winerror: int, state: RootState) -> None:
    """Its own code decides there, not the `errno` that Python makes of it."""
    error = OSError(errno.EACCES, "The device is not ready")
    error.winerror = winerror  # type: ignore[attr-defined, unused-ignore]

    assert judged(found=None, error=error).state is state


def test_a_root_that_nobody_could_tell_is_missing() -> None:
    """Without a key there is no root, with or without a reason."""
    verdict = judged(found=None)

    assert verdict.state is RootState.MISSING
    assert verdict.what == "The music root cannot be reached: it is not there"


def test_the_first_root_is_taken_as_it_is() -> None:
    """Where nothing is known, nothing can be lost: empty or another folder, it is online."""
    for seen_tracks in (0, 10):
        verdict = judged(known=None, found=ELSEWHERE, known_tracks=0, seen_tracks=seen_tracks, tracks_in_place=0)
        assert verdict == RootVerdict(state=RootState.ONLINE)


@pytest.mark.parametrize("found", [HERE, ELSEWHERE])
def test_a_root_without_a_track_is_empty(found: RootKey) -> None:
    """A mount point without its disk looks like a library of which everything was deleted."""
    verdict = judged(found=found, seen_tracks=0, tracks_in_place=0)

    assert verdict.state is RootState.EMPTY
    assert verdict.what == "The music root holds no track at all, though 300 are known"
    assert verdict.hint


def test_another_disk_waits_for_a_person() -> None:
    """Where most known tracks are not in place, the verdict names the command."""
    verdict = judged(found=ELSEWHERE, seen_tracks=500, tracks_in_place=149)

    assert verdict.state is RootState.EXCHANGED
    assert "149 of 300" in verdict.what
    assert verdict.hint == "If this is meant, run `melwatch accept-root`."


@pytest.mark.parametrize("tracks_in_place", [150, 300])
def test_a_restored_copy_is_the_same_library(tracks_in_place: int) -> None:
    """A backup on a new disk, or a device with a new number, holds what was known."""
    assert judged(found=ELSEWHERE, tracks_in_place=tracks_in_place).state is RootState.ONLINE


def test_mass_deletion_in_the_same_root_is_no_matter_of_the_root() -> None:
    """The brake decides about that."""
    assert judged(seen_tracks=1, tracks_in_place=1).state is RootState.ONLINE


def test_a_root_whose_key_was_never_noted_is_not_exchanged() -> None:
    """There is nothing to compare it with."""
    assert judged(known=None, seen_tracks=1, tracks_in_place=0).state is RootState.ONLINE


counts = st.integers(0, 20)
keys = st.sampled_from([None, HERE, ELSEWHERE])


@quick
@given(known=keys, found=keys, seen_tracks=counts)
def test_nothing_is_concluded_where_no_known_track_was_looked_at(
    known: RootKey | None, found: RootKey | None, seen_tracks: int
) -> None:
    """A root none of whose known tracks could be looked at is there or not, never empty or exchanged."""
    verdict = judged(known=known, found=found, known_tracks=0, seen_tracks=seen_tracks, tracks_in_place=0)

    assert verdict.state is (RootState.MISSING if found is None else RootState.ONLINE)
    assert bool(verdict.what) is bool(verdict.hint) is (verdict.state is not RootState.ONLINE)
