"""Limits that are real: a volume that fills up or turns read-only, limits of a process, and workers that die."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from building import library, songs, tone
from faults.scenarios import SMALL
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="mounts, and limits processes, as Linux does"),
]

SONG_BYTES = 1024 * 128 * 2


@contextmanager
def volume(place: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a small file system in memory; skips where that is not allowed."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "melwatch-test", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def ext4(place: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a small file system in a file; skips where that is not allowed."""
    place.mkdir()
    image = place.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(size_bytes)
    with suppress(FileNotFoundError):
        if not subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], capture_output=True, check=False).returncode:
            mount = ["mount", "-o", "loop", str(image), str(place)]
            if not subprocess.run(mount, capture_output=True, check=False).returncode:
                try:
                    yield place
                finally:
                    subprocess.run(["umount", "--lazy", str(place)], check=True)
                return
    pytest.skip("may not mount a file, or mkfs.ext4 is missing")


def resize(place: Path, size_bytes: int) -> None:
    """Give a volume in memory another size."""
    subprocess.run(["mount", "-o", f"remount,size={size_bytes}", str(place)], check=True)


def ran(rig: Rig, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a pass, after something has been done to its process."""
    environment = {**os.environ, **rig.environment}
    return subprocess.run(
        rig.command("sync"),
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
        preexec_fn=before,
    )


def said_by(rig: Rig, code: int, before: Callable[[], None] | None = None) -> str:
    """Run a pass, after something has been done to its process; return what it says of its trouble."""
    done = ran(rig, before)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("melwatch: ") == (1 if code else 0), done.stderr
    return done.stderr


def assert_alike(rig: Rig) -> None:
    """A pass without trouble makes the rows that there are where there never was any."""
    rig = Rig(rig.music, rig.dataset, rig.state, SMALL)
    rig.run("sync")
    other = Rig(rig.music, rig.music.parent / "calm", rig.music.parent / "calm-state", SMALL)
    other.run("sync")
    assert rig.rows() == other.rows()
    assert not any((rig.state / "spool").iterdir())


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Twelve songs of two genres."""
    return library(tmp_path / "music", {"Rock": songs(6), "Jazz": songs(6, 6)})


def fill(place: Path, leave_bytes: int) -> Path:
    """Take all the space of a volume but so much."""
    other = place / "somebody's.file"
    free = os.statvfs(place)
    with other.open("wb") as file, suppress(OSError):
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - leave_bytes)))
    return other


@pytest.mark.parametrize("kind", [volume, ext4])
def test_a_dataset_volume_that_is_full_keeps_its_version(
    kind: Callable[..., Iterator[Path]], tmp_path: Path, music: Path
) -> None:
    """Publishing stops where the disk is full, the old version stays whole, and with room again it goes on."""
    with kind(tmp_path / "disk", 64 << 20) as disk:
        rig = Rig(music, disk / "dataset", tmp_path / "state", SMALL)
        rig.run("sync")
        before = rig.rows()
        library(music, {"Rock": songs(6, 20)})
        filled = fill(disk, 2 * SONG_BYTES)
        assert "free; this needs" in said_by(rig, 1)
        assert rig.rows() == before
        filled.unlink()
        assert_alike(rig)


def test_a_volume_that_fills_up_while_publishing_keeps_its_version(tmp_path: Path, music: Path) -> None:
    """What was extracted by then is kept, and is not extracted again."""
    with volume(tmp_path / "disk", 64 << 20) as disk:
        rig = Rig(music, disk / "dataset", tmp_path / "state", SMALL)
        rig.run("sync")
        before = rig.rows()
        (music / "Rock" / "00.mp3").rename(music / "Jazz" / "00.mp3")  # needs no extraction, only new shards
        filled = fill(disk, 1 << 20)
        assert "is full" in said_by(rig, 1)
        assert rig.rows() == before
        filled.unlink()
        assert_alike(rig)


