"""The stage of a pass that publishes: decide what the next version shows, and have it written."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from melwatch import system
from melwatch.child import run_in_child
from melwatch.compose import compose
from melwatch.dataset import fingerprint
from melwatch.dataset.collect import Collected, find_garbage, remove_garbage
from melwatch.edition import Edition, Epoch
from melwatch.errors import DegradedError, SpectrogramLostError
from melwatch.manifest import epochs, ledger, recipes, tracks, versions
from melwatch.manifest.backups import back_up_daily
from melwatch.manifest.versions import VersionRecord
from melwatch.names import display
from melwatch.recover import clean_spool
from melwatch.renaming import follow_config
from melwatch.spectrogram.spool import spool_file
from melwatch.terms import begin_asked_epoch, remember, remembered, terms_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.compose import Composition
    from melwatch.dataset.splits import Move
    from melwatch.edition import DatasetTrack, Published
    from melwatch.track import RelPath, TrackRecord
    from melwatch.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What the publishing stage found and did; `published` is None where nothing had changed."""

    records: list[TrackRecord]
    composition: Composition
    version: VersionRecord | None
    published: Published | None
    collected: Collected | None
    due: str | None = None
    """A digest of what the dataset would show, where that differs from its current version."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Genres that the configuration gives another name than before."""
    new_epoch: str | None = None
    moves: tuple[Move, ...] = ()
    """Songs that had to change their split."""
    lost: SpectrogramLostError | None = None
    """Work on record that turned out to be lost, so that nothing is published."""

    def after(self, earlier: Publication | None) -> Publication:
        """Return it with what an earlier attempt decided, which is on record, so that a later one finds nothing new."""
        if earlier is None:
            return self
        return replace(
            self,
            published=self.published or earlier.published,
            renamed=earlier.renamed | self.renamed,
            new_epoch=self.new_epoch or earlier.new_epoch,
            moves=(*earlier.moves, *self.moves),
        )


def publish(
    shop: Workshop,
    db: Connection,
    now: datetime,
    *,
    is_forced: bool = False,
    may_write: bool = True,
    may_begin: bool = True,
    awaited: Collection[RelPath] = (),
    may_decide: bool = True,
) -> Publication:
    """Publish a new version if it would differ from the current one, or if `is_forced`.

    Without `may_write` only tell whether that is due; without `may_begin` make no dataset where none is.
    While files are `awaited`, whose songs are still to be extracted, it is an early version; without
    `may_decide` nothing is settled by it, nor written.

    Raises `DegradedError` where the disk of the dataset is full.
    """
    renamed, epoch = follow_config(db, shop.genres), begin_asked_epoch(shop, db, now)
    records = list(tracks.track_records(db, shop.recipe.id))
    composition = compose_version(shop, db, records, awaited)
    recipes.note_recipe(db, shop.recipe.id, shop.recipe.to_json())
    current = versions.newest_version(db)
    nothing = Publication(
        records=records,
        composition=composition,
        version=current,
        published=None,
        collected=None,
        renamed=renamed,
        new_epoch=epoch.name if epoch is not None else None,
        moves=tuple(composition.placement.moves),
    )
    if not composition.tracks or not may_decide:
        return nothing
    remember(db, composition, now)
    edition = _edition(shop, db, composition, current, now)
    version = _version_record(edition)
    if current is not None and version.content == current.content and not is_forced:
        return nothing
    if not may_write:
        # While songs are on their way, it is not for the schedule to say when there is a version.
        return nothing if awaited else replace(nothing, due=version.content)
    try:
        published = _write(shop, edition, may_begin=may_begin)
    except SpectrogramLostError as lost:
        return replace(nothing, lost=lost)
    versions.record_published(db, version, published)
    back_up_daily(db, shop.state.path, now)
    return replace(nothing, version=version, published=published, collected=collect(shop, db, now))


def settle(shop: Workshop, db: Connection, now: datetime, *, awaited: Collection[RelPath]) -> None:
    """Place the songs of all files that have been read, though most are still to be extracted."""
    follow_config(db, shop.genres)
    begin_asked_epoch(shop, db, now)
    records = list(tracks.track_records(db, shop.recipe.id))
    remember(db, compose_version(shop, db, records, awaited), now)


