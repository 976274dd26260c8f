"""A daemon and a pass where nothing is as usual: no home, no working folder, nobody who listens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from building import library, songs, tone
from daemons import QUICK
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="ends the daemon with a signal"),
]

BARE = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "HF_HUB_OFFLINE": "1", "LC_ALL": "C"}


def shut(descriptor: int) -> None:
    """Close a standard stream in a child that is about to begin."""
    os.close(descriptor)


@pytest.mark.parametrize("streams", ["closed", "full"])
def test_neither_home_nor_streams_are_needed(tmp_path: Path, streams: str) -> None:
    """Started in `/` without HOME, its standard streams closed or on a full disk, the daemon works as ever."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(6)})
    out = open("/dev/full", "wb") if streams == "full" else None  # noqa: SIM115  the daemon's
    daemon = subprocess.Popen(
        rig.command("run"),
        cwd="/",
        env={**BARE, **QUICK},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        preexec_fn=(lambda: [shut(number) for number in (0, 1, 2)]) if streams == "closed" else None,  # noqa: PLW1509
    )
    try:
        _wait_for_rows(rig, daemon, 36)
        (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
        _wait_for_rows(rig, daemon, 42)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(15) == 0
    finally:
        daemon.kill()
        daemon.wait()
        if out is not None:
            out.close()


def test_a_working_folder_that_is_gone_does_not_matter(tmp_path: Path) -> None:
    """A pass that is started in a folder that has been deleted ends well, paths being absolute."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(6)})
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$0" && exec "$@"', str(gone), *rig.command("sync")]
    subprocess.run(command, cwd=gone, env={**BARE}, check=True, capture_output=True)
    assert len(rig.rows()) == 36


def _wait_for_rows(rig: Rig, daemon: subprocess.Popen[bytes], count: int) -> None:
    until_s = time.monotonic() + 90
    while not (rig.dataset / "music_lib" / "current.json").exists() or len(rig.rows()) != count:
        assert daemon.poll() is None
        assert time.monotonic() < until_s
        time.sleep(0.2)
