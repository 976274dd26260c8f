"""From a song's bytes to its windows: 16 kHz mono, decoded the cheapest way that is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from melwatch.errors import TrackError
from melwatch.spectrogram.content import other_content, seeming_content
from melwatch.spectrogram.frame_walk import walk_frames
from melwatch.spectrogram.resample import Ratio
from melwatch.spectrogram.slices import decode_slices
from melwatch.spectrogram.streams import open_sound, pyav_blocks, soundfile_blocks
from melwatch.spectrogram.whole import hear
from melwatch.track import Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from melwatch.audio.source import AudioSource
    from melwatch.spectrogram.frame_walk import FrameWalk
    from melwatch.spectrogram.resample import Mono
    from melwatch.spectrogram.whole import Heard

    Starts = Callable[[int], Sequence[int]]

MIN_SAMPLES = 2400
"""The last of six windows needs one frame of 400 samples."""

_TOLERANCE_FRAMES = 3
_BEGINNING_FRAMES = 8
_TOLERANCE_S = 0.1
_LAYER_3 = "MPEG_LAYER_III"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The windows of a song, each (<= window samples,) float32 mono, and what was learnt of it."""

    windows: list[Mono]
    sound: Sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a song is cut: where windows of `length` samples at `rate_hz` start, given its length."""

    rate_hz: int
    length: int
    starts: Starts

    def spans(self, total: int) -> list[tuple[int, int]]:
        """Samples [start, stop) of each window of a song of `total` samples."""
        if total < MIN_SAMPLES:
            seconds = total / self.rate_hz
            raise TrackError(
                f"It is too short: {seconds:.2f} s of sound, {MIN_SAMPLES / self.rate_hz} needed",
                "Remove or replace it.",
                reason="too_short",
            )
        return [(start, min(start + self.length, total)) for start in self.starts(total)]


def decode_windows(source: AudioSource, *, rate_hz: int, window_samples: int, starts: Starts) -> Decoded:
    """The windows that `starts` names for a song of so many samples at `rate_hz`."""
    cut = Cut(rate_hz=rate_hz, length=window_samples, starts=starts)
    if not source.is_mp3:
        return _decode_other(source, cut)
    content = other_content(source)
    if content:
        raise _not_mp3(content)
    walk = walk_frames(source)
    return _decode_fast(source, walk, cut) or _decode_mp3(source, walk, cut)


def _decode_fast(source: AudioSource, walk: FrameWalk, cut: Cut) -> Decoded | None:
    """By slices, where the length is known beforehand and nothing is odd."""
    samples = walk.exact_samples
    if samples is None or walk.header is None:
        return None
    ratio = Ratio(input_hz=walk.header.sample_rate_hz, output_hz=cut.rate_hz)
    total = ratio.output_samples(samples)
    try:
        beginning = _beginning_by_ffmpeg(source, walk)
        windows = decode_slices(source, walk, cut.spans(total), cut.rate_hz, beginning)
    except soundfile.SoundFileError:
        return None
    return None if windows is None else Decoded(windows=windows, sound=_sound(total, cut, "slices"))


def _beginning_by_ffmpeg(source: AudioSource, walk: FrameWalk) -> Mono | None:
    """The first samples by FFmpeg, where it decides: of songs that libsndfile would cut short.

    Without an Info header libsndfile guesses the length, and stops there. The two decoders agree,
    but for the first frames of a song that was cut out of another and lacks what they refer to.
    """
    if walk.info is not None and walk.info.n_frames:
        return None
    with open_sound(source.part(walk.start, source.length)) as sound:
        is_whole = sound.frames >= (walk.exact_samples or 0)
    if is_whole or walk.n_frames <= 2 * _BEGINNING_FRAMES or walk.header is None:
        return None
    few = source.part(walk.offsets[0], walk.offsets[2 * _BEGINNING_FRAMES])
    mono = np.concatenate([block for _, block in pyav_blocks(few)] or [np.zeros(0, np.float32)])
    return mono[: _BEGINNING_FRAMES * walk.header.samples_per_frame]


def _decode_mp3(source: AudioSource, walk: FrameWalk, cut: Cut) -> Decoded:
    """As a stream: by libsndfile; by FFmpeg too where that gives less than the frames promise.

    What lies before the first frame is left out: libsndfile would not recognise the file.
    """
    source = source.part(walk.start, source.length)
    _require_layer_3(source, walk)
    enough = (walk.promised_s - _TOLERANCE_FRAMES * walk.frame_s) * cut.rate_hz
    heard, method = hear(lambda: soundfile_blocks(source), cut.rate_hz), "soundfile"
    if heard.total < enough or not heard.total:
        second = hear(lambda: pyav_blocks(source), cut.rate_hz)
        if second.total > heard.total:
            heard, method = second, "pyav"
    promised_s = walk.promised_s if heard.total < enough else 0.0
    return _decoded(heard, cut, method, promised_s)


def _decode_other(source: AudioSource, cut: Cut) -> Decoded:
    """A file in another format that libsndfile reads."""
    try:
        with open_sound(source) as sound:
            promised_s = sound.frames / sound.samplerate
    except soundfile.SoundFileError as error:
        what = f"It cannot be decoded: {error}"
        raise TrackError(what, "Replace the file.", reason="undecodable") from error
    heard = hear(lambda: soundfile_blocks(source), cut.rate_hz)
    is_short = heard.total < (promised_s - _TOLERANCE_S) * cut.rate_hz
    return _decoded(heard, cut, "soundfile", promised_s if is_short else 0.0)


def _decoded(heard: Heard, cut: Cut, method: str, promised_s: float) -> Decoded:
    """The windows of a song that was heard; `promised_s` is 0 unless part of it is missing."""
    if not heard.total:
        raise TrackError("None of it can be decoded", "Replace the file.", reason="undecodable")
    windows = heard.windows(cut.spans(heard.total))
    return Decoded(windows=windows, sound=_sound(heard.total, cut, method, promised_s))


def _sound(total: int, cut: Cut, method: str, promised_s: float = 0.0) -> Sound:
    duration_s = total / cut.rate_hz
    return Sound(duration_s=duration_s, promised_s=max(duration_s, promised_s), method=method)


def _require_layer_3(source: AudioSource, walk: FrameWalk) -> None:
    """Refuse what libsndfile knows as something else, or what nobody knows as anything."""
    try:
        with open_sound(source) as sound:
            subtype = sound.subtype
    except soundfile.SoundFileError as error:
        if walk.n_frames:
            return
        raise _not_mp3(seeming_content(source)) from error
    if subtype != _LAYER_3:
        raise _not_mp3(f"{subtype} audio".replace("_", " "))


def _not_mp3(content: str | None) -> TrackError:
    what = f"It is not an MP3 but {content}" if content else "No MPEG audio was found in it"
    return TrackError(what, "Rename, replace or remove it.", reason="not_mp3")
