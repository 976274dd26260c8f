"""Files that resemble MP3s, built from a few bytes that say how: the language that the fuzzer speaks.

A program is a string of bytes. Each step begins with a byte that says what is put next (a run of
frames, a tag, junk) or done to what is there (cut, changed, repeated), and takes what it needs from
the bytes that follow. Every string of bytes is a program, so that any engine may change any byte of
it, and what comes out still has frames and tags in it, right or slightly wrong.
"""

from __future__ import annotations

import random
import zlib
from functools import cache

from building import tone

MAX_BYTES = 60_000
RAW = 0xFF
"""A program that begins with this byte is followed by the file itself."""

_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_LSF = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MARKS = (
    b"ID3", b"3DI", b"TAG", b"TAG+", b"APETAGEX", b"LYRICSBEGIN", b"LYRICSEND", b"LYRICS200", b"Xing", b"Info",
    b"VBRI", b"LAME3.100", b"\xff\xfb\x90\x00", b"\xff\xfb", b"\xff", b"OggS", b"fLaC", b"RIFF", b"\0\0\0\0ftyp",
    b"\xff\xf1", b"<html", b"\xef\xbb\xbf",
)  # fmt: skip
_TEXT_FRAMES = (b"TIT2", b"TPE1", b"TALB", b"TXXX", b"APIC", b"CHAP", b"TT2\0", b"TP1\0")
_APE_KEYS = (b"Title", b"Artist", b"Album", b"Cover", b"ID3", b"\xff\xff")


