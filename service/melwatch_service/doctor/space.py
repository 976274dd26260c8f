"""Whether what is still to be made has room, on the disks and in the machine's memory."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psutil

from melwatch.assemble import has_manifest, open_for_reading
from melwatch.errors import DegradedError, MelwatchError
from melwatch.extraction.estimate import check_space
from melwatch.manifest import tracks
from melwatch_service.doctor.case import existing
from melwatch_service.doctor.finding import ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from melwatch.passes.workshop import Workshop
    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

_LITTLE_BYTES = 1 << 30


def look_at_disks(case: Case) -> Iterator[Finding]:
    """What the songs without spectrograms will need, in the spool and in the dataset."""
    shop, songs = case.workshop.get(), len(case.library.get().scan.seen)
    left = max(0, songs - _ready(shop))
    needed = left * shop.recipe.bytes_per_track
    refusal = ""
    try:
        check_space(needed, existing(shop.state.spool), existing(shop.folder.path))
    except DegradedError as error:
        refusal = error.what
    free = {str(place): _free(place) for place in (existing(shop.folder.path), existing(shop.state.path))}
    yield judge_disks(songs_left=left, needed=needed, refusal=refusal, free=free)


def judge_disks(*, songs_left: int, needed: int, refusal: str, free: Mapping[str, int]) -> Finding:
    """Judge the free space by place; `refusal` is what a pass would say before it begins."""
    facts = {"songs_left": songs_left, "needed_bytes": needed, "free_bytes": dict(free)}
    told = ", ".join(f"{size / 1e9:,.1f} GB in {place}" for place, size in free.items())
    if refusal:
        words = f"{refusal}, for {songs_left:,} songs that have no spectrograms yet"
        hint = "Free some space, or put dataset or state on a larger disk. A pass takes in as many songs as fit."
        return problem("space.disks", words, hint, **facts)
    words = f"{songs_left:,} songs to make need {needed / 1e9:,.2f} GB, twice that at the peak; free are {told}"
    if min(free.values()) < _LITTLE_BYTES:
        return warning("space.disks", words, "Little is left; free some space.", **facts)
    return ok("space.disks", words, **facts)


def look_at_memory(case: Case) -> Iterator[Finding]:
    """What the workers may take at most."""
    workers = case.config.get().workers
    yield judge_memory(
        processes=workers.processes, megabytes_each=workers.memory_mb, total_bytes=psutil.virtual_memory().total
    )


def judge_memory(*, processes: int, megabytes_each: int, total_bytes: int) -> Finding:
    """Judge the workers' limits; few songs come near them."""
    most = processes * megabytes_each * 1024 * 1024
    facts = {"processes": processes, "memory_mb": megabytes_each, "total_bytes": total_bytes}
    words = f"{processes} workers may take {most / 1e9:,.1f} GB, and the machine has {total_bytes / 1e9:,.1f} GB"
    if most > total_bytes:
        return warning("space.memory", words, "Lower workers.processes or workers.memory_mb.", **facts)
    return ok("space.memory", words, **facts)


def _ready(shop: Workshop) -> int:
    try:
        if not has_manifest(shop):
            return 0
        with open_for_reading(shop) as db:
            records = tracks.track_records(db, shop.recipe.id)
            return sum(record.location is not None for record in records)
    except MelwatchError:  # told by the check of the manifest
        return 0


def _free(place: Path) -> int:
    return shutil.disk_usage(place).free
