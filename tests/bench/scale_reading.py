"""Loading and random rows of a dataset after many small publishes, against the same rows saved at once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from melwatch.dataset import layout
from melwatch.dataset.arrow import checksum
from melwatch.dataset.collect import Limits, find_garbage, remove_garbage
from melwatch.dataset.layout import DatasetFolder
from melwatch.dataset.publish import publish
from melwatch.edition import DatasetTrack, Edition, Split
from melwatch.track import AudioId, RecipeId, RelPath, Sound, Tags

if TYPE_CHECKING:
    from pathlib import Path

SHAPE, WINDOWS, AT_FIRST = (256, 128), 6, 1500
_LATER = datetime(2030, 1, 1, tzinfo=UTC)
_SPLITS = [Split.TRAIN] * 7 + [Split.VALIDATE] + [Split.TEST] * 2

READ = """
import json, random, sys, time
from statistics import median
from datasets import load_from_disk
from melwatch.dataset.read import load
ours, fresh = sys.argv[1:]
if fresh == "save":
    load_from_disk(ours).save_to_disk(ours + "-fresh")
    sys.exit()
opened = {
    "melwatch": lambda: load_from_disk(ours),
    "melwatch.load": lambda: load(ours),
    "fresh": lambda: load_from_disk(fresh),
}
loads, rows = {name: [] for name in opened}, {name: [] for name in opened}
for _ in range(15):
    for name, open_it in opened.items():
        began_s = time.perf_counter()
        part = open_it()["train"]
        loads[name].append(time.perf_counter() - began_s)
        chosen = random.Random(1).sample(range(len(part)), 400)
        began_s = time.perf_counter()
        for row in chosen:
            part[row]["input_values"]
        rows[name].append((time.perf_counter() - began_s) / len(chosen))
print(json.dumps({name: [median(loads[name]), median(rows[name])] for name in opened}))
"""


def reading(place: Path, publishes: int) -> None:
    """Publish so often, one song more each time, then read."""
    folder = DatasetFolder(place / "dataset")
    if not folder.current.exists():
        _publish_all(folder, place, publishes)
    fresh = folder.library.with_name(folder.library.name + "-fresh")
    if not fresh.exists():
        subprocess.run([sys.executable, "-c", READ, str(folder.library), "save"], check=True, stderr=subprocess.DEVNULL)
    told = subprocess.run(
        [sys.executable, "-c", READ, str(folder.library), str(fresh)], check=True, capture_output=True, text=True
    ).stdout
    found = json.loads(told)
    current = layout.shards_of_version(folder, folder.version_numbers()[-1])
    print(f"{publishes} publishes of one song each after one of {AT_FIRST:,}: {len(current)} shards\n")
    print("| | files | load, ms | a random row, us |\n|---|--:|--:|--:|")
    files = {"melwatch": len(current), "melwatch.load": len(current), "fresh": len(list(fresh.glob("*/*.arrow")))}
    for name, (load_s, row_s) in found.items():
        print(f"| {name} | {files[name]} | {load_s * 1e3:.1f} | {row_s * 1e6:.0f} |")
    ratios = [ours / other for ours, other in zip(found["melwatch"], found["fresh"], strict=True)]
    print(f"\nmelwatch / fresh: load {ratios[0]:.2f}, rows {ratios[1]:.2f}")


def _publish_all(folder: DatasetFolder, place: Path, publishes: int) -> None:
    (place / "spool").mkdir(parents=True, exist_ok=True)
    tracks = [_song(place, number) for number in range(AT_FIRST)]
    written = 0
    for number in range(1, publishes + 2):
        if number > 1:
            tracks.append(_song(place, len(tracks)))
        on_disk = [f"{split}/{file.name}" for split in Split for file in (folder.library / split).glob("*.arrow")]
        edition = Edition(
            dataset_id="dataset", number=number, recipe=RecipeId("recipe"), recipe_json="{}", shape=SHAPE,
            class_names=("Rock",), tracks=tuple(tracks), ledger={track.audio_id: track.split for track in tracks},
            sound_shards=frozenset(on_disk), pending=0, published_at=f"2024-01-01T00:00:{number % 60:02}+00:00",
        )  # fmt: skip
        bytes_written = publish(folder.path, edition).bytes_written
        written += bytes_written if number > 1 else 0
        if number % 50 == 0:
            limits = Limits(keep_versions=3, keep_hours=0, now=_LATER)
            remove_garbage(folder, find_garbage(folder, limits, needed=()))
    row_bytes = publishes * WINDOWS * SHAPE[0] * SHAPE[1] * 4
    print(f"Written by these publishes: {written / 1e6:.0f} MB, {written / max(row_bytes, 1):.1f} times the new rows\n")
    shutil.rmtree(place / "spool")


def _song(place: Path, number: int) -> DatasetTrack:
    numbers = np.random.default_rng(number).standard_normal((WINDOWS, *SHAPE), np.float32)
    source = place / "spool" / str(number)
    source.write_bytes(numbers.tobytes())
    return DatasetTrack(
        ordinal=number, path=RelPath(b"Rock/%d.mp3" % number), shown_path=f"Rock/{number}.mp3", genre="Rock", label=0,
        split=_SPLITS[number % 10], tags=Tags(), sound=Sound(duration_s=20.0, promised_s=20.0, method="slices"),
        audio_id=AudioId(f"{number:032x}"), windows=WINDOWS, checksum=checksum(numbers.tobytes()),
        source=str(source), shard=None, first_row=None,
    )  # fmt: skip
