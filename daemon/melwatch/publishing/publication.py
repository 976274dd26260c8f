"""The stage of a pass that publishes: decide what the next version shows, and have it written.

Where nothing has changed of what a version is composed of, what was worked out the last time still holds.
A large library is composed in the child process that also writes, so that its tracks never come here.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from melwatch.dataset import fingerprint
from melwatch.edition import Edition, Epoch
from melwatch.errors import SpectrogramLostError
from melwatch.maintenance.clearing import collect
from melwatch.manifest import composed, epochs, ledger, recipes, tracks, versions
from melwatch.manifest.backups import back_up_daily
from melwatch.manifest.database import open_manifest
from melwatch.manifest.versions import VersionRecord
from melwatch.names import display
from melwatch.platform.child import run_in_child
from melwatch.publishing.compose import compose
from melwatch.publishing.press import write_apart, write_here
from melwatch.publishing.renaming import follow_config
from melwatch.publishing.showing import show
from melwatch.publishing.summary import Summary
from melwatch.publishing.terms import begin_asked_epoch, remember, remembered, terms_of
from melwatch.spectrogram.spool import spool_file
from melwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.dataset.collect import Collected
    from melwatch.dataset.fingerprint import Prints
    from melwatch.dataset.splits import Move
    from melwatch.edition import DatasetTrack
    from melwatch.passes.workshop import Workshop
    from melwatch.publishing.compose import Composition
    from melwatch.publishing.press import Write
    from melwatch.track import RelPath, TrackRecord


LARGE_TRACKS = 5_000
"""From so many tracks on a version is composed in the process that writes it, too: it holds some 3 kB a track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What the publishing stage found and did."""

    summary: Summary
    version: VersionRecord | None
    is_published: bool = False
    bytes_written: int = 0
    collected: Collected | None = None
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
            is_published=self.is_published or earlier.is_published,
            bytes_written=earlier.bytes_written + self.bytes_written,
            renamed=earlier.renamed | self.renamed,
            new_epoch=self.new_epoch or earlier.new_epoch,
            moves=(*earlier.moves, *self.moves),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """What may be done.

    While files are `awaited`, whose songs are still to be extracted, what comes of it is an early version, which is
    not for the schedule: without `may_write` it only settles splits and classes, without `may_decide` not even that.
    """

    is_forced: bool = False
    """Publish though nothing differs."""
    may_write: bool = True
    """Write a version; otherwise only tell whether that is due."""
    may_begin: bool = True
    """Make a dataset where none is."""
    may_decide: bool = True
    awaited: frozenset[RelPath] = frozenset()


def publish(shop: Workshop, db: Connection, now: datetime, leave: Leave) -> Publication:
    """Publish a new version, as far as that may be, if it would differ from the current one.

    Raises `DegradedError` where the disk of the dataset is full.
    """
    renamed, epoch = follow_config(db, shop.genres), begin_asked_epoch(shop, db, now)
    recipes.note_recipe(db, shop.recipe.id, shop.recipe.to_json())
    published = None if leave.is_forced or leave.awaited else _as_before(shop, db, leave)
    if published is None and tracks.count(db) < LARGE_TRACKS:
        published = _publish(shop, db, now, leave, write_apart)
    elif published is None:
        published = run_in_child(_publish_in_child, shop, now, leave)
    return replace(published, renamed=renamed, new_epoch=epoch.name if epoch is not None else None)


def _as_before(shop: Workshop, db: Connection, leave: Leave) -> Publication | None:
    """Return what was found the last time, if nothing has changed since and nothing is to be written."""
    told = composed.last(db, _mark(shop, db))
    if told is None or (told["due"] is not None and leave.may_write):
        return None
    return Publication(summary=Summary.from_json(told["summary"]), version=versions.newest_version(db), due=told["due"])


def _mark(shop: Workshop, db: Connection) -> str:
    """Digest all that a composition, and whether it is due, depends on."""
    current = versions.newest_version(db)
    facts = [
        __version__, composed.changes(db), shop.recipe.to_json(), _shaping_settings(shop), os.fsencode(shop.root).hex(),
        sorted(shop.genres.by_folder.items()), current.content if current is not None else None,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _publish_in_child(shop: Workshop, now: datetime, leave: Leave) -> Publication:
    gc.disable()  # there is no end to going through so many tracks, and this process ends soon
    with open_manifest(shop.state.path) as db:
        return _publish(shop, db, now, leave, write_here)


def _publish(
    shop: Workshop,
    db: Connection,
    now: datetime,
    leave: Leave,
    write: Write,
) -> Publication:
    """Compose a version, have it written if that is due, and note what came of it."""
    records = list(tracks.track_records(db, shop.recipe.id))
    composition = compose_version(shop, db, records, leave.awaited)
    current = versions.newest_version(db)
    found = Publication(summary=Summary.of(records, composition), version=current)
    if leave.may_decide and (composition.tracks or leave.awaited):
        remember(db, composition, now)
        found = replace(found, moves=tuple(composition.placement.moves))
        if composition.tracks and (leave.may_write or not leave.awaited):
            found = _publish_if_due(shop, db, composition, found, now, leave, write)
    if found.lost is None:
        show(db, records, composition)
        if not leave.awaited:
            composed.note(db, _mark(shop, db), {"summary": found.summary.to_json(), "due": found.due})
    return found


def _publish_if_due(
    shop: Workshop,
    db: Connection,
    composition: Composition,
    found: Publication,
    now: datetime,
    leave: Leave,
    write: Write,
) -> Publication:
    edition = _edition(shop, db, composition, found.version, now)
    digests = fingerprint.prints(edition)
    version = _version_record(edition, digests)
    if found.version is not None and version.content == found.version.content and not leave.is_forced:
        return found
    if not leave.may_write:
        return replace(found, due=version.content)
    try:
        published = write(shop.folder.path, edition, digests, may_begin=leave.may_begin)
    except SpectrogramLostError as lost:
        return replace(found, lost=lost)
    versions.record_published(db, version, published)
    back_up_daily(db, shop.state.path, now)
    return replace(
        found,
        version=version,
        is_published=True,
        bytes_written=published.bytes_written,
        collected=collect(shop, db, now, is_patient=True),
    )


def compose_version(
    shop: Workshop, db: Connection, records: list[TrackRecord], awaited: Collection[RelPath] = ()
) -> Composition:
    """Work out what a version would show now, without deciding anything for good."""
    return compose(
        records,
        remembered(db),
        terms_of(shop, db),
        shown=shop.shown_paths(),
        spooled=lambda song: str(spool_file(shop.state.spool, song, shop.recipe.id)),
        awaited=awaited,
    )


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


def _version_record(edition: Edition, digests: Prints) -> VersionRecord:
    return VersionRecord(
        number=edition.number,
        fingerprint=digests.rows,
        content=digests.content,
        recipe=edition.recipe,
        tracks=len(edition.tracks),
        complete=edition.pending == 0,
        pending=edition.pending,
        published_at=edition.published_at,
    )