def compose_version(
    shop: Workshop, db: Connection, records: list[TrackRecord], awaited: Collection[RelPath] = ()
) -> Composition:
    """Work out what a version would show now, without deciding anything for good."""
    return compose(
        records,
        remembered(db),
        terms_of(shop, db),
        shown=shop.shown_path,
        spooled=lambda song: str(spool_file(shop.state.spool, song, shop.recipe.id)),
        awaited=awaited,
    )


def collect(shop: Workshop, db: Connection, now: datetime) -> Collected:
    """Remove versions past their time, the shards that only they used, and strays in the spool.

    Where the dataset is gone as a whole, as with its disk, it is not taken for one without versions.
    """
    settings = shop.config.dataset
    wanted = {shop.recipe.id, recipes.accepted(db) or "", *(version.recipe for version in versions.all_versions(db))}
    recipes.forget_spooled(db, wanted)
    clean_spool(db, shop.state.spool)
    current = versions.newest_version(db)
    needed = {shop.recipe.id, recipes.accepted(db) or "", current.recipe if current else ""}
    garbage = find_garbage(
        shop.folder,
        keep_versions=settings.keep_versions,
        keep_hours=settings.keep_hours,
        needed=versions.needed_shards(db, needed),
        on_record={version.number for version in versions.all_versions(db)},
        now=now,
    )
    if current is not None and not shop.folder.library.exists():
        return Collected()
    tracks.forget_shards(db, garbage.shards)
    versions.forget_versions(db, garbage.kept_versions)
    return remove_garbage(shop.folder, garbage)


def _edition(
    shop: Workshop, db: Connection, composition: Composition, current: VersionRecord | None, now: datetime
) -> Edition:
    newest_on_disk = max(shop.folder.version_numbers(), default=0)
    newest_on_record = current.number if current else 0
    epoch = epochs.current_epoch(db)
    return Edition(
        dataset_id=shop.state.dataset_id,
        number=max(newest_on_disk, newest_on_record) + 1,
        recipe=shop.recipe.id,
        recipe_json=shop.recipe.to_json(),
        shape=shop.recipe.shape,
        class_names=composition.class_names,
        tracks=_with_starts(shop, composition.tracks),
        ledger=ledger.placements(db),
        epoch=Epoch(name=epoch.name, group_by=epoch.group_by) if epoch is not None else None,
        sound_shards=frozenset(versions.shard_sizes(db)),
        pending=composition.pending,
        published_at=now.isoformat(timespec="seconds"),
        dtype=shop.recipe.dtype,
        columns=shop.config.dataset.columns,
        music_root=display(shop.root) if shop.config.dataset.audio else None,
        parent=current.number if current else None,
        config=_shaping_settings(shop),
    )


def _shaping_settings(shop: Workshop) -> dict[str, Any]:
    """Return the settings that shape the dataset, as JSON values, but for those that the recipe in force has."""
    settings = shop.config.model_dump(
        by_alias=True, include={"library", "dataset", "splits"}, exclude={"dataset": {"dtype"}}
    )
    text = json.dumps(settings, default=lambda path: display(os.fsencode(path)))
    return dict(json.loads(text))


def _with_starts(shop: Workshop, shown: tuple[DatasetTrack, ...]) -> tuple[DatasetTrack, ...]:
    """Say where each track's windows begin, if the dataset shows that."""
    if "start_s" not in shop.config.dataset.columns:
        return shown
    return tuple(replace(track, starts_s=shop.recipe.starts_s(track.sound.duration_s)) for track in shown)


def _version_record(edition: Edition) -> VersionRecord:
    return VersionRecord(
        number=edition.number,
        fingerprint=fingerprint.fingerprint(edition),
        content=fingerprint.content_digest(edition),
        recipe=edition.recipe,
        tracks=len(edition.tracks),
        complete=edition.pending == 0,
        pending=edition.pending,
        published_at=edition.published_at,
    )


def _write(shop: Workshop, edition: Edition, *, may_begin: bool) -> Published:
    try:
        return run_in_child(_write_in_child, shop.folder.path, edition, may_begin=may_begin)
    except OSError as error:
        what = "is full" if system.is_disk_full(error) else f"cannot be written: {error.strerror}"
        raise DegradedError(f"The disk of {shop.folder.path} {what}", "The last version stays current.") from error
    except MemoryError as error:
        what = f"There is too little memory to write {shop.folder.path}"
        raise DegradedError(what, "The last version stays current.") from error


def _write_in_child(path: Path, edition: Edition, *, may_begin: bool) -> Published:
    from melwatch.dataset.publish import publish as write

    return write(path, edition, may_begin=may_begin)
