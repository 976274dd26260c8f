"""What must hold of any file, one check for each of our parsers; an error or a failed assertion is a finding."""

from __future__ import annotations

import functools
import io
import json
import os
import random
import tempfile
import unicodedata
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
from shapes import build, frame_bytes
from walking import info_numbers, reference_runs

from melwatch.audio import audiofile, source
from melwatch.audio.source import AudioSource
from melwatch.audio.tag_bounds import AudioBounds, find_audio, id3v2_bytes
from melwatch.errors import TrackError
from melwatch.library.id3 import NAMES
from melwatch.library.identity import identify
from melwatch.library.tags import _ID3_FRAMES, _id3, read_tags
from melwatch.spectrogram import frame_walk
from melwatch.spectrogram.decode import decode_windows
from melwatch.spectrogram.recipe import Recipe

READ_FACTOR, READ_CONSTANT = 2048, 1 << 20
"""How much may be read for each byte: a search and a walk of 4 kB for each header, and one fits in 4 bytes."""

REASONS = {"too_short", "undecodable", "not_mp3"}
_MARKS = (b"ID3", b"3DI", b"TAG", b"APETAGEX", b"LYRICS")


class Watched:
    """A source that checks what is asked of it, and counts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.n_read = 0
        self.source = AudioSource(read=self._read, length=len(data))

    def _read(self, offset: int, n: int) -> bytes:
        assert offset >= 0, "read before the beginning"
        assert n >= 0, "a negative number of bytes"
        assert n == 0 or offset + n <= len(self.data), "read beyond the end"
        self.n_read += n
        return self.data[offset : offset + n]

    def check_cost(self) -> None:
        assert self.n_read <= READ_FACTOR * len(self.data) + READ_CONSTANT, "reads far more than there is"


def check_walk(program: bytes) -> None:
    """The frame walk agrees with a plain one, whatever the size of its blocks, and stays in the file."""
    data = build(program)
    watched = Watched(data)
    walk = frame_walk.walk_frames(watched.source)
    watched.check_cost()

    runs = reference_runs(data)
    assert walk.n_runs == len(runs)
    if runs:
        first = runs[0]
        assert walk.start == first.starts[0]
        numbers = info_numbers(data[first.starts[0] : first.starts[0] + frame_bytes(data[first.starts[0] :][:4])])
        assert (walk.info is None) == (numbers is None)
        if walk.info and numbers:
            assert (walk.info.n_frames, walk.info.delay_samples, walk.info.padding_samples) == numbers
        begins = first.starts[1:] if numbers else first.starts
        assert list(walk.offsets) == [*begins, first.end]
        assert walk.n_frames == sum(len(run.starts) for run in runs) - (numbers is not None)
        assert all(a < b for a, b in pairwise(walk.offsets))
    assert 0 <= (walk.exact_samples or 0) <= 1152 * walk.n_frames
    assert 0 <= walk.promised_s <= len(data)
    sizes = random.Random(len(data))  # noqa: S311
    with (
        mock.patch.object(frame_walk, "_WALK_BYTES", sizes.randrange(4, 900)),
        mock.patch.object(frame_walk, "_SEARCH_BYTES", sizes.randrange(4, 90)),
    ):
        assert frame_walk.walk_frames(AudioSource.of_bytes(data)) == walk


def check_bounds(program: bytes) -> None:
    """Tags lie in the file, taking them off twice takes no more, and further tags change nothing."""
    data = build(program)
    watched = Watched(data)
    bounds = find_audio(watched.source)
    assert watched.n_read <= 4 * len(data) + READ_CONSTANT
    assert 0 <= bounds.start <= bounds.end <= len(data)
    audio = data[bounds.start : bounds.end]
    if bounds != AudioBounds(start=0, end=len(data)):
        assert find_audio(AudioSource.of_bytes(audio)) == AudioBounds(start=0, end=len(audio))
    if frame_bytes(audio[:4]) and not any(mark in data for mark in _MARKS):
        bare = find_audio(AudioSource.of_bytes(audio))
        if _opens_with_frames(audio):
            for tagged in _tagged(audio):
                found = find_audio(AudioSource.of_bytes(tagged))
                assert tagged[found.start : found.end] == audio[bare.start : bare.end]


def _opens_with_frames(audio: bytes) -> bool:
    runs = reference_runs(audio)
    return bool(runs) and runs[0].starts[0] == 0


def _tagged(audio: bytes) -> list[bytes]:
    """Return audio with tags that a well-made program would write: with mutagen's, and by hand."""
    id3v2 = b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)
    footed = b"ID3\x04\0\x10\0\0\0\x05hello3DI\x04\0\x10\0\0\0\x05"
    id3v1 = b"TAG" + b"x" * 125
    lyrics = b"LYRICSBEGINla la la000019LYRICS200"
    lyrics = lyrics.replace(b"000019", b"%06d" % (len(lyrics) - 15))
    ape = _mutagen_ape()
    return [
        id3v2 + audio,
        footed + id3v2 + audio,
        audio + id3v1,
        audio + b"TAG+" + bytes(223) + id3v1,
        audio + lyrics + id3v1,
        audio + b"LYRICSBEGIN[00:01]la" + b"LYRICSEND" + id3v1,
        audio + ape,
        audio + ape + id3v1,
        audio + footed,
        _mutagen_id3() + audio + ape,
    ]


