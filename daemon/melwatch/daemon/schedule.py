"""What happens at set times: rescans, publishing by the clock, collecting, verifying."""

from __future__ import annotations

import logging
import re
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING

from melwatch.config.durations import seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from apscheduler.triggers.base import BaseTrigger

log = logging.getLogger(__name__)

_JITTER = 4
"""An interval varies by up to a quarter, so that many machines do not wake one server at once."""

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY_NUMBER = re.compile(r"(?<![/\w])[0-7](?!\w)")


class Task(StrEnum):
    """What can be due."""

    RESCAN = "rescan"
    PUBLISH = "publish"
    GC = "gc"
    VERIFY = "verify"


class Timetable:
    """Notes which tasks have become due, each once however often it was; nothing is done here."""

    def __init__(self, when: Mapping[Task, str], wake: Callable[[], None]) -> None:
        from apscheduler.schedulers.background import BackgroundScheduler

        self._wake = wake
        self._due: set[Task] = set()
        self._lock = Lock()
        self._scheduler = BackgroundScheduler(
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        for task, times in when.items():
            self._scheduler.add_job(self._note, trigger_of(times), args=[task], id=task)

    def start(self) -> None:
        """Begin to keep time."""
        self._scheduler.start()

    def stop(self) -> None:
        """Keep time no longer."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def take(self) -> set[Task]:
        """Hand over what has become due since the last time."""
        with self._lock:
            due, self._due = self._due, set()
        return due

    def next_at(self, task: Task) -> datetime | None:
        """Return when a task is due next; None where it has no set times."""
        job = self._scheduler.get_job(task)
        return getattr(job, "next_run_time", None)

    def wakeup(self) -> None:
        """Look at the clock again: after sleep the scheduler would wait for as long as the machine slept."""
        if self._scheduler.running:
            self._scheduler.wakeup()

    def _note(self, task: Task) -> None:
        with self._lock:
            self._due.add(task)
        self._wake()


def trigger_of(times: str) -> BaseTrigger:
    """Return the trigger for a cron expression of five fields, or an interval like `90m`.

    Raises `ValueError` for anything else. Weekdays are numbered as in crontab(5): 0 and 7 are Sunday.
    """
    interval_s = seconds_of(times)
    if interval_s is not None:
        from apscheduler.triggers.interval import IntervalTrigger

        return IntervalTrigger(seconds=interval_s, jitter=interval_s // _JITTER or None)
    from apscheduler.triggers.cron import CronTrigger

    try:
        return CronTrigger.from_crontab(_with_named_weekdays(times))
    except ValueError as error:
        raise ValueError(f"{times!r} is neither an interval like 90m nor a cron expression: {error}") from None


def _with_named_weekdays(cron: str) -> str:
    """Write weekdays by name, since APScheduler counts them from Monday and cron from Sunday."""
    *rest, weekdays = cron.split() or [""]
    return " ".join([*rest, _WEEKDAY_NUMBER.sub(lambda number: _WEEKDAYS[int(number[0])], weekdays)])
