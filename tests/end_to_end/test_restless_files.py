"""Files that change, grow, vanish and become something else between any two looks at them."""

from __future__ import annotations

import os
import random
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import pytest

from building import library, songs, tone
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders, and links only for some"),
]

STATES = [tone(3000 + 11 * number) for number in range(12)]
"""What a restless file may hold while it is a song; `songs` has none of it."""


class Restlessness:
    """Changes files at random, as fast as it can, for as long as the block lasts."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.choice = random.Random(seed)  # noqa: S311
        self.n_changes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            with suppress(OSError):
                self._change(self.folder / f"restless {self.choice.randrange(8)}.mp3")
                self.n_changes += 1

    def _change(self, file: Path) -> None:
        match self.choice.randrange(9):
            case 0 if file.is_file() or not os.path.lexists(file):  # to open a pipe would wait for a reader
                file.write_bytes(self.choice.choice(STATES))
            case 1:
                beside = file.with_suffix(".part")
                beside.write_bytes(self.choice.choice(STATES))
                beside.replace(file)
            case 2 if file.is_file():
                os.truncate(file, self.choice.randrange(5000))
            case 3 if file.is_file():
                with file.open("ab") as grown:
                    grown.write(self.choice.choice(STATES))
            case 4:
                file.unlink()
            case 5:
                file.unlink()
                os.mkfifo(file)
            case 6:
                file.unlink()
                file.symlink_to(self.choice.choice(("/dev/zero", "/proc/kmsg", str(file), "nowhere", "..")))
            case 7:
                file.unlink()
                file.mkdir()
            case 8 if file.is_dir() and not file.is_symlink():
                file.rmdir()


@pytest.mark.parametrize("seed", [1, 2])
def test_restless_files_end_in_what_they_hold(tmp_path: Path, seed: int) -> None:
    """Each pass ends, quiet songs stay as they are, and once all is still the dataset is that of what is there."""
    rig = Rig.at(tmp_path / "restless")
    library(rig.music, {"Rock": {**songs(7)}, "quiet": songs(6, first=20)})
    rig.sync()
    quiet = rig.rows()
    with Restlessness(rig.music / "Rock", seed) as restless:
        for _ in range(6):
            rig.run("sync", timeout=200)
            rows = rig.rows()
            assert {key: rows[key] for key in quiet} == quiet
    assert restless.n_changes > 300
    # What was a song and is now a link to nowhere would stay, as its disk may be away.
    for file in (rig.music / "Rock").iterdir():
        if not file.exists():
            file.unlink()
    rig.sync()

    fresh = Rig.at(tmp_path / "fresh", music=rig.music)
    fresh.sync()
    assert rig.rows() == fresh.rows()
    assert rig.status()["last_pass"]["balance"] == fresh.status()["last_pass"]["balance"]
