"""The notebook's method, which melwatch replaces: every song decoded whole, every time.

Walk the genre folders, split the songs 70 / 10 / 20 by genre, then for each batch of songs decode,
mix down, resample, cut six windows, extract, save the batch; in the end merge the batches into one
DatasetDict. Written as a careful notebook would do it: the faster decoder, arrays rather than
lists, batches on disk so that memory stays bounded, no chart. One process; or, with `--num-proc`,
`Dataset.map` with that many, as one writes it down, or, with `--tuned`, with everything that makes it
faster: types said beforehand, results written in small batches (and, set by whoever starts it, one
BLAS thread a process). The extractor is `ASTFeatureExtractor` as installed: without torchaudio
that is its numpy path.

    python tests/bench/notebook.py --music MUSIC --out FOLDER [--decoder soundfile] [--num-proc 2]

Like the notebook it raises where a split has fewer songs than there are genres; with
`--skip-split` it then leaves all songs in `train` and says so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from datasets import (
    Array2D,
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Value,
    concatenate_datasets,
    load_from_disk,
)
from datasets.utils import tqdm
from genres import songs_by_genre
from reference import (
    DECODE,
    FRAMES,
    MEL_BINS,
    WINDOWS,
    Decoder,
    cut_windows,
    extractor,
    spectrograms,
    to_16k,
    to_mono,
)

_SEED = 42
_BATCH_SONGS = 16


def list_songs(music: Path, out: Path) -> Dataset:
    """One row per song, path and label; `genres.json` beside the dataset."""
    genres = songs_by_genre(music)
    sizes = [len(songs) for songs in genres.values()]
    low, high = np.quantile(sizes, [0.25, 0.75])
    for genre, songs in genres.items():
        if not low <= len(songs) <= high:
            print(f"{genre}: {'under' if len(songs) < low else 'over'}-represented ({len(songs)})")
    names = json.dumps(list(genres), ensure_ascii=False)
    (out / "genres.json").write_text(names, encoding="utf-8")
    rows = [(str(path), label) for label, songs in enumerate(genres.values()) for path in songs]
    columns = {"paths": [path for path, _ in rows], "labels": [label for _, label in rows]}
    features = Features(paths=Value("string"), labels=ClassLabel(names=list(genres)))
    return Dataset.from_dict(columns, features=features)


def split_songs(songs: Dataset, *, skip: bool) -> DatasetDict:
    """Train, validate and test, stratified by genre; the same ones every time."""
    try:
        first = songs.train_test_split(test_size=0.3, stratify_by_column="labels", seed=_SEED)
        rest = first["test"].train_test_split(test_size=2 / 3, stratify_by_column="labels", seed=_SEED)
    except ValueError as error:
        if not skip:
            raise
        print(f"splitting skipped, all songs are in train: it raised {error}", flush=True)
        return DatasetDict(train=songs)
    return DatasetDict(train=first["train"], validate=rest["train"], test=rest["test"])


def extract_batch(batch: dict[str, list[Any]], decoder: str) -> dict[str, Any]:
    """Six rows for each song of the batch."""
    rows = np.empty((len(batch["paths"]) * WINDOWS, FRAMES, MEL_BINS), np.float32)
    for number, path in enumerate(batch["paths"]):
        samples, rate_hz = DECODE[Decoder(decoder)](Path(path))
        windows = cut_windows(to_16k(to_mono(samples), rate_hz))
        rows[number * WINDOWS : (number + 1) * WINDOWS] = spectrograms(windows)
    return {
        "input_values": rows,
        "labels": np.repeat(batch["labels"], WINDOWS),
        "paths": [path for path in batch["paths"] for _ in range(WINDOWS)],
    }


def row_features(songs: Dataset) -> Features:
    """Types of the finished dataset."""
    return Features(
        input_values=Array2D((FRAMES, MEL_BINS), "float32"),
        labels=songs.features["labels"],
        paths=Value("string"),
    )


def extract_in_batches(name: str, songs: Dataset, work: Path, decoder: str) -> Dataset:
    """One process: each batch becomes a small dataset on disk, so that memory stays bounded."""
    folders = []
    for start in tqdm(range(0, len(songs), _BATCH_SONGS), desc=name, file=sys.stderr):
        rows = extract_batch(songs[start : start + _BATCH_SONGS], decoder)
        folders.append(str(work / f"{name}-{start:05}"))
        batch = Dataset.from_dict(rows, features=row_features(songs))
        batch.save_to_disk(folders[-1])
    return concatenate_datasets([load_from_disk(folder) for folder in folders])


def extract_by_map(name: str, songs: Dataset, work: Path, decoder: str, processes: int, *, tuned: bool) -> Dataset:
    """Several processes: `Dataset.map` does the batches and keeps them in its cache files."""
    tuning = {"features": row_features(songs), "writer_batch_size": 4 * WINDOWS} if tuned else {}
    return songs.map(
        extract_batch,
        batched=True,
        batch_size=4,
        num_proc=processes,
        fn_kwargs={"decoder": decoder},
        cache_file_name=str(work / f"{name}.arrow"),
        desc=name,
        **tuning,
    )


def main() -> None:
    """Make the dataset from nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--decoder", choices=list(Decoder), default=Decoder.SOUNDFILE, type=Decoder)
    parser.add_argument("--num-proc", type=int, default=1)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--skip-split", action="store_true")
    args = parser.parse_args()

    begin = time.perf_counter()
    work = args.out / "batches"
    work.mkdir(parents=True)
    extractor()
    splits = split_songs(list_songs(args.music, args.out), skip=args.skip_split)
    made = DatasetDict()
    for name, songs in splits.items():
        if args.num_proc == 1:
            made[name] = extract_in_batches(name, songs, work, args.decoder.value)
        else:
            made[name] = extract_by_map(name, songs, work, args.decoder.value, args.num_proc, tuned=args.tuned)
    made.save_to_disk(str(args.out / "music_lib"))
    shutil.rmtree(work)
    songs = sum(split.num_rows for split in splits.values())
    print(f"{songs} songs, {songs / (time.perf_counter() - begin):.2f} a second")


if __name__ == "__main__":
    main()
