"""What runs inside a Dask worker, tried without Dask."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from building import library, songs
from melwatch.extraction import landmarks, station
from melwatch.extraction.ingest import Setup, examine
from melwatch.library.rules import Rules
from melwatch.library.scan import scan
from melwatch.spectrogram import recipe as recipes
from melwatch.spectrogram.posts import ForgottenError, UnfitError
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.spool import read_facts
from melwatch.spectrogram.workers import Loss
from melwatch.track import RelPath

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

RULES = Rules.of(extensions=(".mp3",), exclude=(), ignore=())


def offer(place: Path, key: str = "key") -> dict[str, Any]:
    """Return what a coordinator offers that has three songs."""
    music = library(place / "music", {"Rock": songs(3)})
    root = os.fsencode(music)
    setup = Setup(root=root, spool=place / "not here", recipe=Recipe(), ready=frozenset(), memory_mb=1024)
    return station.make_offer(key, setup, landmarks.pick(scan(root, RULES).seen))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have the worker's folder below the test's, and nothing left of a station."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(station, "_own_folder", lambda: str(folder))
    yield folder
    for key in list(station._stations):
        station.dismiss(key)


def hang(path: RelPath) -> None:
    del path
    time.sleep(3600)


def end(path: RelPath) -> None:
    del path
    os._exit(1)


@pytest.mark.parametrize(
    ("path", "places", "here"),
    [
        ("/srv/music", {}, "/srv/music"),
        ("/srv/music", {"/srv/music": "/mnt/music"}, "/mnt/music"),
        ("/srv/music", {"/srv/music/": "/mnt/music/"}, "/mnt/music"),
        ("/srv/music/mine", {"/srv": "/mnt", "/srv/music": "/nas"}, "/nas/mine"),
        ("/srv/music2", {"/srv/music": "/mnt/music"}, "/srv/music2"),
        ("/srv/music", {"/": "/mnt"}, "/mnt/srv/music"),
        ("D:\\Music\\mine", {"D:\\": "/mnt"}, "/mnt/Music/mine".replace("/", os.sep)),
    ],
)
def test_where_a_folder_is_here(path: str, places: dict[str, str], here: str) -> None:
    """The longest of the folders that it lies in decides."""
    assert station.mapped(path, places).replace(os.sep, "/") == here.replace(os.sep, "/")


def test_it_works_as_the_local_pool_does(tmp_path: Path, own_folder: Path) -> None:
    """A song's numbers and facts are sent, and nothing is left behind; what is not ready says so."""
    with pytest.raises(ForgottenError):
        station.perform("key", examine, RelPath(b"Rock/00.mp3"), 60.0)
    assert station.welcome(offer(tmp_path)) == ""
    examined, loss, content = station.perform("key", examine, RelPath(b"Rock/00.mp3"), 60.0)
    assert (loss, examined and examined.error) == (None, None)
    assert examined is not None
    (tmp_path / "spooled").write_bytes(content or b"")
    assert read_facts(tmp_path / "spooled", Recipe().bytes_per_track) == examined.made
    assert not [file for file in own_folder.rglob("*") if file.is_file()]
    station.dismiss("key")
    assert not list(own_folder.iterdir())
    with pytest.raises(ForgottenError):
        station.perform("key", examine, RelPath(b"Rock/00.mp3"), 60.0)


def test_a_child_that_hangs_or_ends_costs_its_own_task(tmp_path: Path) -> None:
    """The worker goes on."""
    assert station.welcome(offer(tmp_path)) == ""
    assert station.perform("key", hang, RelPath(b"Rock/00.mp3"), 0.5) == (None, Loss.TIMEOUT, None)  # type: ignore[arg-type]
    assert station.perform("key", end, RelPath(b"Rock/00.mp3"), 60.0) == (None, Loss.CRASH, None)  # type: ignore[arg-type]
    examined, _, content = station.perform("key", examine, RelPath(b"Rock/00.mp3"), 60.0)
    assert examined is not None
    assert content is not None


