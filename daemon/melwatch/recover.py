"""What a pass does before anything else: make manifest, spool and dataset agree after whatever happened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from melwatch.child import run_in_child
from melwatch.dataset import layout
from melwatch.dataset.install import install
from melwatch.disk import remove, remove_temporaries
from melwatch.manifest import tracks, versions

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.edition import Held

log = logging.getLogger(__name__)


def recover(db: sqlite3.Connection, spool: Path, folder: DatasetFolder) -> bool:
    """Mend what a crash, a person or a virus scanner left; return whether a publish has to mend the rest."""
    is_behind = _finish_publish(db, folder)
    is_damaged = _forget_lost_shards(db, folder)
    clean_spool(db, spool)
    return is_behind or is_damaged


def clean_spool(db: sqlite3.Connection, spool: Path) -> None:
    """Make the spool hold what is on record and belongs to a song of the library, and nothing else."""
    remove_temporaries(spool)
    tracks.forget_strays(db)
    on_record = {f"{audio_id}.{recipe}": (audio_id, recipe) for audio_id, recipe in tracks.spooled_audio(db)}
    on_disk = {entry.name for entry in spool.iterdir()}
    for name in on_disk - on_record.keys():
        remove(spool / name)
    lost = [on_record[name] for name in on_record.keys() - on_disk]
    if lost:
        log.warning("%d songs have vanished from the spool %s; they are extracted again", len(lost), spool)
        tracks.forget_spectrograms(db, lost)


def _finish_publish(db: sqlite3.Connection, folder: DatasetFolder) -> bool:
    """Roll a whole version forward to being the current one, and put it on record.

    Returns whether the record is ahead of the disk, as after restoring an old copy of the dataset.
    """
    newest = max((number for number in folder.version_numbers() if folder.is_complete(number)), default=0)
    known = versions.newest_version(db)
    if newest:
        install(folder, newest)
    if known is not None and known.number >= newest:
        return known.number > newest
    if newest:
        log.warning("Version %d of %s was not on record; taking it over", newest, folder.path)
        versions.take_over(db, run_in_child(_read_held, folder, newest))
    return False


def _read_held(folder: DatasetFolder, number: int) -> Held:
    from melwatch.dataset.publish import held  # needs Arrow, so only in the child

    return held(folder, number)


def _forget_lost_shards(db: sqlite3.Connection, folder: DatasetFolder) -> bool:
    """Forget shards that are missing, of another size than when written, or found damaged; tell if any.

    They stay where they are until a publish puts sound ones in their place.
    """
    sizes = versions.shard_sizes(db)
    lost = {path for path, size in sizes.items() if layout.size_of(folder.shard(path)) != size}
    current = versions.newest_version(db)
    referred = set()
    if current is not None and folder.is_complete(current.number):
        referred = layout.shards_of_version(folder, current.number)
    if lost:
        log.warning("%d shards of %s are missing or damaged; their songs are extracted again", len(lost), folder.path)
        tracks.forget_shards(db, lost)
    return bool(lost | (referred - sizes.keys()))
