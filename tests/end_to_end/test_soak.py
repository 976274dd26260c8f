"""A minute of the soak, with what anybody can repeat and with what nobody has tried."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="mounts, and reads /proc"),
]

SOAK = Path(__file__).resolve().parents[1] / "bench" / "soak.py"


@pytest.mark.parametrize("seed", [1, random.SystemRandom().randrange(10**6)], ids=["known", "new"])
def test_a_minute_of_everything_breaks_nothing(tmp_path: Path, seed: int) -> None:
    """Whatever is done to library, disks and processes, every invariant holds at each calm moment."""
    command = [sys.executable, str(SOAK), str(tmp_path / "soak"), "--quick", "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seed {seed}" in done.stdout
