"""Tracks that are only spelled differently than before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from building import library
from melwatch.library.rules import Reason
from melwatch.manifest import ledger, tracks
from melwatch.manifest.database import writing
from melwatch.passes.look import look
from melwatch.passes.spelling import as_spelled, is_same_file, new_spellings
from melwatch.platform import filesystem
from melwatch.track import RelPath
from workshops import manifest_of, put_on_record, workshop

if TYPE_CHECKING:
    from pathlib import Path


def paths(*names: str) -> set[RelPath]:
    return {RelPath(os.fsencode(name)) for name in names}


@pytest.mark.parametrize(
    ("known", "seen", "expected"),
    [
        pytest.param(("Rock/a.mp3",), ("Rock/a.mp3",), {}, id="the same"),
        pytest.param(("Rock/a.mp3",), ("ROCK/A.mp3",), {"Rock/a.mp3": "ROCK/A.mp3"}, id="another case"),
        pytest.param(("R/é.mp3",), ("R/e\u0301.mp3",), {"R/é.mp3": "R/e\u0301.mp3"}, id="decomposed"),
        pytest.param(("Rock/a.mp3",), ("Rock/a.mp3", "rock/a.mp3"), {}, id="both are there"),
        pytest.param(("Rock/a.mp3",), ("ROCK/a.mp3", "rock/a.mp3"), {}, id="two could be meant"),
        pytest.param(("Rock/a.mp3",), ("Rock/b.mp3",), {}, id="another name"),
    ],
)
def test_new_spellings(known: tuple[str, ...], seen: tuple[str, ...], expected: dict[str, str]) -> None:
    """A path that is there in another spelling only, and in one."""
    found = new_spellings(paths(*known), paths(*seen))
    assert {os.fsdecode(old): os.fsdecode(new) for old, new in found.items()} == expected


def test_a_track_and_its_genre_follow_the_folder(tmp_path: Path) -> None:
    """The record has the new spelling, and the genre its old class id."""
    shop = workshop(tmp_path)
    root = library(tmp_path / "music", {"Rock": {"a.mp3": b"1", "b.mp3": b"2"}, "Jazz": {"c.mp3": b"3"}})
    with manifest_of(shop) as db:
        put_on_record(shop, db, look(shop, db).seen.seen)
        with writing(db):
            ledger.save_classes(db, ["Rock", "Jazz"])
        (root / "Rock").rename(root / "rock")
        found = look(shop, db)
        assert [file.path for file in found.known] == [file.path for file in found.seen.seen]
        assert set(tracks.songs_by_path(db)) == paths("rock/a.mp3", "rock/b.mp3", "Jazz/c.mp3")
        assert ledger.class_names(db) == ["rock", "Jazz"]


def test_two_files_are_not_one(tmp_path: Path) -> None:
    """Where names are told apart by case, the file system says so; where not, too."""
    library(tmp_path, {"Rock": {"a.mp3": b""}})
    root = os.fsencode(tmp_path)
    is_blind_to_case = (tmp_path / "ROCK").exists()
    assert is_same_file(root, RelPath(b"Rock/a.mp3"), RelPath(b"ROCK/a.mp3")) is is_blind_to_case
    assert not is_same_file(root, RelPath(b"Rock/a.mp3"), RelPath(b"Rock/b.mp3"))


def test_a_song_that_goes_online_only_stays_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is out of sight, with its own reason, also when a part is looked at; with `library.hydrate` it is a song."""
    shop = workshop(tmp_path)
    root = library(tmp_path / "music", {"Rock": {"a.mp3": b"1", "b.mp3": b"2"}})
    (here,) = (file.stat().st_ino for file in root.rglob("b.mp3"))
    with manifest_of(shop) as db:
        put_on_record(shop, db, look(shop, db).seen.seen)
        monkeypatch.setattr(filesystem, "is_online_only", lambda facts: facts.st_ino == here)
        found = look(shop, db)
        assert found.seen.unverified == [RelPath(b"Rock/b.mp3")]
        assert [entry.reason for entry in found.seen.left_out] == [Reason.ONLINE_ONLY]
        assert not found.seen.out_of_reach
        tracks.replace_left_out(db, [(entry.path, entry.reason) for entry in found.seen.left_out])
        willing = workshop(tmp_path, library={"root": root, "hydrate": True})
        assert look(willing, db).seen.as_known == 2


def test_the_attributes_of_what_is_elsewhere() -> None:
    """What Windows calls offline, or recalls when it is opened or read."""
    from types import SimpleNamespace
    from typing import Any

    def facts(attributes: int) -> Any:
        return SimpleNamespace(st_file_attributes=attributes)

    assert all(filesystem.is_online_only(facts(bit)) for bit in (0x1000, 0x40000, 0x400000))
    assert not filesystem.is_online_only(facts(0x20))
    assert not filesystem.is_online_only(os.stat(os.curdir))


def test_a_genre_that_is_called_otherwise_does_not_follow_a_folder(tmp_path: Path) -> None:
    """With a name by configuration, another spelling of one of its folders renames no class."""
    shop = workshop(tmp_path, genres={"Alternative": "Rock"})
    root = library(tmp_path / "music", {"Rock": {"a.mp3": b"1"}, "Alternative": {"b.mp3": b"2"}})
    with manifest_of(shop) as db:
        put_on_record(shop, db, look(shop, db).seen.seen)
        with writing(db):
            ledger.save_classes(db, ["Jazz", "Rock"])
        (root / "Rock").rename(root / "rock")
        look(shop, db)
        assert set(tracks.songs_by_path(db)) == paths("rock/a.mp3", "Alternative/b.mp3")
        assert ledger.class_names(db) == ["Jazz", "Rock"]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("Rock/é.mp3", "Rock/é.mp3"),
        ("rock/e\u0301.MP3", "Rock/é.mp3"),
        ("Rock", "Rock"),
        ("ROCK", "Rock"),
        ("Rock/b.mp3", None),
        ("Rock/é.mp3/below", None),
        ("Jazz/é.mp3", None),
    ],
)
def test_a_path_is_found_however_it_is_written(tmp_path: Path, written: str, found: str | None) -> None:
    """What a person or a notebook wrote is looked up in the folders themselves."""
    root = os.fsencode(library(tmp_path, {"Rock": {"é.mp3": b"1"}}))
    path = as_spelled(root, RelPath(os.fsencode(written)))
    assert (None if path is None else os.fsdecode(path)) == found
