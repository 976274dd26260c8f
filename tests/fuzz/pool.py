"""Files of all shapes through the real workers: processes of their own, with limits, and a good song among them."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from checks import REASONS, recipe
from shapes import build

from building import tone
from melwatch.extraction.ingest import Setup, examine, set_up
from melwatch.spectrogram.spool import spool_file
from melwatch.spectrogram.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 60
_BATCH = 200


def random_program(choice: random.Random) -> bytes:
    """Return a program of a few steps; real sound is likely, since only that gets as far as a decoder."""
    program = choice.randbytes(choice.randrange(1, 120))
    return b"\x0b" + program if choice.random() < 0.7 else program


def check_in_workers(seed: int, deadline: float, findings: Path) -> int:
    """Examine random files until a time of the monotonic clock; return how many."""
    choice, done = random.Random(seed), 0  # noqa: S311
    place = Path(tempfile.mkdtemp(prefix="melwatch-fuzz-"))
    try:
        spool = place / "spool"
        spool.mkdir()
        setup = Setup(root=os.fsencode(place), spool=spool, recipe=recipe(), ready=frozenset(), memory_mb=1024)
        with Workers[bytes](
            processes=1, timeout_s=lambda _: TIMEOUT_S, initializer=set_up, initargs=(setup,)
        ) as workers:
            for batch in _batches(choice, deadline):
                _check_batch(workers, place, batch, findings)
                done += len(batch)
    finally:
        shutil.rmtree(place)
    return done


def _batches(choice: random.Random, deadline: float) -> Iterator[list[bytes]]:
    while time.monotonic() < deadline:
        yield [random_program(choice) for _ in range(_BATCH)]


def _check_batch(workers: Workers[bytes], place: Path, batch: list[bytes], findings: Path) -> None:
    programs = {b"%d.mp3" % number: program for number, program in enumerate(batch)}
    good = b"good.mp3"
    (place / os.fsdecode(good)).write_bytes(tone(440.0))
    for name, program in programs.items():
        (place / os.fsdecode(name)).write_bytes(build(program))
    for done in workers.map(examine, [*programs, good]):
        try:
            assert done.loss is None, done.loss
            result = done.result
            assert result is not None
            assert result.identity is not None
            if done.task == good:
                assert result.error is None, result.error
            if result.error is not None:
                assert result.error.reason in REASONS, result.error.what
                continue
            assert result.made is not None
            file = spool_file(place / "spool", result.identity.audio_id, recipe().id)
            numbers = np.fromfile(file, np.float32, recipe().bytes_per_track // 4)
            assert len(numbers) * 4 == recipe().bytes_per_track
            assert np.isfinite(numbers).all()
        except AssertionError:
            (findings / "workers-crash").write_bytes(programs.get(done.task, b""))
            raise
    for file in (place / "spool").iterdir():
        file.unlink()
