"""The stage of a pass that reads files: hands them to the workers and records what comes back."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from melwatch.errors import TrackError
from melwatch.extraction.ahead import start_children_server
from melwatch.extraction.ingest import Setup, examine, identify_only, set_up
from melwatch.extraction.pause import Pause
from melwatch.manifest import tracks
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.names import display, printable
from melwatch.spectrogram.workers import Done, Loss, Workers
from melwatch.track import RelPath

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from threading import Event

    from melwatch.config.sections import WorkersSection
    from melwatch.extraction.ingest import Examined
    from melwatch.progress import Progress
    from melwatch.track import AudioId, SeenFile

log = logging.getLogger(__name__)

TRIES = 2
SLOWEST_BYTES_PER_SECOND = 1_000_000
"""What a damaged file of many hours is allowed beyond `workers.timeout_s`."""

_LOST = {
    Loss.CRASH: ("crash", "The decoder crashed over it"),
    Loss.TIMEOUT: ("timeout", "Decoding it took longer than workers.timeout_s"),
}
_PACE = "seconds_per_song"


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one extraction did: songs made, how many newly failed, and files that could not be read."""

    extracted: set[AudioId] = field(default_factory=set)
    failed: int = 0
    unread: set[RelPath] = field(default_factory=set)
    examined: set[RelPath] = field(default_factory=set)
    """Files that are done with, in whatever way."""

    def __iadd__(self, other: Self) -> Self:
        """Add what a later round did."""
        self.extracted |= other.extracted
        self.failed += other.failed
        self.unread |= other.unread
        self.examined |= other.examined
        return self


def extract_all(
    db: sqlite3.Connection,
    files: Sequence[SeenFile],
    setup: Setup,
    settings: WorkersSection,
    progress: Progress,
    now: datetime,
    halt: Event | None = None,
    is_due: Callable[[int, int], bool] | None = None,
) -> Tally:
    """Examine the files in worker processes, here or on a cluster, and put every result on record as it comes.

    A file over which workers were lost is tried once more when all others are done. Once `halt` is
    set only the files at hand are finished; so it is once something else `is_due`, which is told how
    many songs were made and how many files are left.
    """
    recorder = _Recorder(db, setup, now)
    stop = halt
    if is_due is not None:
        tally = recorder.tally
        stop = Pause(halt, lambda: is_due(len(tally.extracted), len(files) - len(tally.examined)))
    sizes = {file.path: file.stamp.size for file in files}
    started = time.monotonic()
    lost: list[Done[RelPath, Examined]] = []
    progress.begin("Extracting", len(files))
    try:
        with _engine(files, setup, settings) as workers:
            for done in workers.map(examine, sizes, stop):
                if done.loss is not None:
                    lost.append(done)
                    continue
                recorder.record(done)
                progress.advance()
            if halt is None or not halt.is_set():
                _try_again(workers, lost, recorder, progress)
    finally:
        progress.end()
    _note_pace(db, len(recorder.tally.extracted), (time.monotonic() - started) * settings.processes)
    return recorder.tally


def identify_all(
    db: sqlite3.Connection,
    files: Sequence[SeenFile],
    setup: Setup,
    settings: WorkersSection,
    progress: Progress,
    now: datetime,
    halt: Event | None = None,
) -> None:
    """Find out what songs files hold, and nothing more; one that cannot be read is for later."""
    recorder = _Recorder(db, setup, now)
    progress.begin("Reading", len(files), "files")
    try:
        with _engine(files, setup, settings) as workers:
            for done in workers.map(identify_only, [file.path for file in files], halt):
                if done.result is not None and done.result.identity is not None:
                    recorder.record(done)
                progress.advance()
    finally:
        progress.end()


class _Engine(Protocol):
    """Whatever has work done on files, here or elsewhere."""

    def map(
        self, work: Callable[[RelPath], Examined], tasks: Iterable[RelPath], halt: Event | None = None
    ) -> Iterator[Done[RelPath, Examined]]:
        """Do the work on every file, and yield each as it is done."""


