"""What extracting a number of files will take, told before it is done."""

from __future__ import annotations

import shutil
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.audio.audiofile import open_audio
from melwatch.audio.source import SourceFile
from melwatch.errors import DegradedError
from melwatch.names import native

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from melwatch.track import SeenFile

SECONDS_PER_SONG = 0.12
"""Of one process, on the slow side of what was measured on two cores; replaced by what passes here took."""

_SAMPLED_FILES = 24
_USUAL_BYTES_PER_SECOND = 24_000  # 192 kbit/s


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Songs to extract, hours of audio in them, seconds it will take, and bytes on disk."""

    songs: int
    audio_hours: float
    seconds: float
    final_bytes: int
    peak_bytes: int

    def sentence(self) -> str:
        """Say it to the user."""
        return (
            f"{self.songs:,} files to extract, about {self.audio_hours:,.1f} hours of audio: about "
            f"{spoken_time(self.seconds)}, {self.final_bytes / 1e9:,.2f} GB in the end, "
            f"{self.peak_bytes / 1e9:,.2f} GB at the peak"
        )


def estimate(
    files: Sequence[SeenFile],
    *,
    root: bytes,
    bytes_per_track: int,
    processes: int,
    seconds_per_song: float | None,
) -> Estimate:
    """Estimate the work on files that are all taken to be new songs."""
    seconds = len(files) * (seconds_per_song or SECONDS_PER_SONG) / processes
    final = len(files) * bytes_per_track
    return Estimate(
        songs=len(files),
        audio_hours=sum(file.stamp.size for file in files) / _bytes_per_second(files, root) / 3600,
        seconds=seconds,
        final_bytes=final,
        peak_bytes=2 * final,  # in the spool and, while they are packed, in the shards too
    )


def _bytes_per_second(files: Sequence[SeenFile], root: bytes) -> float:
    """Ask a few files, spread evenly, for their length."""
    import mutagen

    size, seconds = 0, 0.0
    for file in files[:: max(1, len(files) // _SAMPLED_FILES)]:
        try:
            with open_audio(native(root, file.path), hold_bytes=0) as audio:
                info = mutagen.File(SourceFile(audio.whole))
        except Exception:  # noqa: BLE001, S112  an estimate must not fail over a bad file
            continue
        if info is not None and info.info.length > 0:
            size += file.stamp.size
            seconds += info.info.length
    return size / seconds if seconds else _USUAL_BYTES_PER_SECOND


def check_space(final_bytes: int, spool: Path, dataset: Path) -> None:
    """Refuse work that would fill the disk; raises `DegradedError`."""
    short = _shortage(final_bytes, spool, dataset)
    if short is not None:
        raise short


def songs_that_fit(songs: int, bytes_per_track: int, spool: Path, dataset: Path) -> int:
    """Return for how many of so many new songs there is space."""
    numbers = range(1, songs + 1)
    return bisect_left(numbers, 1, key=lambda number: _shortage(number * bytes_per_track, spool, dataset) is not None)


def _shortage(final_bytes: int, spool: Path, dataset: Path) -> DegradedError | None:
    """Say what is missing for spectrograms of that size: in the spool and, once packed, in the dataset."""
    needed: dict[int, tuple[Path, int]] = {}
    for place in (spool, dataset):
        existing = next(folder for folder in (place, *place.parents) if folder.exists())
        device = existing.stat().st_dev
        needed[device] = existing, needed.get(device, (existing, 0))[1] + final_bytes
    for existing, size in needed.values():
        free = shutil.disk_usage(existing).free
        if free < size + min(size // 20, 1 << 30):
            return DegradedError(
                f"The disk of {existing} has {free / 1e9:.2f} GB free; this needs {size / 1e9:.2f} GB",
                "Free some space. The last version stays current.",
            )
    return None


def spoken_time(seconds: float) -> str:
    """Say a length of time roughly."""
    if seconds < 90:  # noqa: PLR2004
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:  # noqa: PLR2004
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
