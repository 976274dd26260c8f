"""What the workers of a cluster send, put where the local engine has it: made in the spool, stamped as seen here."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from melwatch.errors import TrackError
from melwatch.extraction import landmarks, station
from melwatch.extraction.cluster import Cluster, Errand
from melwatch.extraction.ingest import Examined, without_spool
from melwatch.names import native
from melwatch.platform import filesystem
from melwatch.spectrogram.spool import receive_spool, spool_file
from melwatch.spectrogram.workers import Done, Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from threading import Event

    from melwatch.extraction.ingest import Setup
    from melwatch.extraction.station import Sent
    from melwatch.track import FileStamp, RelPath, SeenFile

_AGAIN = "It is tried again at the next pass. If that goes on, look at the logs and the memory of the workers."


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Workers elsewhere, used like those here: by the time that a result is yielded the spool has its numbers."""

    cluster: Cluster[RelPath, Examined, Sent]
    setup: Setup
    asked: dict[RelPath, tuple[FileStamp | None, int]] = field(default_factory=dict)
    """How a file was, and when, before it was handed out."""
    unlucky: set[RelPath] = field(default_factory=set)
    """Files of which nothing came back for a reason that may lie elsewhere."""

    def map(
        self, work: Callable[[RelPath], Examined], tasks: Iterable[RelPath], halt: Event | None = None
    ) -> Iterator[Done[RelPath, Examined]]:
        """Do the work on every file, as the local pool does."""
        for done in self.cluster.map(work, self._noted(tasks), halt):
            yield self._without_fault(done.task) if done.result is None else self.take(done.task, done.result)
            self.asked.pop(done.task, None)

    def _noted(self, tasks: Iterable[RelPath]) -> Iterator[RelPath]:
        for path in tasks:
            self.asked[path] = self._stamp(path), time.time_ns()
            yield path

    def take(self, path: RelPath, sent: Sent) -> Done[RelPath, Examined]:
        """Take in what a worker sent, unless the file was another one there, or has changed since.

        Another machine may see other inodes and times; what is put on record is what the next look compares.
        """
        examined, loss, content = sent
        if examined is None:
            return Done(path, None, loss or Loss.CRASH)
        if examined.identity is None or examined.stamp is None:
            return Done(path, examined)
        before, asked_ns = self.asked[path]
        theirs = examined.stamp
        if (
            before is None
            or self._stamp(path) != before
            or not landmarks.is_same_file(before, theirs.size, theirs.mtime_ns)
        ):
            what, hint = "It changed while it was read", "It is looked at again at the next pass."
            return Done(path, Examined(path=path, error=TrackError(what, hint, reason="changing")))
        if examined.made is not None:
            file = spool_file(self.setup.spool, examined.identity.audio_id, self.setup.recipe.id)
            try:
                is_whole = receive_spool(file, content or b"", self.setup.recipe.bytes_per_track, examined.made)
            except OSError as error:
                raise without_spool(self.setup, error) from None
            if not is_whole:
                return self._without_fault(path)
        return Done(path, replace(examined, stamp=before, read_ns=asked_ns))

    def _without_fault(self, path: RelPath) -> Done[RelPath, Examined]:
        """Say that a file is to be tried once more, or, the second time, that it is at a later pass.

        That its worker is gone says nothing of the song: a decoder that fails over it costs a child of the worker.
        """
        if path not in self.unlucky:
            self.unlucky.add(path)
            return Done(path, None, Loss.CRASH)
        what, hint = "Twice a worker of the cluster was lost over it, or sent damaged numbers", _AGAIN
        return Done(path, Examined(path=path, error=TrackError(what, hint, reason="worker_lost")))

    def _stamp(self, path: RelPath) -> FileStamp | None:
        try:
            return filesystem.stamp_of(os.stat(filesystem.openable(native(self.setup.root, path))))
        except OSError:
            return None


@contextmanager
def deliveries(
    address: str, setup: Setup, files: Sequence[SeenFile], timeout_s: Callable[[RelPath], float]
) -> Iterator[Delivery]:
    """Have the workers of a Dask scheduler at one's disposal; raises `DegradedError` where it cannot be reached."""
    key = uuid4().hex
    errand: Errand[RelPath, Examined, Sent] = Errand(
        welcome=partial(station.welcome, station.make_offer(key, setup, landmarks.pick(files))),
        perform=partial(station.perform, key),
        dismiss=partial(station.dismiss, key),
    )
    with Cluster(address=address, errand=errand, timeout_s=timeout_s) as cluster:
        yield Delivery(cluster=cluster, setup=setup)
