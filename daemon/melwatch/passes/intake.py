"""The stage of a pass that takes in what the look saw: wait for what still moves, extract, forget what is gone."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from melwatch.extraction.estimate import check_space, estimate, songs_that_fit
from melwatch.extraction.ingest import Setup
from melwatch.extraction.stage import Tally, extract_all, identify_all, seconds_per_song
from melwatch.manifest import tracks
from melwatch.manifest.database import writing
from melwatch.names import native
from melwatch.passes.brake import BrakePolicy, held_deletions
from melwatch.passes.plan import make_plan
from melwatch.platform import filesystem
from melwatch.publishing.renaming import rename_vanished

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from sqlite3 import Connection
    from threading import Event

    from melwatch.extraction.estimate import Estimate
    from melwatch.library.settle import Unsettled
    from melwatch.passes.early import Meanwhile
    from melwatch.passes.look import Look
    from melwatch.passes.patience import Patience
    from melwatch.passes.plan import Plan
    from melwatch.passes.workshop import Workshop
    from melwatch.progress import Progress
    from melwatch.track import AudioId, FileStamp, KnownFile, RelPath, SeenFile

_RECENT_NS = 3600 * 10**9


@dataclass(slots=True, kw_only=True)
class Taken:
    """What became of what a look saw."""

    plan: Plan
    tally: Tally
    renamed: dict[str, str] = field(default_factory=dict)
    unsettled: tuple[Unsettled, ...] = ()
    look_again_in_s: float | None = None
    held: str | None = None
    """Why deletions wait for a person, if they do."""
    kept: frozenset[RelPath] = frozenset()
    """Tracks that have vanished and stay on record for now."""
    is_interrupted: bool = False
    is_short_of_space: bool = False
    """Whether there was no room for all of it; publishing makes some."""
    awaited: frozenset[RelPath] = frozenset()
    """Files that were to be read, and were not, since the pass was halted."""

    def look_again_by(self, in_s: float | None) -> None:
        """Have the next look come no later than that."""
        if in_s is not None:
            self.look_again_in_s = in_s if self.look_again_in_s is None else min(self.look_again_in_s, in_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Takes in one look after another; with `patience`, files that are still being written wait."""

    shop: Workshop
    db: Connection
    progress: Progress
    patience: Patience | None
    halt: Event
    closed: Collection[RelPath] = ()
    meanwhile: Meanwhile | None = None
    """What is done while songs are still being extracted, if anything."""

    def take(self, look: Look, now: datetime) -> Taken:
        """Put on record what is new, extract what stands still, and forget what is gone for good."""
        plan = make_plan(look.known, look.seen.seen, look.seen.unverified)
        plan = replace(plan, unchanged=plan.unchanged + look.seen.as_known)
        tracks.add_tracks(self.db, plan.added)
        taken = Taken(plan=plan, tally=Tally())
        settled = self._settled(look, taken)
        due = self._worth_reading(settled, taken)
        to_read = self._affordable(due, look, taken)
        if to_read:
            taken.tally = self._extract(to_read, now)
            if self.halt.is_set():
                taken.awaited = frozenset(file.path for file in to_read) - taken.tally.examined
        read = {file.path for file in to_read} - taken.tally.unread
        undecided = self._may_have_moved([file for file in settled if file.path not in read], look, taken)
        if self.patience is not None:
            taken.look_again_by(self.patience.note_read(to_read, taken.tally.unread, time.monotonic()))
            taken.look_again_by(self.patience.note_sight(look.seen.out_of_reach))
        if self.halt.is_set():
            # Whether what has vanished has moved is not known before all that is new is read.
            undecided = frozenset(plan.vanished)
        taken.is_interrupted = self.halt.is_set() or taken.is_short_of_space
        self._forget(taken, undecided)
        if taken.is_short_of_space and not to_read and taken.kept.issuperset(plan.vanished):
            self._require_space(due, look, taken)
        return taken

    def _may_have_moved(self, unread: Collection[SeenFile], look: Look, taken: Taken) -> frozenset[RelPath]:
        """Return what has vanished and may be among the unread files: their sizes tell."""
        sizes, vanished = {file.stamp.size for file in unread}, frozenset(taken.plan.vanished)
        return frozenset(file.path for file in look.known if file.path in vanished and file.stamp.size in sizes)

    def _settled(self, look: Look, taken: Taken) -> tuple[SeenFile, ...]:
        to_read = taken.plan.to_read
        if self.patience is None:
            return to_read
        vanished = set(taken.plan.vanished)
        now_ns = time.time_ns()
        recent = [file.path for file in to_read if abs(now_ns - file.stamp.changed_ns) < _RECENT_NS]
        self.patience.settling.retain({file.path for file in to_read})
        verdict = self.patience.settling.sort(
            to_read,
            now_s=time.monotonic(),
            now_ns=now_ns,
            closed=self.closed,
            known_stamps={_body(file.stamp) for file in look.known if file.path in vanished},
            busy={path for path in recent if filesystem.is_being_written(native(self.shop.root, path))},
        )
        taken.unsettled = verdict.unsettled
        taken.look_again_by(verdict.look_again_in_s)
        return verdict.settled

    def _worth_reading(self, files: tuple[SeenFile, ...], taken: Taken) -> tuple[SeenFile, ...]:
        if self.patience is None:
            return files
        due, again_in_s = self.patience.worth_reading(files, time.monotonic())
        taken.look_again_by(again_in_s)
        return due

    def _affordable(self, files: tuple[SeenFile, ...], look: Look, taken: Taken) -> tuple[SeenFile, ...]:
        """Leave for a later look the new files that there is no space for, should all be new songs.

        Without patience raises `DegradedError` where there are any.
        """
        if not files:
            return files
        new = likely_new(taken.plan, files, look.known)
        if self.patience is None:
            work = estimate_work(self.shop, new, self.db)
            self._require_space(files, look, taken)
            self.progress.say(f"{work.sentence()}." if work.songs else f"{len(files):,} files to read.")
            return files
        recipe, spool, dataset = self.shop.recipe, self.shop.state.spool, self.shop.folder.path
        left = {file.path for file in new[songs_that_fit(len(new), recipe.bytes_per_track, spool, dataset) :]}
        taken.is_short_of_space = bool(left)
        return tuple(file for file in files if file.path not in left)

    def _require_space(self, files: Sequence[SeenFile], look: Look, taken: Taken) -> None:
        size = len(likely_new(taken.plan, files, look.known)) * self.shop.recipe.bytes_per_track
        check_space(size, self.shop.state.spool, self.shop.folder.path)

    def _extract(self, files: Sequence[SeenFile], now: datetime) -> Tally:
        """Read what is new or changed, and make spectrograms of new songs, in one stretch or several."""
        meanwhile = self.meanwhile if self.meanwhile is not None and self.meanwhile.is_possible else None
        workers, tally = self.shop.config.workers, Tally()
        while True:
            is_due = meanwhile.begin_stretch() if meanwhile is not None else None
            tally += extract_all(self.db, files, self._setup(), workers, self.progress, now, self.halt, is_due)
            files = [file for file in files if file.path not in tally.examined]
            if meanwhile is None or not files or self.halt.is_set():
                return tally
            if meanwhile.when.is_settled:
                meanwhile.publish(files)
                continue
            unread = meanwhile.unread(files)
            if unread:
                identify_all(self.db, unread, self._setup(), workers, self.progress, now, self.halt)
            if not self.halt.is_set():
                files = meanwhile.settle(files)

    def _setup(self) -> Setup:
        return Setup(
            root=self.shop.root,
            spool=self.shop.state.spool,
            recipe=self.shop.recipe,
            ready=frozenset(tracks.ready_audio(self.db, self.shop.recipe.id)),
            memory_mb=self.shop.config.workers.memory_mb,
            hydrate=self.shop.config.library.hydrate,
            may_extract=not self.shop.recipe.is_past,
        )

    def _forget(self, taken: Taken, undecided: frozenset[RelPath]) -> None:
        """Take what has vanished off the record, unless that needs a person or may yet turn out to be a move."""
        vanished = frozenset(taken.plan.vanished) - undecided
        songs = tracks.songs_by_path(self.db) if vanished else {}
        alive = {song for path, song in songs.items() if path not in vanished}
        removed = frozenset(path for path in vanished if songs.get(path) is None or songs[path] not in alive)
        kept = self._may_come_back(removed, taken)
        unverified = frozenset(taken.plan.unverified)
        accepted = tracks.gone(self.db, "accepted") & removed
        held = (tracks.gone(self.db) & removed) - accepted
        gone = frozenset(path for path in removed - kept if songs.get(path) is not None) | held
        taken.held = held_deletions(
            brake_policy(self.shop),
            _without_new(songs, taken.plan),
            gone,
            accepted,
            min_genre=self.shop.config.library.min_tracks_per_genre,
        )
        if taken.held is not None:
            held |= gone - accepted
        elif waiting := held | (tracks.gone(self.db) & (unverified | undecided)):
            taken.held = f"{len(waiting)} tracks have vanished" if len(waiting) > 1 else "One track has vanished"
        taken.kept = kept | held | undecided
        with writing(self.db):
            tracks.hold(self.db, held)
            tracks.note_returned(self.db, vanished.union(undecided, taken.plan.unverified))
            self._forget_tracks(sorted(vanished - taken.kept), songs, taken)

    def _may_come_back(self, removed: frozenset[RelPath], taken: Taken) -> frozenset[RelPath]:
        """Return what is not forgotten yet: removals are judged together, when no more of them come in."""
        if self.patience is None:
            return frozenset()
        recent, wait_s = self.patience.recently_missing(removed, time.monotonic(), may_move=bool(taken.unsettled))
        if recent:
            taken.look_again_by(wait_s)
        return recent

    def _forget_tracks(self, paths: Sequence[RelPath], songs: Mapping[RelPath, AudioId | None], taken: Taken) -> None:
        """Forget tracks; a genre whose songs are there under another name is renamed."""
        if not paths:
            return
        gone = {path: songs[path] for path in paths}
        left = {path: song for path, song in songs.items() if path not in gone}
        taken.renamed = rename_vanished(self.db, self.shop.genres, gone, left)
        tracks.forget_tracks(self.db, paths)


