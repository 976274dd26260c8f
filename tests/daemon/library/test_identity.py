"""What a song is does not depend on its tags, its name or the way it is read."""

from __future__ import annotations

import io
import os
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, ID3, TIT2

from melwatch.audio.audiofile import open_audio
from melwatch.errors import FileChangedError, TrackError
from melwatch.library.identity import identify

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.track import Identity


def song() -> bytes:
    """Return a second of noise as MP3."""
    out = io.BytesIO()
    noise = np.random.default_rng(3).uniform(-0.3, 0.3, 22050)
    soundfile.write(out, noise, 22050, format="MP3", subtype="MPEG_LAYER_III")
    return out.getvalue()


SONG = song()


@pytest.fixture
def name(tmp_path: Path) -> Path:
    return tmp_path / "a.mp3"


def identity(name: Path, data: bytes, **options: int) -> Identity:
    name.write_bytes(data)
    with open_audio(os.fsencode(name), **options) as audio:
        return identify(audio)


def id3v2(version: int = 4, *, cover: int = 0, footer: bool = False) -> bytes:
    """Return an ID3v2 tag as mutagen writes it (with its padding)."""
    tags = ID3()
    tags.add(TIT2(encoding=3, text=["Ein Lied"]))
    if cover:
        tags.add(APIC(encoding=0, mime="image/jpeg", type=3, desc="", data=os.urandom(cover)))
    out = io.BytesIO()
    tags.save(out, v2_version=version)
    raw = bytearray(out.getvalue())
    if footer:
        raw[5] |= 0x10
        raw += b"3DI" + raw[3:10]
    return bytes(raw)


def ape(*, at_start: bool = False) -> bytes:
    """Return an APEv2 tag with header and footer."""
    out = io.BytesIO()
    tags = APEv2()
    tags["Title"] = "Ein Lied"
    tags.save(out)
    assert at_start is False or out.getvalue().startswith(b"APETAGEX")
    return out.getvalue()


def id3v1() -> bytes:
    return b"TAG" + b"Ein Lied".ljust(125, b"\0")


def lyrics3v2() -> bytes:
    body = b"LYRICSBEGIN" + b"LYR00005La la"
    return body + f"{len(body):06d}".encode() + b"LYRICS200"


LYRICS3V1 = b"LYRICSBEGIN" + b"la la la" + b"LYRICSEND"

TAGGED = {
    "ID3v2.3": id3v2(3) + SONG,
    "ID3v2.4 with a large cover": id3v2(4, cover=2_000_000) + SONG,
    "ID3v2 with footer": id3v2(4, footer=True) + SONG,
    "ID3v2, three in a row": id3v2(3) + id3v2(4) + id3v2(3) + SONG,
    "ID3v2 and zeros": id3v2() + bytes(1000) + SONG,
    "ID3v2 appended": SONG + id3v2(4, footer=True),
    "ID3v1": SONG + id3v1(),
    "ID3v1 extended": SONG + b"TAG+".ljust(227, b"\0") + id3v1(),
    "APEv2": SONG + ape(),
    "APEv2 in front": ape(at_start=True) + SONG,
    "APEv2 and ID3v1": SONG + ape() + id3v1(),
    "Lyrics3v1": SONG + LYRICS3V1 + id3v1(),
    "Lyrics3v2": SONG + lyrics3v2() + id3v1(),
    "everything": id3v2(3) + ape(at_start=True) + SONG + ape() + lyrics3v2() + id3v2(footer=True) + id3v1(),
}


@pytest.mark.parametrize("tagging", TAGGED)
def test_tags_leave_the_audio_id_as_it_is(name: Path, tagging: str) -> None:
    """Only the digest of the whole file tells that something was tagged."""
    plain, tagged = identity(name, SONG), identity(name, TAGGED[tagging])

    assert tagged.audio_id == plain.audio_id == sha256(SONG).hexdigest()
    assert tagged.file_digest != plain.file_digest


DOUBTFUL = {
    "ID3v2 that reaches past the end": b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + SONG,
    "ID3v2 whose size is too small": b"ID3\x03\0\0\0\0\0\x64" + b"x" * 2000 + SONG,
    "APEv2 that reaches past the start": SONG + ape()[:-20] + b"\xff\xff\xff\x00" + ape()[-16:],
    "APEv2 without its header": SONG + b"xxx" + ape()[20:],
    "Lyrics3v2 without a beginning": SONG + b"000900LYRICS200",
    "Lyrics3v1 without a beginning": SONG + b"la la LYRICSEND",
    "ID3v2 and nothing else": id3v2(),
    "ID3v2 and junk": id3v2() + b"x" * 3000,
    "no frames": b"no music here" * 100,
    "nothing": b"",
}


