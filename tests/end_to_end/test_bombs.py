"""Small causes with large effects: files made to fill memory or to take forever, through the real workers."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pytest

from building import tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc"),
]

SONG = tone(440.0, 2.0)
EXAMINE = """
import json, os, resource, sys
from pathlib import Path
from melwatch.extraction.ingest import Setup, examine, set_up
from melwatch.spectrogram.recipe import Recipe
place = Path(sys.argv[1])
set_up(Setup(root=os.fsencode(place), spool=place, recipe=Recipe(), ready=frozenset(), memory_mb=1024))
found = examine(b"bomb.mp3")
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(json.dumps({
    "reason": found.error.reason if found.error else "made", "peak_mb": int(peak) // 1024,
    "duration_s": found.made.sound.duration_s if found.made else 0,
    "cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), "title": found.identity.tags.title,
}))
"""


def syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(body: bytes, version: int = 4) -> bytes:
    return b"ID3" + bytes((version, 0, 0)) + syncsafe(len(body)) + body


def packed_zeros(megabytes: int) -> bytes:
    """Return what unpacks to so many megabytes of text."""
    packer = zlib.compressobj(9)
    return b"".join(
        [packer.compress(b"\x03"), *(packer.compress(bytes(1 << 20)) for _ in range(megabytes)), packer.flush()]
    )


def frame(name: bytes, data: bytes, flags: bytes = b"\0\0") -> bytes:
    return name + syncsafe(len(data)) + flags + data


def promise_of_frames() -> bytes:
    """Return a song whose Info header counts as many frames as fit in 32 bits."""
    at = max(SONG.find(b"Info"), SONG.find(b"Xing"))
    return SONG[: at + 8] + b"\xff" * 4 + SONG[at + 12 :]


def ape(body: bytes, count: int) -> bytes:
    return body + b"APETAGEX" + struct.pack("<IIII", 2000, 32 + len(body), count, 0) + bytes(8)


SILENCE = bytes.fromhex("fff314c4") + bytes(20)
"""A frame of 24 ms at 8 kbit/s, the smallest there is."""

BOMBS: dict[str, tuple[Callable[[], bytes], str, float]] = {
    "an Info header that promises 2^32 frames": (promise_of_frames, "made", 2.0),
    "12 hours in 43 MB": (lambda: SILENCE * 1_800_000, "made", 43_200.0),
    "a title that unpacks to a gigabyte": (
        lambda: id3(frame(b"TIT2", syncsafe(1 << 27) + packed_zeros(1024), b"\0\x09")) + SONG, "made", 2.0),
    "an old title that unpacks to a gigabyte": (
        lambda: id3(b"TIT2" + struct.pack(">I", 4 + len(z := packed_zeros(1024))) + b"\0\x80" + bytes(4) + z, 3) + SONG,
        "made", 2.0),
    "chapters that unpack to a gigabyte": (
        lambda: id3(frame(b"CHAP", syncsafe(1 << 27) + packed_zeros(1024), b"\0\x09")) + SONG, "made", 2.0),
    "two million titles": (lambda: id3(frame(b"TIT2", b"\x03a") * 1_700_000) + SONG, "made", 2.0),
    "two million frames of no name": (lambda: id3(frame(b"XXXX", b"\x03a") * 1_700_000) + SONG, "made", 2.0),
    "two million empty frames": (lambda: id3(frame(b"TIT2", b"") * 1_700_000) + SONG, "made", 2.0),
    "a picture of 200 MB": (lambda: id3(frame(b"APIC", bytes(200 << 20))) + SONG, "made", 2.0),
    "a title of 200 MB": (lambda: id3(frame(b"TIT2", b"\x03" + b"a" * (200 << 20))) + SONG, "made", 2.0),
    "an APE tag that counts 2^32 items": (lambda: SONG + ape(b"", 0xFFFFFFFF), "made", 2.0),
    "an APE tag of two million items": (
        lambda: SONG + ape(b"".join(struct.pack("<II", 1, 0) + b"%06x\0x" % n for n in range(2_000_000)), 2_000_000),
        "made", 2.0),
    "100 MB of beginnings": (lambda: b"\xff\xfb\x90\x00" * (25 << 20), "not_mp3", 0.0),
    "100 MB of junk": (lambda: os.urandom(1 << 20) * 100, "not_mp3", 0.0),
    "100 MB of zeros": (lambda: bytes(100 << 20), "not_mp3", 0.0),
    "free format": (lambda: (b"\xff\xfb\x00\xc4" + bytes(413)) * 2000, "made", 52.2),
}  # fmt: skip


def examined(place: Path) -> dict[str, float | str]:
    """Return what a worker makes of the file, and what it took."""
    import json

    done = subprocess.run([sys.executable, "-c", EXAMINE, place], capture_output=True, text=True, check=True)
    said: dict[str, float | str] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_little(bomb: str, tmp_path: Path) -> None:
    """A plain verdict, for seconds of work and memory far below the limit."""
    make, reason, duration_s = BOMBS[bomb]
    (tmp_path / "bomb.mp3").write_bytes(make())
    said = examined(tmp_path)
    print(bomb, said)

    assert said["reason"] == reason
    assert said["duration_s"] == pytest.approx(duration_s, abs=0.1)
    assert said["peak_mb"] < 400
    assert said["cpu_s"] < 30


def test_a_tag_of_half_a_gigabyte_costs_only_its_reading(tmp_path: Path) -> None:
    """Two tags as large as can be, full of nothing, before a song."""
    with (tmp_path / "bomb.mp3").open("wb") as file:
        for _ in range(2):
            file.write(b"ID3\x04\0\0" + syncsafe((1 << 28) - 1))
            file.seek((1 << 28) - 1, os.SEEK_CUR)
        file.write(SONG)
    said = examined(tmp_path)

    assert (said["reason"], said["duration_s"]) == ("made", pytest.approx(2.0, abs=0.1))
    assert said["peak_mb"] < 400
