"""What the checks look at: gathered once each, only when asked for, and never waited for without end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from melwatch.assemble import open_workshop, rules_of
from melwatch.dataset.layout import DatasetFolder
from melwatch.library.scan import scan
from melwatch.manifest.home import find_state
from melwatch.platform.background import Background
from melwatch.platform.filesystem import openable
from melwatch_service.doctor.finding import NotCheckedError, NotConfiguredError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from melwatch.config.sections import Config
    from melwatch.library.scan import Scan
    from melwatch.passes.workshop import Workshop

Value = TypeVar("Value")

_CONFIG_S, _DATASET_S, _LIBRARY_S = 30.0, 60.0, 300.0


class LateError(Exception):
    """Something has not answered in time."""


def within(limit_s: float, work: Callable[[], Value]) -> Value:
    """Return what `work` returns, or raise what it raises; raises `LateError` where that takes too long.

    It is then left behind: a read from a dead share cannot be ended.
    """
    background: Background[Value] = Background(lambda: None)
    background.start(work)
    if not background.wait(limit_s):
        raise LateError(f"no answer within {limit_s:.0f} s")
    return background.take()


class Gathered(Generic[Value]):
    """Something that several checks need: worked out once, whether that succeeds or fails."""

    def __init__(self, gather: Callable[[], Value], limit_s: float, otherwise: NotCheckedError) -> None:
        self._gather, self._limit_s, self._otherwise = gather, limit_s, otherwise
        self._value: Value | None = None
        self._error: Exception | None = None
        self._is_done = False

    def get(self) -> Value:
        """Return it; raises `NotCheckedError` where it cannot be had, since another check tells why."""
        try:
            return self.attempt()
        except NotCheckedError:
            raise
        except Exception:  # noqa: BLE001  the check that it is about tells of it
            raise self._otherwise from None

    def attempt(self) -> Value:
        """Return it, or raise what went wrong."""
        if not self._is_done:
            try:
                self._value = within(self._limit_s, self._gather)
            except Exception as error:  # noqa: BLE001  raised again at each attempt
                self._error = error
            self._is_done = True
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set where there was no error


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What one walk over the music root has met."""

    scan: Scan
    folders: int
    longest_path: int
    """In characters, the root included."""


class Case:
    """One configuration, or none, and what belongs to it."""

    def __init__(
        self, *, find_file: Callable[[], Path | None], load: Callable[[], Config | None], now: datetime
    ) -> None:
        self.find_file, self.load, self.now = find_file, load, now
        self.config: Gathered[Config] = Gathered(self._read_config, _CONFIG_S, NotConfiguredError())
        self.workshop: Gathered[Workshop] = Gathered(
            lambda: open_workshop(self.config.get()), _DATASET_S, NotCheckedError("The dataset cannot be opened")
        )
        self.library: Gathered[Library] = Gathered(
            self._walk_library, _LIBRARY_S, NotCheckedError("The music root cannot be looked at")
        )

    @property
    def folder(self) -> DatasetFolder:
        """The dataset's folder, whatever may be in it."""
        return DatasetFolder(self.config.get().dataset.path)

    @property
    def state(self) -> Path:
        """The state folder, which need not exist; also where the dataset itself cannot be opened."""
        settings = self.config.get().dataset
        if settings.state is not None:
            return settings.state
        try:
            return self.workshop.get().state.path
        except NotCheckedError:
            return find_state(None, settings.path, None).path

    def _read_config(self) -> Config:
        config = self.load()
        if config is None:
            raise NotConfiguredError
        return config

    def _walk_library(self) -> Library:
        config = self.config.get()
        root = os.fsencode(config.library.root)
        found = scan(root, rules_of(config))
        folders, longest = 0, 0
        for place, _, names in os.walk(openable(root)):
            folders += 1
            longest = max(
                longest, len(os.fsdecode(place)) + max((len(os.fsdecode(name)) + 1 for name in names), default=0)
            )
        return Library(scan=found, folders=folders, longest_path=longest)


def existing(path: Path) -> Path:
    """Return a folder, or the innermost one above it that exists."""
    return next(place for place in (path, *path.parents) if os.path.exists(place))
