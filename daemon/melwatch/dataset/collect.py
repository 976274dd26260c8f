"""Removing old versions and orphaned shards: only files that melwatch wrote and nothing refers to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from melwatch.dataset import layout
from melwatch.dataset.pins import is_pinned
from melwatch.edition import Split
from melwatch.errors import StoreError
from melwatch.platform.disk import remove_temporaries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder


_FEW_VERSIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Which versions stay: the newest, and those that ceased to be current not long ago.

    A pinned version stays, too, and so does one `on_record` that has lost its `current.json`: a pass writes
    that once more.
    """

    keep_versions: int
    keep_hours: float
    on_record: Collection[int] = ()
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """What a collection may remove: shards and audio shards, `split/name`, and versions by number."""

    shards: tuple[str, ...]
    audio_shards: tuple[str, ...]
    versions: tuple[int, ...]
    kept_versions: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class Collected:
    """What a collection removed, and what it has to leave for later: files that somebody has open."""

    files: int = 0
    bytes: int = 0
    postponed: int = 0


def find_garbage(folder: DatasetFolder, limits: Limits, needed: Collection[str]) -> Garbage:
    """Work out what nothing needs: versions past their limits, shards of no kept version and not `needed`."""
    kept = _kept(folder, limits)
    return Garbage(
        shards=_unreferred(folder.library, [*(partial(layout.shards_of_version, folder, n) for n in kept)], needed),
        audio_shards=_unreferred(
            folder.audio.library,
            [*(partial(layout.audio_shards, folder, n) for n in kept), partial(layout.installed_audio_shards, folder)],
        ),
        versions=tuple(number for number in folder.version_numbers() if number not in kept),
        kept_versions=tuple(kept),
    )


def is_worthwhile(folder: DatasetFolder, limits: Limits) -> bool:
    """Whether to find out what can be removed: while versions are few, or once many of them are past their time."""
    numbers = folder.version_numbers()
    if len(numbers) <= _FEW_VERSIONS:
        return True
    past = len(numbers) - len(_kept(folder, limits))
    return past * _FEW_VERSIONS >= len(numbers)


def _kept(folder: DatasetFolder, limits: Limits) -> list[int]:
    """Return the versions that stay."""
    unsealed = {number for number in limits.on_record if not folder.is_complete(number)}
    complete = [number for number in folder.version_numbers() if folder.is_complete(number) or number in unsealed]
    recent = complete[-limits.keep_versions :]
    horizon = limits.now - timedelta(hours=limits.keep_hours)
    superseded = dict(pairwise(complete))
    return [
        number
        for number in complete
        if number in recent
        or number in unsealed
        or is_pinned(folder, number)
        or _published(folder, superseded[number]) >= horizon
    ]


def _unreferred(
    library: Path, owners: Sequence[Callable[[], set[str]]], needed: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the shards that nobody refers to; none where somebody cannot tell, being damaged."""
    try:
        referred = {shard for shards_of in owners for shard in shards_of()}
    except (StoreError, KeyError):
        return ()
    return tuple(sorted(_shards_in(library) - referred - set(needed)))


def _shards_in(library: Path) -> set[str]:
    return {
        f"{split}/{entry.name}"
        for split in Split
        for entry in _files(library / split)
        if layout.SHARD_NAME.fullmatch(entry.name)
    }


def remove_garbage(folder: DatasetFolder, garbage: Garbage) -> Collected:
    """Remove it, versions before the shards they refer to; what cannot be removed now is left for later."""
    result = Collected()
    for number in garbage.versions:
        _remove_version(folder, number, result)
    for path in garbage.shards:
        _remove(folder.shard(path), result)
    for path in garbage.audio_shards:
        _remove(folder.audio.shard(path), result)
    libraries = (folder.library, folder.audio.library)
    for place in (folder.path, *libraries, *(library / split for library in libraries for split in Split)):
        result.files += remove_temporaries(place)
    return result


def _remove_version(folder: DatasetFolder, number: int, result: Collected) -> None:
    """Remove a version's own files, `current.json` first so that a half-removed one counts as incomplete."""
    home = folder.version(number)
    if is_pinned(folder, number):
        return  # since a moment ago
    own = [home / name for name in (layout.CURRENT, layout.DATASET_DICT, layout.CARD, layout.GENRES)]
    own += [home / layout.TRACKS, home / layout.LEDGER, home / layout.PROVENANCE, home / layout.PINNED]
    audio = home / layout.AUDIO
    own += [audio / name for name in (layout.DATASET_DICT, layout.CARD)]
    splits = [place / split for place in (home, audio) for split in Split]
    own += [split / name for split in splits for name in (layout.STATE, layout.INFO)]
    for file in own:
        _remove(file, result)
    for place in (*splits, audio, home):
        remove_temporaries(place)
        try:
            place.rmdir()
        except OSError:
            continue  # somebody put a file of their own there


def _remove(file: Path, result: Collected) -> None:
    try:
        size = file.stat().st_size
        file.unlink()
    except FileNotFoundError:
        return
    except OSError:
        result.postponed += 1
        return
    result.files += 1
    result.bytes += size


def _published(folder: DatasetFolder, number: int) -> datetime:
    """Return when a version was published; a damaged one counts as new, so that nothing hangs on it."""
    try:
        return datetime.fromisoformat(layout.read_json(folder.version(number) / layout.CURRENT)["published_at"])
    except (OSError, StoreError, KeyError, ValueError):
        return datetime.max.replace(tzinfo=UTC)


def _files(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except FileNotFoundError:
        return []
