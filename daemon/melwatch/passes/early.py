"""Versions of what there is, while the rest of a long import is still being extracted.

Before the first of them all files are read once, so that splits are placed by the whole library.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from melwatch.dataset.splits import Policy
from melwatch.errors import DegradedError
from melwatch.manifest import ledger, tracks
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.platform.child import ChildDiedError
from melwatch.publishing import publication
from melwatch.publishing.foresight import in_turns
from melwatch.publishing.publication import Leave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop
    from melwatch.progress import Progress
    from melwatch.publishing.publication import Publication
    from melwatch.track import RelPath, SeenFile

log = logging.getLogger(__name__)

FIRST_S = 300.0
_SHARE_OF_WAIT = 3
GROWTH = 2
"""Each early version has at least so many times as many new songs as all before it; and none is made in the second
half of an import. So all of them together write at most three quarters of what the last version does."""
_REST = 10
"""The next one waits at least so many times what the last one took."""
_MANY = 100
"""Whoever asks for a version waits for fewer files than that."""

_WRITTEN = "songs_in_early_versions"


def first_early_s(max_wait_s: float) -> float:
    """Return how long an import goes on before what there is becomes a version."""
    return min(FIRST_S, max_wait_s / _SHARE_OF_WAIT)


@dataclass(slots=True, kw_only=True)
class EarlyVersions:
    """When an import stops for a version of what there is; times are seconds on the monotonic clock.

    `written` counts the songs of this import in early versions so far, `waiting` those in none.
    """

    first_s: float
    since_s: float
    written: int = 0
    waiting: int = 0
    rest_s: float = 0.0
    is_settled: bool = False
    """Whether all files have been read, and their songs placed."""
    is_tried: bool = False
    """Whether a version was tried in this pass, for whoever asks for one."""

    def is_due(self, now_s: float, made: int, left: int, *, is_asked: bool = False) -> bool:
        """Whether to stop, with so many more songs made and so many files left."""
        waiting = self.waiting + made
        if is_asked and not self.is_tried and left >= _MANY and waiting:
            return True
        wait_s = max(self.rest_s, self.first_s if self.is_settled else self.first_s / 2)
        if now_s - self.since_s < wait_s or not waiting or left < waiting + self.written:
            return False
        if self.is_settled and self.is_tried and not made:
            return False
        return not self.is_settled or waiting >= GROWTH * self.written

    def tried(self, began_s: float, now_s: float, *, is_written: bool) -> None:
        """A version was tried from then on; one that was written is followed by a longer rest."""
        self.since_s, self.is_tried = now_s, True
        self.rest_s = _REST * (now_s - began_s) if is_written else 0.0

    def published(self) -> None:
        """What waited is in a version now."""
        self.written, self.waiting = self.written + self.waiting, 0


@dataclass(slots=True, kw_only=True)
class Meanwhile:
    """What an intake does between two stretches of extraction."""

    shop: Workshop
    db: Connection
    progress: Progress
    now: datetime
    first_s: float
    may_begin: bool
    is_asked: Callable[[], bool]
    """Whether somebody waits for a version."""
    when: EarlyVersions = field(init=False)
    last: Publication | None = None

    def __post_init__(self) -> None:
        """Go on from what earlier passes of the same import did."""
        self.when = EarlyVersions(
            first_s=self.first_s, since_s=time.monotonic(), written=int(get_meta(self.db, _WRITTEN) or 0)
        )

    @property
    def is_possible(self) -> bool:
        """Whether there are early versions at all: not where each version has splits of its own."""
        return Policy(self.shop.config.splits.policy) is Policy.STICKY and not self.shop.recipe.is_past

    def begin_stretch(self) -> Callable[[int, int], bool]:
        """Count what waits for a version; return what tells extraction whether to stop for something else."""
        self._count()

        def is_due(made: int, left: int) -> bool:
            return self.when.is_due(time.monotonic(), made, left, is_asked=self.is_asked())

        return is_due

    def unread(self, files: Sequence[SeenFile]) -> list[SeenFile]:
        """Return the files of which it is not known what they hold."""
        known = {file.path: file for file in tracks.known_files(self.db, self.shop.recipe.id)}
        return [file for file in files if not known[file.path].read_ns or known[file.path].stamp != file.stamp]

    def _count(self) -> None:
        recipe = self.shop.recipe.id
        self.when.waiting = sum(made_by == recipe for _, made_by in tracks.spooled_audio(self.db))

    def settle(self, left: Sequence[SeenFile]) -> list[SeenFile]:
        """Place the songs of all files, now that they have been read; return those left in a better order."""
        awaited = frozenset(file.path for file in left)
        found = publication.publish(self.shop, self.db, self.now, Leave(may_write=False, awaited=awaited))
        self.last = found.after(self.last)
        self.when.is_settled = True
        songs, splits = tracks.songs_by_path(self.db), ledger.placements(self.db)
        by_path = {file.path: file for file in left}

        def split_of(path: RelPath) -> str | None:
            song = songs.get(path)
            return splits.get(song) if song is not None else None

        return [by_path[path] for path in in_turns(list(by_path), self.shop.genres.genre_of, split_of)]

    def publish(self, left: Sequence[SeenFile]) -> None:
        """Publish what there is; where that is not possible now, it is at the end."""
        began_s, is_written = time.monotonic(), False
        self._count()
        try:
            leave = Leave(may_begin=self.may_begin, awaited=frozenset(file.path for file in left))
            found = publication.publish(self.shop, self.db, self.now, leave)
            is_written = found.is_published
        except (DegradedError, ChildDiedError) as trouble:
            log.warning("%s. What there is is published later", trouble.what)
            return
        finally:
            self.when.tried(began_s, time.monotonic(), is_written=is_written)
        self.last = found.after(self.last)
        if found.is_published and found.version is not None:
            self.note()
            self.progress.say(
                f"Version {found.version.number} is published: {found.version.tracks:,} songs, "
                f"{found.version.pending:,} to come."
            )

    def is_wanted(self) -> bool:
        """Whether a version is worth writing where the pass was halted: for whoever waits, or for what is new."""
        self._count()
        return not self.when.is_tried or self.when.waiting >= GROWTH * self.when.written

    def note(self) -> None:
        """Note for later passes how many songs are in early versions."""
        self.when.published()
        with writing(self.db):
            set_meta(self.db, _WRITTEN, str(self.when.written))


def note_complete(db: Connection) -> None:
    """Note that an import is over."""
    if get_meta(db, _WRITTEN) not in {None, "0"}:
        with writing(db):
            set_meta(db, _WRITTEN, "0")
