"""The daemon: watch, schedule and requests in, one pass after another out, until told to stop.

The loop here never touches the music: passes run on a thread of their own, since reading a dead
network mount can hang for minutes.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from melwatch.daemon import control
from melwatch.daemon.live import LiveProgress, forget_live, live_now, save_live
from melwatch.daemon.schedule import Task
from melwatch.daemon.setback import Setback
from melwatch.errors import DegradedError
from melwatch.library.part import EVERYTHING, NOTHING, Part
from melwatch.library.watch import Mode
from melwatch.manifest import requests
from melwatch.passes.work import Wishes
from melwatch.platform.background import Background
from melwatch.platform.child import ChildDiedError
from melwatch.report import log_pass

if TYPE_CHECKING:
    from sqlite3 import Connection

    from melwatch.daemon.agenda import Agenda
    from melwatch.daemon.face import Face
    from melwatch.daemon.live import Live
    from melwatch.daemon.schedule import Timetable
    from melwatch.errors import MelwatchError
    from melwatch.library.watch import Watch
    from melwatch.passes.pipeline import Passed
    from melwatch.passes.work import Work
    from melwatch.report import PassReport
    from melwatch.track import RelPath

log = logging.getLogger(__name__)

TICK_S = 1.0
FINISH_S = 4.0
"""How long the songs at hand may take once stopping has begun."""

_SLEPT_S = 30.0
_PROBE_S, _PROBE_REMOTE_S = 5.0, 300.0
"""How often to ask for the root itself; a network root's disks may sleep."""
_POLL_S = 60.0
"""How often to look at a local root that cannot be watched."""


