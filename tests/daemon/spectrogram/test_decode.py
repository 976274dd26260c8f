"""Windows are what decoding and resampling the whole song gives, whichever way they are made."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.audio.source import AudioSource, SourceFile
from melwatch.errors import TrackError
from melwatch.spectrogram import decode, whole
from melwatch.spectrogram.decode import decode_windows
from melwatch.spectrogram.frame_walk import walk_frames
from melwatch.spectrogram.native import mix_down
from melwatch.spectrogram.slices import plan_slices
from melwatch.spectrogram.streams import pyav_blocks, soundfile_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from melwatch.spectrogram.decode import Decoded

RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
WINDOW_SAMPLES = 8_192
EXACT = 2e-6


def six(total: int) -> list[int]:
    return [k * (total // 6) for k in range(6)]


@cache
def song(seconds: float = 5.0, rate_hz: int = 44100, channels: int = 2, mode: str = "VARIABLE") -> bytes:
    """Return an MP3 of chirps and noise that swell, so that frames differ in size and reservoir."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(1).uniform(-1, 1, (len(time_s), channels))
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 0.7 * time_s)
    tone = np.sin(2 * np.pi * (200 + 150 * time_s) * time_s)
    samples = 0.3 * tone[:, None] + 0.3 * swell[:, None] * noise
    out = io.BytesIO()
    soundfile.write(
        out, samples, rate_hz, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.5
    )
    return out.getvalue()


def bare(data: bytes) -> bytes:
    """Return the frames of a song without the one that holds its Info header."""
    return data[walk_frames(AudioSource.of_bytes(data)).offsets[0] :]


def windows_of(data: bytes, *, is_mp3: bool = True, length: int = WINDOW_SAMPLES) -> Decoded:
    source = AudioSource.of_bytes(data, is_mp3=is_mp3)
    return decode_windows(source, rate_hz=16_000, window_samples=length, starts=six)


def reference(data: bytes, length: int = WINDOW_SAMPLES) -> list[np.ndarray]:
    """Return the windows of a song decoded and resampled whole."""
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    mono = samples.mean(1)
    resampled = mono if rate_hz == 16_000 else soxr.resample(mono, rate_hz, 16_000, quality="HQ")
    return [resampled[start : start + length] for start in six(len(resampled))]


def assert_equal(windows: Sequence[np.ndarray], expected: Sequence[np.ndarray], tolerance: float = EXACT) -> None:
    assert [len(window) for window in windows] == [len(window) for window in expected]
    for window, other in zip(windows, expected, strict=True):
        assert window.dtype == np.float32
        np.testing.assert_allclose(window, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_slices_are_the_whole(rate_hz: int, channels: int, mode: str) -> None:
    """Only the frames a window needs are decoded, and the numbers are the same."""
    data = song(5.0, rate_hz, channels, mode)
    decoded = windows_of(data)

    assert decoded.sound.method == "slices"
    assert not decoded.sound.is_partial
    assert_equal(decoded.windows, reference(data))


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0, 1.024, 2.0, 3.072, 3.2])
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_windows_that_overlap_or_end_with_the_song_are_the_whole(seconds: float, rate_hz: int) -> None:
    """Short songs give short windows; a window may end exactly where the song does."""
    data = song(seconds, rate_hz, 1)

    assert_equal(windows_of(data).windows, reference(data))


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_songs_without_an_info_header_are_decoded_to_the_end(mode: str) -> None:
    """All of their frames count, whatever libsndfile guesses."""
    data = bare(song(mode=mode))
    decoded = windows_of(data)
    walk = walk_frames(AudioSource.of_bytes(data))

    assert decoded.sound.method == "slices"
    assert decoded.sound.duration_s == pytest.approx(walk.n_frames * 1152 / 44100, abs=1e-4)
    assert_equal(decoded.windows[:1], reference(data)[:1])


@pytest.mark.parametrize("junk", [b"\0" * 100, b"\0" * 3000, b"hello " * 500, b"\xff"])
@pytest.mark.parametrize("place", ["before", "behind"])
def test_junk_around_the_frames_changes_nothing(junk: bytes, place: str) -> None:
    """It is stepped over, whatever libsndfile would make of it."""
    data = song(4.0)
    decoded = windows_of(junk + data if place == "before" else data + junk)

    assert decoded.sound.method == "slices"
    assert_equal(decoded.windows, windows_of(data).windows, 0)