@functools.cache
def _mutagen_ape() -> bytes:
    from mutagen.apev2 import APEv2

    out, tag = io.BytesIO(), APEv2()
    tag["Title"] = "A song"
    tag.save(out)
    return out.getvalue()


@functools.cache
def _mutagen_id3() -> bytes:
    from mutagen.id3 import ID3, TIT2

    out, tag = io.BytesIO(), ID3()
    tag.add(TIT2(encoding=3, text=["Ein Lied"]))
    tag.save(out)
    return out.getvalue()


@functools.cache
def _place() -> Path:
    """Return a folder for files, in memory where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="melwatch-fuzz-", dir=memory if memory.is_dir() else None))


def _write(data: bytes) -> bytes:
    path = _place() / f"{os.getpid()}.mp3"
    path.write_bytes(data)
    return os.fsencode(path)


def check_identity(program: bytes) -> None:
    """The hash is that of what is decoded, however it is read, and any change of that changes it."""
    data = build(program)
    bounds = find_audio(AudioSource.of_bytes(data))
    path = _write(data)
    with audiofile.open_audio(path) as audio:
        identity = identify(audio)
        assert (audio.audio_start, audio.audio_end) == (bounds.start, bounds.end)
        assert b"".join(audio.audio.blocks()) == data[bounds.start : bounds.end]
    assert identity.audio_id == sha256(data[bounds.start : bounds.end]).hexdigest()
    with (
        mock.patch.object(source, "BLOCK_BYTES", 1 + len(data) // 7),
        audiofile.open_audio(path, hold_bytes=0) as audio,
    ):
        assert identify(audio) == identity
    if data:
        at = int.from_bytes(program[-3:], "big") % len(data)
        flipped = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        with audiofile.open_audio(_write(flipped)) as audio:
            other = identify(audio)
            same_bounds = (audio.audio_start, audio.audio_end) == (bounds.start, bounds.end)
        assert other.file_digest != identity.file_digest
        in_audio = bounds.start <= at < bounds.end
        if in_audio or same_bounds:
            assert (other.audio_id != identity.audio_id) == in_audio


def check_tags(program: bytes) -> None:
    """Tags are three short lines of text that every file format and database takes."""
    data = build(program)
    with audiofile.open_audio(_write(data)) as audio:
        tags = read_tags(audio)
        whole = _id3_as_mutagen_reads_it(data)
        if whole is not None:
            assert {name: list(map(str, values)) for name, values in _id3(audio).items()} == whole
    for text in (tags.title, tags.artist, tags.album):
        assert type(text) is str
        assert len(text) <= 1000
        text.encode("utf-8")
        assert json.loads(json.dumps(text)) == text
        assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in text)
        assert text == text.strip()


def _id3_as_mutagen_reads_it(data: bytes) -> dict[str, list[str]] | None:
    """Return the same from the whole tag; None if mutagen does not read it, or reads what we leave out."""
    from mutagen import id3
    from mutagen._util import MutagenError

    every = {**id3.Frames, **id3.Frames_2_2}
    # A frame that is packed, or an old tag that lies inside a new one.
    if b"x\x9c" in data or len(data) < id3v2_bytes(data[:10]) + 131:
        return None
    try:
        tag = id3.ID3(io.BytesIO(data), known_frames={name: every[name] for name in map(bytes.decode, NAMES)})
    except (MutagenError, ValueError, IndexError, EOFError, NotImplementedError):
        return None
    return {name: list(map(str, getattr(tag.get(frame), "text", ()))) for name, frame in _ID3_FRAMES.items()}


@functools.cache
def recipe() -> Recipe:
    return Recipe()


def check_decode(program: bytes) -> None:
    """Any file gives windows of the right shape with finite numbers, the same each time, or a plain refusal."""
    data = build(program)
    bounds = find_audio(AudioSource.of_bytes(data))
    audio = AudioSource.of_bytes(data[bounds.start : bounds.end])
    first = _extracted(audio)
    assert first == _extracted(audio)


def _extracted(audio: AudioSource) -> tuple[bytes, object] | str:
    policy = recipe().windows
    try:
        decoded = decode_windows(
            audio,
            rate_hz=recipe().sampling_rate_hz,
            window_samples=policy.window_samples(recipe().sampling_rate_hz),
            starts=policy.starts,
        )
    except TrackError as error:
        refusal = error
        decoded = None
    if decoded is None:
        assert refusal.reason in REASONS, refusal
        assert refusal.what
        return refusal.what
    assert len(decoded.windows) == policy.per_track
    for window in decoded.windows:
        assert window.dtype == np.float32
        assert window.ndim == 1
        assert 0 < len(window) <= policy.window_samples(recipe().sampling_rate_hz)
        assert np.isfinite(window).all(), "a sample is not a number"
    assert 0 < decoded.sound.duration_s <= decoded.sound.promised_s < 1e6
    return b"".join(window.tobytes() for window in decoded.windows), decoded.sound


CHECKS = {
    "walk": check_walk,
    "bounds": check_bounds,
    "identity": check_identity,
    "tags": check_tags,
    "decode": check_decode,
}
