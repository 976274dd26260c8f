"""The slow way: a whole song as a stream of mono blocks, by libsndfile or by FFmpeg."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from melwatch.audio.source import SourceFile
from melwatch.spectrogram.native import ForwardSound, mix_down

if TYPE_CHECKING:
    from collections.abc import Iterator

    import av

    from melwatch.audio.source import AudioSource
    from melwatch.spectrogram.resample import Block

_BLOCK_SAMPLES = 1 << 17
_FRAMES_AT_ONCE = 100


def open_sound(source: AudioSource) -> ForwardSound:
    """The source as libsndfile sees it; raises `soundfile.SoundFileError` if it sees nothing."""
    return ForwardSound(SourceFile(source))


def soundfile_blocks(source: AudioSource) -> Iterator[Block]:
    """(rate, mono samples (n,) float32) in order, as libsndfile decodes them, until it fails."""
    with suppress(soundfile.SoundFileError), open_sound(source) as sound:
        while len(samples := sound.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)):
            yield sound.samplerate, mix_down(samples)


def pyav_blocks(source: AudioSource) -> Iterator[Block]:
    """(rate, mono samples (n,) float32) in order, as FFmpeg decodes them, damaged frames left out.

    Encoder delay and padding are taken off as libmpg123 does it.
    """
    from av.error import FFmpegError

    with suppress(FFmpegError), _open_av(source) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        waiting: list[Block] = []
        for frame in _frames(container, stream):
            block = frame.sample_rate, _mono(frame)
            if waiting and (waiting[0][0] != block[0] or len(waiting) >= _FRAMES_AT_ONCE):
                yield _joined(waiting)
                waiting = []
            waiting.append(block)
        if waiting:
            yield _joined(waiting)


def _open_av(source: AudioSource) -> av.container.InputContainer:
    """The source as FFmpeg sees it, held to be MP3 whatever it looks like."""
    import av

    return av.open(SourceFile(source), mode="r", format="mp3", metadata_errors="ignore")


def _frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """Every frame that decodes."""
    from av.error import FFmpegError

    for packet in container.demux(stream):
        with suppress(FFmpegError):
            yield from packet.decode()


def _mono(frame: av.AudioFrame) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The mean over the channels of a planar float frame."""
    return mix_down(frame.to_ndarray().T.astype(np.float32, copy=False))


def _joined(blocks: list[Block]) -> Block:
    return blocks[0][0], np.concatenate([mono for _, mono in blocks])
