"""From a configuration to something that works: what all commands need; the daemon is put together in `daemon`."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from melwatch import system
from melwatch.adoption import require_nothing_of_ours
from melwatch.dataset.layout import DatasetFolder, read_current
from melwatch.errors import ConfigError
from melwatch.library.rules import Rules
from melwatch.manifest.database import FILE_NAME, open_manifest, read_manifest
from melwatch.manifest.home import PRIVATE, claim, find_state
from melwatch.manifest.lock import locked
from melwatch.names import GenreNames
from melwatch.pipeline import Pipeline
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.windows import WindowPolicy
from melwatch.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.config import Config
    from melwatch.progress import Progress


def open_workshop(config: Config) -> Workshop:
    """Gather what all work on a dataset has in common; writes nothing.

    Raises `ConfigError` where a dataset lies that melwatch did not write.
    """
    current = read_current(DatasetFolder(config.dataset.path))
    return _gather(config, current["dataset_id"] if current else None)


def open_adopting(config: Config) -> Workshop:
    """Gather the same where a dataset lies that is to be taken over."""
    require_nothing_of_ours(DatasetFolder(config.dataset.path))
    return _gather(config, None)


def _gather(config: Config, dataset_id: str | None) -> Workshop:
    settings = config.spectrogram
    return Workshop(
        config=config,
        rules=Rules.of(
            extensions=config.library.extensions,
            exclude=config.library.exclude,
            ignore=config.library.ignore,
            hydrate=config.library.hydrate,
        ),
        recipe=Recipe.load(
            settings.model,
            WindowPolicy(length_s=settings.window_s, per_track=settings.windows_per_track),
            config.dataset.dtype,
        ),
        folder=DatasetFolder(config.dataset.path),
        state=find_state(config.dataset.state, config.dataset.path, dataset_id),
        genres=GenreNames.of(config.genres),
    )


@contextmanager
def open_for_work(shop: Workshop, now: datetime) -> Iterator[Connection]:
    """Take the lock of the state folder and open the manifest for writing.

    Raises `LockedError` where another melwatch is at work.
    """
    _require_own(shop)
    shop.state.path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
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
    try:
        return (shop.state.path / FILE_NAME).exists()
    except PermissionError:
        raise _not_yours(shop) from None


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


def _not_yours(shop: Workshop) -> ConfigError:
    owner = system.owner_of(shop.state.path)
    return ConfigError(
        f"What melwatch knows of {shop.folder.path} belongs to the account {owner}, in {shop.state.path}",
        f"Only its service, or {owner}, may work on it; and only members of the folder's group may look. "
        "`melwatch service start` starts the service.",
    )


def _require_manifest(shop: Workshop) -> None:
    if not has_manifest(shop):
        raise ConfigError(f"Nothing is known yet of {shop.folder.path}", "Run `melwatch sync` first.")


@contextmanager
def open_pipeline(shop: Workshop, progress: Progress, now: datetime) -> Iterator[Pipeline]:
    """Make ready for passes."""
    with open_for_work(shop, now) as db:
        yield Pipeline(shop, db, progress)
