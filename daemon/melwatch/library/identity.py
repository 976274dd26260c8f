"""What a music file is, whatever it is called and whatever its tags say."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from melwatch.library.tags import read_tags
from melwatch.track import AudioId, Identity

if TYPE_CHECKING:
    from melwatch.audio.audiofile import OpenAudio
    from melwatch.audio.source import AudioSource


def identify(audio: OpenAudio) -> Identity:
    """Hash an open file's audio and the file as a whole, reading the audio once; read its tags."""
    audio_digest = _digest(audio.audio)
    return Identity(
        audio_id=AudioId(audio_digest.hex()),
        file_digest=_file_digest(audio, audio_digest),
        tags=read_tags(audio),
    )


def _file_digest(audio: OpenAudio, audio_digest: bytes) -> str:
    """Hex digest of tags and audio together, the audio standing in by its own digest."""
    parts = (_digest(audio.head), audio_digest, _digest(audio.tail))
    return sha256(b"".join(parts)).hexdigest()


def _digest(source: AudioSource) -> bytes:
    hasher = sha256()
    for block in source.blocks():
        hasher.update(block)
    return hasher.digest()
