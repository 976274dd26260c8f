"""Whether a dataset holds the right numbers: against the reference, or against another dataset.

    python tests/bench/parity.py reference DATASET [--music MUSIC]
    python tests/bench/parity.py equal ONE OTHER

`reference` recomputes every song as the notebook would (see reference.py) and exits with 1 above
2e-3 at most or 1e-5 in the mean. `equal` compares row by row, joined on path and window, whatever
split a song is in and whatever number its genre has; paths count relative to `--one-music` and
`--other-music` where given. DATASET is melwatch's folder, its `music_lib` or any `DatasetDict`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import load_from_disk
from datasets.utils import tqdm
from genres import songs_by_genre
from reference import WINDOWS, Decoder, reference_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

MAX_DIFFERENCE = 2e-3
MEAN_DIFFERENCE = 1e-5
_START_FRAMES = 16
"""Spectrogram frames that four MPEG frames reach into, whatever the sample rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """Where one song's rows are."""

    split: Any
    rows: tuple[int, ...]
    """In window order."""
    genre: str

    def values(self) -> npt.NDArray[np.float32]:
        """(rows, 1024, 128) float32."""
        return np.stack([self.split[row]["input_values"] for row in self.rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far one song's rows are from the reference."""

    path: str
    max: float
    max_after_start: float
    """Without the first frames, where decoders may differ: a cut song lacks what they refer to."""
    mean: float
    decoder: Decoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """All songs against the reference."""

    differences: tuple[Difference, ...]

    @property
    def worst(self) -> Difference:
        """The song with the largest single difference."""
        return max(self.differences, key=lambda song: song.max)

    @property
    def mean(self) -> float:
        """Mean over all songs, all of which have equally many values."""
        return float(np.mean([song.mean for song in self.differences]))

    @property
    def holds(self) -> bool:
        """Whether both limits are kept."""
        return self.worst.max <= MAX_DIFFERENCE and self.mean <= MEAN_DIFFERENCE

    def __str__(self) -> str:
        by_av = [song for song in self.differences if song.decoder is Decoder.AV]
        songs = len(self.differences)
        lines = [
            f"{songs} songs, {songs * WINDOWS} rows: max {self.worst.max:.2e}, mean {self.mean:.2e}",
            f"worst: {self.worst.path} (mean {self.worst.mean:.2e}, by {self.worst.decoder})",
        ]
        if by_av:
            worst = max(song.max for song in by_av)
            later = max(song.max_after_start for song in by_av)
            lines.append(
                f"{len(by_av)} of them where soundfile comes up short: max {worst:.2e},"
                f" after the first {_START_FRAMES} frames of the song {later:.2e}"
            )
        return "\n".join(lines)


def check_reference(dataset: Path, *, music: Path | None = None) -> Parity:
    """Every row against the reference; `music` is needed where paths are not plain absolute ones."""
    files = {} if music is None else _files_by_name(music)
    differences = []
    for name, song in tqdm(sorted(songs_of(dataset).items()), desc="parity", file=sys.stderr):
        if len(song.rows) != WINDOWS:
            message = f"{name} has {len(song.rows)} rows"
            raise ValueError(message)
        expected, decoder = reference_rows(files.get(name, Path(name)))
        away = np.abs(song.values() - expected)
        differences.append(
            Difference(
                path=name,
                max=float(np.nan_to_num(away, nan=np.inf).max()),
                max_after_start=_max_after_start(away),
                mean=float(away.mean(dtype=np.float64)),
                decoder=decoder,
            )
        )
    return Parity(differences=tuple(differences))


def equal_datasets(
    one: Path,
    other: Path,
    *,
    one_music: Path | None = None,
    other_music: Path | None = None,
) -> list[str]:
    """What differs, a line each; empty when they are equal up to splits and class ids."""
    left = _relative(songs_of(one), one_music)
    right = _relative(songs_of(other), other_music)
    problems = [f"{path}: only in {one}" for path in sorted(left.keys() - right.keys())]
    problems += [f"{path}: only in {other}" for path in sorted(right.keys() - left.keys())]
    for path in sorted(left.keys() & right.keys()):
        here, there = left[path], right[path]
        if here.genre != there.genre:
            problems.append(f"{path}: genre {here.genre} and {there.genre}")
        if not np.array_equal(here.values(), there.values()):
            problems.append(f"{path}: other values")
    return problems


def songs_of(dataset: Path) -> dict[str, Song]:
    """Every song of a dataset by its path; raises where one is in two splits."""
    folder = dataset / "music_lib"
    splits = load_from_disk(os.fspath(folder if folder.is_dir() else dataset))
    songs: dict[str, Song] = {}
    for split in splits.with_format("numpy").values():
        rows: dict[str, list[int]] = defaultdict(list)
        for row, path in enumerate(split["paths"]):
            rows[str(path)].append(row)
        labels, names = split["labels"][:], split.features["labels"].names
        for path, own in rows.items():
            if path in songs:
                message = f"{path} is in two splits"
                raise ValueError(message)
            songs[path] = Song(split=split, rows=tuple(own), genre=names[labels[own[0]]])
    return songs


def _max_after_start(away: npt.NDArray[np.float32]) -> float:
    first, others = away[0, _START_FRAMES:], away[1:]
    return float(np.nan_to_num(max(first.max(), others.max()), nan=np.inf))


def _files_by_name(music: Path) -> dict[str, Path]:
    """Files by what the dataset calls them: absolute or relative, odd bytes with backslashes."""
    files: dict[str, Path] = {}
    for path in (path for paths in songs_by_genre(music, min_songs=1).values() for path in paths):
        for shown in (path.absolute(), path.relative_to(music)):
            files[os.fsencode(shown).decode(errors="backslashreplace")] = path
    return files


def _relative(songs: Mapping[str, Song], music: Path | None) -> dict[str, Song]:
    if music is None:
        return dict(songs)
    root = os.fspath(music.absolute()) + os.sep
    return {path.removeprefix(root): song for path, song in songs.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    reference = commands.add_parser("reference")
    reference.add_argument("dataset", type=Path)
    reference.add_argument("--music", type=Path)
    equal = commands.add_parser("equal")
    equal.add_argument("one", type=Path)
    equal.add_argument("other", type=Path)
    equal.add_argument("--one-music", type=Path)
    equal.add_argument("--other-music", type=Path)
    args = parser.parse_args(arguments)

    if args.command == "reference":
        parity = check_reference(args.dataset, music=args.music)
        print(parity)
        return 0 if parity.holds else 1
    problems = equal_datasets(args.one, args.other, one_music=args.one_music, other_music=args.other_music)
    print("\n".join(problems) or "equal")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
