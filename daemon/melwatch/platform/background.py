"""A thread that does one piece of work at a time, for those who must not wait for it."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Background(Generic[Result]):
    """At most one piece of work, and what came of it.

    The thread is a daemon thread: a read that hangs on a dead mount does not keep the process.
    """

    def __init__(self, when_done: Callable[[], None]) -> None:
        self._when_done = when_done
        self._thread: Thread | None = None
        self._has_ended = Event()
        self._result: Result | None = None
        self._error: BaseException | None = None

    @property
    def is_busy(self) -> bool:
        """Whether work is going on, or its outcome waits to be taken."""
        return self._thread is not None

    @property
    def is_done(self) -> bool:
        """Whether there is an outcome to take."""
        return self._thread is not None and self._has_ended.is_set()

    def start(self, work: Callable[[], Result]) -> None:
        """Begin; raises `RuntimeError` while busy."""
        if self._thread is not None:
            raise RuntimeError("still busy")
        self._result = self._error = None
        self._has_ended.clear()
        self._thread = Thread(target=self._run, args=(work,), name="pass", daemon=True)
        self._thread.start()

    def take(self) -> Result:
        """Return what the finished work returned, or raise what it raised."""
        if self._thread is None or not self.is_done:
            raise RuntimeError("nothing to take")
        self._thread = None
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # set where there was no error

    def wait(self, timeout_s: float) -> bool:
        """Wait for the work to end; return whether it did."""
        return self._thread is None or self._has_ended.wait(timeout_s)

    def _run(self, work: Callable[[], Result]) -> None:
        try:
            self._result = work()
        except BaseException as error:  # noqa: BLE001  raised again by `take`
            self._error = error
        finally:
            self._has_ended.set()
            self._when_done()