class Runner:
    """One library, one dataset, for months."""

    def __init__(
        self,
        *,
        db: Connection,
        watch: Watch,
        timetable: Timetable,
        agenda: Agenda,
        face: Face,
        progress: LiveProgress,
        work: Work,
        is_remote: bool = False,
    ) -> None:
        self.db, self.watch, self.timetable, self.agenda, self.face = db, watch, timetable, agenda, face
        self.progress, self.work, self.is_remote = progress, work, is_remote
        self.wishes = Wishes()
        self.background: Background[Passed | None] = Background(watch.wake)
        self.probe: Background[tuple[int, int] | None] = Background(lambda: None)
        self.tasks: set[Task] = set()
        self.part: Part = EVERYTHING
        self.is_asked = False
        self.closed: set[RelPath] = set()
        self.report: PassReport | None = None
        self.setback = Setback()
        self.paused: str | None = None
        self.root_key: tuple[int, int] | None = None
        # Set by signal handlers, which must not wait for a lock that the loop may hold.
        self.is_stopping = self._is_rescan_asked = False
        self._is_at_everything = True
        self._pass_began_s = self._probed_s = 0.0
        self._drift_s = time.time() - time.monotonic()
        self._saved: Live | None = None

    def stop(self) -> None:
        """Ask the daemon to end; safe from a signal handler, and from any thread."""
        self.is_stopping = True
        self.watch.wake()

    def rescan(self) -> None:
        """Ask for a look at everything; safe from a signal handler, and from any thread."""
        self._is_rescan_asked = True
        self.watch.wake()

    def look_now(self, part: Part = EVERYTHING) -> None:
        """Look at once, whatever went wrong the last time."""
        self.setback.try_now()
        self.is_asked = True
        self._look(part, time.monotonic())

    def _look(self, part: Part, at_s: float) -> None:
        """Have the next look, due by then, take in a part of the library."""
        self.part |= part
        self.agenda.look_now(at_s)

    def run(self) -> bool:
        """Work until told to stop; return whether everything came to its end in time."""
        requests.forget_old(self.db)
        # Before the watch begins, which looks at every folder: how long that takes is no sign of trouble.
        self.face.ready()
        self.watch.start()
        self.timetable.start()
        try:
            while not self.is_stopping:
                try:
                    self.tick()
                except sqlite3.OperationalError as error:
                    self._note_trouble(DegradedError(f"The manifest cannot be written: {error}"), time.monotonic())
                self.watch.wait(self._rest_s())
            self.face.stopping()
            self.wishes.halt.set()
            return self.background.wait(FINISH_S)
        finally:
            self.timetable.stop()
            self.watch.stop()
            with suppress(sqlite3.Error):
                forget_live(self.db)

    def _rest_s(self) -> float:
        """How long nothing is to be done unless something happens."""
        now_s = time.monotonic()
        left_s = self.agenda.seconds_left(now_s)
        if left_s is None or self.background.is_busy or now_s < self.setback.not_before_s or self.paused:
            return TICK_S
        return max(0.05, min(TICK_S, left_s))

    def tick(self) -> None:
        """Take in what has happened, and begin what is due."""
        now_s = time.monotonic()
        self._notice_sleep(now_s)
        self._probe_root(now_s)
        self._take_hints(now_s)
        self._take_tasks(now_s)
        control.answer_all(self, datetime.now(UTC))
        self.paused = self._why_paused()
        if self.background.is_done:
            self._take_outcome(now_s)
        if not self.background.is_busy:
            self._begin_what_is_due(now_s)
        elif self.progress.value is not None and self.agenda.is_look_overdue(now_s, self.progress.began_s):
            self.wishes.halt.set()
        self._show()

    def _notice_sleep(self, now_s: float) -> None:
        """The monotonic clock stands still while the machine sleeps; then timers are late and events lost."""
        drift_s = time.time() - now_s
        if abs(drift_s - self._drift_s) > _SLEPT_S:
            log.info("The clock has moved by %.0f s, as after sleep; looking at everything", drift_s - self._drift_s)
            self.timetable.wakeup()
            self._look(EVERYTHING, now_s)
        self._drift_s = drift_s

    def _probe_root(self, now_s: float) -> None:
        """See now and then whether the root is still the same folder: no event tells that, and asking may hang."""
        if self.probe.is_done:
            found = self.probe.take()
            if found != self.root_key and (self.report is not None or self.setback.trouble is not None):
                self.look_now()
            self.root_key = found
        if not self.probe.is_busy and now_s - self._probed_s >= (_PROBE_REMOTE_S if self.is_remote else _PROBE_S):
            self._probed_s = now_s
            self.probe.start(self.work.find_root)

    def _take_hints(self, now_s: float) -> None:
        self.watch.check(self.root_key)
        hints = self.watch.take()
        self.closed |= hints.closed
        if hints.everything is not None:
            if not self.part.is_everything:
                log.info("Looking at everything: %s", hints.everything)
            self.part = EVERYTHING
            self.agenda.hint(now_s, at_everything=True)
        elif hints.folders:
            self.part |= Part.of(hints.folders)
            self.agenda.hint(now_s)
        is_blind = not self.is_remote and self.watch.mode is Mode.POLLING
        if is_blind and not self.background.is_busy and now_s - self._pass_began_s >= _POLL_S:
            self._look(EVERYTHING, now_s)
        if self._is_rescan_asked:
            self._is_rescan_asked = False
            self.look_now()

    def _take_tasks(self, now_s: float) -> None:
        """Put what has become due by the clock on the agenda; the rest is housekeeping, for when there is time."""
        due = self.timetable.take()
        if Task.RESCAN in due:
            self._look(EVERYTHING, now_s)
        if Task.PUBLISH in due:
            self.agenda.is_publish_asked = True
        self.tasks |= due - {Task.RESCAN, Task.PUBLISH}

    def _begin_what_is_due(self, now_s: float) -> None:
        if self.paused is not None or now_s < self.setback.not_before_s:
            return
        if self.agenda.is_look_due(now_s) or self.agenda.is_publish_due(now_s):
            self._begin_pass(now_s)
        elif self.tasks:
            task = self.tasks.pop()
            self.background.start(lambda: self.work.run_task(task, datetime.now(UTC)))

    def _why_paused(self) -> str | None:
        """Say why nothing is begun, though it may be due."""
        paused = control.pause_of(self.db, datetime.now(UTC))
        return f"Paused {paused}." if paused is not None else self.work.why_rest()

    def _begin_pass(self, now_s: float) -> None:
        self.wishes, self.is_asked = Wishes(is_asked=self.is_asked), False
        is_publishing = self.agenda.is_publish_due(now_s)
        if is_publishing:
            self.wishes.publish.set()
            self.part = EVERYTHING  # unless time or room runs out, what is published was looked at as a whole
        self.agenda.begin_look(is_publishing=is_publishing)
        self._pass_began_s = now_s
        wishes, part, closed = self.wishes, self.part, frozenset(self.closed)
        self.part, self.closed, self._is_at_everything = NOTHING, set(), part.is_everything
        self.background.start(lambda: self.work.run_pass(wishes, datetime.now(UTC), part, closed))

    def _take_outcome(self, now_s: float) -> None:
        try:
            passed = self.background.take()
        except (DegradedError, ChildDiedError) as trouble:
            self._note_trouble(trouble, now_s)
            return
        if passed is None:
            return
        if passed.trouble is None:
            self.setback.is_over()
        log_pass(passed.report, self.report)
        self.report = passed.report
        self.root_key = passed.root.device, passed.root.inode
        if passed.is_interrupted:
            self._begin_anew(is_published=passed.report.is_published)
        if passed.has_regained_sight:
            self.watch.renew("folders can be looked at that could not")
        self.agenda.looked(
            now_s,
            took_s=passed.overhead_s,
            again_in_s=0.0 if passed.is_interrupted else passed.look_again_in_s,
            unpublished=passed.unpublished,
            at_everything=self._is_at_everything,
        )
        if passed.trouble is not None:
            self.agenda.look_now(self.setback.note_aside(passed.trouble, now_s))

    def _begin_anew(self, *, is_published: bool = False) -> None:
        """Have the next pass do what the last one did not come to."""
        self.part = EVERYTHING
        if self.wishes.publish.is_set() and not is_published:
            self.agenda.is_publish_asked = True

    def _note_trouble(self, trouble: MelwatchError, now_s: float) -> None:
        """Look at everything again after a while."""
        self.setback.note(trouble, now_s)
        self._begin_anew()
        self._look(EVERYTHING, self.setback.not_before_s)

    def _next_publish_at(self) -> datetime | None:
        at_s = self.agenda.publish_at_s
        return (
            self.timetable.next_at(Task.PUBLISH) if at_s is None else datetime.fromtimestamp(at_s + self._drift_s, UTC)
        )

    def _show(self) -> None:
        """Keep on record what `status` tells, whenever it changes, and let the supervisor know that all goes on."""
        live = live_now(
            trouble=self.setback.trouble,
            paused=self.paused,
            progress=self.progress.value,
            is_busy=self.background.is_busy,
            is_publishing=self.wishes.publish.is_set(),
            report=self.report,
            watch=self.watch,
            next_publish_at=self._next_publish_at(),
        )
        if live != self._saved or self.face.is_watched:
            self.face.progress(live.words)
        if live != self._saved:
            save_live(self.db, live, os.getpid())
            self._saved = live
