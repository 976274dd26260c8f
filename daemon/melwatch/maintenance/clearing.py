"""Clearing away what no version needs any more, from the dataset and from the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.dataset.collect import Collected, Limits, find_garbage, is_worthwhile, remove_garbage
from melwatch.maintenance.recover import clean_spool
from melwatch.manifest import recipes, tracks, versions

if TYPE_CHECKING:
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop


def collect(shop: Workshop, db: Connection, now: datetime, *, is_patient: bool = False) -> Collected:
    """Remove versions past their time, the shards that only they used, and strays in the spool.

    If `is_patient`, versions may wait until they are a good part of all: what many kept ones refer to
    takes time to find out. Where the dataset is gone as a whole, as with its disk, it is not taken for
    one without versions.
    """
    on_record = versions.all_versions(db)
    wanted = {shop.recipe.id, recipes.accepted(db) or "", *(version.recipe for version in on_record)}
    recipes.forget_spooled(db, wanted)
    clean_spool(db, shop.state.spool)
    limits = Limits(
        keep_versions=shop.config.dataset.keep_versions,
        keep_hours=shop.config.dataset.keep_hours,
        on_record=frozenset(version.number for version in on_record),
        now=now,
    )
    if is_patient and not is_worthwhile(shop.folder, limits):
        return Collected()
    current = versions.newest_version(db)
    needed = {shop.recipe.id, recipes.accepted(db) or "", current.recipe if current else ""}
    garbage = find_garbage(shop.folder, limits, versions.needed_shards(db, needed))
    if current is not None and not shop.folder.library.exists():
        return Collected()
    tracks.forget_shards(db, garbage.shards)
    versions.forget_versions(db, garbage.kept_versions)
    return remove_garbage(shop.folder, garbage)
