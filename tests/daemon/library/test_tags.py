"""What a file says of itself, and that nothing it says can do harm."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TALB, TIT2, TPE1

from melwatch.audio.audiofile import open_audio
from melwatch.library.tags import read_tags
from melwatch.track import Tags

if TYPE_CHECKING:
    from pathlib import Path


def sound(kind: str = "MP3") -> bytes:
    """Return half a second of silence."""
    out = io.BytesIO()
    subtype = {"MP3": "MPEG_LAYER_III", "OGG": "VORBIS", "FLAC": "PCM_16", "WAV": "PCM_16"}[kind]
    soundfile.write(out, np.zeros(8000), 16000, format=kind, subtype=subtype)
    return out.getvalue()


SONG = sound()
ID3V1 = b"TAG" + b"Old title".ljust(30, b"\0") + b"Old artist".ljust(30, b"\0") + b"Old album".ljust(65, b"\0")


def id3v2(version: int = 4, **texts: list[str]) -> bytes:
    """Return an ID3v2 tag; texts by field name."""
    tags, out = ID3(), io.BytesIO()
    for field, frame in (("title", TIT2), ("artist", TPE1), ("album", TALB)):
        if field in texts:
            tags.add(frame(encoding=1, text=texts[field]))
    tags.save(out, v2_version=version, v23_sep=None)
    return out.getvalue()


def ape(**texts: str) -> bytes:
    tags, out = APEv2(), io.BytesIO()
    for field, text in texts.items():
        tags[field.capitalize()] = text
    tags.save(out)
    return out.getvalue()


def read(path: Path, data: bytes) -> Tags:
    path.write_bytes(data)
    with open_audio(os.fsencode(path)) as audio:
        return read_tags(audio)


@pytest.fixture
def name(tmp_path: Path) -> Path:
    return tmp_path / "a.mp3"


@pytest.mark.parametrize("version", [3, 4])
def test_id3v2_is_read(name: Path, version: int) -> None:
    """Title, artist and album come back as they were written."""
    tag = id3v2(version, title=["Grüße 日本"], artist=["Wer"], album=["Was"])

    assert read(name, tag + SONG) == Tags(title="Grüße 日本", artist="Wer", album="Was")


def test_id3v2_2_is_read(name: Path) -> None:
    """The old three-letter frames say the same."""
    body = b"TT2\x00\x00\x06\x00Title"
    tag = b"ID3\x02\x00\x00\x00\x00\x00" + bytes([len(body)]) + body

    assert read(name, tag + SONG).title == "Title"


def test_id3v1_is_read_where_there_is_nothing_else(name: Path) -> None:
    """Better an old tag than none."""
    assert read(name, SONG + ID3V1) == Tags(title="Old title", artist="Old artist", album="Old album")


def test_apev2_fills_what_id3_leaves_open(name: Path) -> None:
    """ID3 comes first, field by field."""
    data = id3v2(title=["From ID3"]) + SONG + ape(title="From APE", artist="Somebody")

    assert read(name, data) == Tags(title="From ID3", artist="Somebody")


def test_several_values_are_joined(name: Path) -> None:
    """Each once, in their order."""
    assert read(name, id3v2(artist=["A", "B", "A"]) + SONG).artist == "A; B"


def test_control_characters_do_not_get_through(name: Path) -> None:
    """Neither do line breaks nor space at the ends."""
    assert read(name, id3v2(title=[" one\n\ttwo\x1b[31m\x07 "]) + SONG).title == "one two [31m"


def test_a_long_text_is_cut(name: Path) -> None:
    """Nobody's title fills a page."""
    assert len(read(name, id3v2(title=["x" * 20_000]) + SONG).title) == 1000


@pytest.mark.parametrize("kind", ["OGG", "FLAC", "WAV"])
def test_other_formats_are_read(tmp_path: Path, kind: str) -> None:
    """What libsndfile reads, mutagen knows as well."""
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", 16000, 1, subtype="VORBIS" if kind == "OGG" else "PCM_16", format=kind) as file:
        if kind != "WAV":
            file.title, file.artist = "A title", "An artist"
        file.write(np.zeros(8000))
    expected = Tags() if kind == "WAV" else Tags(title="A title", artist="An artist")

    assert read(tmp_path / f"a.{kind.lower()}", out.getvalue()) == expected


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_tags_are_no_tags(name: Path, data: st.DataObject) -> None:
    """Whatever is in a file, reading its tags gives text that can be written down."""
    whole = bytearray(id3v2(title=["Title"], artist=["Artist"]) + SONG[:500] + ape(album="Album") + ID3V1)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=40)):
        whole[place] = data.draw(st.integers(0, 255))

    tags = read(name, bytes(whole))

    for text in (tags.title, tags.artist, tags.album):
        assert text.encode("utf-8").isascii() is not None
        assert "\0" not in text
        assert "\n" not in text


@pytest.mark.parametrize("data", [b"", b"ID3", b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"APETAGEX" * 9, b"\xff" * 999])
def test_files_without_sense_have_no_tags(name: Path, data: bytes) -> None:
    """Nothing is found, nothing is raised."""
    assert read(name, data) == Tags()
