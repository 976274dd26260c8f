"""Title, artist and album as a music file states them; nothing here ever makes a file bad."""

from __future__ import annotations

import io
import unicodedata
from typing import TYPE_CHECKING, Any

from melwatch.audio.source import SourceFile
from melwatch.audio.tag_bounds import id3v2_bytes
from melwatch.errors import MelwatchError
from melwatch.library.id3 import NAMES, naming_tag
from melwatch.track import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed import WriteableBuffer

    from melwatch.audio.audiofile import OpenAudio

_MAX_CHARACTERS = 1000
_MAX_READ = 4 * _MAX_CHARACTERS
_MAX_TAG_BYTES = 4 << 20
_ID3V1_BYTES = 128 + 3  # with the letters that tell one from the end of an APEv2 header
_FIELDS = ("title", "artist", "album")
_ID3_FRAMES = {"title": "TIT2", "artist": "TPE1", "album": "TALB"}
_APE_KEYS = {"title": "Title", "artist": "Artist", "album": "Album"}


def read_tags(audio: OpenAudio) -> Tags:
    """What the file says of itself: ID3 first, APEv2 where that is silent, else what it has."""
    readers = (_id3, _ape) if audio.is_mp3 else (_other,)
    found = dict.fromkeys(_FIELDS, "")
    for reader in readers:
        if not all(found.values()):
            values = _quietly(reader, audio)
            found = {name: found[name] or _joined(values.get(name, ())) for name in _FIELDS}
    return Tags(**found)


def _quietly(
    reader: Callable[[OpenAudio], Mapping[str, Iterable[object]]], audio: OpenAudio
) -> Mapping[str, Iterable[object]]:
    """What a reader finds; nothing where the tag is broken, in whatever way that shows."""
    try:
        return reader(audio)
    except MelwatchError:
        raise
    except Exception:  # noqa: BLE001 - broken tags raise anything, and a song without tags is fine
        return {}


def _id3(audio: OpenAudio) -> Mapping[str, Iterable[object]]:
    from mutagen import id3

    every: dict[str, Any] = {**id3.Frames, **id3.Frames_2_2}
    known = {name: every[name] for name in map(bytes.decode, NAMES)}
    whole = audio.whole
    end = whole.read_at(max(id3v2_bytes(whole.read_at(0, 10)), whole.length - _ID3V1_BYTES), _ID3V1_BYTES)
    tag: Any = id3.ID3(  # type: ignore[no-untyped-call]
        io.BytesIO(naming_tag(whole) + end.rjust(_ID3V1_BYTES, b"\0")), known_frames=known
    )
    return {name: getattr(tag.get(frame), "text", ()) for name, frame in _ID3_FRAMES.items()}


def _ape(audio: OpenAudio) -> Mapping[str, Iterable[object]]:
    from mutagen.apev2 import APEv2

    tag: Any = APEv2(_Sparing(audio.whole))  # type: ignore[no-untyped-call]
    return {name: list(tag[key]) if key in tag else () for name, key in _APE_KEYS.items()}


class _Sparing(SourceFile):
    """A source that gives no more at once than a sensible tag takes."""

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Refuse to fill a buffer that is very large."""
        if memoryview(buffer).nbytes > _MAX_TAG_BYTES:
            raise ValueError("too large for a tag")
        return super().readinto(buffer)


def _other(audio: OpenAudio) -> Mapping[str, Iterable[object]]:
    import mutagen

    found: Any = mutagen.File(SourceFile(audio.whole), easy=True)
    return {name: found.tags.get(name, ()) for name in _FIELDS}


def _joined(values: Iterable[object]) -> str:
    """All distinct values in one line, joined by `; `, without control characters."""
    pieces = (_cleaned(piece) for value in values for piece in str(value)[:_MAX_READ].split("\0"))
    return "; ".join(dict.fromkeys(filter(None, pieces)))[:_MAX_CHARACTERS]


def _cleaned(text: str) -> str:
    """One line of text that can be written as UTF-8."""
    visible = "".join(" " if unicodedata.category(c) in {"Cc", "Cs"} else c for c in text)
    return " ".join(visible.replace("\ufeff", " ").split())
