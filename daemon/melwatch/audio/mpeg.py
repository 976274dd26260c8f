"""What the headers of MPEG audio frames say; where frames lie in a file is for `frame_walk`.

Headers after ISO 11172-3 and 13818-3 (with the unofficial MPEG-2.5). The Info header and what it
means for the length of the decoded sound follow libmpg123, since that decodes our songs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melwatch.audio.source import AudioSource

HEADER_BYTES = 4
DECODER_DELAY_SAMPLES = 529
"""What every Layer III decoder adds in front; LAME's figures leave it out."""

_MPEG_1, _MPEG_2, _MPEG_25 = 3, 2, 0
_MONO = 3
_RATES_HZ = {
    _MPEG_1: (44100, 48000, 32000),
    _MPEG_2: (22050, 24000, 16000),
    _MPEG_25: (11025, 12000, 8000),
}
_KBPS_MPEG_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_LSF = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
LAYER_3_SYNC = re.compile(
    rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]["
    + b"".join(rb"\x%x0-\x%xb" % (bitrate, bitrate) for bitrate in range(1, len(_KBPS_MPEG_1)))
    + rb"].",
    re.DOTALL,
)
"""Four bytes that are a header: no more than that, since a search goes on behind whatever matches."""


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

    def with_byte_2(self, value: int) -> bytes:
        """A header like this one but for bit rate, sample rate and padding, which are in byte 2."""
        return bytes((0xFF, 0xE3 | self.version << 3, value, 0xC0 if self.channels == 1 else 0))

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
    if len(raw) < HEADER_BYTES or not LAYER_3_SYNC.match(raw):
        return None
    version, rate_index, bitrate_index = (raw[1] >> 3) & 3, (raw[2] >> 2) & 3, raw[2] >> 4
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