def brake_policy(shop: Workshop) -> BrakePolicy:
    """Return what the user wants to be asked about."""
    wanted = shop.config.deletions
    return BrakePolicy(max_fraction=wanted.max_fraction, max_tracks=wanted.max_tracks, whole_genre=wanted.whole_genre)


def likely_new(plan: Plan, files: Sequence[SeenFile], known: Sequence[KnownFile]) -> list[SeenFile]:
    """Return the files that may hold new songs: not those that changed, nor those as large as one that vanished."""
    changed, vanished = {file.path for file in plan.changed}, frozenset(plan.vanished)
    moved = Counter(file.stamp.size for file in known if file.path in vanished)
    new = []
    for file in files:
        if moved[file.stamp.size]:
            moved[file.stamp.size] -= 1
        elif file.path not in changed:
            new.append(file)
    return new


def estimate_work(shop: Workshop, files: Sequence[SeenFile], db: Connection | None) -> Estimate:
    """Estimate what extracting files will take, by the pace of earlier passes if there were any."""
    return estimate(
        files,
        root=shop.root,
        bytes_per_track=shop.recipe.bytes_per_track,
        processes=shop.config.workers.processes,
        seconds_per_song=seconds_per_song(db) if db is not None else None,
    )


def _without_new(songs: Mapping[RelPath, AudioId | None], plan: Plan) -> dict[RelPath, AudioId | None]:
    """Leave out songs that are new, so that many of them do not make many lost ones look few."""
    lost = {songs.get(path) for path in plan.vanished}
    new = {file.path for file in plan.added if songs.get(file.path) not in lost}
    return {path: song for path, song in songs.items() if path not in new}


def _body(stamp: FileStamp) -> tuple[int, int, int]:
    return stamp.size, stamp.mtime_ns, stamp.inode
