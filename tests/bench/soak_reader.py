"""A training program as a soak sees it: opens the dataset over and over, and checks all that it finds.

    python tests/bench/soak_reader.py DATASET load|load_from_disk REFERENCE EXCUSE OUT

REFERENCE says what numbers each song should give. While the file EXCUSE is there the dataset may be
damaged or out of reach, since the soak has seen to that itself.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from datasets import DatasetDict

ROWS_PER_SONG = 6
PAUSE_S = 1.0


class Shown(NamedTuple):
    """What a dataset shows of one path."""

    split: str
    genre: str
    digest: str


class WrongError(Exception):
    """What a reader must not find."""


def digest_of(windows: np.ndarray) -> str:
    """Return a digest of the spectrograms of one song, (6, n_frames, mel_bins) float32."""
    return hashlib.sha256(np.ascontiguousarray(windows, np.float32).tobytes()).hexdigest()[:32]


def shown_in(opened: DatasetDict) -> dict[str, list[Shown]]:
    """Read every row of an opened dataset; return what it shows of each path."""
    found: dict[str, list[Shown]] = {}
    for split, part in opened.items():
        if not len(part):
            continue
        rows = part.with_format("numpy")[:]
        names = part.features["labels"].names
        paths, numbers, labels = (
            [str(path) for path in part[:]["paths"]],
            np.asarray(rows["input_values"]),
            list(rows["labels"]),
        )
        first = 0
        while first < len(paths):
            end = first + 1
            while end < len(paths) and end - first < ROWS_PER_SONG and paths[end] == paths[first]:
                end += 1
            if end - first != ROWS_PER_SONG:
                raise WrongError(f"{paths[first]!r} has {end - first} rows")
            if len(set(labels[first:end])) > 1:
                raise WrongError(f"{paths[first]!r} has several labels")
            genre = names[int(labels[first])]
            found.setdefault(paths[first], []).append(Shown(split, genre, digest_of(numbers[first:end])))
            first = end
    return found


def songs_of(dataset: Path, version: int) -> dict[str, str]:
    """Return the song at each path of a version, by its own table."""
    import pyarrow.parquet as pq

    table = pq.read_table(dataset / "music_lib" / "versions" / f"{version:06}" / "tracks.parquet")
    return dict(zip(table["path"].to_pylist(), table["audio_id"].to_pylist(), strict=True))


def look_at_version(dataset: Path, reference: dict[str, str]) -> dict[str, Any] | None:
    """Load the current version and hold it against the reference; None where it changed meanwhile."""
    import melwatch

    before = melwatch.current_version(dataset)
    opened = melwatch.load(dataset)
    names = list(opened["train"].features["labels"].names)
    shown = shown_in(opened)
    if any(len(places) > 1 for places in shown.values()):
        raise WrongError(f"a path is shown twice in version {before}")
    if melwatch.current_version(dataset) != before:
        return None
    songs = songs_of(dataset, before)
    if songs.keys() != shown.keys():
        raise WrongError(f"version {before} shows other paths than its table: {sorted(songs.keys() ^ shown.keys())}")
    splits: dict[str, str] = {}
    for path, (place,) in shown.items():
        if place.digest != reference[songs[path]]:
            raise WrongError(f"{path!r} has the numbers of another song in version {before}")
        if splits.setdefault(songs[path], place.split) != place.split:
            raise WrongError(f"the song {songs[path]} is in two splits of version {before}")
    return {"version": before, "names": names, "splits": splits}


def look_at_plain(dataset: Path, reference: dict[str, str]) -> None:
    """Open what `load_from_disk` opens, perhaps in the middle of a publish; every song must be one there is."""
    from datasets import load_from_disk

    known = set(reference.values())
    for path, places in shown_in(load_from_disk(str(dataset / "music_lib"))).items():
        if any(place.digest not in known for place in places):
            raise WrongError(f"{path!r} has numbers of no song")


def main() -> None:
    """Read until killed."""
    dataset, mode, reference_file, excuse, out = sys.argv[1:]
    reference = json.loads(Path(reference_file).read_text(encoding="utf-8"))
    last = 0
    with Path(out).open("a", encoding="utf-8") as told:
        while True:
            is_excused = Path(excuse).exists()
            found = None
            try:
                if mode == "load":
                    found = look_at_version(Path(dataset), reference)
                else:
                    look_at_plain(Path(dataset), reference)
            except Exception as error:
                if not (is_excused or Path(excuse).exists()):
                    print(json.dumps({"broken": f"{mode}: {error!r}"}), file=told, flush=True)
                    raise
            if found is not None and found["version"] != last:
                last = found["version"]
                print(json.dumps(found), file=told, flush=True)
            with Path(out).with_suffix(".count").open("ab") as count:
                count.write(b".")
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
