"""What a dataset on disk holds, read back from its versions, so that a manifest can be rebuilt. Needs Arrow."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from melwatch.dataset import layout, soundness, tables
from melwatch.edition import Held, HeldLedger, HeldSong, Holdings, ShardFacts
from melwatch.errors import StoreError
from melwatch.platform import system
from melwatch.track import AudioId, RelPath, Sound, Tags

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from melwatch.dataset.layout import DatasetFolder

_UNREADABLE = (OSError, ValueError, StoreError)
"""Arrow's own errors are among these."""
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


def holdings(folder: DatasetFolder, numbers: Sequence[int]) -> Holdings:
    """Read back what these versions hold, as far as their files are whole, and the newest ledger among them."""
    newest_first = sorted(numbers, reverse=True)
    ledgers = (_ledger(folder, number) for number in newest_first)
    return Holdings(
        versions=tuple(_all_held(folder, newest_first)),
        ledger=next((ledger for ledger in ledgers if ledger is not None), None),
    )


def _all_held(folder: DatasetFolder, newest_first: Sequence[int]) -> Iterator[Held]:
    """Yield what versions hold; a song once for each shard, since hundreds of versions may share most of them."""
    told: set[str] = set()
    for number in newest_first:
        held = _held(folder, number, told)
        if held is not None:
            told.update(shard.path for shard in held.shards)
            yield held


def _held(folder: DatasetFolder, number: int, told: Collection[str]) -> Held | None:
    """Return what a version holds, without the songs in shards that are told; None where that cannot be told."""
    bad = set(soundness.faults(folder, number))
    home = folder.version(number)
    if layout.TRACKS in bad or layout.PROVENANCE in bad:
        return None
    made = layout.read_provenance(folder, number)
    try:
        tracks, rows = tables.read_tracks_outside(home / layout.TRACKS, told)
        shards = tuple(_shards(folder, number))
    except _UNREADABLE as error:
        _require_damage(error)
        return None
    return Held(
        number=number,
        said={} if bad else layout.read_json(home / layout.CURRENT),
        recipe=made["recipe_id"],
        recipe_json=json.dumps(made["recipe"], sort_keys=True, separators=(",", ":")),
        shards=shards,
        tracks=tracks,
        songs=tuple(map(_song, rows)),
    )


def _song(row: dict[str, Any]) -> HeldSong:
    path = row.get("relative_path")
    return HeldSong(
        audio_id=AudioId(row["audio_id"]),
        sound=Sound(duration_s=row["duration_s"], promised_s=row["promised_s"], method=row["method"]),
        windows=row["windows"],
        checksum=row["checksum"],
        shard=f"{row['split']}/{row['shard']}",
        first_row=row["first_row"],
        tags=Tags(title=row["title"], artist=row["artist"], album=row["album"]),
        path=None if path is None else RelPath(path),
        ordinal=row.get("ordinal"),
    )


def _shards(folder: DatasetFolder, number: int) -> Iterator[ShardFacts]:
    """Yield the shards that are on disk as long as they were, or, where nobody noted that, have an end."""
    sizes = soundness.shard_sizes(folder, number)
    for path in sorted(sizes or layout.shards_of_version(folder, number)):
        found = layout.size_of(folder.shard(path))
        if found is not None and (found == sizes[path] if sizes else _has_end(folder, path)):
            yield ShardFacts(path=path, bytes=found)


def _has_end(folder: DatasetFolder, path: str) -> bool:
    with folder.shard(path).open("rb") as file:
        file.seek(-min(len(_END_OF_STREAM), file.seek(0, os.SEEK_END)), os.SEEK_END)
        return file.read() == _END_OF_STREAM


def _ledger(folder: DatasetFolder, number: int) -> HeldLedger | None:
    if layout.LEDGER in soundness.faults(folder, number):
        return None
    try:
        return tables.read_ledger(folder.version(number) / layout.LEDGER)
    except _UNREADABLE as error:
        _require_damage(error)
        return None


def _require_damage(error: Exception) -> None:
    """Raise what says that the disk failed, not that the file is damaged."""
    if isinstance(error, OSError) and system.is_passing(error):
        raise error
