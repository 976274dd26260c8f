"""`melwatch run` on real files, from outside: what is dropped in turns up in the dataset, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from datasets import load_from_disk

from building import library, songs, tone
from daemons import running
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="ends the daemon with a signal"),
]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A library of two genres, nothing known of it."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(6), "Jazz": songs(6, first=20)})
    return rig


ROCK = tuple(f"Rock/{n:02}.mp3" for n in range(6))
JAZZ = tuple(f"Jazz/{n:02}.mp3" for n in range(20, 26))


@pytest.mark.slow
def test_what_is_dropped_in_is_published_and_nothing_else_is_done(rig: Rig) -> None:
    """A song, a renamed song and a song that is gone show within seconds; only the new one was extracted."""
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
        daemon.wait_for_songs("Rock/new.mp3", *ROCK, *JAZZ)
        (rig.music / "Rock" / "new.mp3").rename(rig.music / "Jazz" / "moved.mp3")
        daemon.wait_for_songs("Jazz/moved.mp3", *ROCK, *JAZZ)
        (rig.music / "Jazz" / "moved.mp3").unlink()
        daemon.wait_for_songs(*ROCK, *JAZZ)
        assert daemon.extracted() == 13
    assert rig.status()["state"] == "idle"


@pytest.mark.slow
def test_a_song_that_is_copied_slowly_is_taken_once_and_whole(rig: Rig) -> None:
    """Its size preallocated, its time set back at the end: it is extracted after it is complete, and once."""
    whole = tone(700, 30.0)
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        with (rig.music / "Rock" / "slow.mp3").open("wb") as file:
            file.truncate(len(whole))
            for start in range(0, len(whole), len(whole) // 8 + 1):
                file.write(whole[start : start + len(whole) // 8 + 1])
                file.flush()
                time.sleep(1.5)  # longer than it takes to settle: only that it is open tells
                assert "Rock/slow.mp3" not in daemon.songs()
        os.utime(rig.music / "Rock" / "slow.mp3", (1e9, 1e9))
        daemon.wait_for_songs("Rock/slow.mp3", *ROCK, *JAZZ)
        assert daemon.extracted() == 13


@pytest.mark.slow
def test_much_that_vanishes_waits_for_a_person(rig: Rig) -> None:
    """A whole genre that is gone stays in the dataset until that is accepted, and until then may come back."""
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        (rig.music / "Jazz").rename(rig.music.parent / "aside")
        status = daemon.wait_for_state("needs_confirmation")
        assert status["held_deletions"] == 6
        assert daemon.songs() == {*ROCK, *JAZZ}
        (rig.music.parent / "aside").rename(rig.music / "Jazz")
        daemon.wait_for_state("idle")
        shutil.rmtree(rig.music / "Jazz")
        daemon.wait_for_state("needs_confirmation")
    assert rig.status()["state"] == "needs_confirmation"  # also while no daemon runs
    with running(rig) as daemon:
        assert "6 deletions" in rig.run("accept-deletions")
        daemon.wait_for_songs(*ROCK)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["renamed away", "emptied", "exchanged"])
def test_a_root_that_is_not_there_deletes_nothing(rig: Rig, how: str) -> None:
    """The state says so, the dataset stays, and all goes on when the root is back."""
    aside = rig.music.parent / "aside"
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        rig.music.rename(aside)
        if how != "renamed away":
            rig.music.mkdir()
        if how == "exchanged":
            library(rig.music, {"Other": songs(3, first=60)})
        daemon.wait_for_state("root_offline")
        assert daemon.songs() == {*ROCK, *JAZZ}
        if rig.music.exists():
            shutil.rmtree(rig.music)
        aside.rename(rig.music)
        daemon.wait_for_state("idle")
        (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
        daemon.wait_for_songs("Rock/new.mp3", *ROCK, *JAZZ)
        assert daemon.extracted() == 13


@pytest.mark.slow
def test_requests_are_taken_and_answered(rig: Rig) -> None:
    """Pause, resume, rescan and publish talk to the daemon; a second one and a sync are refused, naming it."""
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        assert "Paused" in rig.run("pause", "--for", "1h")
        daemon.wait_for_state("paused")
        (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
        rig.run("rescan")
        assert rig.status()["state"] == "paused"
        assert "Rock/new.mp3" not in daemon.songs()
        rig.run("resume")
        rig.run("publish")
        daemon.wait_for_songs("Rock/new.mp3", *ROCK, *JAZZ)
        rig.run("run", expect=3)
        rig.run("sync", expect=3)
    rig.run("pause", expect=3)
    rig.run("rescan")


@pytest.mark.slow
def test_stopping_in_the_middle_costs_nothing(tmp_path: Path) -> None:
    """A daemon that is told to stop in a long extraction does so at once, and the next one goes on from there."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": {f"{n:02}.mp3": tone(100 + n, 30.0) for n in range(60)}})
    rig.environment["MELWATCH_WORKERS__PROCESSES"] = "1"
    with running(rig) as daemon:
        daemon.wait_for(lambda: rig.status()["progress"] is not None)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 6
    assert rig.status()["tracks"]["failed"] == 0
    done = rig.status()["tracks"]["ready"]
    with running(rig) as daemon:
        daemon.wait_for(lambda: len(daemon.songs()) == 60)
        assert daemon.extracted() <= 60 - done