def test_a_state_volume_that_fills_up_costs_nothing(tmp_path: Path, music: Path) -> None:
    """Neither the spool nor the manifest needs more than room to go on where they stopped."""
    with volume(tmp_path / "disk", 64 << 20) as disk:
        rig = Rig(music, tmp_path / "dataset", disk / "state", SMALL)
        rig.run("sync")
        before = rig.rows()
        library(music, {"Rock": songs(12, 20)})
        filled = fill(disk, 0)
        assert str(disk) in said_by(rig, 1)
        assert rig.rows() == before
        filled.unlink()
        assert_alike(rig)


@pytest.mark.parametrize("which", ["dataset", "state"])
def test_a_volume_that_turns_read_only_keeps_its_version(which: str, tmp_path: Path, music: Path) -> None:
    """It is said, readers go on, and once it can be written all goes on."""
    with volume(tmp_path / "disk", 64 << 20) as disk:
        places = {"dataset": tmp_path / "dataset", "state": tmp_path / "state"} | {which: disk / which}
        rig = Rig(music, places["dataset"], places["state"], SMALL)
        rig.run("sync")
        before = rig.rows()
        library(music, {"Rock": songs(2, 20)})
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        try:
            assert "ead-only" in said_by(rig, 1)
            assert rig.rows() == before
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert_alike(rig)


def limited(kind: int, value: int) -> Callable[[], None]:
    """Return what sets a limit of a process and all its children."""

    def set_limit() -> None:
        resource.setrlimit(kind, (value, value))

    return set_limit


@pytest.mark.parametrize("most", [8, 16, 24, 32])
def test_too_few_open_files_are_said(most: int, tmp_path: Path, music: Path) -> None:
    """Whether a pass manages with them or not, nothing is lost and nothing half done."""
    rig = Rig(music, tmp_path / "dataset", tmp_path / "state", SMALL)
    done = ran(rig, limited(resource.RLIMIT_NOFILE, most))
    if most > 8:  # with fewer not even Python starts
        assert done.returncode in {0, 1}, done.stderr
        assert "This is a bug" not in done.stderr
    assert_alike(rig)


def test_files_that_may_not_grow_are_said(tmp_path: Path, music: Path) -> None:
    """A limit of the size of files is like a full disk: the version that was there stays."""
    rig = Rig(music, tmp_path / "dataset", tmp_path / "state", SMALL)
    rig.run("sync")
    before = rig.rows()
    library(music, {"Rock": songs(6, 20)})
    said_by(rig, 1, limited(resource.RLIMIT_FSIZE, 5 * SONG_BYTES))
    assert rig.rows() == before
    assert_alike(rig)


def test_a_killed_worker_costs_no_song(tmp_path: Path) -> None:
    """The file that it was at is tried once more."""
    music = library(tmp_path / "music", {"Rock": {f"{n:02}.mp3": tone(200 + n, 30.0) for n in range(24)}})
    rig = Rig(music, tmp_path / "dataset", tmp_path / "state", SMALL)
    process = subprocess.Popen(
        rig.command("sync"), env={**os.environ, **SMALL}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    spool, until_s = rig.state / "spool", time.monotonic() + 60
    while not (spool.exists() and any(spool.iterdir())):
        assert time.monotonic() < until_s
        assert process.poll() is None
        time.sleep(0.005)
    workers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if child.nice() > psutil.Process().nice() and child.is_running()
    ]
    assert workers
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            worker.send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert len({path for path, _ in rig.rows()}) == 24
    assert_alike(rig)


@pytest.mark.parametrize("most_mb", [60, 80, 120])
def test_too_little_memory_costs_no_song_for_good(most_mb: int, tmp_path: Path, music: Path) -> None:
    """Songs that there is no memory for are recorded as that, and are made when they are tried again with more."""
    rig = Rig(music, tmp_path / "dataset", tmp_path / "state", SMALL)
    most = limited(resource.RLIMIT_DATA, most_mb << 20)
    done = ran(rig, most)
    assert done.returncode in {0, 1}, done.stderr
    assert "This is a bug" not in done.stderr  # the server that children are forked from shows tracebacks of its own
    if (rig.state / "manifest.sqlite3").exists():
        subprocess.run(rig.command("retry"), check=False, capture_output=True)
    assert_alike(rig)
