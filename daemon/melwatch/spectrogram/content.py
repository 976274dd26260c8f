"""What a file that calls itself an MP3 seems to be instead, told by its first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.audio.tag_bounds import id3v2_bytes

if TYPE_CHECKING:
    from melwatch.audio.source import AudioSource

_HEAD_BYTES = 512
_AT_START = (
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a FLAC file"),
    (b"FORM", "an AIFF file"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (b"MAC ", "a Monkey's Audio file"),
    (b"MPCK", "a Musepack file"),
    (b"MP+", "a Musepack file"),
    (b"wvpk", "a WavPack file"),
    (b"ADIF", "an AAC file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"%PDF-", "a PDF document"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x00\x05\x16\x07", "an AppleDouble file, which macOS leaves beside a song"),
)
_MP4_BRAND_AT = 4
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1b")


def other_content(source: AudioSource) -> str | None:
    """What the file surely is, if that is something other than an MP3."""
    head = _head(source)
    for magic, name in _AT_START:
        if head.startswith(magic):
            return name
    if head[_MP4_BRAND_AT : _MP4_BRAND_AT + 4] == b"ftyp":
        return "an MP4 file (M4A or video)"
    return None


def seeming_content(source: AudioSource) -> str | None:
    """What a file without MPEG frames that libsndfile knows might be."""
    head = _head(source)
    if not head.strip(b"\0"):
        return "nothing but zeros" if head else "empty"
    if head[0] == 0xFF and len(head) > 1 and head[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - the ADTS sync word
        return "an AAC file"
    if b"<html" in head.lower() or b"<!doctype html" in head.lower():
        return "a web page"
    if all(byte >= ord(" ") or byte in _TEXT_CONTROLS for byte in head) and _is_utf8(head):
        return "a text file"
    return None


def _head(source: AudioSource) -> bytes:
    """The first bytes behind an ID3 tag, if there is one."""
    at = id3v2_bytes(source.read_at(0, 10))
    return source.read_at(at if at < source.length else 0, _HEAD_BYTES)


def _is_utf8(head: bytes) -> bool:
    try:
        head[:-3].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