@pytest.mark.slow
@pytest.mark.parametrize("signals", [1, 2])
def test_a_song_that_takes_too_long_is_cut_short_and_not_held_against_it(tmp_path: Path, signals: int) -> None:
    """A worker that does not come to an end is ended after four seconds, by a second signal at once."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": {f"{n:02}.mp3": tone(100 + n, 30.0) for n in range(60)}})
    rig.environment["MELWATCH_WORKERS__PROCESSES"] = "1"
    with running(rig) as daemon:
        daemon.wait_for(lambda: any((rig.state / "spool").iterdir()))
        workers = [child for child in daemon.children() if child.ppid() != daemon.process.pid]
        assert workers
        for worker in workers:
            worker.suspend()
        began_s = time.monotonic()
        for _ in range(signals):
            daemon.process.terminate()
            time.sleep(0.3)
        assert daemon.process.wait(10) == (0 if signals == 1 else 130)
        assert time.monotonic() - began_s < (5 if signals == 1 else 1)
        _, alive = psutil.wait_procs(workers, 5)
        assert not alive
    assert rig.status()["tracks"]["failed"] == 0
    with running(rig) as daemon:
        daemon.wait_for(lambda: len(daemon.songs()) == 60)
    assert rig.status()["tracks"]["failed"] == 0


@pytest.mark.slow
def test_sixty_songs_moved_about_are_extracted_once(rig: Rig) -> None:
    """A folder moved in, renamed, moved to another genre and moved out again: 60 extractions in all."""
    rig.environment["MELWATCH_DELETIONS__MAX_TRACKS"] = "1000"
    album = rig.music.parent / "album"
    library(album, {f"{n:02}.mp3": tone(300 + 7 * n) for n in range(60)})
    names = [f"{n:02}.mp3" for n in range(60)]
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        places = [rig.music / "Rock" / "Album", rig.music / "Rock" / "Renamed", rig.music / "Jazz" / "Renamed"]
        for source, target in zip([album, *places], places, strict=False):
            source.rename(target)
            daemon.wait_for_songs(*ROCK, *JAZZ, *(f"{target.relative_to(rig.music)}/{name}" for name in names))
        places[-1].rename(album)
        daemon.wait_for_songs(*ROCK, *JAZZ)
        assert daemon.extracted() == 12 + 60


@pytest.mark.slow
def test_an_idle_daemon_is_light(rig: Rig) -> None:
    """One process, no more than 80 MB, hardly any processor time, and nothing heavy imported."""
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        daemon.wait_for_state("idle")
        process = psutil.Process(daemon.process.pid)
        daemon.wait_for(lambda: not process.children())
        before, began_s = process.cpu_times(), time.monotonic()
        time.sleep(5)
        used_s = sum(process.cpu_times()[:2]) - sum(before[:2])
        assert used_s / (time.monotonic() - began_s) < 0.03
        assert process.memory_info().rss < 80_000_000
        mapped = {os.path.basename(part.path) for part in process.memory_maps()}
        assert not {name for name in mapped if name.startswith(("libtorch", "libarrow", "_multiarray_umath"))}


@pytest.mark.slow
def test_readers_never_see_half_a_version(rig: Rig) -> None:
    """While versions are published one after another, every reader opens one whole version."""
    reader = (
        "import sys, json, melwatch\n"
        "from datasets import load_from_disk\n"
        "seen = set()\n"
        "while True:\n"
        "    opened = melwatch.load(sys.argv[1])\n"
        "    splits = [set(part['paths']) for part in opened.values()]\n"
        "    assert sum(map(len, splits)) == len(set().union(*splits))\n"
        "    load_from_disk(sys.argv[1] + '/music_lib')\n"
        "    seen.add(melwatch.current_version(sys.argv[1]))\n"
        "    print(json.dumps(sorted(seen)), flush=True)\n"
    )
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        first = load_from_disk(str(rig.dataset / "music_lib"))["train"]
        rows = list(first[:]["paths"])
        watcher = subprocess.Popen(
            [sys.executable, "-c", reader, str(rig.dataset)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            for number in range(8):
                (rig.music / "Rock" / f"new {number}.mp3").write_bytes(tone(900 + number))
                daemon.wait_for(lambda number=number: f"Rock/new {number}.mp3" in daemon.songs())
                assert watcher.poll() is None, watcher.communicate()[1].decode()
        finally:
            watcher.terminate()
            told = watcher.communicate()[0].decode().splitlines()
        assert len(json.loads(told[-2])) > 4
        assert list(first[:]["paths"]) == rows


@pytest.mark.slow
def test_publishing_can_have_times_of_its_own(rig: Rig) -> None:
    """With `schedule.publish` set it is the clock that publishes, not quiet."""
    rig.environment["MELWATCH_SCHEDULE__PUBLISH"] = "2s"
    rig.environment["MELWATCH_SCHEDULE__QUIET_S"] = "3600"
    with running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)


QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


@contextmanager
def short_event_queue(length: int) -> Iterator[None]:
    """Have the kernel drop events once so many wait to be read."""
    usual = QUEUE.read_text()
    try:
        QUEUE.write_text(str(length))
    except OSError:
        pytest.skip("may not set the length of inotify's queue")
    try:
        yield
    finally:
        QUEUE.write_text(usual)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="shortens inotify's queue")
def test_twenty_thousand_files_at_once_are_all_accounted_for(rig: Rig) -> None:
    """However many events are lost, every file has a state afterwards, and the loss is told."""
    song, broken = tone(990, 0.3), b"no MP3 at all "
    with short_event_queue(64), running(rig) as daemon:
        daemon.wait_for_songs(*ROCK, *JAZZ)
        folders = [rig.music / "Rock" / f"{n:03}" for n in range(200)]
        for folder in folders:
            folder.mkdir()
        for n in range(20_000):
            content = song if n % 10 else broken + str(n).encode()
            (folders[n % 200] / f"{n:05}.mp3").write_bytes(content)
        daemon.wait_for(lambda: rig.status()["tracks"]["ready"] == 12 + 18_000, 400)
        daemon.wait_for(lambda: rig.status()["tracks"]["failed"] == 2_000, 300)
        daemon.wait_for_songs("Rock/001/00001.mp3", *ROCK, *JAZZ, timeout_s=300)
        status = rig.status()
        assert status["event_overflows"] >= 1
        assert status["tracks"]["pending"] == 0
        assert daemon.extracted() == 13


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
def test_a_root_that_is_unmounted_deletes_nothing(tmp_path: Path) -> None:
    """Without its disk the mount point is empty: the dataset stays, and all goes on when the disk is back."""
    rig = Rig.at(tmp_path)
    disk = library(tmp_path / "disk", {"Rock": songs(6), "Jazz": songs(6, first=20)})
    rig.music.mkdir()
    mount = ["mount", "--bind", str(disk), str(rig.music)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    try:
        with running(rig) as daemon:
            daemon.wait_for_songs(*ROCK, *JAZZ)
            subprocess.run(["umount", "--lazy", str(rig.music)], check=True)
            daemon.wait_for_state("root_offline")
            assert daemon.songs() == {*ROCK, *JAZZ}
            library(disk, {"Rock": {"new.mp3": tone(900)}})
            subprocess.run(mount, check=True)
            daemon.wait_for_songs("Rock/new.mp3", *ROCK, *JAZZ)
            daemon.wait_for_state("idle")
            assert daemon.extracted() == 13
    finally:
        subprocess.run(["umount", "--lazy", str(rig.music)], capture_output=True, check=False)
