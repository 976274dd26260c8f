"""How splits fare while a library grows and shrinks: melwatch's against scikit-learn's and hashing.

`python tests/bench/splits.py` prints the tables of `docs/splits.md`; needs scikit-learn.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from melwatch.dataset.groups import GroupBy, Member, make_groups
from melwatch.dataset.splits import place, reshuffle
from melwatch.edition import Split
from melwatch.track import AudioId, RelPath, Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.random import Generator

TRACKS, ARTISTS, SEEDS = 3000, 450, 10
GENRE_SIZES = (0.26, 0.19, 0.14, 0.11, 0.09, 0.07, 0.05, 0.04, 0.03, 0.02)
STEPS = (("start", 0.0), ("+1 %", 0.01), ("+10 %", 0.1), ("+50 %", 0.5), ("-10 %", -0.1))
SHARES = {"train": 0.7, "validate": 0.1, "test": 0.2}
NEW_ARTIST = 0.1
"""How often a new song is by an artist who was not there before."""

Splits: TypeAlias = dict[AudioId, Split]


@dataclass(frozen=True)
class Song:
    """A song of the simulated library."""

    audio_id: AudioId
    genre: str
    artist: str


@dataclass
class Library:
    """A library whose artists have sizes as the rich get richer."""

    random: Generator
    songs: list[Song] = field(default_factory=list)
    made: int = 0
    artists: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By genre, each as often as it has songs."""

    @classmethod
    def new(cls, seed: int) -> Library:
        """Begin with 450 artists of one song each, and let every further song be by whom somebody picks by chance."""
        library = cls(np.random.default_rng(seed))
        genres = [f"Genre {number}" for number in range(len(GENRE_SIZES))]
        counts = [max(5, round(share * ARTISTS)) for share in GENRE_SIZES]
        counts[0] += ARTISTS - sum(counts)
        for genre, count in zip(genres, counts, strict=True):
            for number in range(count):
                library.add(genre, f"{genre} artist {number}")
        for genre in library.random.choice(genres, TRACKS - ARTISTS, p=np.array(GENRE_SIZES)):
            library.add(str(genre), str(library.random.choice(library.artists[str(genre)])))
        return library

    def add(self, genre: str, artist: str) -> None:
        """Add a song."""
        self.made += 1
        identity = hashlib.sha256(f"{self.random.integers(2**62)} {self.made}".encode()).hexdigest()[:32]
        self.songs.append(Song(AudioId(identity), genre, artist))
        self.artists[genre].append(artist)

    def change(self, share: float) -> None:
        """Add songs, one in ten by a new artist, or delete some by chance."""
        count = round(abs(share) * len(self.songs))
        if share < 0:
            gone = set(self.random.choice(len(self.songs), count, replace=False).tolist())
            self.songs = [song for number, song in enumerate(self.songs) if number not in gone]
            return
        genres = list(self.artists)
        for genre in self.random.choice(genres, count, p=np.array(GENRE_SIZES)):
            known = self.artists[str(genre)]
            is_new = self.random.random() < NEW_ARTIST
            self.add(str(genre), f"{genre} artist new {self.made}" if is_new else str(self.random.choice(known)))


# The ways to split: from the songs and the splits before to the splits now.


def melwatch(by: GroupBy) -> Callable[[Sequence[Song], Splits], Splits]:
    """Place what is new, and remember the rest."""

    def split(songs: Sequence[Song], before: Splits) -> Splits:
        genres, groups = _as_genres(songs, by)
        return {**before, **place(genres, before, SHARES, {}, groups=groups).decided}

    return split


def melwatch_reshuffle(songs: Sequence[Song], before: Splits) -> Splits:
    """Place everything anew."""
    del before
    genres, groups = _as_genres(songs, GroupBy.TRACK)
    return reshuffle(genres, SHARES, groups=groups).decided


def stratified_shuffle(songs: Sequence[Song], before: Splits) -> Splits:
    """Split 80 / 20 and then 70 / 10 with a fixed seed, as the notebook does."""
    from sklearn.model_selection import StratifiedShuffleSplit

    del before
    genres = np.array([song.genre for song in songs])
    rest, test = next(StratifiedShuffleSplit(1, test_size=0.2, random_state=0).split(genres, genres))
    inner = StratifiedShuffleSplit(1, test_size=0.125, random_state=0).split(rest, genres[rest])
    train, validate = next(inner)
    return _splits(songs, rest[train], rest[validate], test)


def stratified_group_kfold(songs: Sequence[Song], before: Splits) -> Splits:
    """Keep artists together: of ten folds one to validate, two to test."""
    from sklearn.model_selection import StratifiedGroupKFold

    del before
    genres, artists = np.array([song.genre for song in songs]), np.array([song.artist for song in songs])
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=0).split(genres, genres, artists)
    parts = [held_out for _, held_out in folds]
    return _splits(songs, np.concatenate(parts[3:]), parts[2], np.concatenate(parts[:2]))


def hashing(of: Callable[[Song], str]) -> Callable[[Sequence[Song], Splits], Splits]:
    """Let a digest decide, of the song or of its artist."""

    def split(songs: Sequence[Song], before: Splits) -> Splits:
        del before
        found = {}
        for song in songs:
            number = int(hashlib.sha256(of(song).encode()).hexdigest()[:8], 16) / 16**8
            found[song.audio_id] = Split.TRAIN if number < 0.7 else Split.VALIDATE if number < 0.8 else Split.TEST
        return found

    return split


