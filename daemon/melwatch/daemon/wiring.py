"""From a configuration to the running daemon: the only place that wires it together.

Apart from `assemble`, so that other commands need not import what watches and keeps time.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from melwatch.assemble import open_for_work
from melwatch.daemon.agenda import Agenda
from melwatch.daemon.live import LiveProgress
from melwatch.daemon.page import page_beside
from melwatch.daemon.runner import Runner
from melwatch.daemon.schedule import Task, Timetable
from melwatch.errors import ConfigError, DegradedError, RootOfflineError, RootUnknownError
from melwatch.library.root import read_root
from melwatch.library.settle import Settling
from melwatch.library.watch import Watch
from melwatch.maintenance import clearing
from melwatch.maintenance.verify import verify, verify_data
from melwatch.manifest import tracks
from melwatch.manifest.database import log_trouble, open_manifest
from melwatch.passes.apart import LARGE_TRACKS, run_pass_apart
from melwatch.passes.patience import Patience
from melwatch.passes.pipeline import Pipeline, TooLargeError
from melwatch.passes.work import Work
from melwatch.platform import mounts, system
from melwatch.progress import Unwatched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from melwatch.daemon.face import Face
    from melwatch.library.part import Part
    from melwatch.passes.pipeline import Passed
    from melwatch.passes.work import Wishes
    from melwatch.passes.workshop import Workshop
    from melwatch.progress import Progress
    from melwatch.track import RelPath

log = logging.getLogger(__name__)

_HOURLY, _NIGHTLY = "1h", "0 3 * * *"
"""How often to look at everything: a network root's disks may sleep."""


@contextmanager
def open_runner(shop: Workshop, face: Face, now: datetime) -> Iterator[Runner]:
    """Make the daemon ready; raises `ConfigError` where it is already clear that it could not work."""
    schedule, watching = shop.config.schedule, shop.config.watch
    is_remote = mounts.is_remote(mounts.file_system(shop.root))
    wishes = {
        Task.RESCAN: schedule.rescan or (_NIGHTLY if is_remote else _HOURLY),
        Task.PUBLISH: schedule.publish,
        Task.GC: schedule.gc,
        Task.VERIFY: schedule.verify,
    }
    watch = Watch(shop.root, mode=watching.mode, matters=shop.rules.matters)
    progress = LiveProgress()
    patience = Patience(settling=Settling(watching.settle_s), gone_s=max(watching.settle_s, schedule.quiet_s))
    with open_for_work(shop, now) as db, page_beside(shop):
        yield Runner(
            db=db,
            watch=watch,
            timetable=_timetable({task: times for task, times in wishes.items() if times}, watch.wake),
            agenda=Agenda(
                quiet_s=schedule.quiet_s, max_wait_s=schedule.max_wait_s, is_timed=schedule.publish is not None
            ),
            face=face,
            progress=progress,
            is_remote=is_remote,
            work=Work(
                run_pass=lambda wishes, now, part, closed: _run_pass(
                    shop, progress, patience, wishes, now, part, closed
                ),
                why_rest=lambda: _why_rest(shop.config.workers.on_battery),
                find_root=lambda: _find_root(shop.root),
                run_task=lambda task, now: _run_task(shop, task, now),
            ),
        )


def _timetable(when: dict[Task, str], wake: Callable[[], None]) -> Timetable:
    try:
        return Timetable(when, wake)
    except ValueError as error:
        raise ConfigError(f"In [schedule]: {error}", "`melwatch init --print` shows examples.") from None


def _run_pass(
    shop: Workshop,
    progress: Progress,
    patience: Patience,
    wishes: Wishes,
    now: datetime,
    part: Part,
    closed: Collection[RelPath],
) -> Passed:
    """One pass of the daemon, on a thread of its own with a connection of its own."""
    try:
        with _degrading(), open_manifest(shop.state.path) as db:
            if wishes.is_asked:
                patience.forget_refusals()
            if tracks.count(db) < LARGE_TRACKS and shop.config.workers.engine == "local":
                pipeline = Pipeline(shop, db, progress, patience, wishes.halt, most_tracks=LARGE_TRACKS)
                with suppress(TooLargeError):
                    passed = pipeline.run_pass(now, may_publish=wishes.publish.is_set, part=part, closed=closed)
                    return replace(passed, trouble=passed.trouble or log_trouble(shop.state.path))
        with _degrading():
            passed, remembered = run_pass_apart(shop, progress, patience, wishes, now, part, closed)
            patience.take_over(remembered)
            return replace(passed, trouble=passed.trouble or log_trouble(shop.state.path))
    finally:
        system.stop_child_server()
        system.return_freed_memory()


@contextmanager
def _degrading() -> Iterator[None]:
    """Have the daemon wait where a command would give up: for a root to be mounted, for a disk to recover."""
    try:
        yield
    except RootUnknownError as error:
        raise RootOfflineError(error.what, "It is looked for again and again.") from error
    except OSError as error:
        if not system.is_passing(error):
            raise
        raise DegradedError(f"{error.filename or 'A disk'}: {error.strerror}", "It is tried again.") from error


def _why_rest(on_battery: str) -> str | None:
    return "Paused while on battery." if on_battery == "pause" and system.is_on_battery() else None


def _find_root(root: bytes) -> tuple[int, int] | None:
    key, _ = read_root(root)
    return None if key is None else (key.device, key.inode)


def _run_task(shop: Workshop, task: Task, now: datetime) -> None:
    """Housekeeping between passes."""
    with _degrading(), open_manifest(shop.state.path) as db:
        if task is Task.GC:
            collected = clearing.collect(shop, db, now)
            log.info("Collected %d files, %.1f MB", collected.files, collected.bytes / 1e6)
        elif task is Task.VERIFY:
            for finding in (*verify(shop), *verify_data(shop, db, Unwatched())):
                log.warning("%s", finding)
