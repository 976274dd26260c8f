"""How far a pass is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from melwatch.names import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from melwatch.progress import Progress

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_for_console() -> Iterator[Progress]:
    """Return what suits the standard error stream."""
    if not sys.stderr.isatty():
        yield PlainLines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        yield TerminalBar(bar)


class TerminalBar:
    """A bar with rate and time left."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.task: TaskID | None = None
        self.unit = "songs"
        self.done = 0
        self.started = 0.0

    def say(self, sentence: str) -> None:
        """Print a line above the bar."""
        self.bar.console.print(printable(sentence), markup=False, emoji=False, highlight=False)

    def begin(self, what: str, total: int, unit: str = "songs") -> None:
        """Show a bar of `total` steps."""
        self.unit = unit
        self.done, self.started = 0, time.monotonic()
        self.task = self.bar.add_task(what, total=total, rate="")

    def advance(self) -> None:
        """Move the bar on by one."""
        self.done += 1
        rate = self.done / max(time.monotonic() - self.started, 1e-3)
        if self.task is not None:
            self.bar.update(self.task, advance=1, rate=f"{rate:.1f} {self.unit}/s")

    def end(self) -> None:
        """Leave the full bar standing."""
        self.task = None


class PlainLines:
    """A line every few seconds, for logs and pipes."""

    def __init__(self) -> None:
        self.what = ""
        self.unit = "songs"
        self.total = self.done = 0
        self.started = self.said = 0.0

    def say(self, sentence: str) -> None:
        """Print a line."""
        print(printable(sentence), file=sys.stderr, flush=True)

    def begin(self, what: str, total: int, unit: str = "songs") -> None:
        """Start counting."""
        self.what, self.total, self.done, self.unit = what, total, 0, unit
        self.started = self.said = time.monotonic()

    def advance(self) -> None:
        """Count one, and print a line when it is time for one."""
        self.done += 1
        now = time.monotonic()
        if now - self.said >= _SECONDS_BETWEEN_LINES:
            self.said = now
            rate = self.done / (now - self.started)
            left = (self.total - self.done) / rate
            self.say(
                f"{self.what}: {self.done:,} of {self.total:,}, {rate:.1f} {self.unit}/s, about {left:,.0f} s left"
            )

    def end(self) -> None:
        """Print how it went."""
        seconds = time.monotonic() - self.started
        self.say(f"{self.what}: {self.done:,} of {self.total:,} in {seconds:.1f} s")
