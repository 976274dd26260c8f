"""Where the frames of an MP3 lie, from its first byte to its last; decodes nothing."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from melwatch.audio.mpeg import DECODER_DELAY_SAMPLES, HEADER_BYTES, LAYER_3_SYNC, frame_at, parse_header, parse_info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch.audio.mpeg import FrameHeader, InfoHeader
    from melwatch.audio.source import AudioSource

_WALK_BYTES, _SEARCH_BYTES = 1 << 20, 4096
_NO_CRC, _MONO = 0x01, 0xC0
_MAX_BEGINNINGS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWalk:
    """What walking the frame headers of a source found, from its first byte to its last.

    `start` is where the first frame begins. `offsets` holds the start of each complete frame of the
    first run and, last, where that run ends; a frame with the Info header is not among them.
    `header` is that of the first frame, `n_frames` counts the frames with sound in all `n_runs`
    runs, `promised_s` is how long they last. Whatever lies around the runs is no MPEG audio.
    """

    start: int
    offsets: array[int]
    header: FrameHeader | None
    info: InfoHeader | None
    n_runs: int
    n_frames: int
    promised_s: float

    @property
    def frame_s(self) -> float:
        """Duration of one frame like the first; 0 without frames."""
        return _seconds(1, self.header) if self.header else 0.0

    @property
    def exact_samples(self) -> int | None:
        """Samples per channel that libmpg123 decodes to; None where that cannot be foretold.

        It can for one uniform run, whatever lies around it, unless an Info header counts fewer
        frames than there are. It counts more where a file was cut off.
        """
        if self.n_runs != 1 or self.header is None:
            return None
        there = self.n_frames * self.header.samples_per_frame
        if self.info is None or not self.info.n_frames:
            return there
        if self.info.n_frames < self.n_frames:
            return None
        end = self.info.end_samples(self.header.samples_per_frame)
        return max(0, min(there, end) - self.info.skip_samples)


_NOTHING = FrameWalk(start=0, offsets=array("q"), header=None, info=None, n_runs=0, n_frames=0, promised_s=0.0)


@dataclass(slots=True, kw_only=True)
class _Run:
    """Frames of one kind that follow one another without a gap, from `start` to `end`."""

    start: int
    end: int
    header: FrameHeader
    offsets: array[int]


def walk_frames(source: AudioSource) -> FrameWalk:
    """Walk all Layer III frame headers, stepping over whatever lies between."""
    runs = list(_runs(source))
    if not runs:
        return _NOTHING
    first = runs[0]
    info = parse_info(source.read_at(first.start, first.header.frame_bytes))
    if info is not None:
        del first.offsets[0]
    n_frames = sum(len(run.offsets) for run in runs)
    promised_s = sum(_seconds(len(run.offsets), run.header) for run in runs)
    first.offsets.append(first.end)
    return FrameWalk(
        start=first.start,
        offsets=first.offsets,
        header=first.header,
        info=info,
        n_runs=len(runs),
        n_frames=n_frames,
        promised_s=max(0.0, promised_s - _trimmed_s(info, first.header)),
    )


def _seconds(n_frames: int, header: FrameHeader) -> float:
    return n_frames * header.samples_per_frame / header.sample_rate_hz


def _trimmed_s(info: InfoHeader | None, header: FrameHeader) -> float:
    """What the encoder added at both ends and a decoder takes away again."""
    if info is None or not info.n_frames:
        return 0.0
    end = max(0, info.padding_samples - DECODER_DELAY_SAMPLES)
    return (info.skip_samples + end) / header.sample_rate_hz


def _runs(source: AudioSource) -> Iterator[_Run]:
    """Every run of at least two frames, or of one that reaches the end, in order.

    Gives up where a file is so full of beginnings, false or true, that it must have been made for it.
    """
    position = 0
    for _ in range(_MAX_BEGINNINGS):
        found = _next_header(source, position)
        if found is None:
            return
        start, header = found
        run = _follow(source, start, header) if frame_at(source, start) else None
        if run is not None:
            yield run
        position = run.end if run else start + 1


def _next_header(source: AudioSource, position: int) -> tuple[int, FrameHeader] | None:
    """Where the next bytes lie that read as a Layer III header, and what they say."""
    step = _SEARCH_BYTES
    while position < source.length:
        block = source.read_at(position, step)
        for found in LAYER_3_SYNC.finditer(block):
            header = parse_header(found[0])
            if header is not None:
                return position + found.start(), header
        position += max(1, len(block) - HEADER_BYTES + 1)
        step = _WALK_BYTES
    return None


def _follow(source: AudioSource, start: int, header: FrameHeader) -> _Run | None:
    """The run of frames like `header` that begins at `start`; None if nothing confirms it."""
    offsets: array[int] = array("q")
    end = _collect_offsets(source, start, header, offsets)
    if end > source.length:
        end = offsets.pop()
    if len(offsets) < 2 and not (offsets and end == source.length):  # noqa: PLR2004 - one may be chance
        return None
    return _Run(start=start, end=end, header=header, offsets=offsets)


def _collect_offsets(source: AudioSource, start: int, header: FrameHeader, offsets: array[int]) -> int:
    """Append the start of each frame like `header`; where the last of them ends by its header.

    Three bytes of a header are alike in all of them, and one gives its frame's size. So the frames
    are followed by that one alone, and the others are looked at afterwards, all at once.
    """
    sizes = _sizes_by_byte_2(header)
    base, step = start, _SEARCH_BYTES
    while True:
        block = source.read_at(base, step)
        last, at = len(block) - HEADER_BYTES, 0
        places = array("q")
        while at <= last and (size := sizes[block[at + 2]]):
            places.append(at)
            at += size
        n_alike = _count_alike(block, places, header)
        offsets.frombytes((np.frombuffer(places, np.int64)[:n_alike] + base).tobytes())
        if n_alike < len(places):
            return base + places[n_alike]
        base += at
        if at <= last or base + HEADER_BYTES > source.length:
            return base
        step = _WALK_BYTES


def _count_alike(block: bytes, places: array[int], header: FrameHeader) -> int:
    """How many of the places hold a header like `header` but for its byte 2, up to the first that does not."""
    values, at = np.frombuffer(block, np.uint8), np.frombuffer(places, np.int64)
    sync, version, _, mode = header.with_byte_2(0)
    alike = (
        (values[at] == sync) & ((values[at + 1] | _NO_CRC) == version) & ((values[at + 3] >= _MONO) == (mode >= _MONO))
    )
    return len(at) if alike.all() else int(alike.argmin())


@lru_cache(maxsize=64)
def _sizes_by_byte_2(header: FrameHeader) -> tuple[int, ...]:
    """Size in bytes of a frame like `header`, by byte 2 of its own header; 0 where that is not like it."""
    candidates = (parse_header(header.with_byte_2(value)) for value in range(256))
    return tuple(found.frame_bytes if found and found.is_like(header) else 0 for found in candidates)
