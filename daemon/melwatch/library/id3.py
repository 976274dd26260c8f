"""The few frames of an ID3v2 tag that name a song, taken out of all else that a tag may hold.

What is in a frame is left to mutagen. That never sees the whole tag, since the time and memory it
takes grow with the square of what is in there: with pictures, with a million frames, with a frame
that a megabyte unpacks to gigabytes. Frame sizes are read as mutagen reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.audio.source import AudioSource
from melwatch.audio.tag_bounds import id3v2_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = frozenset({b"TIT2", b"TPE1", b"TALB", b"TT2", b"TP1", b"TAL"})

_HEADER_BYTES = 10
_V22, _V23, _V24 = 2, 3, 4
_UNSYNCHRONISED, _EXTENDED, _HAS_FOOTER = 0x80, 0x40, 0x10
_COMPRESSED = {_V22: 0, _V23: 0x80, _V24: 0x08}
_MAX_FRAMES, _MAX_NAMING_FRAMES = 10_000, 50
_MAX_FRAME_BYTES = 1 << 18
_MAX_UNSYNCHRONISED_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """A frame by its header; `at` is where its body begins."""

    name: bytes
    flags: bytes
    at: int
    size: int


def naming_tag(file: AudioSource) -> bytes:
    """Return a tag that holds the naming frames of the one at the start of a file; empty without one."""
    head = file.read_at(0, _HEADER_BYTES)
    length, version = id3v2_bytes(head), head[3] if len(head) == _HEADER_BYTES else 0
    if not length or version not in _COMPRESSED:
        return b""
    flags, end = head[5], length - (_HEADER_BYTES if head[5] & _HAS_FOOTER else 0)
    if end > file.length:
        return b""
    body = file.part(_HEADER_BYTES, end)
    start = _extension_bytes(body, version) if flags & _EXTENDED and version != _V22 else 0
    body = body.part(min(start, body.length), body.length)
    if flags & _UNSYNCHRONISED and version != _V24:
        if body.length > _MAX_UNSYNCHRONISED_BYTES:
            return b""
        body, flags = AudioSource.of_bytes(_synchronised(body.read_at(0, body.length))), 0
    frames = b"".join(_copies(body, version))
    return b"ID3" + bytes((version, 0, flags & _UNSYNCHRONISED)) + _syncsafe(len(frames)) + frames


def _extension_bytes(body: AudioSource, version: int) -> int:
    """Length of an extended header; some writers announce one and write none."""
    raw = body.read_at(0, 4)
    if raw.isalnum() and raw.isupper():
        return 0
    return _plain(raw, is_syncsafe=True) if version == _V24 else 4 + int.from_bytes(raw, "big")


def _synchronised(data: bytes) -> bytes:
    """Take out the zeros that keep a tag from looking like sound; some writers announce them and write none."""
    pieces = data.split(b"\xff")
    if len(pieces) > 1 and (not pieces[-1] or any(not piece or piece[0] >= 0xE0 for piece in pieces[1:])):  # noqa: PLR2004 - what would look like sound
        return data
    return pieces[0] + b"".join(b"\xff" + piece.removeprefix(b"\0") for piece in pieces[1:])


def _copies(body: AudioSource, version: int) -> Iterator[bytes]:
    """Yield the naming frames, whole, those aside that are far too large or packed."""
    found = [frame for frame in _frames(body, version) if frame.name.rstrip(b"\0") in NAMES][:_MAX_NAMING_FRAMES]
    for frame in found:
        data = body.read_at(frame.at, min(frame.size, _MAX_FRAME_BYTES + 1))
        is_packed = frame.flags and frame.flags[1] & _COMPRESSED[version]
        if not is_packed and 0 < len(data) <= _MAX_FRAME_BYTES:
            size = _syncsafe(len(data)) if version == _V24 else len(data).to_bytes(4, "big")
            yield frame.name + size[-len(frame.name) :] + frame.flags + data


def _frames(body: AudioSource, version: int) -> list[_Frame]:
    """All frames; where iTunes wrote plain sizes into a tag of version 4, those are used that make more sense."""
    if version != _V24:
        return _walk(body, version, is_syncsafe=False)[0]
    safe, safe_past = _walk(body, version, is_syncsafe=True)
    plain, plain_past = _walk(body, version, is_syncsafe=False)
    n_safe, n_plain = (sum(frame.name in NAMES for frame in frames) for frames in (safe, plain))
    is_plain = n_plain > n_safe or (n_plain == n_safe and safe_past >= 1 and plain_past <= 1)
    return plain if is_plain else safe


def _walk(body: AudioSource, version: int, *, is_syncsafe: bool) -> tuple[list[_Frame], int]:
    """Frames by their headers, and how far past the end the last one reaches; 0 if padding ends them."""
    name_bytes, header_bytes = (3, 6) if version == _V22 else (4, _HEADER_BYTES)
    frames: list[_Frame] = []
    at = 0
    for _ in range(_MAX_FRAMES):
        header = body.read_at(at, header_bytes)
        name, flags = header[:name_bytes], header[2 * name_bytes :]
        if len(header) < header_bytes or not name.strip(b"\0"):
            return frames, 0 if len(header) == header_bytes else at - body.length
        size = _plain(header[name_bytes : 2 * name_bytes], is_syncsafe=is_syncsafe)
        frames.append(_Frame(name=name, flags=flags, at=at + header_bytes, size=size))
        at += header_bytes + size
    return frames, 0


def _plain(raw: bytes, *, is_syncsafe: bool) -> int:
    if not is_syncsafe:
        return int.from_bytes(raw, "big")
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(raw)))


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
