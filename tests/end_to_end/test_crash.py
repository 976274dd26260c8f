"""A first pass that is killed again and again ends like one that was left alone."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from building import library, tone
from running import Rig, files_below

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = 20


def recorded(rig: Rig) -> set[str]:
    """Return the songs that the manifest holds to be done."""
    file = rig.state / "manifest.sqlite3"
    if not file.exists():
        return set()
    with closing(sqlite3.connect(file)) as db:
        try:
            return {row[0] for row in db.execute("SELECT audio_id FROM spectrogram")}
        except sqlite3.OperationalError:
            return set()


def test_killed_twenty_times_ends_as_uninterrupted(tmp_path: Path) -> None:
    """Fingerprint and rows are those of an uninterrupted pass, nothing recorded is lost, and nothing is left over."""
    library(
        tmp_path / "music",
        {f"Genre {g}": {f"{n:02}.mp3": tone(100 + 40 * g + n, 20.0) for n in range(12)} for g in range(3)},
    )
    calm = Rig.at(tmp_path / "calm", music=tmp_path / "music")
    started = time.monotonic()
    calm.sync()
    whole_pass_s = time.monotonic() - started

    seed = random.randrange(1 << 32)  # noqa: S311  no secret
    print(f"seed {seed}")
    chance = random.Random(seed)  # noqa: S311  no secret
    rig = Rig.at(tmp_path / "killed", music=tmp_path / "music")
    for _ in range(KILLS):
        before = recorded(rig)
        process = subprocess.Popen(
            rig.command("sync"), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(chance.uniform(0, whole_pass_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert before <= recorded(rig)

    status = rig.sync()
    assert status["tracks"]["ready"] == 36
    assert rig.current()["fingerprint"] == calm.current()["fingerprint"]
    assert rig.rows() == calm.rows()

    rig.run("gc")
    kept = {name for name in files_below(rig.dataset / "music_lib") if not name.startswith("versions")}
    assert kept == {name for name in files_below(calm.dataset / "music_lib") if not name.startswith("versions")}
    assert not any(rig.state.joinpath("spool").iterdir())
