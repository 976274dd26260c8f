"""Where MPEG frames lie, and the lengths that they and Info headers foretell."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.audio.mpeg import InfoHeader, parse_header
from melwatch.audio.source import AudioSource
from melwatch.spectrogram.frame_walk import FrameWalk, walk_frames

SHORT_RUN = (bytes.fromhex("fff314c4") + bytes(20)) * 2 + b"\0"
"""The smallest frames there are, and a gap."""
RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def song(seconds: float = 1.0, rate_hz: int = 44100, channels: int = 2, mode: str = "VARIABLE") -> bytes:
    """Return an MP3 of noise, with an Info header."""
    noise = np.random.default_rng(7).uniform(-0.3, 0.3, (int(seconds * rate_hz), channels))
    out = io.BytesIO()
    soundfile.write(
        out, noise, rate_hz, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.4
    )
    return out.getvalue()


def walk(data: bytes) -> FrameWalk:
    return walk_frames(AudioSource.of_bytes(data))


def bare(data: bytes) -> bytes:
    """Return the frames of a song without the one that holds its Info header."""
    return data[walk(data).offsets[0] :]


def with_info(frames: bytes, info: InfoHeader, *, flags: int = 1) -> bytes:
    """Return frames with a crafted Info frame in front (128 kbit/s, so that it has room)."""
    raw = bytes((frames[0], frames[1] | 1, frames[2] & 0x0D | 0x90, frames[3]))
    header = parse_header(raw)
    assert header is not None
    lame = b"LAME3.100".ljust(21, b"\0") + (info.delay_samples << 12 | info.padding_samples).to_bytes(3, "big")
    body = b"Info" + flags.to_bytes(4, "big") + (info.n_frames.to_bytes(4, "big") if flags & 1 else b"") + lame
    return (raw + bytes(header.side_info_bytes) + body).ljust(header.frame_bytes, b"\0") + frames


def decoded_samples(data: bytes) -> int:
    """Return how many samples libsndfile makes of an MP3."""
    with soundfile.SoundFile(io.BytesIO(data)) as sound:
        return len(sound.read(min(sound.frames, 10_000_000)))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_foretold_length_is_what_libsndfile_decodes(rate_hz: int, channels: int, mode: str) -> None:
    """The number of samples is known from headers alone, at every rate."""
    data = song(0.7, rate_hz, channels, mode)

    found = walk(data)

    assert found.exact_samples == decoded_samples(data)
    assert found.header is not None
    assert (found.header.sample_rate_hz, found.header.channels) == (rate_hz, channels)


@pytest.mark.parametrize("rate_hz", [22050, 44100])
@pytest.mark.parametrize("surplus", [0, 1, 50])
@pytest.mark.parametrize("trims", [(0, 0), (576, 1000), (576, 100), (576, 0), (0, 1000), (1105, 529), (4095, 4095)])
def test_foretold_length_follows_any_info_header(rate_hz: int, surplus: int, trims: tuple[int, int]) -> None:
    """Delay, padding and counts too large have the effect that they have in libmpg123."""
    frames = bare(song(0.7, rate_hz, 1))
    info = InfoHeader(n_frames=walk(frames).n_frames + surplus, delay_samples=trims[0], padding_samples=trims[1])
    data = with_info(frames, info)

    assert walk(data).info == info
    assert walk(data).exact_samples == decoded_samples(data)


def test_info_header_without_a_count_trims_nothing() -> None:
    """Its frame is left out and that is all."""
    frames = bare(song(mode="CONSTANT"))
    data = with_info(frames, InfoHeader(n_frames=0), flags=0)

    assert walk(data).exact_samples == walk(frames).n_frames * 1152 == decoded_samples(data)


def test_info_header_that_counts_too_few_frames_foretells_nothing() -> None:
    """What libmpg123 leaves out then is for others to find."""
    frames = bare(song())

    assert walk(with_info(frames, InfoHeader(n_frames=3))).exact_samples is None


def test_frames_lie_one_behind_the_other_and_the_last_one_ends_the_song() -> None:
    """Each offset holds a header, and the distance to the next is what it says."""
    data = song()
    offsets = walk(data).offsets

    for start, end in pairwise(offsets):
        header = parse_header(data[start : start + 4])
        assert header is not None
        assert header.frame_bytes == end - start
    assert offsets[-1] == len(data)


@given(before=st.binary(max_size=3000), after=st.binary(max_size=3000))
@settings(max_examples=30)
def test_what_lies_around_a_song_does_not_change_what_is_found(before: bytes, after: bytes) -> None:
    """Junk is stepped over on both sides, whatever is in it."""
    data = SHORT
    found, plain = walk(before + data + after), walk(data)

    if found.n_runs == 1:
        assert found.exact_samples == plain.exact_samples
        assert [offset - len(before) for offset in found.offsets] == list(plain.offsets)


@pytest.mark.parametrize("before", ["fffb9c", "fffb0c", "fffbf0", "fffb9cff", "fffffb9c", "ff", "fffb"])
def test_a_song_is_found_right_behind_half_a_header(before: str) -> None:
    """What looks like the beginning of a header and is none hides no frame that overlaps it."""
    junk = bytes.fromhex(before)
    found = walk(junk + SHORT)

    assert found.start == len(junk)
    assert found.info == walk(SHORT).info


SHORT = song(0.5)


@given(st.binary(max_size=5000))
def test_walking_anything_ends_without_an_error(data: bytes) -> None:
    """Offsets rise and stay inside the data."""
    offsets = walk(data).offsets

    assert list(offsets) == sorted(set(offsets))
    assert all(0 <= offset <= len(data) for offset in offsets)


@pytest.mark.parametrize("pattern", [b"\xff", b"\xff\xfb", b"\xff\xfb\x92", b"\xff\xfb\x90\x00", b"\0", SHORT_RUN])
def test_a_file_made_to_waste_time_does_not(pattern: bytes) -> None:
    """Megabytes of beginnings are given up on, whether they are false or each two frames long."""
    data = pattern * (4_000_000 // len(pattern))
    n_read = 0

    def read(at: int, n: int) -> bytes:
        nonlocal n_read
        n_read += n
        return data[at : at + n]

    walk_frames(AudioSource(read=read, length=len(data)))
    assert n_read < 300_000_000


def test_a_frame_that_is_cut_off_does_not_count() -> None:
    """Only complete frames are promised."""
    data = song()

    assert walk(data[:-1]).n_frames == walk(data).n_frames - 1


def test_a_change_of_rate_is_another_run() -> None:
    """Both parts are promised, and no exact length."""
    first, second = bare(song(1.0, 44100)), bare(song(1.0, 22050))
    found = walk(first + second)

    assert found.n_runs == 2
    assert found.exact_samples is None
    assert found.promised_s == pytest.approx(walk(first).promised_s + walk(second).promised_s)


def test_frames_behind_a_gap_are_promised() -> None:
    """Damage in the middle costs only what is damaged."""
    data = bare(song(2.0))
    offsets = walk(data).offsets
    middle = offsets[len(offsets) // 2]

    assert walk(data[:middle] + bytes(5000) + data[middle:]).n_frames == len(offsets) - 1


def test_blocks_of_reading_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walking in tiny blocks finds what walking in large ones finds."""
    data = bytes(100) + song(3.0)
    expected = walk(data)
    monkeypatch.setattr("melwatch.spectrogram.frame_walk._WALK_BYTES", 67)
    monkeypatch.setattr("melwatch.spectrogram.frame_walk._SEARCH_BYTES", 11)

    assert walk(data) == expected
