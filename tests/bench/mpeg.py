"""The MPEG frames of an MP3 as byte ranges; nothing here decodes.

Written for the benchmark alone and on purpose apart from melwatch's own frame walk, so that the
songs it is measured on are not made by the code that is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

_MPEG1_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MPEG2_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_MPEG1_HZ = (44_100, 48_000, 32_000, 0)
_HEADER_BYTES = 4
_MPEG1, _MPEG2, _MPEG25 = 3, 2, 0
_RATE_DIVISOR = {_MPEG1: 1, _MPEG2: 2, _MPEG25: 4}
_LAYER3 = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Where the tags and the audio frames of one MP3 lie."""

    head: bytes
    """What comes before the first frame: the ID3v2 tag, if there is one."""
    starts: tuple[int, ...]
    """First byte of each audio frame, the Xing/Info/VBRI frame left out."""
    end: int
    """First byte after the last frame."""

    def between(self, first: int, last: int) -> slice:
        """The bytes of frames [first, last)."""
        stop = self.starts[last] if last < len(self.starts) else self.end
        return slice(self.starts[first], stop)


def frame_bytes(header: bytes) -> int:
    """Length of the layer III frame that this header opens; 0 where it is none."""
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (header[1] >> 3) & 3, (header[1] >> 1) & 3
    if version not in _RATE_DIVISOR or layer != _LAYER3:
        return 0
    kbps = (_MPEG1_KBPS if version == _MPEG1 else _MPEG2_KBPS)[header[2] >> 4]
    rate_hz = _MPEG1_HZ[(header[2] >> 2) & 3] // _RATE_DIVISOR[version]
    if not kbps or not rate_hz:
        return 0
    padding = (header[2] >> 1) & 1
    return (144_000 if version == _MPEG1 else 72_000) * kbps // rate_hz + padding


def find_frames(data: bytes) -> Frames:
    """The unbroken run of frames after the ID3v2 tag; it ends at the first byte that is no frame."""
    begin = _first_frame(data, _id3v2_bytes(data))
    starts: list[int] = []
    at = begin
    while (length := frame_bytes(data[at : at + _HEADER_BYTES])) and at + length <= len(data):
        starts.append(at)
        at += length
    if starts and _is_info_frame(data[starts[0] : starts[0] + 64]):
        del starts[0]
    return Frames(head=data[:begin], starts=tuple(starts), end=at)


def promised_samples(data: bytes) -> int:
    """Samples per channel that the frame headers promise, less what LAME's tag says to trim."""
    begin = _first_frame(data, _id3v2_bytes(data))
    frames = find_frames(data)
    version = (data[begin + 1] >> 3) & 3
    total = len(frames.starts) * (1152 if version == _MPEG1 else 576)
    return total - _lame_trim_samples(data[begin : frames.starts[0]])


def _lame_trim_samples(info_frame: bytes) -> int:
    """Encoder delay and padding from a Xing/Info frame with a LAME extension."""
    for mark in (b"LAME", b"Lavc", b"Lavf"):
        if (at := info_frame.find(mark)) >= 0:
            a, b, c = info_frame[at + 21 : at + 24]
            return (a << 4 | b >> 4) + ((b & 15) << 8 | c)
    return 0


def _id3v2_bytes(data: bytes) -> int:
    if data[:3] != b"ID3":
        return 0
    a, b, c, d = data[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def _first_frame(data: bytes, at: int) -> int:
    """First place from `at` on where three frames follow one another."""
    while (at := data.find(b"\xff", at)) >= 0:
        follower = at
        for _ in range(3):
            length = frame_bytes(data[follower : follower + _HEADER_BYTES])
            follower += length
            if not length:
                break
        else:
            return at
        at += 1
    message = "no MPEG audio frames"
    raise ValueError(message)


def _is_info_frame(frame: bytes) -> bool:
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))
