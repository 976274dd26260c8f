"""A copy of a dataset's newest version elsewhere, brought up to date: only missing shards travel.

The copy is a folder that `load_from_disk` and `melwatch.load` open. Like a publish it shows the old version or the
new one, whole, at any moment; unlike a dataset it has no manifest, and no melwatch publishes into it.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.dataset import layout, soundness
from melwatch.dataset.collect import Limits, find_garbage, remove_garbage
from melwatch.dataset.distant import VanishedError, current_number, fetch_shard, find_library, read_version
from melwatch.dataset.install import install
from melwatch.dataset.layout import DatasetFolder
from melwatch.dataset.storage import Megabytes
from melwatch.edition import Split
from melwatch.errors import ConfigError, DegradedError, StoreError
from melwatch.manifest.lock import locked
from melwatch.platform import filesystem
from melwatch.platform.disk import make_folder, replace_file
from melwatch.platform.nesting import lies_in, require_apart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from melwatch.dataset.distant import Distant
    from melwatch.dataset.storage import Storage
    from melwatch.progress import Progress

log = logging.getLogger(__name__)

MARK = ".melwatch-pull"
"""Lies in every copy that a pull has made: anything else is left alone."""
KEEP_VERSIONS, KEEP_HOURS = 3, 168.0
_ATTEMPTS, _PAUSE_S = 5, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull did: the version that is current in the copy, the shards and bytes that travelled."""

    number: int
    shards: int
    bytes: int
    removed: int


def pull(source: Storage, target: Path, *, version: int | None, now: datetime, progress: Progress) -> Pulled:
    """Make a version, by default the current one, that of the copy in `target`; begin anew where it is collected.

    Raises `ConfigError` where the version is not there or `target` holds anything but a copy by a pull.
    """
    _require_apart(source, target)
    library, vanished = find_library(source), ""
    with _claimed(target, now) as folder:
        for attempt in range(_ATTEMPTS):
            number = current_number(library) if version is None else version
            try:
                return _pull_version(library, folder, number, now, progress)
            except VanishedError as error:
                if version is not None and library.size(f"versions/{version:06d}/{layout.CURRENT}") is None:
                    raise ConfigError(f"There is no version {version} in {library.shown}") from None
                log.info("%s: beginning again, attempt %s", error.what, attempt + 2)
                time.sleep(_PAUSE_S * attempt)
                vanished = error.what
    what = f"{vanished}: versions are removed there faster than they can be copied, or it is missing"
    raise DegradedError(what, "`melwatch pin N`, there, keeps a version; `melwatch verify` tells what is missing.")


def _require_apart(source: Storage, target: Path) -> None:
    """Raise `ConfigError` where source and copy lie in one another."""
    if source.folder is None:
        return
    require_apart(target, source.folder, "what is to be copied,")
    if lies_in(source.folder, target):
        raise ConfigError(f"{target} holds what is to be copied, {source.folder}", "Name a folder elsewhere.")


@contextmanager
def _claimed(target: Path, now: datetime) -> Iterator[DatasetFolder]:
    """Hold the folder of a copy alone; raises `ConfigError` where it is something else."""
    if target.exists() and not (target / MARK).exists() and (not target.is_dir() or any(target.iterdir())):
        hint = "Name a folder that does not exist yet, or one that a pull has made."
        raise ConfigError(f"{target} holds something that is no copy by `melwatch pull`", hint)
    make_folder(target)
    replace_file(target / MARK, b"A copy of a melwatch dataset; `melwatch pull` keeps it up to date.\n")
    with locked(target, now):
        yield DatasetFolder(target, "")


def _pull_version(library: Storage, folder: DatasetFolder, number: int, now: datetime, progress: Progress) -> Pulled:
    distant = read_version(library, number)
    _refuse_others(folder, distant)
    for split in Split:
        make_folder(folder.library / split, parents=False)
    missing = {path: size for path, size in distant.shards.items() if layout.size_of(folder.shard(path)) != size}
    if missing:
        count = Megabytes(progress, f"Fetching version {number}", sum(missing.values()))
        for path, size in missing.items():
            fetch_shard(library, path, size, folder.shard(path), count)
        count.end()
        for split in Split:
            filesystem.sync_folder(folder.library / split)
    _write_version(folder, distant)
    install(folder, number)
    removed = _collect(folder, number, now)
    return Pulled(number=number, shards=len(missing), bytes=sum(missing.values()), removed=removed)


def _refuse_others(folder: DatasetFolder, distant: Distant) -> None:
    known = soundness.dataset_id(folder)
    if known is not None and known != distant.dataset_id:
        raise ConfigError(f"{folder.path} is a copy of another dataset", "Name another folder for this one.")


def _write_version(folder: DatasetFolder, distant: Distant) -> None:
    """Have `versions/N/` whole, its `current.json` last; one that is there is not touched."""
    home = folder.version(distant.number)
    if folder.is_complete(distant.number):
        if (home / layout.CURRENT).read_bytes() != distant.seal:
            what = f"{home} is another version {distant.number} than the one to be copied"
            raise ConfigError(what, "The dataset was begun anew there. Name another folder.")
        if not soundness.faults(folder, distant.number):
            return
    for split in Split:
        make_folder(home / split)
    for name, content in distant.files.items():
        replace_file(home / name, content)
    replace_file(home / layout.CURRENT, distant.seal)
    filesystem.sync_folder(folder.versions)
    faults = soundness.faults(folder, distant.number)
    if faults:
        raise StoreError(f"{home}: {', '.join(faults)} did not arrive as written", "Run the same command again.")


def _collect(folder: DatasetFolder, number: int, now: datetime) -> int:
    """Remove what is past its time as in a dataset of the default settings; return the bytes.

    Nothing where an older version was asked for: it might be among that.
    """
    if number != max(folder.version_numbers()):
        return 0
    limits = Limits(keep_versions=KEEP_VERSIONS, keep_hours=KEEP_HOURS, now=now)
    return remove_garbage(folder, find_garbage(folder, limits, needed=())).bytes
