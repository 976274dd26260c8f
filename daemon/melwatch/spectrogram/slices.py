"""The fast way: decode only the MPEG frames that the windows need, without seeking.

Only for one uninterrupted uniform run of Layer III frames, whose decoded length is known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from melwatch.audio.mpeg import parse_info
from melwatch.spectrogram.native import MonoReader, open_frames
from melwatch.spectrogram.resample import Ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melwatch.audio.mpeg import FrameHeader
    from melwatch.audio.source import AudioSource
    from melwatch.spectrogram.frame_walk import FrameWalk
    from melwatch.spectrogram.resample import Mono

_SETTLE_FRAMES = 4
"""Frames decoded before the first that counts: overlap and filter bank need two, LSF three."""


_STEP_FRAMES = 4
"""libmpg123's filter bank comes back to the same state of rounding after so many frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Frames [first, last) of a track, decoded for the sake of its samples [start, stop)."""

    start: int
    stop: int
    first: int
    last: int


def decode_slices(
    source: AudioSource,
    walk: FrameWalk,
    spans: Sequence[tuple[int, int]],
    output_hz: int,
    beginning: Mono | None = None,
) -> list[Mono] | None:
    """The samples [start, stop) at `output_hz` of each span, (n,) float32, on their own.

    `beginning` replaces the first samples of the song, as decoded, if another decoder made them.
    None where libsndfile does not see the frames as expected: then the slow way has to do it.
    """
    header, total = walk.header, walk.exact_samples
    if header is None or total is None:
        return None
    ratio = Ratio(input_hz=header.sample_rate_hz, output_hz=output_hz)
    wanted = [ratio.input_span(start, stop, total) for start, stop in spans]
    slices = plan_slices(walk, header, wanted)
    decoded = _decode(source, walk, header, slices)
    if decoded is None:
        return None
    if beginning is not None and slices[0].start < len(beginning):
        head = beginning[slices[0].start :][: len(decoded[0])]
        decoded[0][: len(head)] = head
    pieces = ratio.resample_pieces([(part.start, mono) for part, mono in zip(slices, decoded, strict=True)])
    return [_cut(ratio, span, slices, pieces) for span in spans]


def plan_slices(walk: FrameWalk, header: FrameHeader, wanted: Sequence[tuple[int, int]]) -> list[Slice]:
    """Which frames to decode for the samples [start, stop) wanted; none of them twice."""
    slices: list[Slice] = []
    for start, stop in sorted(wanted):
        new = _slice(walk, header, start, stop)
        if slices and new.first <= slices[-1].last:
            old = slices.pop()
            new = replace(old, stop=max(old.stop, stop), last=max(old.last, new.last))
        slices.append(new)
    return slices


def fall_into_step(walk: FrameWalk, header: FrameHeader, slices: Sequence[Slice]) -> tuple[int, list[Slice]]:
    """Have every frame rounded as in the whole: begin slices up to three frames earlier.

    Returns how often the song's first frame is to be decoded beforehand, and the slices. Measured:
    decoding the whole is ahead by the frames that are dropped at its beginning.
    """
    ahead = (walk.info.skip_samples if walk.info else 0) // header.samples_per_frame
    lead = ahead % _STEP_FRAMES if slices and slices[0].first == 0 else 0
    position, stepped = lead, []
    for part in slices:
        first = part.first - (part.first - position + ahead) % _STEP_FRAMES
        stepped.append(replace(part, first=first if first >= 0 else part.first))
        position += stepped[-1].last - stepped[-1].first
    return lead, stepped


def _slice(walk: FrameWalk, header: FrameHeader, start: int, stop: int) -> Slice:
    skip = walk.info.skip_samples if walk.info else 0
    per_frame = header.samples_per_frame
    return Slice(
        start=start,
        stop=stop,
        first=_first_frame(walk, header, (start + skip) // per_frame),
        last=min(walk.n_frames, -(-(stop + skip) // per_frame)),
    )


def _first_frame(walk: FrameWalk, header: FrameHeader, index: int) -> int:
    """Where to begin so that frame `index` decodes as it does in the whole.

    Some frames before it settle the decoder, and enough before those to hold their bit reservoir.
    """
    first = max(0, index - _SETTLE_FRAMES)
    reservoir = header.reservoir_bytes
    while first > 0 and reservoir > 0:
        first -= 1
        frame_bytes = walk.offsets[first + 1] - walk.offsets[first]
        reservoir -= max(0, frame_bytes - header.main_offset)
    return first


def _decode(source: AudioSource, walk: FrameWalk, header: FrameHeader, slices: Sequence[Slice]) -> list[Mono] | None:
    """The mono samples of each slice; the slices are read as one sound, one after the other."""
    lead, slices = fall_into_step(walk, header, slices)
    pieces = [_frame_bytes(source, walk, part) for part in slices]
    if not pieces or parse_info(pieces[0]) is not None:
        return None
    pieces = [pieces[0][: walk.offsets[1] - walk.offsets[0]]] * lead + pieces
    per_frame = header.samples_per_frame
    begin, skip = lead * per_frame, walk.info.skip_samples if walk.info else 0
    monos = []
    with open_frames(pieces, lead + sum(part.last - part.first for part in slices)) as sound:
        if (sound.samplerate, sound.channels) != (header.sample_rate_hz, header.channels):
            return None
        reader = MonoReader(sound)
        for part in slices:
            mono = np.empty(part.stop - part.start, np.float32)
            origin = part.first * per_frame - skip
            if not reader.fill(mono, at=begin + part.start - origin):
                return None
            begin += (part.last - part.first) * per_frame
            monos.append(mono)
    return monos


def _frame_bytes(source: AudioSource, walk: FrameWalk, part: Slice) -> bytes:
    start = walk.offsets[part.first]
    return source.read_at(start, walk.offsets[part.last] - start)


def _cut(ratio: Ratio, span: tuple[int, int], slices: Sequence[Slice], pieces: Sequence[Mono]) -> Mono:
    """One window out of the resampled slice that holds it."""
    for part, piece in zip(reversed(slices), reversed(pieces), strict=True):
        origin = part.start // ratio.block_in * ratio.block_out
        if origin <= span[0]:
            return piece[span[0] - origin : span[1] - origin]
    raise AssertionError(span)
