"""Decoders that crash, hang or swallow memory over one song: what that costs the others, through the real command."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from building import library, songs
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FAULTY = """
import importlib.abc, importlib.machinery, sys

class Finder(importlib.abc.MetaPathFinder):
    '''Puts a fault into the extraction of songs that hold a mark, as soon as that is imported.'''

    def find_spec(self, name, path, target=None):
        if name != "melwatch.spectrogram.extract":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            extract = module.extract

            def faulty(source, recipe):
                if b"FAULT" in source.read_at(0, source.length):
                    FAULT
                return extract(source, recipe)

            module.extract = faulty

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""

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
    site = library(tmp_path / "site", {"sitecustomize.py": FAULTY.replace("FAULT\n", FAULTS[fault] + "\n").encode()})
    rig = Rig.at(tmp_path)
    rig.environment["PYTHONPATH"] = os.pathsep.join((str(site), os.environ.get("PYTHONPATH", "")))
    rig.environment.update({"MELWATCH_WORKERS__TIMEOUT_S": "2", "MELWATCH_WORKERS__PROCESSES": "2"})
    tree = songs(8)
    library(rig.music, {"Rock": tree})
    bad = rig.music / "Rock" / "03.mp3"
    bad.write_bytes(bad.read_bytes() + b"FAULT" * 100)

    status = rig.sync()

    assert (status["tracks"]["ready"], status["tracks"]["failed"]) == (7, 1)
    assert len(rig.rows()) == 7 * 6
    (failure,) = json.loads(rig.run("failures", "--json"))
    assert failure["path"] == "Rock/03.mp3"
    assert failure["reason"] == ("crash" if fault == "killed" else fault)
    assert rig.sync()["last_pass"]["failed"] == 0
