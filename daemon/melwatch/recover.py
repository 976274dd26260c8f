"""What a pass does before anything else: make manifest, spool and dataset agree after whatever happened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from melwatch.child import run_in_child
from melwatch.dataset import layout
from melwatch.dataset.install import install
from melwatch.disk import remove_temporaries
from melwatch.manifest import tracks, versions

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.edition import Held

log = logging.getLogger(__name__)


def recover(db: sqlite3.Connection, spool: Path, folder: DatasetFolder) -> bool:
    """Mend what a crash, a person or a virus scanner left; return whether shards were lost."""
    _clean_spool(db, spool)
    _finish_publish(db, folder)
    return _forget_lost_shards(db, folder)


def _clean_spool(db: sqlite3.Connection, spool: Path) -> None:
    remove_temporaries(spool)
    on_record = {f"{audio_id}.{recipe}": (audio_id, recipe) for audio_id, recipe in tracks.spooled_audio(db)}
    on_disk = {entry.name for entry in spool.iterdir()}
    for name in on_disk - on_record.keys():
        (spool / name).unlink(missing_ok=True)
    lost = [on_record[name] for name in on_record.keys() - on_disk]
    if lost:
        log.warning("%d songs have vanished from the spool %s; they are extracted again", len(lost), spool)
        tracks.forget_spectrograms(db, lost)


def _finish_publish(db: sqlite3.Connection, folder: DatasetFolder) -> None:
    """Roll a whole version forward to being the current one, and put it on record."""
    newest = max((number for number in folder.version_numbers() if folder.is_complete(number)), default=0)
    if newest == 0:
        return
    install(folder, newest)
    known = versions.newest_version(db)
    if known is not None and known.number >= newest:
        return
    log.warning("Version %d of %s was not on record; taking it over", newest, folder.path)
    versions.take_over(db, run_in_child(_read_held, folder, newest))


def _read_held(folder: DatasetFolder, number: int) -> Held:
    from melwatch.dataset.publish import held

    return held(folder, number)


def _forget_lost_shards(db: sqlite3.Connection, folder: DatasetFolder) -> bool:
    """Forget shards that are missing, of another size than when written, or found damaged; tell if any."""
    sizes = versions.shard_sizes(db)
    current = versions.newest_version(db)
    lost = {path for path, size in sizes.items() if layout.size_of(folder.shard(path)) != size}
    if current is not None and folder.is_complete(current.number):
        lost |= layout.shards_of_version(folder, current.number) - sizes.keys()
    if lost:
        log.warning("%d shards of %s are missing or damaged; their songs are extracted again", len(lost), folder.path)
        tracks.forget_shards(db, lost)
    for path in lost:
        folder.shard(path).unlink(missing_ok=True)
    return bool(lost)
