"""What the configuration and the ledger together want of a version, and what of it is remembered for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.dataset.groups import GroupBy
from melwatch.dataset.splits import Policy
from melwatch.manifest import epochs, ledger
from melwatch.manifest.database import writing
from melwatch.manifest.epochs import FIRST, MoveRecord
from melwatch.publishing.compose import Remembered, Terms

if TYPE_CHECKING:
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.manifest.epochs import EpochRecord
    from melwatch.passes.workshop import Workshop
    from melwatch.publishing.compose import Composition


def terms_of(shop: Workshop, db: Connection) -> Terms:
    """Return what is wanted of a version now.

    Coarser groups than an epoch began with would take most of what there is to train on to the
    held-out splits; they wait for a new epoch.
    """
    settings = shop.config
    policy, wanted = Policy(settings.splits.policy), GroupBy(settings.splits.group_by)
    so_far = _grouped_by(db)
    is_waiting = policy is Policy.STICKY and so_far is not None and wanted.is_coarser_than(so_far)
    epoch = epochs.current_epoch(db)
    return Terms(
        genres=shop.genres,
        min_tracks_per_genre=settings.library.min_tracks_per_genre,
        count_duplicates=settings.dataset.duplicates == "all",
        shares=settings.splits.shares,
        policy=policy,
        group_by=so_far if is_waiting and so_far is not None else wanted,
        group_by_wanted=wanted,
        seed=epoch.seed if epoch is not None else "",
    )


def remembered(db: Connection) -> Remembered:
    """Return what earlier passes settled."""
    return Remembered(class_names=ledger.class_names(db), splits=ledger.placements(db), adopted=epochs.adopted(db))


def begin_asked_epoch(shop: Workshop, db: Connection, now: datetime) -> EpochRecord | None:
    """Forget all splits if somebody asked for a new epoch; return it."""
    if epochs.asked(db) is None:
        return None
    with writing(db):
        name = epochs.take_asked(db)
        if name is None:
            return None
        epochs.forget_splits(db)
        return epochs.begin_epoch(db, name, shop.config.splits.group_by, now.isoformat(timespec="seconds"))


def remember(db: Connection, composition: Composition, now: datetime) -> None:
    """Note for good what a composition decided: classes, splits, forced moves."""
    at = now.isoformat(timespec="seconds")
    group_by = composition.terms.group_by
    placement = composition.placement
    decided = {song: split for song, split in placement.decided.items() if ledger.split_of(db, song) is not split}
    with writing(db):
        ledger.save_classes(db, composition.class_names)
        ledger.save_placements(db, decided)
        epoch = epochs.current_epoch(db) or epochs.begin_epoch(db, FIRST, group_by, at)
        if epoch.group_by != group_by:
            epochs.group_by(db, epoch, group_by)
        moves = [
            MoveRecord(
                audio_id=move.audio_id, genre=move.genre, source=move.source, target=move.target, cause=move.cause
            )
            for move in placement.moves
        ]
        epochs.save_moves(db, epoch, moves, at)


def _grouped_by(db: Connection) -> GroupBy | None:
    """Return what has been kept together since the epoch began; None before it has."""
    epoch = epochs.current_epoch(db)
    if epoch is not None:
        return GroupBy(epoch.group_by)
    return GroupBy.TRACK if ledger.placements(db) else None