def _engine(files: Sequence[SeenFile], setup: Setup, settings: WorkersSection) -> AbstractContextManager[_Engine]:
    sizes = {file.path: file.stamp.size for file in files}

    def timeout_s(path: RelPath) -> float:
        return settings.timeout_s + sizes[path] / SLOWEST_BYTES_PER_SECOND

    if settings.dask is not None and settings.engine == "dask":
        from melwatch.extraction.delivery import deliveries  # what it needs is for clusters only

        return deliveries(settings.dask, setup, files, timeout_s)
    start_children_server()
    processes = min(settings.processes, len(files))
    return Workers[RelPath](processes=processes, timeout_s=timeout_s, initializer=set_up, initargs=(setup,))


def _try_again(
    workers: _Engine, lost: Iterable[Done[RelPath, Examined]], recorder: _Recorder, progress: Progress
) -> None:
    """Try files over which workers were lost once more, one at a time; then leave them alone."""
    for first in lost:
        for done in workers.map(examine, [first.task]):
            if done.loss is None:
                recorder.record(done)
            else:
                for identified in workers.map(identify_only, [first.task]):
                    recorder.record_lost(identified, done.loss)
        progress.advance()


class _Recorder:
    """Puts results on record, one short transaction each."""

    def __init__(self, db: sqlite3.Connection, setup: Setup, now: datetime) -> None:
        self.db = db
        self.recipe = setup.recipe.id
        self.at = now.isoformat()
        self.tally = Tally()

    def record(self, done: Done[RelPath, Examined], *, tries: int = 1) -> None:
        """Record what became of a file."""
        examined = done.result
        if examined is None:
            raise ValueError("a lost worker has no result")
        self.tally.examined.add(examined.path)
        with writing(self.db):
            if examined.identity is None or examined.stamp is None:
                self._record_problem(examined)
                return
            tracks.record_identity(self.db, examined.path, examined.stamp, examined.read_ns, examined.identity)
            song = examined.identity.audio_id
            if examined.made is not None and song not in self.tally.extracted:
                tracks.record_spectrogram(self.db, song, self.recipe, examined.made)
                self.tally.extracted.add(song)
            if examined.error is not None:
                tracks.record_failure(self.db, song, self.recipe, examined.error, tries=tries, at=self.at)
                self.tally.failed += 1
                _warn(examined.path, examined.error)

    def record_lost(self, identified: Done[RelPath, Examined], loss: Loss) -> None:
        """Record that workers are lost over a file, under the song's id so that it is left alone."""
        reason, what = _LOST[loss]
        error = TrackError(what, "`melwatch retry` tries it again.", reason=reason)
        if identified.result is None or identified.result.identity is None:
            with writing(self.db):
                tracks.record_problem(self.db, identified.task, error)
            self.tally.unread.add(identified.task)
            self.tally.examined.add(identified.task)
            return
        result = identified.result
        self.record(Done(identified.task, type(result)(
            path=result.path, stamp=result.stamp, read_ns=result.read_ns, identity=result.identity, error=error
        )), tries=TRIES)  # fmt: skip

    def _record_problem(self, examined: Examined) -> None:
        error = examined.error or TrackError("It could not be read", reason="unreadable")
        self.tally.failed += 1
        self.tally.unread.add(examined.path)
        if tracks.record_problem(self.db, examined.path, error):
            _warn(examined.path, error)


def seconds_per_song(db: sqlite3.Connection) -> float | None:
    """Return what a song took one process in the last extraction worth measuring."""
    pace = get_meta(db, _PACE)
    return None if pace is None else float(pace)


def _note_pace(db: sqlite3.Connection, songs: int, seconds: float) -> None:
    if songs >= 20:  # noqa: PLR2004  fewer say more about starting up than about songs
        with writing(db):
            set_meta(db, _PACE, f"{seconds / songs:.4f}")


def _warn(path: RelPath, error: TrackError) -> None:
    log.warning("%s: %s %s", printable(display(path)), error.what.splitlines()[0], error.hint)
