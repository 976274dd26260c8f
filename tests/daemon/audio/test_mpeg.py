"""What headers of MPEG audio frames say."""

from __future__ import annotations

import pytest

from melwatch.audio.mpeg import InfoHeader, parse_header, parse_info

OTHER_HEADERS = ("", "fffb90", "fffb0000", "fffbf000", "fffb9c00", "fffd9000", "ffff9000", "fff15080", "ffea9000")


@pytest.mark.parametrize("raw", [bytes.fromhex(raw) for raw in OTHER_HEADERS])
def test_other_headers_are_none(raw: bytes) -> None:
    """Free format, reserved values, other layers and AAC are not taken for Layer III."""
    assert parse_header(raw) is None


INFO_FRAME = bytes.fromhex("fffb9000") + bytes(32) + b"Info" + bytes((0, 0, 0, 1, 0, 0, 0, 5)) + bytes(369)


def test_an_info_header_says_how_many_frames_follow() -> None:
    """The count stands behind its flag."""
    assert parse_info(INFO_FRAME) == InfoHeader(n_frames=5)


def test_sound_that_spells_info_is_no_info_header() -> None:
    """The side information in front of it must be empty, as libmpg123 asks for."""
    frame = bytearray(INFO_FRAME)
    frame[20] = 1

    assert parse_info(bytes(frame)) is None


@pytest.mark.parametrize("raw", [bytes.fromhex(raw) for raw in ("fffb9200", "fffa92c4", "fff39240", "ffe240c0")])
def test_headers_alike_differ_in_byte_2_only(raw: bytes) -> None:
    """A header made like another one, with its own byte 2, says the same."""
    header = parse_header(raw)
    assert header is not None
    made = parse_header(header.with_byte_2(raw[2]))

    assert made is not None
    assert made.is_like(header)
    assert made.frame_bytes == header.frame_bytes
