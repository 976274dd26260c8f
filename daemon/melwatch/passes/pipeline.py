"""One pass: look, take in, publish."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING

from melwatch import report
from melwatch.errors import DegradedError
from melwatch.library.part import EVERYTHING
from melwatch.maintenance.recover import clean_spool, no_dataset, note_caught_up, recover
from melwatch.manifest import recipes, tracks, versions
from melwatch.passes import renewal
from melwatch.passes.early import Meanwhile, first_early_s, note_complete
from melwatch.passes.intake import Intake
from melwatch.passes.look import look, look_anew
from melwatch.publishing import publication
from melwatch.publishing.publication import Leave

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.library.part import Part
    from melwatch.library.root import RootKey
    from melwatch.passes.intake import Taken
    from melwatch.passes.look import Look
    from melwatch.passes.patience import Patience
    from melwatch.passes.renewal import RecipeChange
    from melwatch.passes.workshop import Workshop
    from melwatch.progress import Progress
    from melwatch.publishing.publication import Publication
    from melwatch.report import PassReport
    from melwatch.track import RelPath

log = logging.getLogger(__name__)

_MOST_REPAIRS = 100


class TooLargeError(Exception):
    """The library holds more tracks than this process may take in; nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A pass that has come to its end, and what follows from it for the next one."""

    report: PassReport
    root: RootKey
    overhead_s: float
    """What it took besides reading files and writing a version."""
    look_again_in_s: float | None
    is_interrupted: bool
    has_regained_sight: bool
    """Whether something could be looked at that could not before."""
    unsettled: frozenset[RelPath] = frozenset()
    """Files that are still being written."""
    unpublished: str | None
    """A digest of what is not published yet; None where all is."""
    trouble: DegradedError | None = None
    """What could not be done for now, though all else was."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pass after another over the same library, for whoever holds the lock of its state."""

    shop: Workshop
    db: Connection
    progress: Progress
    patience: Patience | None = None
    halt: Event = field(default_factory=Event)
    most_tracks: int | None = None

    def run_pass(
        self,
        now: datetime,
        *,
        may_publish: Callable[[], bool] = lambda: True,
        part: Part = EVERYTHING,
        closed: Collection[RelPath] = (),
    ) -> Passed:
        """Bring manifest and dataset in step with the library, looking at a part of it or at everything.

        Where another recipe is configured than the dataset has, that goes on by its own; once the
        change is accepted, songs are extracted by the new one too, then the dataset changes over.
        Raises `DegradedError` where that cannot be finished for now; what was done is kept. Raises
        `TooLargeError` where `most_tracks` is set and more are found.
        """
        started_s = time.monotonic()
        may_begin = self._may_begin()
        try:
            is_damaged = recover(self.db, self.shop.state.spool, self.shop.folder, now, may_begin=may_begin)
        except FileNotFoundError:
            if may_begin or self.shop.folder.library.exists():
                raise
            raise no_dataset(self.shop.folder) from None
        renewal.note(self.shop, self.db)
        change = renewal.find_change(self.shop, self.db)
        shop = renewal.in_force(self.shop, change)
        lost = recipes.count_lost(self.db, shop.recipe.id) if is_damaged and shop.recipe.is_past else 0
        passed = self._run_pass(
            shop,
            now,
            may_publish if not lost else lambda: False,
            part,
            closed,
            is_damaged=is_damaged,
            may_begin=may_begin,
        )
        if part == EVERYTHING and not (passed.is_interrupted or passed.unsettled):
            note_caught_up(self.db)
        if lost:
            passed = replace(passed, unpublished=None)
        if change is None or not change.is_accepted:
            passed = replace(passed, trouble=_about_lost(lost) if lost else None)
        try:
            if shop is not self.shop and change is not None:
                passed = self._renew(passed, change, now, may_publish)
        finally:
            versions.record_pass(self.db, now.isoformat(), time.monotonic() - started_s, passed.report.to_json())
        if passed.trouble is not None and self.patience is None:
            raise passed.trouble
        return passed

    def _renew(self, passed: Passed, change: RecipeChange, now: datetime, may_publish: Callable[[], bool]) -> Passed:
        """Go on with a change of the recipe as far as it is accepted; then change over, or have that done next."""
        is_patient = self.patience is not None
        made, is_more = 0, False
        if change.is_accepted and not passed.is_interrupted:
            try:
                made, is_more = renewal.renew(
                    self.shop,
                    self.db,
                    change,
                    self.progress,
                    now,
                    self.halt,
                    unsettled=passed.unsettled,
                    is_patient=is_patient,
                )
            except DegradedError as trouble:
                passed = replace(passed, trouble=trouble)
        left = renewal.find_change(self.shop, self.db)
        if left is not None and left.is_ready and not is_patient:
            second = self._run_pass(self.shop, now, may_publish, EVERYTHING, (), is_damaged=False, may_begin=False)
            passed = replace(second, report=report.of_both(passed.report, second.report))
            left = renewal.find_change(self.shop, self.db)
        is_more = is_more or (left is not None and left.is_ready)
        told = left.to_json() if left is not None else None
        if left is not None and left.is_accepted and left.left and not (is_more or passed.is_interrupted):
            told = left.to_json() | {"is_stuck": not passed.unsettled}
        return replace(
            passed,
            report=replace(
                passed.report,
                extracted=passed.report.extracted + made,
                recipe_change=told,
            ),
            look_again_in_s=0.0 if is_more else passed.look_again_in_s,
        )

    def _run_pass(
        self,
        shop: Workshop,
        now: datetime,
        may_publish: Callable[[], bool],
        part: Part,
        closed: Collection[RelPath],
        *,
        is_damaged: bool,
        may_begin: bool,
    ) -> Passed:
        """Bring manifest and dataset in step by the recipe of one workshop."""
        started_s = time.monotonic()
        seen = look(shop, self.db, part, self.patience.awaited if self.patience is not None else ())
        if self.most_tracks is not None and seen.seen.tracks > self.most_tracks:
            raise TooLargeError
        overhead_s = time.monotonic() - started_s
        lost_before = self.patience.out_of_sight if self.patience is not None else frozenset()
        meanwhile = None if is_damaged else self._meanwhile(shop, now, may_publish, may_begin=may_begin)
        intake = Intake(
            shop=shop,
            db=self.db,
            progress=self.progress,
            patience=self.patience,
            halt=self.halt,
            closed=closed,
            meanwhile=meanwhile,
        )
        taken = intake.take(seen, now)
        took_in_s = time.monotonic()
        taken, published = self._publish(
            intake, seen, taken, now, may_publish, is_damaged=is_damaged, may_begin=may_begin
        )
        if not (taken.awaited or published.due):
            note_complete(self.db)
        if not published.is_published:
            overhead_s += time.monotonic() - took_in_s
        tracks.replace_left_out(self.db, [(entry.path, entry.reason) for entry in seen.seen.left_out])
        return Passed(
            report=report.of_pass(self.db, seen.seen, taken, published),
            root=seen.root,
            overhead_s=overhead_s,
            look_again_in_s=taken.look_again_in_s,
            is_interrupted=taken.is_interrupted,
            has_regained_sight=not lost_before <= seen.seen.out_of_reach,
            unsettled=frozenset(file.path for file in taken.unsettled),
            unpublished=published.due,
        )

    def _meanwhile(
        self, shop: Workshop, now: datetime, may_publish: Callable[[], bool], *, may_begin: bool
    ) -> Meanwhile | None:
        """Have what there is published while an import goes on, unless that is only done at set times."""
        schedule, is_patient = shop.config.schedule, self.patience is not None
        if is_patient and schedule.publish is not None:
            return None
        return Meanwhile(
            shop=shop,
            db=self.db,
            progress=self.progress,
            now=now,
            first_s=first_early_s(schedule.max_wait_s),
            may_begin=may_begin,
            is_asked=may_publish if is_patient else lambda: False,
        )

    def _may_begin(self) -> bool:
        """Whether there is no dataset yet; where it is gone as a whole, only a person's own `sync` makes it anew."""
        may_begin = not self.shop.folder.library.exists()
        if may_begin and self.patience is not None and versions.newest_version(self.db) is not None:
            raise no_dataset(self.shop.folder)
        return may_begin

    def _publish(
        self,
        intake: Intake,
        seen: Look,
        taken: Taken,
        now: datetime,
        may_publish: Callable[[], bool],
        *,
        is_damaged: bool,
        may_begin: bool,
    ) -> tuple[Taken, Publication]:
        """Publish what was taken in; where spectrograms on record turn out to be lost, make them again."""
        meanwhile = intake.meanwhile
        earlier = meanwhile.last if meanwhile is not None else None
        for attempt in range(_MOST_REPAIRS):
            leave = Leave(
                is_forced=is_damaged,
                may_write=(may_publish() and (meanwhile is None or not taken.awaited or meanwhile.is_wanted()))
                or (taken.is_short_of_space and not intake.shop.recipe.is_past),
                may_begin=may_begin,
                may_decide=not taken.awaited or (meanwhile is not None and meanwhile.when.is_settled),
                awaited=taken.awaited,
            )
            found = publication.publish(intake.shop, self.db, now, leave)
            lost, earlier = found.lost, found.after(earlier)
            if lost is None:
                if meanwhile is not None and taken.awaited and found.is_published:
                    meanwhile.note()
                return taken, earlier
            if not (may_begin or intake.shop.folder.library.exists()):
                raise no_dataset(intake.shop.folder)
            if attempt == _MOST_REPAIRS - 1:
                raise lost
            tracks.forget_songs(self.db, lost.audio_ids)
            if intake.shop.recipe.is_past:
                raise _about_lost(recipes.count_lost(self.db, intake.shop.recipe.id)) from lost
            log.warning("%s. %s", lost.what, lost.hint)
            clean_spool(self.db, intake.shop.state.spool)
            again = intake.take(look_anew(intake.shop, self.db, seen), now)
            again.tally += taken.tally
            again.renamed |= taken.renamed
            taken = again
        raise AssertionError("the loop above returns or raises")


def _about_lost(songs: int) -> DegradedError:
    """Say that songs can be had again by the configured recipe only."""
    what = f"{songs:,} songs of the dataset are lost, and an older recipe made them"
    return DegradedError(what, "`melwatch accept-recipe` makes all anew; the last version stays current.")
