"""Exports and the dataset itself, opened with other versions of `datasets`, each in an environment of its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import venv
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from datasets import Audio, load_from_disk

from editions import Press, songs
from melwatch.dataset.export import export
from melwatch.dataset.storage import Storage
from melwatch.progress import Unwatched
from melwatch.pull import pull

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOW = datetime(2024, 1, 1, tzinfo=UTC)

VERSIONS = {
    "2.14.7": ["pyarrow<17", "fsspec<=2023.10.0", "numpy<2", "huggingface_hub<0.24", "pandas<2.3", "dill<0.3.8"],
    "2.21.0": ["pyarrow<18", "numpy<2"],
    "3.6.0": [],
    "4.0.0": [],
    "4.8.0": [],
    "5.2.0": [],
}
"""With what was current at the time, where later versions do not fit."""

READER = """
import hashlib, json, sys
from datasets import Audio, load_from_disk

def digest(part):
    done = hashlib.sha256()
    for row in part.with_format(None):
        done.update(json.dumps(row).encode())
    return done.hexdigest()

found = {}
for folder in sys.argv[1:]:
    opened = load_from_disk(folder)
    if "audio" in opened["train"].features:
        opened = opened.cast_column("audio", Audio(decode=False))
    else:
        assert opened["train"][0]["input_values"].dtype == "float32"
    found[folder] = {
        split: [part.num_rows, digest(part), part.features["labels"].names] for split, part in opened.items()
    }
print(json.dumps(found))
"""


def digests(*folders: Path) -> dict[str, dict[str, list[Any]]]:
    """Return what `READER` would print in this environment."""
    found: dict[str, dict[str, list[Any]]] = {}
    for folder in folders:
        opened = load_from_disk(str(folder))
        if "audio" in opened["train"].features:
            opened = opened.cast_column("audio", Audio(decode=False))
        found[str(folder)] = {}
        for split, part in opened.items():
            digest = hashlib.sha256()
            for row in part.with_format(None):
                digest.update(json.dumps(row).encode())
            found[str(folder)][split] = [part.num_rows, digest.hexdigest(), part.features["labels"].names]
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Datasets with everything switched on and off, their versions, exports and copies, and the audio dataset."""
    place = tmp_path_factory.mktemp("folders")
    made = []
    for name, form in {
        "plain": {},
        "all": {"dtype": "float16", "columns": ("track_id", "window", "start_s"), "music_root": "/music"},
    }.items():
        press = Press(place=place / name)
        press.publish(songs(90), **form)
        press.publish(songs(96, ("Jazz", "Rock", "Söul")), **form)
        for number in (1, 2):
            for kind in ("export", "named export"):
                target = place / f"{name} {kind} {number}"
                export(press.folder, number, target, file_bytes=2_000, with_metadata=kind != "export")
                made.append(target)
            made.append(press.folder.version(number))
            copy = place / f"{name} copy"
            pull(Storage.open(str(press.folder.path)), copy, version=number, now=NOW, progress=Unwatched())
        made += [press.folder.library, copy, copy / "versions" / "000001"]
    return [*made, press.folder.audio.library]


@pytest.mark.parametrize("version", VERSIONS)
def test_other_versions_of_datasets_read_the_same_rows(version: str, folders: list[Path], tmp_path: Path) -> None:
    """Every row of every folder is what it is here, and numbers come as float32."""
    if version.startswith("2.") and sys.version_info >= (3, 13):
        pytest.skip(f"datasets {version} needs NumPy 1, which this Python has no build of")
    venv.create(tmp_path / "env", with_pip=True)
    python = next(path for path in tmp_path.glob("env/*/python*") if path.stem == "python")
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    probe = subprocess.run([*pip, "--no-deps", f"datasets=={version}"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"datasets {version} cannot be had without a network: {probe.stderr.strip().splitlines()[-1]}")
    subprocess.run([*pip, f"datasets=={version}", *VERSIONS[version]], check=True, timeout=600)

    done = subprocess.run(
        [str(python), "-c", READER, *map(str, folders)], capture_output=True, text=True, check=False, timeout=300
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == digests(*folders)