@pytest.mark.parametrize("data", [song(4.0)[:-100], song(4.0)[: len(song(4.0)) // 2]])
def test_a_song_that_was_cut_off_is_decoded_as_far_as_it_goes(data: bytes) -> None:
    """An Info header that counts more frames than there are is no obstacle."""
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    decoded = windows_of(data)

    assert decoded.sound.duration_s == pytest.approx(len(samples) / rate_hz, abs=1e-4)
    assert_equal(decoded.windows, reference(data))


def test_slices_of_a_song_cut_off_in_front_are_its_whole() -> None:
    """A bit reservoir that is missing at the start is missing in both."""
    data = song(mode="CONSTANT")
    cut = data[walk_frames(AudioSource.of_bytes(data)).offsets[20] :]

    assert_equal(windows_of(cut).windows, reference(cut))


def test_the_slow_way_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streaming through the song and cutting slices out of it are the same thing."""
    data = song()
    fast = windows_of(data)
    monkeypatch.setattr(decode, "_decode_fast", lambda *_: None)
    slow = windows_of(data)

    assert (fast.sound.method, slow.sound.method) == ("slices", "soundfile")
    assert fast.sound.duration_s == slow.sound.duration_s
    assert_equal(fast.windows, slow.windows)


def test_a_long_song_is_decoded_twice_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too long to be kept is cut the second time."""
    data = song()
    monkeypatch.setattr(decode, "_decode_fast", lambda *_: None)
    kept = windows_of(data)
    monkeypatch.setattr(whole, "KEEP_SAMPLES", 1000)

    assert_equal(windows_of(data).windows, kept.windows, 0)


@pytest.mark.parametrize("rate_hz", [22050, 44100])
def test_both_decoders_agree_to_the_sample(rate_hz: int) -> None:
    """FFmpeg takes off the same delay and padding as libmpg123."""
    source = AudioSource.of_bytes(song(4.0, rate_hz))
    one, other = (np.concatenate([mono for _, mono in blocks(source)]) for blocks in (soundfile_blocks, pyav_blocks))

    assert len(one) == len(other)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_damage_in_the_middle_does_not_cost_the_second_half() -> None:
    """Where libsndfile stops, the other decoder goes on."""
    data = bare(song(mode="CONSTANT"))
    middle = walk_frames(AudioSource.of_bytes(data)).offsets[90]
    damaged = data[:middle] + np.random.default_rng(5).bytes(20_000) + data[middle:]
    decoded = windows_of(damaged)

    assert decoded.sound.method == "pyav"
    assert decoded.sound.duration_s == pytest.approx(windows_of(data).sound.duration_s, abs=0.1)
    assert not decoded.sound.is_partial


def test_what_no_decoder_gives_is_stated_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that stays silent is never passed over in silence."""
    data = bare(song(mode="CONSTANT"))
    monkeypatch.setattr(decode, "_decode_fast", lambda *_: None)
    monkeypatch.setattr(decode, "soundfile_blocks", lambda source: list(soundfile_blocks(source))[:1])
    monkeypatch.setattr(decode, "pyav_blocks", lambda source: list(pyav_blocks(source))[:1])
    sound = windows_of(data).sound

    assert sound.is_partial
    assert sound.promised_s == pytest.approx(5.0, abs=0.1)
    assert sound.method == "soundfile"


def test_a_song_that_changes_its_rate_is_decoded_whole() -> None:
    """Each part is resampled on its own."""
    parts = bare(song(4.0, 44100, 2)), bare(song(4.0, 22050, 1))
    decoded = windows_of(parts[0] + parts[1])

    assert decoded.sound.duration_s == pytest.approx(8.0, abs=0.25)
    assert not decoded.sound.is_partial


@pytest.mark.parametrize(
    ("kind", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("WAV", "PCM_24")]
)
def test_other_formats_are_decoded_whole(kind: str, subtype: str) -> None:
    """They go through libsndfile from beginning to end."""
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, (48_000 * 3, 3 if kind == "WAV" else 2))
    out = io.BytesIO()
    soundfile.write(out, noise, 48_000, format=kind, subtype=subtype)
    decoded = windows_of(out.getvalue(), is_mp3=False)

    assert decoded.sound.method == "soundfile"
    assert_equal(decoded.windows, reference(out.getvalue()))


def other_file(kind: str, subtype: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(16_000), 16_000, format=kind, subtype=subtype)
    return out.getvalue()


REFUSED = {
    "nothing": (b"", "not_mp3"),
    "one byte": (b"\xff", "not_mp3"),
    "zeros": (bytes(10_000), "not_mp3"),
    "text": (b"Dear friends,\n" * 50, "not_mp3"),
    "a web page": (b"<!DOCTYPE html><html>gone</html>", "not_mp3"),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40, "not_mp3"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(1000), "not_mp3"),
    "ZIP with a song": (b"PK\x03\x04" + bytes(30) + song(1.0), "not_mp3"),
    "MP4 with a song": (b"\0\0\0\x20ftypisom" + bytes(20) + song(1.0), "not_mp3"),
    "AAC": (b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(500), "not_mp3"),
    "Ogg": (other_file("OGG", "VORBIS"), "not_mp3"),
    "FLAC": (other_file("FLAC", "PCM_16"), "not_mp3"),
    "FLAC behind an ID3 tag": (b"ID3\x04\0\0\0\0\0\x00" + other_file("FLAC", "PCM_16"), "not_mp3"),
    "WAV": (other_file("WAV", "PCM_16"), "not_mp3"),
    "AIFF": (other_file("AIFF", "PCM_16"), "not_mp3"),
    "an ID3 tag alone": (b"ID3\x04\0\0\0\0\x10\x00" + bytes(2048), "not_mp3"),
    "an Info frame alone": (song(1.0)[: walk_frames(AudioSource.of_bytes(song(1.0))).offsets[0]], "too_short"),
    "a tenth of a second": (song(0.1), "too_short"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_song_is_refused_with_a_reason(what: str) -> None:
    """The sentence says what the file seems to be."""
    data, reason = REFUSED[what]

    with pytest.raises(TrackError) as caught:
        windows_of(data)
    assert caught.value.reason == reason
    assert caught.value.what
    assert caught.value.hint


def test_the_shortest_song_has_2400_samples() -> None:
    """One sample less is too short, and the sentence names both lengths."""
    enough = decode.Cut(rate_hz=16_000, length=10, starts=six).spans(2400)
    assert len(enough) == 6

    with pytest.raises(TrackError, match=r"0\.15"):
        decode.Cut(rate_hz=16_000, length=10, starts=six).spans(2399)


@given(data=st.binary(max_size=4000))
@settings(max_examples=60)
def test_any_bytes_give_windows_or_a_track_error(data: bytes) -> None:
    """No content of a file is a bug."""
    with pytest.raises(TrackError):
        windows_of(data)


def test_no_frame_is_decoded_twice() -> None:
    """Spans that meet become one slice; slices rise and do not touch."""
    walk = walk_frames(AudioSource.of_bytes(song()))
    assert walk.header is not None
    apart = plan_slices(walk, walk.header, [(80_000, 90_000), (0, 1000), (150_000, 170_000)])
    touching = plan_slices(walk, walk.header, [(0, 50_000), (50_500, 90_000), (40_000, 60_000)])

    assert [part.start for part in apart] == [0, 80_000, 150_000]
    assert all(one.last < other.first for one, other in pairwise(apart))
    assert [(part.start, part.stop) for part in touching] == [(0, 90_000)]


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_mono_is_the_mean_of_all_channels(channels: int) -> None:
    """The quick way for stereo included."""
    samples = np.random.default_rng(channels).uniform(-1, 1, (1000, channels)).astype(np.float32)

    np.testing.assert_allclose(mix_down(samples), samples.mean(1), rtol=0, atol=1e-7)


def test_a_source_reads_like_a_file() -> None:
    """Seeking and reading a part of a source is seeking and reading those bytes."""
    data = bytes(range(200))
    file, expected = SourceFile(AudioSource.of_bytes(data).part(50, 150)), io.BytesIO(data[50:150])

    for offset, origin, n in [(0, 0, 10), (5, 1, 7), (-20, 2, 50), (30, 0, -1), (500, 0, 4), (0, 2, 1)]:
        assert file.seek(offset, origin) == expected.seek(offset, origin)
        assert file.read(n) == expected.read(n)
        assert file.tell() == expected.tell()


def test_what_libmpg123_prints_goes_nowhere(tmp_path: Path) -> None:
    """Python's own error output still arrives."""
    code = (
        "import os, sys; from melwatch.spectrogram.native import silence_native_stderr;"
        "silence_native_stderr(); os.write(2, b'from C'); print('from Python', file=sys.stderr)"
    )
    search = os.pathsep.join(filter(None, sys.path))
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": search},
    )

    assert ran.stderr.decode().split() == ["from", "Python"]
