"""Real songs, held against the reference, and hostile files beside good ones."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import numpy as np
import psutil
import pytest

from building import library, songs
from material import HOSTILE, MUSIC, needs_hostile, needs_music
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@needs_music
def test_every_row_equals_the_reference(tmp_path: Path) -> None:
    """Whole decode, mean to mono, soxr HQ, ASTFeatureExtractor: at most 2e-3 apart, 1e-5 in the mean."""
    import soundfile
    import soxr
    from datasets import load_from_disk
    from transformers import ASTFeatureExtractor

    rig = Rig.at(tmp_path, music=MUSIC)
    rig.sync()
    extractor = ASTFeatureExtractor()
    for part in load_from_disk(str(rig.dataset / "music_lib")).values():
        for start in range(0, len(part), 6):
            rows = part[start : start + 6]
            assert len(set(rows["paths"])) == 1
            samples, rate = soundfile.read(rows["paths"][0], dtype="float32", always_2d=True)
            mono = soxr.resample(samples.mean(1), rate, 16_000, quality="HQ")
            windows = [mono[k * (len(mono) // 6) :][:163_840] for k in range(6)]
            wanted = extractor(windows, sampling_rate=16_000, return_tensors="np")["input_values"]
            difference = np.abs(np.asarray(rows["input_values"]) - wanted)
            assert difference.max() <= 2e-3, rows["paths"][0]
            assert difference.mean() <= 1e-5, rows["paths"][0]


@needs_music
def test_sync_needs_neither_torch_nor_transformers(tmp_path: Path) -> None:
    """A pass succeeds where importing them fails."""
    library(tmp_path / "broken", {"torch": {"__init__.py": b"raise ImportError"}})
    library(tmp_path / "broken", {"transformers": {"__init__.py": b"raise ImportError"}})
    library(tmp_path / "music", {"Rock": songs(6)})
    rig = Rig(tmp_path / "music", tmp_path / "dataset", tmp_path / "state", {"PYTHONPATH": str(tmp_path / "broken")})
    assert subprocess.run([sys.executable, "-c", "import torch"], env=rig.environment, check=False).returncode
    rig.run("sync")


class Memory:
    """The most that each process below this one holds at a time, as seen every few milliseconds."""

    def __init__(self) -> None:
        self.peaks_mb: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    peak_mb = process.memory_info().rss / 1e6
                    self.peaks_mb[process.pid] = max(peak_mb, self.peaks_mb.get(process.pid, 0.0))


@needs_hostile
@needs_music
def test_hostile_files_cost_nobody_else(tmp_path: Path) -> None:
    """With all hostile files beside real music the pass ends well, each file has its verdict, each song its rows.

    What the songs alone give, they give among the hostile files, byte for byte; no process needs
    more memory than a worker may have.
    """
    plain = Rig.at(tmp_path / "plain", music=MUSIC)
    plain.sync()
    rig = Rig.at(tmp_path / "mixed")
    shutil.copytree(MUSIC, rig.music)
    library(rig.music, {"Good": songs(8)})
    shutil.copytree(HOSTILE, rig.music / "Hostile", ignore=shutil.ignore_patterns("*.py", "*.csv", "*.json"))
    subprocess.run([sys.executable, HOSTILE / "make_names.py", rig.music / "Names"], check=True)
    clip = HOSTILE / "crafted" / "five_seconds.mp3"
    subprocess.run([sys.executable, HOSTILE / "make_special.py", rig.music / "Special", clip], check=True)

    with Memory() as memory:
        status = rig.sync()
    assert max(memory.peaks_mb.values()) <= 1024, memory.peaks_mb
    print(f"peak memory of a process: {max(memory.peaks_mb.values()):.0f} MB")
    last = status["last_pass"]
    alone = plain.rows()
    assert len(alone) > 200
    among = rig.rows()
    assert {key: among[key] for key in alone} == alone
    assert last["found"] == sum(last["balance"].values())
    assert status["genres"]["Good"] == 8
    counts: Counter[str] = Counter()
    failed = {row["path"]: row["reason"] for row in json.loads(rig.run("failures", "--json")) if not row["in_dataset"]}
    with (HOSTILE / "manifest.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["path"].startswith(("crafted/names", "crafted_fs")):
                continue
            counts[row["expected"]] += 1
            reason = failed.get(f"Hostile/{row['path']}")
            if row["expected"] == "decodes":
                assert reason in {None, "too_short"}, row["path"]
            elif row["expected"] == "must be rejected":
                assert reason is not None, row["path"]
    print(f"verdicts: {dict(counts)}")
    assert not [path for path in failed if path.startswith("Names/")]
    assert counts["decodes"] > 50
    assert counts["must be rejected"] > 10
    assert rig.sync()["last_pass"]["extracted"] == 0
