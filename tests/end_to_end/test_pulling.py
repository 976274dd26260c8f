"""Copying a dataset that is published to and collected all the time, read all the time."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from datasets import DatasetDict, load_from_disk

import melwatch
from melwatch.dataset import layout, soundness
from melwatch.dataset.layout import DatasetFolder
from melwatch.dataset.storage import Storage
from melwatch.progress import Unwatched
from melwatch.pull import pull

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VERSIONS = 12
PUBLISH = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from editions import Press, songs
from melwatch.dataset.collect import Limits, find_garbage, remove_garbage
from melwatch.dataset.publish import publish

press = Press(place=Path(sys.argv[1]))
while not Path(sys.argv[1], "stop").exists():
    edition = press.edition(songs(200 + press.number % 5), recipe=f"recipe {press.number % 3}")
    publish(press.folder.path, edition)
    found = find_garbage(press.folder, Limits(keep_versions=1, keep_hours=0, now=datetime.now(UTC)), needed=())
    remove_garbage(press.folder, found)
    print(edition.number, flush=True)
"""


def test_a_copy_is_whole_at_any_moment(tmp_path: Path) -> None:
    """Each pull ends with a version of right bytes only, and a reader of the copy never meets another state."""
    place, copy = tmp_path / "press", tmp_path / "copy"
    place.mkdir()
    source, folder = DatasetFolder(place / "dataset"), DatasetFolder(copy, "")
    tests = next(path for path in sys.path if path.endswith("tests"))
    code = f"import sys; sys.path.insert(0, {tests!r})\n{PUBLISH}"
    over, faults, numbers, read = threading.Event(), [], [], []

    def reading() -> None:
        while not over.is_set():
            if not folder.current.exists():
                continue
            try:
                for opened in (melwatch.load(copy), load_from_disk(str(copy))):
                    assert isinstance(opened, DatasetDict)
                    read.append(sum(len(part[:]["labels"]) for part in opened.values()))
            except Exception as error:  # noqa: BLE001  whatever it is
                faults.append(repr(error))

    with subprocess.Popen([sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, text=True) as publisher:
        assert publisher.stdout is not None
        publisher.stdout.readline()
        drain = threading.Thread(target=publisher.stdout.read)
        reader = threading.Thread(target=reading)
        drain.start()
        reader.start()
        try:
            while len(set(numbers)) < VERSIONS:
                where = Storage.open(str(source.path))
                done = pull(where, copy, version=None, now=datetime.now(UTC), progress=Unwatched())
                numbers.append(done.number)
                assert not soundness.faults(folder, done.number)
                assert all(soundness.is_whole_shard(folder, path) for path in soundness.shards_of(folder, done.number))
        finally:
            over.set()
            (place / "stop").touch()
            reader.join()
            drain.join()

    assert publisher.returncode == 0
    assert not faults
    assert numbers == sorted(numbers)
    assert len(read) > 1
    assert set(read) <= {2 * number for number in range(200, 205)}
    assert layout.read_json(folder.current)["version"] == numbers[-1]
