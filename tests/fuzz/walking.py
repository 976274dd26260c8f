"""The frame walk once more, a byte at a time: slow, plain, and shared with nothing in melwatch."""

from __future__ import annotations

from dataclasses import dataclass

from shapes import frame_bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Frames that follow one another: where each begins, and where the last one ends."""

    starts: tuple[int, ...]
    end: int


def kind(header: bytes) -> tuple[int, int, bool]:
    """Return what all frames of a run have in common: version, sample rate, and whether they are mono."""
    return header[1] >> 3 & 3, header[2] >> 2 & 3, header[3] >> 6 == 3


def reference_runs(data: bytes) -> list[Run]:
    """Return all runs of two frames or more, and of one that ends with the file."""
    runs, at = [], 0
    while (at := data.find(b"\xff", at)) >= 0:
        run = _run_at(data, at)
        if run is not None:
            runs.append(run)
        at = run.end if run else at + 1
    return runs


def _run_at(data: bytes, at: int) -> Run | None:
    starts, first = [], data[at : at + 4]
    while (size := frame_bytes(data[at : at + 4])) and kind(data[at : at + 4]) == kind(first):
        starts.append(at)
        at += size
    if at > len(data):
        at = starts.pop()
    return Run(tuple(starts), at) if len(starts) > 1 or (starts and at == len(data)) else None


def info_numbers(frame: bytes) -> tuple[int, int, int] | None:
    """Return frames, delay and padding that an Info header states; None if the frame holds none."""
    version, _, is_mono = kind(frame)
    at = 4 + ((17 if is_mono else 32) if version == 3 else (9 if is_mono else 17))
    if frame[at : at + 4] not in {b"Xing", b"Info"} or frame[6:at].strip(b"\0"):
        return None
    flags, rest = frame[at + 7] if at + 7 < len(frame) else 0, frame[at + 8 :]
    n_frames = int.from_bytes(rest[:4], "big") if flags & 1 else 0
    for flag, size in ((1, 4), (2, 4), (4, 100), (8, 4)):
        if flags & flag:
            rest = rest[size:]
    if len(rest) < 24 or not rest[0]:
        return n_frames, 0, 0
    return n_frames, rest[21] << 4 | rest[22] >> 4, (rest[22] & 15) << 8 | rest[23]
