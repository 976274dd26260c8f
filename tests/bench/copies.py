"""More songs out of few, for what only shows over many: the same sound, but other bytes, so that each is a new song.

Of a copy one bit of one MPEG frame is turned that decoders skip, the private bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.audio.mpeg import LAYER_3_SYNC, parse_header

if TYPE_CHECKING:
    from pathlib import Path

_PRIVATE_BIT = 1
_BITS_FROM_FRAME = 8


def make_copies(music: Path, target: Path, times: int) -> Path:
    """Return a music root with each song of another so many times."""
    for source in sorted(music.rglob("*.mp3")):
        original = source.read_bytes()
        frames = _frames(original, _BITS_FROM_FRAME + times)
        for number in range(times):
            song = target / source.relative_to(music).with_stem(f"{source.stem} ({number})")
            song.parent.mkdir(parents=True, exist_ok=True)
            content = bytearray(original)
            content[frames[_BITS_FROM_FRAME + number] + 2] ^= _PRIVATE_BIT
            song.write_bytes(content)
    return target


def _frames(mp3: bytes, count: int) -> list[int]:
    """Where the first frames begin."""
    starts: list[int] = []
    first = LAYER_3_SYNC.search(mp3)
    at = first.start() if first is not None else len(mp3)
    while len(starts) < count:
        header = parse_header(mp3[at : at + 4])
        if header is None:
            raise ValueError("no frame where one was expected")
        starts.append(at)
        at += header.frame_bytes
    return starts