@pytest.mark.parametrize("doubt", DOUBTFUL)
def test_in_doubt_the_whole_file_is_the_identity(name: Path, doubt: str) -> None:
    """Broken files never become one another's duplicates."""
    data = DOUBTFUL[doubt]

    assert identity(name, data).audio_id == sha256(data).hexdigest()


def test_other_formats_are_hashed_whole(tmp_path: Path) -> None:
    """Only MP3 files have tags taken off."""
    data = SONG + id3v1()

    assert identity(tmp_path / "a.flac", data).audio_id == sha256(data).hexdigest()


@pytest.mark.parametrize("tagging", TAGGED)
def test_reading_in_blocks_and_at_once_give_the_same(name: Path, tagging: str) -> None:
    """Large files, which are not held in memory, have the same identity."""
    assert identity(name, TAGGED[tagging], hold_bytes=0) == identity(name, TAGGED[tagging])


def test_the_file_digest_sees_where_bytes_moved(name: Path) -> None:
    """The same tag bytes in front and behind are two different files."""
    tag = id3v2(4, footer=True)

    assert identity(name, tag + SONG).file_digest != identity(name, SONG + tag).file_digest


def test_a_file_that_grows_is_noticed(name: Path) -> None:
    """What was opened is what must still be there."""
    name.write_bytes(SONG)

    with open_audio(os.fsencode(name)) as audio:
        audio.check_unchanged()
        name.write_bytes(SONG + SONG)
        with pytest.raises(FileChangedError):
            audio.check_unchanged()


def test_a_file_that_is_replaced_is_noticed(name: Path) -> None:
    """Another file under the same name is another file, and so is none."""
    name.write_bytes(SONG)

    with open_audio(os.fsencode(name)) as audio:
        other = name.with_suffix(".new")
        other.write_bytes(SONG)
        other.replace(name)
        with pytest.raises(FileChangedError):
            audio.check_unchanged()
        name.unlink()
        with pytest.raises(FileChangedError):
            audio.check_unchanged()


@pytest.mark.parametrize("hold_bytes", [0, 1 << 20])
def test_a_file_that_shrinks_while_it_is_read_is_noticed(name: Path, hold_bytes: int) -> None:
    """Fewer bytes than there were is a change, not an end."""
    data = SONG + bytes(3_000_000)
    name.write_bytes(data)

    with open_audio(os.fsencode(name), hold_bytes=hold_bytes) as audio, pytest.raises(FileChangedError):  # noqa: PT012
        os.truncate(name, 1000)
        identify(audio)


def test_a_fifo_is_refused_at_once(name: Path) -> None:
    """Nothing waits for somebody to write into it."""
    os.mkfifo(name)

    with pytest.raises(TrackError) as caught, open_audio(os.fsencode(name)):
        pass
    assert caught.value.reason == "not_regular"


def test_folders_and_dangling_links_are_refused(tmp_path: Path) -> None:
    """What is no plain file is not opened as one."""
    (tmp_path / "link.mp3").symlink_to("nowhere")
    (tmp_path / "loop.mp3").symlink_to("loop.mp3")

    for path in (tmp_path, tmp_path / "link.mp3", tmp_path / "loop.mp3"):
        with pytest.raises(TrackError) as caught, open_audio(os.fsencode(path)):
            pass
        assert caught.value.reason == "not_regular"


def test_a_file_that_is_gone_has_changed(tmp_path: Path) -> None:
    """A file that vanished since the scan is not a bad one."""
    with pytest.raises(FileChangedError), open_audio(os.fsencode(tmp_path / "gone.mp3")):
        pass


def test_a_name_that_is_not_utf8_is_opened_by_its_bytes(tmp_path: Path) -> None:
    """The bytes of a path are what counts."""
    path = os.fsencode(tmp_path) + b"/M\xfcller.mp3"
    with open(path, "wb") as file:
        file.write(SONG)

    with open_audio(path) as audio:
        assert identify(audio).audio_id == sha256(SONG).hexdigest()
