"""What the running daemon is at, as a value that `status` shows; kept in the manifest while it runs."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from melwatch.errors import RootOfflineError
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.report import ACCEPT_RECIPE

if TYPE_CHECKING:
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.errors import MelwatchError
    from melwatch.library.watch import Watch
    from melwatch.report import PassReport

_KEY = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A daemon's state in one word and one sentence, and how far it is."""

    state: str
    sentence: str = ""
    watching: str = ""
    overflows: int = 0
    unsettled: list[dict[str, Any]] = field(default_factory=list)
    unsettled_files: int = 0
    progress: dict[str, Any] | None = None
    next_publish_at: str | None = None

    @property
    def words(self) -> str:
        """State and sentence in one line, for a supervisor to show."""
        return f"{self.state}: {self.sentence}" if self.sentence else self.state


def live_now(
    *,
    trouble: MelwatchError | None,
    paused: str | None,
    progress: dict[str, Any] | None,
    is_busy: bool,
    is_publishing: bool,
    report: PassReport | None,
    watch: Watch,
    next_publish_at: datetime | None = None,
) -> Live:
    """Sum up what a daemon is at: what keeps it from working comes first."""
    state, sentence = "idle", ""
    if trouble is not None:
        state = "root_offline" if isinstance(trouble, RootOfflineError) else "degraded"
        sentence = f"{trouble.what}. {trouble.hint}"
    elif is_busy and progress is not None:
        state, sentence = "extracting", f"{progress['done']} of {progress['total']} files"
    elif is_busy:
        state = "publishing" if is_publishing else "scanning"
    elif paused is not None:
        state, sentence = "paused", paused
    elif report is not None and (report.recipe_waits is not None or report.held is not None):
        state, sentence = "needs_confirmation", to_confirm(report.recipe_waits, report.held)
    elif report is not None and report.recipe_stuck is not None:
        state, sentence = "degraded", f"{report.recipe_stuck}."
    return Live(
        state=state,
        sentence=sentence,
        watching=watch.words,
        overflows=watch.overflows,
        unsettled=report.unsettled if report is not None else [],
        unsettled_files=report.unsettled_files if report is not None else 0,
        progress=progress,
        next_publish_at=next_publish_at.isoformat(timespec="seconds") if next_publish_at is not None else None,
    )


def to_confirm(recipe_waits: str | None, held: str | None) -> str:
    """Say all that waits for a person, and what they can do about it."""
    asked = ((recipe_waits, ACCEPT_RECIPE), (held, "If it is meant, run `melwatch accept-deletions`."))
    return " ".join(f"{what}. {answer}" for what, answer in asked if what is not None)


def save_live(db: Connection, live: Live, pid: int) -> None:
    """Put it on record for others to see."""
    with writing(db):
        set_meta(db, _KEY, json.dumps({"pid": pid, **asdict(live)}))


def forget_live(db: Connection) -> None:
    """Leave nothing behind that looks like a running daemon."""
    with writing(db):
        db.execute("DELETE FROM meta WHERE key = ?", (_KEY,))


def read_live(db: Connection) -> dict[str, Any] | None:
    """Return what the daemon last said of itself, with its `pid`; None where none did."""
    said = get_meta(db, _KEY)
    return None if said is None else dict(json.loads(said))


class LiveProgress:
    """How far a pass is, as the value that `status` shows; written by one thread, read by another."""

    def __init__(self) -> None:
        self.value: dict[str, Any] | None = None
        self.began_s = 0.0
        self._what, self._done, self._total = "", 0, 0

    def say(self, sentence: str) -> None:
        """Tell nobody: what is worth a line is logged."""

    def begin(self, what: str, total: int, unit: str = "songs") -> None:
        """Start counting; what is counted is not shown."""
        del unit
        self._what, self._done, self._total, self.began_s = what, 0, total, time.monotonic()
        self._publish()

    def advance(self) -> None:
        """Count one."""
        self._done += 1
        self._publish()

    def end(self) -> None:
        """Stop counting."""
        self.value = None

    def _publish(self) -> None:
        rate = self._done / max(1e-3, time.monotonic() - self.began_s)
        self.value = {
            "what": self._what,
            "done": self._done,
            "total": self._total,
            "songs_per_s": round(rate, 2),
            "seconds_left": round((self._total - self._done) / rate, 1) if rate else None,
        }
