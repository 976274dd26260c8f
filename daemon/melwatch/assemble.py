"""From a configuration to something that works: the only place that wires things together."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from melwatch import mounts, publication, system
from melwatch.agenda import Agenda
from melwatch.dataset.layout import DatasetFolder, read_current
from melwatch.errors import ConfigError, DegradedError, RootOfflineError
from melwatch.intake import Patience
from melwatch.library.root import read_root
from melwatch.library.rules import Rules
from melwatch.library.settle import Settling
from melwatch.library.watch import Watch
from melwatch.live import LiveProgress
from melwatch.manifest.database import FILE_NAME, open_manifest, read_manifest
from melwatch.manifest.home import claim, find_state
from melwatch.manifest.lock import locked
from melwatch.pipeline import Pipeline
from melwatch.runner import Runner, Work
from melwatch.schedule import Task, Timetable
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.windows import WindowPolicy
from melwatch.verify import verify_dataset
from melwatch.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.config import Config
    from melwatch.face import Face
    from melwatch.pipeline import Passed
    from melwatch.progress import Progress
    from melwatch.runner import Wishes
    from melwatch.track import RelPath

log = logging.getLogger(__name__)

_POLL_S = 60.0
"""How often to look at a local root that cannot be watched."""

_HOURLY, _NIGHTLY = "1h", "0 3 * * *"
"""How often to look at everything: a network root's disks may sleep."""


def open_workshop(config: Config) -> Workshop:
    """Gather what all work on a dataset has in common; writes nothing."""
    folder = DatasetFolder(config.dataset.path)
    current = read_current(folder)
    settings = config.spectrogram
    return Workshop(
        config=config,
        rules=Rules.of(
            extensions=config.library.extensions, exclude=config.library.exclude, ignore=config.library.ignore
        ),
        recipe=Recipe.load(
            settings.model, WindowPolicy(length_s=settings.window_s, per_track=settings.windows_per_track)
        ),
        folder=folder,
        state=find_state(config.dataset.state, config.dataset.path, current["dataset_id"] if current else None),
    )


@contextmanager
def open_for_work(shop: Workshop, now: datetime) -> Iterator[Connection]:
    """Take the lock of the state folder and open the manifest for writing.

    Raises `LockedError` where another melwatch is at work.
    """
    shop.state.path.mkdir(parents=True, exist_ok=True)
    with locked(shop.state.path, now):
        claim(shop.state, shop.folder.path)
        with open_manifest(shop.state.path) as db:
            yield db


@contextmanager
def open_for_mending(shop: Workshop, now: datetime) -> Iterator[Connection]:
    """Open for work what is there already; raises `ConfigError` where nothing is."""
    _require_manifest(shop)
    with open_for_work(shop, now) as db:
        yield db


def has_manifest(shop: Workshop) -> bool:
    """Whether anything is known yet."""
    return (shop.state.path / FILE_NAME).exists()


@contextmanager
def open_for_reading(shop: Workshop) -> Iterator[Connection]:
    """Open the manifest for looking; raises `ConfigError` where there is none yet."""
    _require_manifest(shop)
    with read_manifest(shop.state.path) as db:
        yield db


@contextmanager
def open_to_ask(shop: Workshop) -> Iterator[Connection]:
    """Open the manifest of a running daemon, to put a request on record."""
    _require_manifest(shop)
    with open_manifest(shop.state.path) as db:
        yield db


def _require_manifest(shop: Workshop) -> None:
    if not has_manifest(shop):
        raise ConfigError(f"Nothing is known yet of {shop.folder.path}", "Run `melwatch sync` first.")


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
    watch = Watch(shop.root, mode=watching.mode)
    progress = LiveProgress()
    patience = Patience(settling=Settling(watching.settle_s), gone_s=max(watching.settle_s, schedule.quiet_s))
    with open_for_work(shop, now) as db:
        yield Runner(
            db=db,
            watch=watch,
            timetable=_timetable({task: times for task, times in wishes.items() if times}, watch.wake),
            agenda=Agenda(
                quiet_s=schedule.quiet_s, max_wait_s=schedule.max_wait_s, is_timed=schedule.publish is not None
            ),
            face=face,
            progress=progress,
            poll_s=None if is_remote else _POLL_S,
            work=Work(
                run_pass=lambda wishes, now, closed: _run_pass(shop, progress, patience, wishes, now, closed),
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
    closed: Collection[RelPath],
) -> Passed:
    """One pass of the daemon, on a thread of its own with a connection of its own."""
    try:
        with _degrading(), open_manifest(shop.state.path) as db:
            pipeline = Pipeline(shop, db, progress, patience, wishes.halt)
            return pipeline.run_pass(now, may_publish=wishes.publish.is_set, closed=closed)
    finally:
        system.stop_child_server()


@contextmanager
def _degrading() -> Iterator[None]:
    """Have the daemon wait where a command would give up: for a root to be mounted, for a disk to recover."""
    try:
        yield
    except ConfigError as error:
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
    with open_manifest(shop.state.path) as db:
        if task is Task.GC:
            collected = publication.collect(shop, db, now)
            log.info("Collected %d files, %.1f MB", collected.files, collected.bytes / 1e6)
        elif task is Task.VERIFY:
            for finding in verify_dataset(shop, db):
                log.warning("%s", finding)


@contextmanager
def open_pipeline(shop: Workshop, progress: Progress, now: datetime) -> Iterator[Pipeline]:
    """Make ready for passes."""
    with open_for_work(shop, now) as db:
        yield Pipeline(shop, db, progress)