class Program:
    """The bytes of a program, taken one after the other; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def take(self, n: int) -> bytes:
        self._at += n
        return self._data[self._at - n : self._at].ljust(n, b"\0")

    def of(self, choices: tuple[bytes, ...]) -> bytes:
        return choices[self.byte() % len(choices)]

    def number(self) -> int:
        """Small numbers mostly, and now and then the largest that fit in so many bits."""
        kind = self.byte()
        if kind < 0xC0:
            return kind
        bits = (7, 8, 12, 16, 21, 24, 28, 31, 32)[kind % 9]
        return max(0, (1 << bits) - 1 - (self.byte() if kind & 0x20 else 0))

    def delta(self) -> int:
        """By how much a size is wrong: mostly not at all."""
        value = self.byte()
        return 0 if value < 0xA0 else value - 0xD0


def build(program: bytes) -> bytes:
    """Return the file that a program describes."""
    if program[:1] == bytes((RAW,)):
        return program[1 : 1 + MAX_BYTES]
    steps, out, last = Program(program), bytearray(), b""
    while not steps.is_over and len(out) < MAX_BYTES:
        step = steps.byte() % 16
        if step in _PIECES:
            last = _PIECES[step](steps)
            out += last
        elif step == 12:
            del out[len(out) - min(len(out), steps.number() % 4096) :]
        elif step == 13 and out:
            out[steps.number() * 7919 % len(out)] ^= steps.byte() or 1
        elif step == 14:
            out += last * (steps.byte() % 80)
        elif step == 15 and out:
            at = steps.number() * 7919 % len(out)
            out[at : at + steps.byte()] = steps.take(steps.byte() % 8)
    return bytes(out[:MAX_BYTES])


def frame_bytes(header: bytes) -> int:
    """Return the size of the frame that a header opens; 0 if it opens none. By the book, a field at a time."""
    if len(header) < 4 or header[0] != 0xFF or header[1] >> 5 != 0b111 or header[1] >> 1 & 0b11 != 0b01:
        return 0
    version, bitrate, rate, padding = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or bitrate in {0, 15} or rate == 3:
        return 0
    samples = 1152 if version == 3 else 576
    kbps = (_KBPS if version == 3 else _KBPS_LSF)[bitrate]
    return samples * 1000 * kbps // 8 // _RATES_HZ[version][rate] + padding


def _header(steps: Program) -> bytes:
    one = steps.of((b"\xfb", b"\xfa", b"\xf3", b"\xf2", b"\xe3", b"\xe2", b"\xfb", b"\xfb"))
    two, three = steps.byte(), steps.byte()
    bitrate = 1 + (two >> 4) % 14
    return b"\xff" + one + bytes((bitrate << 4 | (two >> 2 & 3) % 3 << 2 | two & 3, three & 0xF0))


def _frames(steps: Program) -> bytes:
    header = _header(steps)
    count, filling = 1 + steps.byte() % 12, steps.byte()
    size = frame_bytes(header)
    body = bytes(size - 4) if filling < 0x80 else random.Random(filling).randbytes(size - 4)  # noqa: S311
    return (header + body) * count


def _any_frame(steps: Program) -> bytes:
    header = b"\xff" + steps.take(3)
    return header + bytes(max(0, frame_bytes(header) - 4))


def _info(steps: Program) -> bytes:
    """Return a frame with a Xing, Info or VBRI header."""
    header = _header(steps)
    version, is_mono = header[1] >> 3 & 3, header[3] >> 6 == 3
    side = (17 if is_mono else 32) if version == 3 else (9 if is_mono else 17)
    mark = steps.of((b"Xing", b"Info", b"VBRI", b"Xinh"))
    flags = steps.byte()
    fields = b"".join(steps.number().to_bytes(5, "big")[1:] for bit in (1, 2) if flags & bit)
    fields += bytes(100) if flags & 4 else b""
    fields += b"\0\0\0\x50" if flags & 8 else b""
    lame = steps.take(24) if flags & 0x10 else b"LAME3.100".ljust(21, b"\0") + steps.take(3)
    filler = bytes(side) if not flags & 0x20 else steps.take(side)
    inside = filler + mark + (flags & 15).to_bytes(4, "big") + fields + lame
    return (header + inside)[: None if flags & 0x40 else frame_bytes(header)].ljust(frame_bytes(header), b"\0")


def _syncsafe(number: int) -> bytes:
    return bytes(max(0, number) >> shift & 0x7F for shift in (21, 14, 7, 0))


def _id3v2(steps: Program) -> bytes:
    version, flags = steps.byte() % 5, steps.byte()
    body = b"".join(_text_frame(steps, version) for _ in range(steps.byte() % 5))
    body += bytes(steps.byte() % 32)
    if flags & 0x80 and version == 4:
        body = body.replace(b"\xff\x00", b"\xff\x00\x00")
    size = _syncsafe(len(body) + steps.delta())
    rest = bytes((version, 0, flags & 0xF0)) + size
    footer = b"3DI" + rest if flags & 0x10 and not flags & 1 else b""
    return b"ID3" + rest + body + footer


def _text_frame(steps: Program, version: int) -> bytes:
    name, encoding, flags = steps.of(_TEXT_FRAMES), steps.byte(), steps.byte()
    text = bytes((encoding % 5,)) + steps.take(steps.byte() % 24)
    if version <= 2:
        return name[:3] + (len(text) + steps.delta()).to_bytes(8, "big", signed=True)[-3:] + text
    second = 0
    if flags & 1 and version == 4:
        text, second = _syncsafe(len(text)) + zlib.compress(text * (1 + flags)), 0x09
    elif flags & 2:
        second = steps.byte()
    length = len(text) + steps.delta()
    size = _syncsafe(length) if version == 4 else max(0, length).to_bytes(4, "big")
    return name + size + bytes((0, second)) + text


def _ape(steps: Program) -> bytes:
    items = [(steps.of(_APE_KEYS), steps.take(steps.byte() % 24)) for _ in range(steps.byte() % 4)]
    body = b"".join(
        (len(value) + steps.delta()).to_bytes(8, "little", signed=True)[:4] + bytes(4) + key + b"\0" + value
        for key, value in items
    )
    kind, version = steps.byte(), (2000, 1000)[steps.byte() % 2]
    size, count = len(body) + 32 + steps.delta(), steps.number() if kind & 8 else len(items)
    flags = (kind & 1) << 31
    rest = b"".join(max(0, n).to_bytes(5, "little")[:4] for n in (version, size, count))
    header = b"APETAGEX" + rest + (flags | 1 << 29).to_bytes(4, "little") + bytes(8)
    footer = b"APETAGEX" + rest + flags.to_bytes(4, "little") + bytes(8)
    return (header if kind & 1 or kind & 4 else b"") + body + (b"" if kind & 2 else footer)


def _lyrics3v1(steps: Program) -> bytes:
    return b"LYRICSBEGIN" + steps.take(steps.byte()) + b"LYRICSEND"


def _lyrics3v2(steps: Program) -> bytes:
    body = b"LYRICSBEGIN" + steps.take(steps.byte())
    return body + b"%06d" % max(0, len(body) + steps.delta()) + b"LYRICS200"


def _id3v1(steps: Program) -> bytes:
    extended = b"TAG+" + bytes(223) if steps.byte() & 1 else b""
    return extended + b"TAG" + steps.take(12).ljust(125, b"\0")


@cache
def _song(number: int) -> bytes:
    return tone(300 + 40 * number, 0.6, (44_100, 22_050, 16_000, 48_000)[number])


def _sound(steps: Program) -> bytes:
    """Return a stretch of a real encoding, from its Info header or from somewhere later."""
    song = _song(steps.byte() % 4)
    start = 0 if steps.byte() < 0x90 else steps.number() * 97 % len(song)
    return song[start : start + 256 + steps.number() * 64]


_PIECES = {
    0: _frames,
    1: _any_frame,
    2: _info,
    3: _id3v2,
    4: _ape,
    5: _lyrics3v1,
    6: _lyrics3v2,
    7: _id3v1,
    8: lambda steps: steps.take(steps.byte() % 32),
    9: lambda steps: bytes(steps.number() % 5000),
    10: lambda steps: steps.of(_MARKS),
    11: _sound,
}
