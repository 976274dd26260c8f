"""Windows out of a whole song that streams by, in memory that does not grow with its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from melwatch.spectrogram.resample import resample_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from melwatch.spectrogram.resample import Block, Mono

KEEP_SAMPLES = 16_000 * 60 * 20
"""Songs up to this length are kept while they are decoded; longer ones are decoded twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A song of `total` samples that was decoded to its end; `kept` holds it if it is short."""

    total: int
    kept: list[Mono] | None
    again: Callable[[], Iterator[Mono]]

    def windows(self, spans: Sequence[tuple[int, int]]) -> list[Mono]:
        """The samples [start, stop) of each span, (n,) float32."""
        return cut_stream(self.again() if self.kept is None else self.kept, spans)


def hear(blocks: Callable[[], Iterator[Block]], rate_hz: int) -> Heard:
    """Decode a song to its end at `rate_hz` mono."""

    def stream() -> Iterator[Mono]:
        return resample_blocks(blocks(), rate_hz)

    total, kept = 0, []
    for mono in stream():
        total += len(mono)
        if total <= KEEP_SAMPLES:
            kept.append(mono)
        else:
            kept.clear()
    return Heard(total=total, kept=kept if total <= KEEP_SAMPLES else None, again=stream)


def cut_stream(stream: Iterable[Mono], spans: Sequence[tuple[int, int]]) -> list[Mono]:
    """The samples [start, stop) of each span out of what streams by."""
    windows = [np.zeros(stop - start, np.float32) for start, stop in spans]
    at = 0
    for mono in stream:
        for window, (start, stop) in zip(windows, spans, strict=True):
            first, last = max(start, at), min(stop, at + len(mono))
            if first < last:
                window[first - start : last - start] = mono[first - at : last - at]
        at += len(mono)
    return windows
