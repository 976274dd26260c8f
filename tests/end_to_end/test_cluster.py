"""A Dask cluster in place of the local pool: the real command, a real scheduler, workers that come and go."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from building import library, songs, tone
from clusters import dask_cluster, on
from daemons import running
from faulty import faulty_site, mark
from material import MUSIC
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

    from building import Tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform == "win32", reason="stops and ends processes by signals"),
]

OTHER_FRONT_END = "import melwatch.spectrogram.recipe as recipe; recipe.FRONT_END_REVISION = 99\n"
KILL_THE_CHILD = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
KILL_THE_WORKER = "import os, psutil; psutil.Process(os.getppid()).parent().kill()"


def long_songs(count: int) -> Tree:
    """Return songs that take a while, each with something in all of its windows."""
    return {f"{number:02}.mp3": tone(150 + 3 * number, seconds=70) for number in range(count)}


def wait_for_spooled(rig: Rig, count: int) -> None:
    """Wait until so many songs are made."""
    end_s = time.monotonic() + 60
    while len(list(rig.state.glob("spool/*"))) < count:
        assert time.monotonic() < end_s
        time.sleep(0.02)


def sees(music: Path, place: Path) -> dict[str, str]:
    """Return the variable of a worker that sees the music elsewhere."""
    return {"MELWATCH_WORKER_PATHS": json.dumps({str(music): str(place)})}


def begin(rig: Rig) -> subprocess.Popen[str]:
    """Start a pass; its words come together at the end."""
    environment = {**os.environ, **rig.environment}
    return subprocess.Popen(
        rig.command("sync"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def test_a_cluster_that_changes_gives_the_dataset_of_the_local_engine(tmp_path: Path) -> None:
    """One worker is killed, one stops answering for a while, one is added, one is of another front end."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(12) | long_songs(8), "Jazz": songs(14, 30)})
    if MUSIC.is_dir():
        shutil.copytree(MUSIC, rig.music, dirs_exist_ok=True)
    with dask_cluster(tmp_path / "dask") as dask:
        rig.environment.update(on(dask))
        first, second = dask.add("first", nanny=False), dask.add("second", nanny=False)
        dask.add("odd", preload=OTHER_FRONT_END)
        begun = begin(rig)
        wait_for_spooled(rig, 5)
        first.kill()
        second.suspend()
        made = len(list(rig.state.glob("spool/*")))
        dask.add("third")
        wait_for_spooled(rig, made + 3)  # which nobody but the third can have made
        second.resume()
        said, _ = begun.communicate(timeout=120)
        assert begun.returncode == 0, said
        odd = dask.process("odd")
    assert "99, the coordinator's" in said
    assert not list((tmp_path / "dask" / "odd").rglob("melwatch-*")), odd
    here = Rig(rig.music, tmp_path / "dataset here", tmp_path / "state here")
    here.sync()
    assert rig.current()["fingerprint"] == here.current()["fingerprint"]
    assert rig.rows_and_splits() == here.rows_and_splits()
    assert rig.sync()["last_pass"]["extracted"] == 0  # nothing is left to read, so that no cluster is asked for


