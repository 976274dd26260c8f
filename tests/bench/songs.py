"""The songs that the benchmark runs on, made from a folder of real music and kept for next time.

`short` songs are cut from the given MP3s between MPEG frames, byte for byte, nothing re-encoded:
each copy of a song drops another number of frames at both ends, so that every copy is different
audio (copies alike would be one song to melwatch). The Xing/Info frame goes, since it would tell
the wrong length; the ID3 tag stays on every other one. They are as long as their source or a few
seconds shorter.

`long` songs of 3 to 5 minutes are new recordings: pieces of 40 to 90 s out of different songs of
one genre, at random places (seeded by the song's number), put one after the other and encoded by
LAME (through PyAV) with a Xing or Info header; CBR and VBR of 128 to 320 kbit/s, seven in ten
44.1 kHz stereo, the others 48 kHz or mono.

    python tests/bench/songs.py short MUSIC TARGET [--songs 168] [--one-more 3]
    python tests/bench/songs.py long MUSIC TARGET [--songs 100] [--one-more 3]

Songs are made once: TARGET.json remembers from what. Further songs, for "one song added", land in
TARGET-one_more/ with the place that they shall have in the library.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import soundfile
import soxr
from genres import MIN_SONGS, songs_by_genre
from mpeg import find_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

_REVISION = 1
SHORT_SONGS = 168
LONG_SONGS = 100
_LONG_S = (180.0, 300.0)
_PIECE_S = (40.0, 90.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One short song: a run of frames of a source file."""

    source: Path
    target: Path
    copy: int

    def make(self) -> None:
        """Write the frames; the tag before them on every other copy."""
        data = self.source.read_bytes()
        frames = find_frames(data)
        first, last = 5 + 19 * self.copy, len(frames.starts) - 7 * self.copy
        tag = frames.head if self.copy % 2 == 0 else b""
        _write(self.target, tag + data[frames.between(first, last)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a long song is encoded: constant bit rate, or LAME's VBR quality."""

    rate_hz: int = 44_100
    channels: int = 2
    kbps: int | None = None
    vbr_quality: int | None = None

    def __str__(self) -> str:
        rate = f"{self.kbps} kbps" if self.kbps else f"V{self.vbr_quality}"
        return f"{rate} {self.rate_hz} Hz {self.channels} ch"


ENCODINGS = (
    Encoding(kbps=192),
    Encoding(vbr_quality=0),
    Encoding(kbps=320),
    Encoding(vbr_quality=2),
    Encoding(kbps=128),
    Encoding(kbps=192, rate_hz=48_000),
    Encoding(kbps=256),
    Encoding(vbr_quality=4),
    Encoding(kbps=128, channels=1),
    Encoding(vbr_quality=2, rate_hz=48_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """One long song: pieces of several songs, encoded anew."""

    sources: tuple[Path, ...]
    target: Path
    number: int
    encoding: Encoding

    def make(self) -> None:
        """Encode piece after piece, so that no whole song is in memory."""
        beside = self.target.with_suffix(".part")
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with av.open(os.fspath(beside), "w", format="mp3") as container:
            container.metadata["title"] = self.target.stem
            stream = container.add_stream(
                "libmp3lame", rate=self.encoding.rate_hz, options=_lame_options(self.encoding)
            )
            stream.layout = _layout(self.encoding)
            if self.encoding.kbps:
                stream.bit_rate = self.encoding.kbps * 1000
            stream.format = "fltp"
            for frame in self._frames():
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        beside.replace(self.target)

    def _frames(self) -> Iterator[av.AudioFrame]:
        """The song second by second."""
        rate_hz, begin = self.encoding.rate_hz, 0
        for piece in self._pieces():
            for start in range(0, piece.shape[1], rate_hz):
                second = np.ascontiguousarray(piece[:, start : start + rate_hz])
                frame = av.AudioFrame.from_ndarray(second, "fltp", _layout(self.encoding))
                frame.sample_rate, frame.pts = rate_hz, begin
                frame.time_base = Fraction(1, rate_hz)
                begin += second.shape[1]
                yield frame

    def _pieces(self) -> Iterator[npt.NDArray[np.float32]]:
        """Pieces (channels, samples) float32 at the encoding's rate, as many as the song needs."""
        dice = np.random.default_rng([_REVISION, self.number])
        missing_s = dice.uniform(*_LONG_S)
        while missing_s > 1:
            for source in dice.permutation(np.array(self.sources, dtype=object)):
                piece = _read_piece(source, dice, min(missing_s, dice.uniform(*_PIECE_S)))
                shaped = _shape(piece, self.encoding)
                yield shaped
                missing_s -= shaped.shape[1] / self.encoding.rate_hz
                if missing_s <= 1:
                    break


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A made music root, and the songs to add to it later, by their place in the library."""

    root: Path
    songs: int
    one_more: tuple[tuple[Path, Path], ...]


def make_short(music: Path, target: Path, songs: int = SHORT_SONGS, *, one_more: int = 3) -> Corpus:
    """The `short` songs; see the top of this module."""

    def plan(root: Path, extra: Path) -> list[Cut]:
        found = list(_by_turns(songs_by_genre(music), songs))
        return [_cut(music, root if number < songs else extra, found, number) for number in range(songs + one_more)]

    return _make("short", music, target, songs, one_more, plan)


def make_long(music: Path, target: Path, songs: int = LONG_SONGS, *, one_more: int = 3) -> Corpus:
    """The `long` songs; see the top of this module."""

    def plan(root: Path, extra: Path) -> list[Mix]:
        genres = _genres_for(songs_by_genre(music), songs)
        return [_mix(root if number < songs else extra, genres, number) for number in range(songs + one_more)]

    return _make("long", music, target, songs, one_more, plan)


def _make(
    kind: str,
    music: Path,
    target: Path,
    songs: int,
    one_more: int,
    plan: Callable[[Path, Path], Sequence[Cut | Mix]],
) -> Corpus:
    """Make what is not there yet; start over where it was made from something else."""
    extra = target.with_name(target.name + "-one_more")
    memo = target.with_name(target.name + ".json")
    origin = {
        "kind": kind,
        "revision": _REVISION,
        "songs": songs,
        "one_more": one_more,
        "sources": sorted(
            [path.relative_to(music).as_posix(), path.stat().st_size]
            for paths in songs_by_genre(music).values()
            for path in paths
        ),
    }
    if not memo.exists() or json.loads(memo.read_text(encoding="utf-8")) != origin:
        for folder in (target, extra):
            shutil.rmtree(folder, ignore_errors=True)
        memo.parent.mkdir(parents=True, exist_ok=True)
        memo.write_text(json.dumps(origin, indent=1, ensure_ascii=False), encoding="utf-8")
    planned = plan(target, extra)
    missing = [song for song in planned if not song.target.exists()]
    if missing:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_make_song, missing))
    more = tuple((song.target, song.target.relative_to(extra)) for song in planned[songs:])
    return Corpus(root=target, songs=songs, one_more=more)


def _make_song(song: Cut | Mix) -> None:
    song.make()


def _genres_for(genres: dict[str, list[Path]], songs: int) -> dict[str, list[Path]]:
    """As many genres as `songs` can fill with the six that each needs."""
    return dict(list(genres.items())[: max(1, songs // MIN_SONGS)])


def _by_turns(genres: dict[str, list[Path]], songs: int) -> Iterator[Path]:
    """Each source once, one of each genre by turns, so that few songs still fill all genres."""
    for turn in zip_longest(*_genres_for(genres, songs).values()):
        yield from (path for path in turn if path is not None)


def _cut(music: Path, root: Path, sources: list[Path], number: int) -> Cut:
    copy, at = divmod(number, len(sources))
    place = sources[at].relative_to(music)
    target = root / place.with_stem(f"{place.stem} (cut {copy})")
    return Cut(source=sources[at], target=target, copy=copy)


def _mix(root: Path, genres: dict[str, list[Path]], number: int) -> Mix:
    genre = list(genres)[number % len(genres)]
    # Each genre walks through all encodings, whatever the number of genres.
    encoding = ENCODINGS[(number // len(genres) + number) % len(ENCODINGS)]
    target = root / genre / "long" / f"{number:03} - {encoding}.mp3"
    return Mix(sources=tuple(genres[genre]), target=target, number=number, encoding=encoding)


def _read_piece(source: Path, dice: np.random.Generator, length_s: float) -> tuple[npt.NDArray[np.float32], int]:
    with soundfile.SoundFile(source) as file:
        wanted = int(length_s * file.samplerate)
        file.seek(int(dice.integers(0, max(1, file.frames - wanted))))
        return file.read(wanted, dtype="float32", always_2d=True), file.samplerate


def _shape(piece: tuple[npt.NDArray[np.float32], int], encoding: Encoding) -> npt.NDArray[np.float32]:
    """(channels, samples) float32 at the rate of the encoding."""
    samples, rate_hz = piece
    if rate_hz != encoding.rate_hz:
        samples = soxr.resample(samples, rate_hz, encoding.rate_hz)
    if encoding.channels == 1:
        samples = samples.mean(axis=1, keepdims=True)
    elif samples.shape[1] == 1:
        samples = samples.repeat(2, axis=1)
    return samples.T.astype(np.float32, copy=False)


def _layout(encoding: Encoding) -> str:
    return "mono" if encoding.channels == 1 else "stereo"


def _lame_options(encoding: Encoding) -> dict[str, str]:
    """LAME's quicker settings: the decoder's work is the same, the encoder's a quarter."""
    options = {"compression_level": "7"}
    if encoding.vbr_quality is not None:
        # FFmpeg's -q:a: in units of FF_QP2LAMBDA, 118.
        options |= {"flags": "+qscale", "global_quality": str(encoding.vbr_quality * 118)}
    return options


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".part")
    beside.write_bytes(data)
    beside.replace(target)


def main() -> None:
    """Make one corpus and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("short", "long"))
    parser.add_argument("music", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--songs", type=int)
    parser.add_argument("--one-more", type=int, default=3)
    args = parser.parse_args()
    make, default = {"short": (make_short, SHORT_SONGS), "long": (make_long, LONG_SONGS)}[args.kind]
    corpus = make(args.music, args.target, args.songs or default, one_more=args.one_more)
    print(f"{corpus.songs} songs in {corpus.root}, {len(corpus.one_more)} more beside it")


if __name__ == "__main__":
    main()
