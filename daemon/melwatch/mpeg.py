"""What MPEG audio frames are and where they lie in a file; decodes nothing.

Headers after ISO 11172-3 and 13818-3 (with the unofficial MPEG-2.5). The Info header and what it
means for the length of the decoded sound follow libmpg123, since that decodes our songs.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch.source import AudioSource

HEADER_BYTES = 4
DECODER_DELAY_SAMPLES = 529
"""What every Layer III decoder adds in front; LAME's figures leave it out."""

_WALK_BYTES, _SEARCH_BYTES = 1 << 20, 4096
_MPEG_1, _MPEG_2, _MPEG_25 = 3, 2, 0
_MONO, _NO_RATE = 3, 3
_RATES_HZ = {
    _MPEG_1: (44100, 48000, 32000),
    _MPEG_2: (22050, 24000, 16000),
    _MPEG_25: (11025, 12000, 8000),
}
_KBPS_MPEG_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_LSF = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LAYER_3_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xeb].", re.DOTALL)
_MAX_DOUBTS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """What the four bytes at the start of a Layer III frame say."""

    version: int
    sample_rate_hz: int
    channels: int
    has_crc: bool
    frame_bytes: int

    @property
    def samples_per_frame(self) -> int:
        """Samples of each channel that one frame decodes to."""
        return 1152 if self.version == _MPEG_1 else 576

    @property
    def side_info_bytes(self) -> int:
        """Bytes between header (and CRC) and the main data."""
        if self.version == _MPEG_1:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17

    @property
    def reservoir_bytes(self) -> int:
        """How far back into earlier frames' main data a frame may point."""
        return 511 if self.version == _MPEG_1 else 255

    @property
    def main_offset(self) -> int:
        """Where in the frame the main data begin."""
        return HEADER_BYTES + (2 if self.has_crc else 0) + self.side_info_bytes

    def is_like(self, other: FrameHeader) -> bool:
        """Whether both belong in one uniform run: same version, rate and number of channels."""
        return (
            self.version == other.version
            and self.sample_rate_hz == other.sample_rate_hz
            and self.channels == other.channels
        )


@lru_cache(maxsize=4096)
def parse_header(raw: bytes) -> FrameHeader | None:
    """The Layer III header in four bytes; None for anything else, also for free format."""
    if len(raw) < HEADER_BYTES or not _LAYER_3_SYNC.match(raw):
        return None
    version, rate_index, bitrate_index = (raw[1] >> 3) & 3, (raw[2] >> 2) & 3, raw[2] >> 4
    if rate_index == _NO_RATE or not 1 <= bitrate_index < len(_KBPS_MPEG_1):
        return None
    rate_hz = _RATES_HZ[version][rate_index]
    is_mpeg_1 = version == _MPEG_1
    kbps = (_KBPS_MPEG_1 if is_mpeg_1 else _KBPS_LSF)[bitrate_index]
    return FrameHeader(
        version=version,
        sample_rate_hz=rate_hz,
        channels=1 if raw[3] >> 6 == _MONO else 2,
        has_crc=not raw[1] & 1,
        frame_bytes=(144_000 if is_mpeg_1 else 72_000) * kbps // rate_hz + ((raw[2] >> 1) & 1),
    )


def frame_at(source: AudioSource, start: int) -> FrameHeader | None:
    """The frame that begins at `start`, if one like it, or the end, follows right behind."""
    header = parse_header(source.read_at(start, HEADER_BYTES))
    if header is None or start + header.frame_bytes == source.length:
        return header
    following = parse_header(source.read_at(start + header.frame_bytes, HEADER_BYTES))
    return header if following is not None and following.is_like(header) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoHeader:
    """What a Xing or Info header in the first frame says; that frame itself is not played."""

    n_frames: int
    delay_samples: int = 0
    padding_samples: int = 0

    @property
    def skip_samples(self) -> int:
        """Samples that libmpg123 drops in front; it trims nothing where no count is given."""
        return self.delay_samples + DECODER_DELAY_SAMPLES if self.n_frames else 0

    def end_samples(self, samples_per_frame: int) -> int:
        """Where in the decoded samples the song ends, by this header."""
        whole = self.n_frames * samples_per_frame
        return min(whole, whole - self.padding_samples + DECODER_DELAY_SAMPLES)


def parse_info(frame: bytes) -> InfoHeader | None:
    """The Xing or Info header in a frame, read as libmpg123 reads it."""
    header = parse_header(frame[:HEADER_BYTES])
    if header is None:
        return None
    at = HEADER_BYTES + header.side_info_bytes  # a CRC lies inside this space, not before it
    if frame[at : at + 4] not in {b"Xing", b"Info"} or any(frame[HEADER_BYTES + 2 : at]):
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    n_frames = int.from_bytes(frame[at + 8 : at + 12], "big") if flags & 1 else 0
    sizes = {1: 4, 2: 4, 4: 100, 8: 4}
    lame_at = at + 8 + sum(size for flag, size in sizes.items() if flags & flag)
    return InfoHeader(n_frames=n_frames, **_lame_trims(frame[lame_at : lame_at + 24]))


def _lame_trims(lame: bytes) -> dict[str, int]:
    """Encoder delay and padding from the LAME part of an Info header, where there is one."""
    if len(lame) < 24 or not lame[0]:  # noqa: PLR2004 - the figures end at byte 24
        return {}
    packed = int.from_bytes(lame[21:24], "big")
    return {"delay_samples": packed >> 12, "padding_samples": packed & 0xFFF}


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

    Gives up where a file is so full of false beginnings that it must have been made for it.
    """
    position, doubts = 0, 0
    while position < source.length and doubts < _MAX_DOUBTS:
        found = _next_header(source, position)
        if found is None:
            return
        start, header = found
        run = _follow(source, start, header) if frame_at(source, start) else None
        doubts += run is None
        if run is not None:
            yield run
        position = run.end if run else start + 1


def _next_header(source: AudioSource, position: int) -> tuple[int, FrameHeader] | None:
    """Where the next bytes lie that read as a Layer III header, and what they say."""
    step = _SEARCH_BYTES
    while position < source.length:
        block = source.read_at(position, step)
        for found in _LAYER_3_SYNC.finditer(block):
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
    """Append the start of each frame like `header`; where the last of them ends by its header."""
    sizes: dict[bytes, int] = {}
    base, at = start, 0
    block = source.read_at(base, _WALK_BYTES)
    while True:
        try:
            while True:  # a song has thousands of frames, and a handful of headers
                size = sizes[block[at : at + HEADER_BYTES]]
                offsets.append(base + at)
                at += size
        except KeyError:
            raw = block[at : at + HEADER_BYTES]
        if at and len(raw) < HEADER_BYTES and base + at + HEADER_BYTES <= source.length:
            base, at = base + at, 0
            block = source.read_at(base, _WALK_BYTES)
            continue
        found = parse_header(raw)
        if found is None or not found.is_like(header):
            return base + at
        sizes[raw] = found.frame_bytes