def test_a_song_that_kills_its_child_is_left_out_alone(tmp_path: Path) -> None:
    """It is tried twice, the second time when all others are made, as with the local engine."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(12)})
    mark(rig.music / "Rock" / "03.mp3")
    with dask_cluster(tmp_path / "dask") as dask:
        rig.environment.update(on(dask))
        dask.add("first", environment=faulty_site(tmp_path / "site", KILL_THE_CHILD))
        status = rig.sync()
    assert (status["tracks"]["ready"], status["tracks"]["failed"]) == (11, 1)
    (failure,) = json.loads(rig.run("failures", "--json"))
    assert (failure["path"], failure["reason"]) == ("Rock/03.mp3", "crash")


def test_workers_that_are_lost_are_held_against_no_song(tmp_path: Path) -> None:
    """Whoever kills them: all others are made, and the one is tried again at the next pass, with workers that stay."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(12)})
    mark(rig.music / "Rock" / "03.mp3")
    faulty = faulty_site(tmp_path / "site", KILL_THE_WORKER)
    with dask_cluster(tmp_path / "dask") as dask:
        rig.environment.update(on(dask))
        dask.add("first", environment=faulty)
        dask.add("second", threads=2, environment=faulty)
        status = rig.sync()
        (failure,) = json.loads(rig.run("failures", "--json"))
        assert (failure["path"], failure["reason"]) == ("Rock/03.mp3", "worker_lost")
        assert status["tracks"]["ready"] == 11
    with dask_cluster(tmp_path / "dask again") as dask:
        rig.environment.update(on(dask))
        dask.add("first")
        assert rig.sync()["tracks"]["ready"] == 12
    assert json.loads(rig.run("failures", "--json")) == []


def test_a_scheduler_that_is_lost_costs_nothing_that_was_made(tmp_path: Path) -> None:
    """The pass ends and says so; the next one, on another cluster that sees the music elsewhere, makes the rest."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": long_songs(30)})
    with dask_cluster(tmp_path / "dask") as dask:
        rig.environment.update(on(dask))
        dask.add("first")
        begun = begin(rig)
        wait_for_spooled(rig, 3)
        dask.scheduler.send_signal(signal.SIGKILL)
        said, _ = begun.communicate(timeout=30)
        assert begun.returncode == 1, said
        assert f"The Dask scheduler {dask.address} was lost in the middle" in said
        assert "Traceback" not in said
    made = len(list(rig.state.glob("spool/*")))
    (tmp_path / "elsewhere").symlink_to(rig.music)
    (tmp_path / "not mounted").mkdir()
    with dask_cluster(tmp_path / "dask again") as dask:
        rig.environment.update(on(dask))
        dask.add("blind", environment=sees(rig.music, tmp_path / "not mounted"))
        dask.add("first", environment=sees(rig.music, tmp_path / "elsewhere"))
        begun = begin(rig)
        said, _ = begun.communicate(timeout=120)
        assert begun.returncode == 0, said
    assert f"it sees another music root at {tmp_path / 'not mounted'}: 0 of 16 songs are in place" in said
    status = rig.status()
    assert status["tracks"]["ready"] == 30
    assert made <= 30 - status["last_pass"]["extracted"] + 1


def test_the_daemon_stays_light(tmp_path: Path) -> None:
    """Its passes on a cluster are done in a process that ends: Dask is never in its own memory."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(6)})
    names = [f"Rock/{number:02}.mp3" for number in range(6)]
    with dask_cluster(tmp_path / "dask") as dask:
        rig.environment.update(on(dask))
        dask.add("first")
        with running(rig) as daemon:
            daemon.wait_for_songs(*names)
            (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
            daemon.wait_for_songs("Rock/new.mp3", *names)
            mapped = {part.path for part in psutil.Process(daemon.process.pid).memory_maps()}
            assert daemon.extracted() == 7
    assert any("/pydantic_core/" in path for path in mapped)
    assert not any("/tornado/" in path or "/msgpack/" in path for path in mapped)


def test_an_import_on_a_cluster_is_usable_while_it_runs(tmp_path: Path) -> None:
    """Its workers read all files before the first early version, and the last version is that of the local engine."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(45), "Jazz": songs(45, 60)})
    with dask_cluster(tmp_path / "dask") as dask:
        rig.environment.update(on(dask) | {"MELWATCH_SCHEDULE__MAX_WAIT_S": "1.5"})
        dask.add("only")
        rig.sync()
    here = Rig(rig.music, tmp_path / "dataset here", tmp_path / "state here")
    here.sync()
    assert rig.current()["version"] > here.current()["version"] == 1
    assert rig.current()["fingerprint"] == here.current()["fingerprint"]
