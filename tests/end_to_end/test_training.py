"""The training program of docs/training.md, as it is printed there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from building import library, tone
from running import Rig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not PAGE.exists(), reason="needs the docs of a checkout"),
]


def genre(lowest_hz: float) -> dict[str, bytes]:
    """Return songs of one register."""
    return {f"{number:02}.mp3": tone(lowest_hz * 1.01**number, 3.0) for number in range(10)}


def wait_for(words: str, file: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until a program has printed something; return all that it has printed."""
    until_s = time.monotonic() + 120
    while words not in file.read_text(encoding="utf-8"):
        assert process.poll() is None, file.read_text(encoding="utf-8")
        assert time.monotonic() < until_s, file.read_text(encoding="utf-8")
        time.sleep(0.1)
    return file.read_text(encoding="utf-8")


def test_it_learns_follows_a_new_version_and_goes_on(tmp_path: Path) -> None:
    """It tells high genres from low ones, and a third one once that is there, then ends."""
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    rig = Rig.at(tmp_path)
    library(rig.music, {"Low": genre(150), "High": genre(3000)})
    rig.sync()
    out = tmp_path / "out.txt"
    command = [sys.executable, str(tmp_path / "train.py"), str(rig.dataset), "30"]
    with out.open("wb") as to, subprocess.Popen(command, stdout=to, stderr=to, env=dict(os.environ)) as process:
        wait_for("version 1:", out, process)
        library(rig.music, {"Middle": genre(800)})
        rig.sync()
        said = wait_for("version 2:", out, process)
        assert process.wait(60) == 0
    found = re.findall(r"version (\d): (\d) classes, test accuracy (\d\.\d+)", said)
    assert [(version, classes) for version, classes, _ in found] == [("1", "2"), ("2", "3")]
    assert all(float(accuracy) > 0.8 for *_, accuracy in found), said