def test_a_root_that_goes_away_is_no_fault_of_the_songs(tmp_path: Path) -> None:
    """The worker says so, and the song is done elsewhere; a song that is gone alone is told as such."""
    assert station.welcome(offer(tmp_path)) == ""
    (tmp_path / "music" / "Rock" / "00.mp3").unlink()
    examined, _, _ = station.perform("key", examine, RelPath(b"Rock/00.mp3"), 60.0)
    assert examined is not None
    assert examined.error is not None
    assert examined.error.reason == "changing"
    (tmp_path / "music").rename(tmp_path / "away")
    with pytest.raises(UnfitError, match="does not see the music root"):
        station.perform("key", examine, RelPath(b"Rock/01.mp3"), 60.0)


def test_another_melwatch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what travels, by the front end, and by what it makes of the recipe; nothing is started for it."""
    good = offer(tmp_path)
    assert station.judge(good) == ""
    assert "install the same version" in station.welcome(good | {"protocol": 0})
    assert "understands another recipe" in station.welcome(good | {"recipe_id": "0" * 16})
    monkeypatch.setattr(recipes, "FRONT_END_REVISION", 99)
    assert "has front end 99" in station.welcome(good)
    assert not station._stations


def test_a_variable_that_says_nonsense_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name."""
    for said in ("/mnt/music", '["/mnt/music"]'):
        monkeypatch.setenv(station.PATHS, said)
        assert station.judge(offer(tmp_path)).startswith(f"{station.PATHS} cannot be understood there")


def test_what_a_child_lacks_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise every song would count as damaged."""
    monkeypatch.setattr(station, "_rehearse", _lacking)
    assert station.welcome(offer(tmp_path)) == "songs cannot be decoded there: no soxr"
    assert not station._stations


def _lacking(_: int) -> str:
    return "songs cannot be decoded there: no soxr"


def test_a_station_that_nobody_uses_ends(tmp_path: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The coordinator may have been killed."""
    monkeypatch.setattr(station, "_IDLE_S", 0.4)
    assert station.welcome(offer(tmp_path)) == ""
    end_s = time.monotonic() + 60
    while station._stations or list(own_folder.iterdir()):
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_the_same_song_in_two_hands_is_sent_by_both(tmp_path: Path) -> None:
    """Children have folders of their own, so that none takes what another one made."""
    from concurrent.futures import ThreadPoolExecutor

    given = offer(tmp_path)
    assert station.welcome(given) == ""
    with ThreadPoolExecutor(2) as two:
        sent = list(two.map(lambda _: station.perform("key", examine, RelPath(b"Rock/00.mp3"), 60.0), range(6)))
    assert len({content for _, _, content in sent}) == 1
    assert all(content for _, _, content in sent)


def test_landmarks_tell_one_root_from_another(tmp_path: Path) -> None:
    """Most songs must be in place, with their size and their time up to two seconds."""
    music = library(tmp_path / "music", {"Rock": songs(4)})
    root = os.fsencode(music)
    marks = landmarks.pick(scan(root, RULES).seen)
    assert landmarks.judge(root, marks) == ""
    (music / "Rock" / "00.mp3").unlink()
    assert landmarks.judge(root, marks) == ""
    shifted = [(path, size, mtime_ns + 10**9) for path, size, mtime_ns in marks]
    assert landmarks.judge(root, shifted) == ""
    late = [(path, size, mtime_ns + 3600 * 10**9) for path, size, mtime_ns in marks]
    assert "other modification times" in landmarks.judge(root, late)
    other = library(tmp_path / "other", {"Jazz": songs(4)})
    assert "0 of 4 songs are in place" in landmarks.judge(os.fsencode(other), marks)
    assert "does not see the music root" in landmarks.judge(os.fsencode(tmp_path / "nothing"), marks)


def test_landmarks_are_from_all_over() -> None:
    """However many files there are, few are looked at, the first and some near the last among them."""
    from melwatch.track import FileStamp, SeenFile

    stamp = FileStamp(size=1, mtime_ns=0, changed_ns=0, inode=0)
    files = [SeenFile(path=RelPath(b"%06d" % number), stamp=stamp._replace(size=number)) for number in range(100_000)]
    picked = [size for _, size, _ in landmarks.pick(files)]
    assert len(picked) == 16
    assert (picked[0], picked[-1] >= 90_000) == (0, True)
    assert [size for _, size, _ in landmarks.pick(files[:27])][-3:] == [21, 23, 25]
    assert len(landmarks.pick(files[:3])) == 3
    assert landmarks.pick([]) == ()
