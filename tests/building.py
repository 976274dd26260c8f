"""Libraries as literals: `library(tmp_path, {"Rock": {"a.mp3": tone(440)}})`."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
import soundfile

if TYPE_CHECKING:
    from pathlib import Path

RATE_HZ = 16_000

Tree: TypeAlias = dict[str, Union[bytes, "Tree"]]


@cache
def tone(hertz: float, seconds: float = 1.0, rate_hz: int = RATE_HZ) -> bytes:
    """Return an MP3 of a sine."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    samples = 0.4 * np.sin(2 * np.pi * hertz * time_s)
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    return out.getvalue()


def songs(count: int, first: int = 0) -> Tree:
    """Return so many different songs, `00.mp3` and on."""
    return {f"{number:02}.mp3": tone(200 + 7 * number) for number in range(first, first + count)}


def library(root: Path, tree: Tree) -> Path:
    """Write a tree of folders and files below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        if isinstance(content, bytes):
            (root / name).write_bytes(content)
        else:
            library(root / name, content)
    return root


def retagged(mp3: bytes, title: str, *, cover_bytes: int = 0) -> bytes:
    """Return the same audio with an ID3v2.3 tag in front."""
    from mutagen.id3 import APIC, ID3, TIT2

    tags = ID3()
    tags.add(TIT2(encoding=1, text=[title]))
    if cover_bytes:
        tags.add(APIC(encoding=0, mime="image/png", type=3, desc="", data=b"\x01" * cover_bytes))
    out = io.BytesIO(mp3)
    tags.save(out, v2_version=3)
    return out.getvalue()
