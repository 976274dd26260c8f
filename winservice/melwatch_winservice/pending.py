"""Telling again and again that something is under way, as the service control manager wants it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

TELL_S = 1.0
LONGEST_S = 120.0
"""Then it is no longer claimed that anything goes on."""
_WAIT_MS = 10_000


class Report(Protocol):
    """Tells a state, with a number that rises as work goes on and how long the next word may take."""

    def __call__(self, state: int, *, checkpoint: int = 0, wait_ms: int = 0) -> None:
        """Tell it."""


class Pending:
    """Reports a pending state with rising checkpoints until something else is begun or it ends."""

    def __init__(
        self, report: Report, wait: Callable[[threading.Event], bool] = lambda ended: ended.wait(TELL_S)
    ) -> None:
        self._report, self._wait = report, wait
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def begin(self, state: int) -> None:
        """Report a state, now and from now on."""
        with self._lock:
            self._ended.set()
            self._ended = ended = threading.Event()
            self._report(state, checkpoint=1, wait_ms=_WAIT_MS)
        threading.Thread(target=self._go_on, args=(state, ended), daemon=True).start()

    def end(self) -> None:
        """Report it no more."""
        with self._lock:
            self._ended.set()

    def _go_on(self, state: int, ended: threading.Event) -> None:
        for checkpoint in range(2, int(LONGEST_S / TELL_S)):
            self._wait(ended)
            with self._lock:
                if ended.is_set():
                    return
                self._report(state, checkpoint=checkpoint, wait_ms=_WAIT_MS)
