"""One pass: look, plan, extract, publish."""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch import publication, report
from melwatch.dataset.labels import find_renames
from melwatch.errors import ConfigError, DegradedError, SpectrogramLostError
from melwatch.estimate import check_space, estimate
from melwatch.extraction import Tally, extract_all, seconds_per_song
from melwatch.ingest import Setup
from melwatch.library.scan import scan
from melwatch.manifest import ledger, tracks, versions
from melwatch.manifest.database import writing
from melwatch.names import genre_of
from melwatch.plan import make_plan
from melwatch.recover import clean_spool, recover

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.estimate import Estimate
    from melwatch.library.scan import Scan
    from melwatch.plan import Plan
    from melwatch.progress import Progress
    from melwatch.report import PassReport
    from melwatch.track import AudioId, RelPath
    from melwatch.workshop import Workshop

log = logging.getLogger(__name__)

_MOST_REPAIRS = 100


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pass after another over the same library, for whoever holds the lock of its state."""

    shop: Workshop
    db: Connection
    progress: Progress

    def run_pass(self, now: datetime) -> PassReport:
        """Bring manifest and dataset in step with the library.

        Raises `DegradedError` where that cannot be finished for now; what was done is kept.
        """
        started = time.monotonic()
        is_damaged = recover(self.db, self.shop.state.spool, self.shop.folder)
        seen = look(self.shop, is_known=bool(tracks.count(self.db)))
        plan = plan_pass(self.shop, self.db, seen)
        renamed: dict[str, str] = {}
        tally = Tally()
        for attempt in range(_MOST_REPAIRS):
            tally += self._extract(plan, now)
            renamed |= self._forget(plan)
            try:
                published = publication.publish(self.shop, self.db, now, is_forced=is_damaged)
                break
            except SpectrogramLostError as lost:
                if attempt == _MOST_REPAIRS - 1:
                    raise
                log.warning("%s. %s", lost.what, lost.hint)
                tracks.forget_songs(self.db, lost.audio_ids)
                clean_spool(self.db, self.shop.state.spool)
                plan = plan_pass(self.shop, self.db, seen)
        tracks.replace_left_out(self.db, [(entry.path, entry.reason) for entry in seen.left_out])
        result = report.of_pass(seen, plan, tally, published, renamed)
        versions.record_pass(self.db, now.isoformat(), time.monotonic() - started, result.to_json())
        return result

    def _extract(self, plan: Plan, now: datetime) -> Tally:
        """Read what is new or changed, and make spectrograms of new songs."""
        tracks.add_tracks(self.db, plan.added)
        if not plan.to_read:
            return Tally()
        work = estimate_work(self.shop, plan, self.db)
        check_space(work.final_bytes, self.shop.state.spool, self.shop.folder.path)
        self.progress.say(f"{work.sentence()}." if work.songs else f"{len(plan.to_read):,} files to read.")
        setup = Setup(
            root=self.shop.root,
            spool=self.shop.state.spool,
            recipe=self.shop.recipe,
            ready=frozenset(tracks.ready_audio(self.db, self.shop.recipe.id)),
            memory_mb=self.shop.config.workers.memory_mb,
        )
        return extract_all(self.db, plan.to_read, setup, self.shop.config.workers, self.progress, now)

    def _forget(self, plan: Plan) -> dict[str, str]:
        """Take what has vanished off the record; return the genres that turn out to be renamed."""
        if not plan.vanished:
            return {}
        songs = tracks.songs_by_path(self.db)
        names = ledger.class_names(self.db)
        gone = {path: songs.pop(path) for path in plan.vanished}
        renames = find_renames(names, songs_by_genre(gone), songs_by_genre(songs))
        with writing(self.db):
            ledger.save_classes(self.db, [renames.get(name, name) for name in names])
            tracks.forget_tracks(self.db, plan.vanished)
        return renames


def look(shop: Workshop, *, is_known: bool) -> Scan:
    """Scan the library; raises where the root is gone, which never means that the songs are."""
    try:
        seen = scan(shop.root, shop.rules)
    except OSError as error:
        what = f"The music root {os.fsdecode(shop.root)} cannot be read: {error.strerror}"
        if is_known:
            raise DegradedError(what, "The last version stays current. Is the disk connected?") from None
        raise ConfigError(what, "Name your music folder with --music.") from None
    if is_known and not seen.seen and not seen.unverified:
        what = f"The music root {os.fsdecode(shop.root)} holds no songs any more"
        raise DegradedError(what, "The last version stays current. Is the disk connected?")
    return seen


def plan_pass(shop: Workshop, db: Connection, seen: Scan) -> Plan:
    """Compare what is known with what was seen."""
    return make_plan(tracks.known_files(db, shop.recipe.id), seen.seen, seen.unverified)


def estimate_work(shop: Workshop, plan: Plan, db: Connection | None) -> Estimate:
    """Estimate what extracting will take, by the pace of earlier passes if there were any."""
    # Files that changed or moved are mostly known sounds: they are read, not extracted.
    return estimate(
        (*plan.added[len(plan.vanished) :], *plan.unfinished),
        root=shop.root,
        bytes_per_track=shop.recipe.bytes_per_track,
        processes=shop.config.workers.processes,
        seconds_per_song=seconds_per_song(db) if db is not None else None,
    )


def songs_by_genre(songs: Mapping[RelPath, AudioId | None]) -> dict[str, set[AudioId]]:
    """Group the songs of paths by genre, leaving out files that were never read."""
    genres: dict[str, set[AudioId]] = defaultdict(set)
    for path, song in songs.items():
        found = genres[genre_of(path)]
        if song is not None:
            found.add(song)
    return genres
