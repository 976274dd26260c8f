"""What Hugging Face's documentation has one do: load the folder, map the extractor over it, save.

`load_dataset("audiofolder")` finds songs and genres, `.map(num_proc=2)` decodes each song whole and
extracts six rows of it. Types are said beforehand and results written in small batches, which is the
faster way; songs are decoded by soundfile, as elsewhere here. Nothing is divided into splits.

    python tests/bench/audiofolder.py --music MUSIC --out FOLDER [--num-proc 2]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Array2D, Audio, ClassLabel, Features, Value, load_dataset
from genres import songs_by_genre
from reference import DECODE, FRAMES, MEL_BINS, WINDOWS, Decoder, cut_windows, spectrograms, to_16k, to_mono

if TYPE_CHECKING:
    from datasets import Dataset


def extract_batch(batch: dict[str, list[Any]], music: str, genres: list[str]) -> dict[str, Any]:
    """Six rows for each song of the batch."""
    paths = [song["path"] for song in batch["audio"]]
    rows = np.empty((len(paths) * WINDOWS, FRAMES, MEL_BINS), np.float32)
    for number, path in enumerate(paths):
        samples, rate_hz = DECODE[Decoder.SOUNDFILE](Path(path))
        rows[number * WINDOWS : (number + 1) * WINDOWS] = spectrograms(cut_windows(to_16k(to_mono(samples), rate_hz)))
    return {
        "input_values": rows,
        "labels": np.repeat([genres.index(Path(path).relative_to(music).parts[0]) for path in paths], WINDOWS),
        "paths": [path for path in paths for _ in range(WINDOWS)],
    }


def extract(songs: Dataset, music: Path, processes: int) -> Dataset:
    """Map the extractor over all songs; labels by top-level folder, since the loader takes an album for a genre."""
    genres = list(songs_by_genre(music))
    features = Features(
        input_values=Array2D((FRAMES, MEL_BINS), "float32"), labels=ClassLabel(names=genres), paths=Value("string")
    )
    return songs.map(
        extract_batch,
        batched=True,
        batch_size=4,
        writer_batch_size=4 * WINDOWS,
        num_proc=processes,
        remove_columns=songs.column_names,
        features=features,
        fn_kwargs={"music": str(music), "genres": genres},
    )


def _do_without_torchcodec() -> None:
    """Let datasets believe in torchcodec, which it asks for before it notes the path of a song, and never uses here."""
    if util.find_spec("torchcodec") is None:
        encoders = ModuleType("torchcodec.encoders")
        encoders.AudioEncoder = object  # type: ignore[attr-defined]
        sys.modules |= {"torchcodec": ModuleType("torchcodec"), "torchcodec.encoders": encoders}


def main() -> None:
    """Make the dataset from nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--num-proc", type=int, default=os.cpu_count())
    args = parser.parse_args()

    _do_without_torchcodec()
    begin = time.perf_counter()
    found = load_dataset("audiofolder", data_dir=str(args.music), split="train", cache_dir=str(args.out / "cache"))
    songs = found.cast_column("audio", Audio(decode=False))
    extract(songs, args.music, args.num_proc).save_to_disk(str(args.out / "music_lib"))
    print(f"{len(songs)} songs, {len(songs) / (time.perf_counter() - begin):.2f} a second")


if __name__ == "__main__":
    main()
