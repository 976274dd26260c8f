"""Exports to a bucket and copies from one, by the real command, a real driver and a server that speaks S3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from datasets import DatasetDict, load_from_disk

import melwatch
from buckets import Buckets, install, serving
from editions import Press, songs
from melwatch.dataset import soundness
from melwatch.dataset.layout import DatasetFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MAKE = "import s3fs, sys; s3fs.S3FileSystem().mkdir(sys.argv[1])"
PUT = "import s3fs, sys; s3fs.S3FileSystem().put(sys.argv[1], sys.argv[2], recursive=True)"
LIST = """
import json, s3fs, sys
found = s3fs.S3FileSystem().find(sys.argv[1], detail=True)
print(json.dumps({name.split("/", 2)[2]: [facts["size"], str(facts["LastModified"])] for name, facts in found.items()}))
"""
READ = """
import json, sys
from datasets import load_from_disk
import hashlib
found = {}
options = {"endpoint_url": sys.argv[2]} if sys.argv[2:] else None
for split, part in load_from_disk(sys.argv[1], storage_options=options).items():
    digest, others = hashlib.sha256(), []
    for row in part:
        digest.update(row["input_values"].tobytes())
        others.append([int(row["labels"]), str(row["paths"])])
    found[split] = [digest.hexdigest(), others, part.features["labels"].names]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    """The server, with one bucket."""
    packages = tmp_path_factory.mktemp("packages")
    install(packages)
    with serving(packages) as server:
        server.python(MAKE, "bucket")
        yield server


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Press:
    """Two versions of spectrograms in their real size; train is larger than what goes into one part of an upload."""
    press = Press(place=tmp_path_factory.mktemp("press"))
    press.publish(songs(150), shape=(1024, 128))
    press.publish(songs(153), shape=(1024, 128))
    return press


@pytest.fixture(autouse=True)
def opened_gate(buckets: Buckets) -> Iterator[None]:
    """Have no test begin with what another one has closed."""
    yield
    buckets.gate("open", -1)


def places(press: Press) -> list[str]:
    return [
        "--music",
        str(press.place / "music"),
        "--dataset",
        str(press.folder.path),
        "--state",
        str(press.place / "state"),
    ]


def run(buckets: Buckets, press: Press, *arguments: str, expect: int = 0, **environment: str) -> str:
    """Run a command; return all that it says."""
    command = [sys.executable, "-m", "melwatch_service", *arguments, *places(press)]
    done = subprocess.run(
        command, env=buckets.environment | environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def listed(buckets: Buckets, place: str) -> dict[str, list[Any]]:
    """Return size and time of each object, by its name below the first folder of the bucket."""
    found: dict[str, list[Any]] = json.loads(buckets.python(LIST, place))
    return found


def test_an_export_opens_from_a_bucket_and_goes_on_after_breaks(buckets: Buckets, press: Press) -> None:
    """Killed and refused midway, it sends only the rest; `load_from_disk` then gives the same numbers, bit for bit."""
    where = ["export", "1", "s3://bucket/music", "--storage-option", f"endpoint_url={buckets.url}"]
    command = [sys.executable, "-m", "melwatch_service", *where, *places(press)]
    buckets.gate("hold", 3)  # the mark, the beginning of a large file, its first part
    with subprocess.Popen(command, env=buckets.environment) as export:
        buckets.gate("await", 40)
        export.kill()
    assert set(listed(buckets, "bucket/music")) == {".melwatch-export.json"}
    buckets.gate("refuse", 5)  # the large file in parts, and the beginning of the next
    assert "refuses access" in run(buckets, press, *where, expect=2)
    half = listed(buckets, "bucket/music")
    assert half.keys() == {".melwatch-export.json", "train/data-00000-of-00001.arrow"}
    with pytest.raises(AssertionError, match="FileNotFoundError"):
        buckets.python(READ, "s3://bucket/music", buckets.url)
    buckets.gate("open", -1)

    said = run(buckets, press, *where)

    whole = listed(buckets, "bucket/music")
    assert "Wrote version 1" in said
    assert {name: whole[name] for name in half} == half
    assert "already" in run(buckets, press, *where)
    assert "another export" in run(buckets, press, "export", "2", *where[2:], expect=2)
    assert listed(buckets, "bucket/music") == whole
    version = melwatch.load(press.folder.path, version=1)
    run(buckets, press, "export", "1", str(press.place / "copy"))
    found = buckets.python(READ, "s3://bucket/music", buckets.url)
    assert found == buckets.python(READ, str(press.place / "copy"))
    copy = load_from_disk(str(press.place / "copy"))
    assert isinstance(copy, DatasetDict)
    for split, part in version.items():
        assert np.array_equal(part[:]["input_values"], copy[split][:]["input_values"])
        assert not set(part["paths"]) & set(copy[split]["paths"])


def test_what_is_wrong_is_told_with_its_code(buckets: Buckets, press: Press) -> None:
    """No such bucket and no credentials are wrong uses; a server that is not there may come back."""
    said = run(buckets, press, "export", "1", "s3://nosuch/music", expect=2)
    assert "s3://nosuch/music" in said
    assert "bucket has to be made first" in said
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    assert "refuses access" in run(buckets, press, "export", "1", "s3://bucket/no", expect=2, **nobody)
    nowhere = 'config_kwargs={"connect_timeout": 1, "retries": {"max_attempts": 0}}'
    options = ["--storage-option", "endpoint_url=http://127.0.0.1:9", "--storage-option", nowhere]
    assert "Run the same command again" in run(buckets, press, "export", "1", "s3://bucket/no", *options, expect=1)


def test_a_dataset_in_a_bucket_can_be_copied(buckets: Buckets, press: Press, tmp_path: Path) -> None:
    """Version after version with what is missing, every byte as it was written."""
    buckets.python(PUT, f"{press.folder.path}{os.sep}", "bucket/source")
    first = run(buckets, press, "pull", "s3://bucket/source", str(tmp_path / "copy"), "--version", "1")
    second = run(buckets, press, "pull", "s3://bucket/source", str(tmp_path / "copy"))
    assert "Version 1 is in" in first
    assert "Version 2 is in" in second
    assert second != first
    copy = DatasetFolder(tmp_path / "copy", "")
    assert not soundness.faults(copy, 2)
    assert all(soundness.is_whole_shard(copy, path) for path in soundness.shards_of(copy, 2))
    expected = melwatch.load(press.folder.path)
    for opened in (melwatch.load(tmp_path / "copy"), load_from_disk(str(tmp_path / "copy"))):
        for split, part in expected.items():
            assert list(opened[split]["paths"]) == list(part["paths"])
            assert np.array_equal(opened[split][:]["input_values"], part[:]["input_values"])
