"""From a configuration to something that works: what all commands need; the daemon is put together in `daemon`."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from melwatch.adoption import require_nothing_of_ours
from melwatch.dataset.layout import DatasetFolder, read_current
from melwatch.dataset.soundness import dataset_id
from melwatch.errors import ConfigError, StoreError
from melwatch.library.rules import Rules
from melwatch.manifest.database import FILE_NAME, open_manifest, read_manifest
from melwatch.manifest.health import State, examine
from melwatch.manifest.home import PRIVATE, claim, find_state
from melwatch.manifest.lock import locked
from melwatch.names import GenreNames
from melwatch.passes.pipeline import Pipeline
from melwatch.passes.workshop import Workshop
from melwatch.platform import mounts, system
from melwatch.platform.disk import make_folder
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.windows import WindowPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.config.sections import Config
    from melwatch.progress import Progress

log = logging.getLogger(__name__)


def open_workshop(config: Config) -> Workshop:
    """Gather what all work on a dataset has in common; writes nothing.

    Raises `ConfigError` where a dataset lies that melwatch did not write.
    """
    folder = DatasetFolder(config.dataset.path)
    try:
        current = read_current(folder)
    except StoreError:
        current = None  # a pass puts it right
    return _gather(config, current["dataset_id"] if current else dataset_id(folder))


def open_adopting(config: Config) -> Workshop:
    """Gather the same where a dataset lies that is to be taken over."""
    require_nothing_of_ours(DatasetFolder(config.dataset.path))
    return _gather(config, None)


def rules_of(config: Config) -> Rules:
    """Return what of the library counts."""
    return Rules.of(
        extensions=config.library.extensions,
        exclude=config.library.exclude,
        ignore=config.library.ignore,
        hydrate=config.library.hydrate,
    )


def _gather(config: Config, known_id: str | None) -> Workshop:
    settings = config.spectrogram
    return Workshop(
        config=config,
        rules=rules_of(config),
        recipe=Recipe.load(
            settings.model,
            WindowPolicy(length_s=settings.window_s, per_track=settings.windows_per_track),
            config.dataset.dtype,
        ),
        folder=DatasetFolder(config.dataset.path),
        state=find_state(config.dataset.state, config.dataset.path, known_id),
        genres=GenreNames.of(config.genres),
    )


@contextmanager
def open_for_work(shop: Workshop, now: datetime) -> Iterator[Connection]:
    """Take the lock of the state folder and open the manifest for writing.

    Raises `LockedError` where another melwatch is at work, `ConfigError` where the state cannot be kept there.
    """
    _require_own(shop)
    _judge_disks(shop)
    make_folder(shop.state.path, mode=PRIVATE)
    with locked(shop.state.path, now):
        health = examine(shop.state.path / FILE_NAME)
        if health.state is State.DAMAGED:
            raise StoreError(health.what, "Run `melwatch repair`.")
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
    try:
        return (shop.state.path / FILE_NAME).exists()
    except PermissionError:
        raise _not_yours(shop) from None


@contextmanager
def hold_for_repair(shop: Workshop, now: datetime) -> Iterator[None]:
    """Take the lock of the state folder, whatever its manifest is like.

    Raises `ConfigError` where there is neither a manifest nor a dataset, `LockedError` where another melwatch is
    at work.
    """
    if not has_manifest(shop) and not shop.folder.version_numbers():
        raise _nothing_known(shop)
    _require_own(shop)
    make_folder(shop.state.path, mode=PRIVATE)
    make_folder(shop.state.spool)
    with locked(shop.state.path, now):
        yield


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


def _require_own(shop: Workshop) -> None:
    """See to it that what is written to the state folder will be whose the manifest is.

    Raises `ConfigError` where it would not: the service could not go on with it.
    """
    if not has_manifest(shop):
        return
    try:
        with tempfile.TemporaryFile(dir=shop.state.path) as probe:
            is_own = os.fstat(probe.fileno()).st_uid == (shop.state.path / FILE_NAME).stat().st_uid
    except PermissionError:
        is_own = False
    if not is_own:
        raise _not_yours(shop)


def _judge_disks(shop: Workshop) -> None:
    """Refuse state on a network drive, and say what to expect of a dataset on a disk that forgives little."""
    kind = mounts.file_system(os.fsencode(os.path.realpath(shop.state.path)))
    if kind in mounts.REMOTE_TYPES:
        what = f"The state folder {shop.state.path} lies on a network drive ({kind})"
        hint = "SQLite's write-ahead log needs a local disk: name one with --state. The dataset may stay where it is."
        raise ConfigError(what, hint)
    kind = mounts.file_system(os.fsencode(os.path.realpath(shop.folder.path)))
    if kind in mounts.LOSSY_TYPES:
        log.warning(
            "The dataset %s lies on %s, which keeps no journal: after a power cut run `melwatch verify --read-data`",
            shop.folder.path, kind,
        )  # fmt: skip
    elif mounts.is_remote(kind):
        log.warning(
            "The dataset %s lies on a network drive (%s): who reads it elsewhere may see a version late, "
            "and only one machine may write to it",
            shop.folder.path, kind,
        )  # fmt: skip


def _not_yours(shop: Workshop) -> ConfigError:
    owner = system.owner_of(shop.state.path)
    return ConfigError(
        f"What melwatch knows of {shop.folder.path} belongs to the account {owner}, in {shop.state.path}",
        f"Only its service, or {owner}, may work on it; and only members of the folder's group may look. "
        "`melwatch service start` starts the service.",
    )


def _require_manifest(shop: Workshop) -> None:
    if not has_manifest(shop):
        raise _nothing_known(shop)


def _nothing_known(shop: Workshop) -> ConfigError:
    return ConfigError(f"Nothing is known yet of {shop.folder.path}", "Run `melwatch sync` first.")


@contextmanager
def open_pipeline(shop: Workshop, progress: Progress, now: datetime) -> Iterator[Pipeline]:
    """Make ready for passes."""
    with open_for_work(shop, now) as db:
        yield Pipeline(shop, db, progress)
