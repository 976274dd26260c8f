"""Following a dataset: one version after another, as they are published."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from melwatch.dataset import layout
from melwatch.dataset.read import folder_of
from melwatch.errors import StoreError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from melwatch.dataset.layout import DatasetFolder


class Stop(Protocol):
    """Anything that can be set to stop waiting: a `threading.Event`, or one of `multiprocessing`."""

    def is_set(self) -> bool:
        """Whether to stop."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most so many seconds."""


def follow(
    path: str | os.PathLike[str],
    *,
    after: int | None = None,
    latest_only: bool = False,
    poll_s: float = 1.0,
    timeout_s: float | None = None,
    stop: Stop | None = None,
) -> Iterator[int]:
    """Yield the number of each new version of a dataset, to be opened with `melwatch.load(path, version=...)`.

    The first is the version that is current now, or with `after` the one after that. Versions that were
    published while the caller was busy follow one by one, as far as they are still kept; with
    `latest_only` only the newest does. Ends when `stop` is set, or when nothing new has come for
    `timeout_s`. Between looks, every `poll_s`, it sleeps; a dataset that does not exist yet is waited for.
    """
    last = after
    waiting_since_s = time.monotonic()
    while stop is None or not stop.is_set():
        new = _newer_than(last, folder_of(Path(path)))
        for number in new[-1:] if latest_only or last is None else new:
            last = number
            yield number
            if stop is not None and stop.is_set():
                return
        if new:
            waiting_since_s = time.monotonic()
            continue
        rest_s = poll_s
        if timeout_s is not None:
            rest_s = min(poll_s, waiting_since_s + timeout_s - time.monotonic())
            if rest_s <= 0:
                return
        if stop is None:
            time.sleep(rest_s)
        else:
            stop.wait(rest_s)


def _newer_than(last: int | None, folder: DatasetFolder) -> list[int]:
    """Return the versions after `last` up to the current one, oldest first."""
    try:
        current = int(layout.read_json(folder.current)["version"])
    except (FileNotFoundError, StoreError, KeyError):
        return []
    if last is not None and current <= last:
        return []
    numbers = [number for number in folder.version_numbers() if (last or 0) < number <= current]
    return [number for number in numbers if folder.is_complete(number)]
