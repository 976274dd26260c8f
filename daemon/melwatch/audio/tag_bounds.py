"""Where a music file's tags end and its audio begins; knows tag formats only by their bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from melwatch.audio.mpeg import frame_at

if TYPE_CHECKING:
    from melwatch.audio.source import AudioSource

_ID3V2_BYTES = 10
_APE_BYTES = 32
_ID3V1_BYTES = 128
_ID3V1_EXTENDED_BYTES = 227
_LYRICS3V1_MAX_BYTES = 5100
_SEARCH_BYTES = 1 << 16
_MAX_TAGS = 64
_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioBounds:
    """The audio is the bytes from `start` up to `end`; tags lie before and after."""

    start: int
    end: int


class _DoubtfulError(Exception):
    """A tag's bounds cannot be right, so nothing is taken off."""


def find_audio(file: AudioSource) -> AudioBounds:
    """The file without the tags at its very start and end; all of it where that is in doubt.

    In doubt means: a tag that reaches past the file's ends or has no proper beginning, tags without
    end, no MPEG frame right behind the tags at the start, or no frames at all.
    """
    try:
        start = _end_of_head(file)
        end = _start_of_tail(file, start)
    except _DoubtfulError:
        return AudioBounds(start=0, end=file.length)
    if not _has_frames(replace(file, length=end), start):
        return AudioBounds(start=0, end=file.length)
    return AudioBounds(start=start, end=end)


def _end_of_head(file: AudioSource) -> int:
    """Where the tags at the start end, with the zeros that some writers leave behind them."""
    at = 0
    for _ in range(_MAX_TAGS):
        size = id3v2_bytes(file.read_at(at, _ID3V2_BYTES)) or _ape_head_bytes(file.read_at(at, _APE_BYTES))
        if not size:
            break
        at += size
        if at > file.length:
            raise _DoubtfulError
    else:
        raise _DoubtfulError
    return _skip_zeros(file, at) if at else 0


def id3v2_bytes(raw: bytes) -> int:
    """Length of the ID3v2 tag that begins with these ten bytes, header and footer included."""
    if len(raw) < _ID3V2_BYTES or raw[:3] != b"ID3" or 0xFF in raw[3:5] or max(raw[6:10]) >= 0x80:  # noqa: PLR2004 - sizes have 7 bits a byte
        return 0
    size = (raw[6] << 21) | (raw[7] << 14) | (raw[8] << 7) | raw[9]
    return _ID3V2_BYTES + size + (_ID3V2_BYTES if raw[5] & 0x10 else 0)


def _ape_size(raw: bytes) -> int:
    """What an APE header or footer gives as its tag's length (without the header); 0 if none."""
    if len(raw) < _APE_BYTES or raw[:8] != b"APETAGEX":
        return 0
    return int.from_bytes(raw[12:16], "little")


def _ape_head_bytes(raw: bytes) -> int:
    size = _ape_size(raw)
    return _APE_BYTES + size if size else 0


def _skip_zeros(file: AudioSource, at: int) -> int:
    """The first byte from `at` on that is not zero."""
    while block := file.read_at(at, _SEARCH_BYTES):
        rest = block.lstrip(b"\0")
        at += len(block) - len(rest)
        if rest:
            break
    return at


def _start_of_tail(file: AudioSource, start: int) -> int:
    """Where the tags at the end begin."""
    end = file.length
    for _ in range(_MAX_TAGS):
        size = _tail_bytes(file, end)
        if not size:
            break
        end -= size
        if end < start:
            raise _DoubtfulError
    else:
        raise _DoubtfulError
    return end


def _tail_bytes(file: AudioSource, end: int) -> int:
    """Length of the tag that ends at `end`; 0 if none does."""
    for measure in (_id3v1_bytes, _ape_tail_bytes, _lyrics3_bytes, _id3v2_tail_bytes):
        size = measure(file, end)
        if size:
            return size
    return 0


def _before(file: AudioSource, end: int, n: int) -> bytes:
    """The `n` bytes that end at `end`; nothing if there are fewer."""
    return file.read_at(end - n, n) if end >= n else b""


def _id3v1_bytes(file: AudioSource, end: int) -> int:
    if _before(file, end, _ID3V1_BYTES)[:3] != b"TAG":
        return 0
    extended = _before(file, end - _ID3V1_BYTES, _ID3V1_EXTENDED_BYTES)
    return _ID3V1_BYTES + (_ID3V1_EXTENDED_BYTES if extended[:4] == b"TAG+" else 0)


def _ape_tail_bytes(file: AudioSource, end: int) -> int:
    footer = _before(file, end, _APE_BYTES)
    size = _ape_size(footer)
    if footer[:8] != b"APETAGEX":
        return 0
    has_header = int.from_bytes(footer[20:24], "little") >> 31
    total = size + (_APE_BYTES if has_header else 0)
    if size < _APE_BYTES or total > end:
        raise _DoubtfulError
    if has_header and file.read_at(end - total, 8) != b"APETAGEX":
        raise _DoubtfulError
    return total


def _lyrics3_bytes(file: AudioSource, end: int) -> int:
    mark = _before(file, end, 15)
    if mark.endswith(b"LYRICS200"):
        size = int(mark[:6]) if mark[:6].isdigit() else 0
        total = size + len(mark)
        if total > end or file.read_at(end - total, 11) != b"LYRICSBEGIN":
            raise _DoubtfulError
        return total
    if not mark.endswith(b"LYRICSEND"):
        return 0
    window = _before(file, end, min(end, _LYRICS3V1_MAX_BYTES + 20))
    begin = window.rfind(b"LYRICSBEGIN")
    if begin < 0:
        raise _DoubtfulError
    return len(window) - begin


def _id3v2_tail_bytes(file: AudioSource, end: int) -> int:
    footer = _before(file, end, _ID3V2_BYTES)
    if footer[:3] != b"3DI":
        return 0
    total = id3v2_bytes(b"ID3" + footer[3:])
    if not total or not footer[5] & 0x10:
        return 0
    if total > end or file.read_at(end - total, 3) != b"ID3":
        raise _DoubtfulError
    return total


def _has_frames(audio: AudioSource, start: int) -> bool:
    """Whether MPEG frames lie at `start` (after tags), or close behind (without tags)."""
    if start:
        return frame_at(audio, start) is not None
    head = audio.read_at(0, _SEARCH_BYTES)
    return any(frame_at(audio, sync.start()) for sync in _SYNC.finditer(head))
