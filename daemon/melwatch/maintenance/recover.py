"""What a pass does before anything else: make manifest, spool and dataset agree after whatever happened."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from melwatch.dataset import layout, soundness
from melwatch.dataset.install import install
from melwatch.errors import DegradedError
from melwatch.maintenance import aside, spooled
from melwatch.manifest import tracks, versions
from melwatch.manifest.backups import CATCHING_UP
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.platform.child import run_in_child
from melwatch.platform.disk import remove, remove_temporaries, replace_file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.edition import Holdings

log = logging.getLogger(__name__)


def recover(
    db: sqlite3.Connection, spool: Path, folder: DatasetFolder, now: datetime, *, may_begin: bool = True
) -> bool:
    """Mend what a crash, a person or a virus scanner left; return whether a publish has to mend the rest.

    Without `may_begin` the dataset was there a moment ago: raises `DegradedError` where it is gone as a whole.
    """
    for number in unsealed(db, folder):
        seal(db, folder, number, now)
    newest = newest_whole(folder, now)
    is_behind = _finish_publish(db, folder, newest)
    lost = _lost_shards(db, folder)
    if lost and not (may_begin or folder.library.exists()):
        raise no_dataset(folder)
    is_damaged = _forget_lost_shards(db, folder, newest, lost)
    if versions.last_pass(db) is None:
        _set_catching_up(db, "yes")
    if _is_catching_up(db):
        remove_temporaries(spool)
        spooled.take_in(db, spool)
    else:
        clean_spool(db, spool)
    return is_behind or is_damaged or bool(newest and soundness.damaged_audio_shards(folder, newest))


def no_dataset(folder: DatasetFolder) -> DegradedError:
    """Say that a dataset is gone as a whole, which is taken for a disk that is."""
    what = f"The dataset {folder.path} is not there"
    return DegradedError(what, "Is its disk connected? If it was deleted, `melwatch sync` makes it anew.")


def clean_spool(db: sqlite3.Connection, spool: Path) -> None:
    """Make the spool hold what is on record and belongs to a song of the library, and nothing else.

    As long as it is not known which songs there are, what may yet turn out to belong to one stays, too.
    """
    remove_temporaries(spool)
    is_catching_up = _is_catching_up(db)
    if not is_catching_up:
        tracks.forget_strays(db)
    lost = spooled.lost(db, spool)
    if lost:
        log.warning("%d songs have vanished from the spool %s; %s", len(lost), spool, _AGAIN)
        tracks.forget_spectrograms(db, lost)
    on_record = {f"{song}.{recipe}" for song, recipe in tracks.spooled_audio(db)}
    in_shards = {f"{song}.{recipe}" for song, recipe in versions.audio_in_shards(db)} if is_catching_up else set()
    for entry in spool.iterdir():
        if entry.name in in_shards or not (is_catching_up or entry.name in on_record):
            remove(entry)


def note_caught_up(db: sqlite3.Connection) -> None:
    """Note that all songs of the library are on record."""
    if _is_catching_up(db):
        _set_catching_up(db, "")


def _is_catching_up(db: sqlite3.Connection) -> bool:
    return bool(get_meta(db, CATCHING_UP))


def _set_catching_up(db: sqlite3.Connection, value: str) -> None:
    with writing(db):
        set_meta(db, CATCHING_UP, value)


_AGAIN = "they are extracted again, unless an older recipe made them"


def _finish_publish(db: sqlite3.Connection, folder: DatasetFolder, newest: int) -> bool:
    """Roll the newest whole version forward to being the current one, and put versions on record that are not.

    Returns whether the record is ahead of that, as after restoring an old copy of the dataset, or where
    the newest version is damaged.
    """
    known = versions.newest_version(db)
    if shown := _newest_shown(folder, newest):
        install(folder, shown)
    last = known.number if known is not None else 0
    on_disk = [
        number for number in folder.version_numbers() if number > last and soundness.was_complete(folder, number)
    ]
    if on_disk:
        log.warning("Version %d of %s was not on record; taking it over", on_disk[-1], folder.path)
        versions.take_over(db, run_in_child(_read_holdings, folder, on_disk))
    return max([last, *on_disk]) > newest


def _newest_shown(folder: DatasetFolder, newest: int) -> int:
    """Return the newest version that readers can be shown, which may lack what only melwatch reads."""
    later = [
        number for number in folder.version_numbers() if number > newest and soundness.was_complete(folder, number)
    ]
    return next((number for number in reversed(later) if soundness.can_be_shown(folder, number)), newest)


def unsealed(db: sqlite3.Connection, folder: DatasetFolder) -> list[int]:
    """Return the versions on record that lack nothing but their `current.json`, which the record can tell."""
    on_disk = set(folder.version_numbers())
    on_record = [version.number for version in versions.all_versions(db)]
    unread = [n for n in on_record if n in on_disk and not soundness.is_sealed(folder, n)]
    return [n for n in unread if soundness.faults(folder, n) == [layout.CURRENT]]


def seal(db: sqlite3.Connection, folder: DatasetFolder, number: int, now: datetime) -> None:
    """Write a version's `current.json` once more, from the record."""
    file, content = folder.version(number) / layout.CURRENT, sealing(db, folder, number)
    if content is None:
        return
    aside.keep_copy(folder.path, file, now=now)
    replace_file(file, content)
    log.warning("Wrote %s once more", file)


def sealing(db: sqlite3.Connection, folder: DatasetFolder, number: int) -> bytes | None:
    """Return what a version's `current.json` says, as the record tells it; None where no version tells whose it is."""
    version = next(version for version in versions.all_versions(db) if version.number == number)
    dataset_id = soundness.dataset_id(folder)
    if dataset_id is None:
        return None
    return layout.sealed_json(
        dataset_id=dataset_id,
        version=number,
        fingerprint=version.fingerprint,
        content=version.content,
        recipe=version.recipe,
        complete=version.complete,
        pending=version.pending,
        published_at=version.published_at,
    )


def newest_whole(folder: DatasetFolder, now: datetime) -> int:
    """Return the newest version whose files are as they were written, mending what copies allow; 0 for none."""
    for number in reversed(folder.version_numbers()):
        if not soundness.was_complete(folder, number):
            continue
        restored = soundness.restore(folder, number, partial(aside.keep_copy, folder.path, now=now))
        if restored:
            log.warning("Put back from copies in version %d: %s", number, ", ".join(restored))
        damaged = soundness.faults(folder, number)
        if not damaged:
            return number
        log.warning("Version %d of %s is damaged (%s)", number, folder.path, ", ".join(damaged))
    return 0


def _read_holdings(folder: DatasetFolder, numbers: Sequence[int]) -> Holdings:
    from melwatch.dataset.holdings import holdings  # needs Arrow, so only in the child

    return holdings(folder, numbers)


def _lost_shards(db: sqlite3.Connection, folder: DatasetFolder) -> set[str]:
    """Return the shards on record that are missing or of another size than when written."""
    return {path for path, size in versions.shard_sizes(db).items() if layout.size_of(folder.shard(path)) != size}


def _forget_lost_shards(db: sqlite3.Connection, folder: DatasetFolder, newest: int, lost: set[str]) -> bool:
    """Forget shards that are lost; tell whether there are any, or were found damaged before.

    They stay where they are until a publish puts sound ones in their place.
    """
    referred = layout.shards_of_version(folder, newest) if newest else set()
    if lost:
        log.warning("%d shards of %s are missing or damaged; for their songs: %s", len(lost), folder.path, _AGAIN)
        tracks.forget_shards(db, lost)
    return bool(lost | (referred - versions.shard_sizes(db).keys()))