WAYS: dict[str, Callable[[Sequence[Song], Splits], Splits]] = {
    "melwatch, `track`": melwatch(GroupBy.TRACK),
    "melwatch, `artist`": melwatch(GroupBy.ARTIST),
    "melwatch, `reshuffle`": melwatch_reshuffle,
    "StratifiedShuffleSplit": stratified_shuffle,
    "StratifiedGroupKFold": stratified_group_kfold,
    "hash of the song": hashing(lambda song: song.audio_id),
    "hash of the artist": hashing(lambda song: song.artist),
}


def _as_genres(songs: Sequence[Song], by: GroupBy) -> tuple[dict[str, list[AudioId]], list]:  # type: ignore[type-arg]
    genres: dict[str, list[AudioId]] = defaultdict(list)
    for song in songs:
        genres[song.genre].append(song.audio_id)
    members = [
        Member(
            audio_id=song.audio_id,
            path=RelPath(f"{song.genre}/{song.audio_id}.mp3".encode()),
            tags=Tags(artist=song.artist),
        )
        for song in songs
    ]
    return genres, make_groups(members, by)


def _splits(songs: Sequence[Song], *parts: np.ndarray) -> Splits:  # type: ignore[type-arg]
    return {songs[number].audio_id: split for split, part in zip(Split, parts, strict=True) for number in part}


# What is measured of a step.


@dataclass(frozen=True)
class Measured:
    """What a way to split did in one step; counts of songs and, for drift, shares of a genre."""

    into_train: int
    """Held-out songs that are in train now."""
    leaked: int
    """Test songs whose artist is in train."""
    worst_drift: float
    """Largest |test - 0.2 n| / n of a genre."""
    mean_drift: float
    outside: int
    """Genres with |test - 0.2 n| > max(1, 0.05 n)."""
    empty: int
    """Splits of genres without a song."""


def measure(songs: Sequence[Song], before: Splits, after: Splits) -> Measured:
    """Hold the splits of one step against those before."""
    sizes = Counter(song.genre for song in songs)
    counts = Counter((song.genre, after[song.audio_id]) for song in songs)
    trained = {song.artist for song in songs if after[song.audio_id] is Split.TRAIN}
    off = {genre: abs(counts[genre, Split.TEST] - 0.2 * size) for genre, size in sizes.items()}
    drifts = [off[genre] / size for genre, size in sizes.items()]
    return Measured(
        into_train=sum(
            before.get(song.audio_id, Split.TRAIN) is not Split.TRAIN and after[song.audio_id] is Split.TRAIN
            for song in songs
        ),
        leaked=sum(after[song.audio_id] is Split.TEST and song.artist in trained for song in songs),
        worst_drift=max(drifts),
        mean_drift=float(np.mean(drifts)),
        outside=sum(off[genre] > max(1, 0.05 * size) for genre, size in sizes.items()),
        empty=sum(not counts[genre, split] for genre in sizes for split in Split),
    )


def simulate(seeds: int, ways: Iterable[str] = tuple(WAYS)) -> dict[tuple[str, str], list[Measured]]:
    """Take each library through all steps by each way; return what was measured, by way and step."""
    chosen = {way: WAYS[way] for way in ways}
    found: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for seed in range(seeds):
        library = Library.new(seed)
        now: dict[str, Splits] = defaultdict(dict)
        for step, share in STEPS:
            library.change(share)
            for way, split in chosen.items():
                before = now[way]
                now[way] = split(library.songs, before)
                found[way, step].append(measure(library.songs, before, now[way]))
    return found


def table(found: dict[tuple[str, str], list[Measured]], step: str) -> list[str]:
    """Return one step as Markdown: sums over seeds for what should be none, else the mean of seeds and the worst."""
    lines = [
        "| | held out to train | test songs, artist in train | drift of test, mean | worst genre | outside | empty |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for way in WAYS:
        rows = found[way, step]
        lines.append(
            f"| {way} | {sum(row.into_train for row in rows):,} | {sum(row.leaked for row in rows):,} "
            f"| {100 * np.mean([row.mean_drift for row in rows]):.2f} % "
            f"| {100 * max(row.worst_drift for row in rows):.1f} % "
            f"| {sum(row.outside for row in rows)} | {sum(row.empty for row in rows)} |"
        )
    return lines


def broken(found: dict[tuple[str, str], list[Measured]]) -> list[str]:
    """Return a sentence for each promise that was not kept."""
    lines = []
    for (way, step), rows in found.items():
        if way in {"melwatch, `track`", "melwatch, `artist`"}:
            if sum(row.into_train for row in rows):
                lines.append(f"{way}, {step}: held-out songs moved into train")
            if sum(row.empty for row in rows):
                lines.append(f"{way}, {step}: a genre lacks a split")
        if way == "melwatch, `artist`" and sum(row.leaked for row in rows):
            lines.append(f"{way}, {step}: an artist is in test and in train")
        if way == "melwatch, `track`" and not step.startswith("-") and sum(row.outside for row in rows):
            lines.append(f"{way}, {step}: a genre has drifted")
    return lines


def main() -> None:
    """Print a table for each step, and fail where a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    seeds = parser.parse_args().seeds
    warnings.filterwarnings("ignore", module="sklearn")
    began_s = time.monotonic()
    found = simulate(seeds)
    for step, _ in STEPS:
        print(f"### {step}\n")
        print("\n".join(table(found, step)), end="\n\n")
    print(f"{seeds} libraries, {time.monotonic() - began_s:.0f} s")
    faults = broken(found)
    print("\n".join(faults), file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
