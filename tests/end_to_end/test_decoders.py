"""Decoders that crash, hang or swallow memory over one song: what that costs the others, through the real command."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from building import library, songs
from faulty import faulty_site, mark
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FAULTS = {
    "crash": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "timeout": "import time; time.sleep(3600)",
    "memory": "bytearray(1 << 40)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="ends a process by signals")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_decoder_that_fails_costs_one_song(tmp_path: Path, fault: str) -> None:
    """The song is tried twice, recorded with its reason, and left alone; all others are in the dataset."""
    rig = Rig.at(tmp_path)
    rig.environment.update(faulty_site(tmp_path / "site", FAULTS[fault]))
    rig.environment.update({"MELWATCH_WORKERS__TIMEOUT_S": "2", "MELWATCH_WORKERS__PROCESSES": "2"})
    tree = songs(8)
    library(rig.music, {"Rock": tree})
    mark(rig.music / "Rock" / "03.mp3")

    status = rig.sync()

    assert (status["tracks"]["ready"], status["tracks"]["failed"]) == (7, 1)
    assert len(rig.rows()) == 7 * 6
    (failure,) = json.loads(rig.run("failures", "--json"))
    assert failure["path"] == "Rock/03.mp3"
    assert failure["reason"] == ("crash" if fault == "killed" else fault)
    assert rig.sync()["last_pass"]["failed"] == 0
