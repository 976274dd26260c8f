"""A pool of child processes for work on files that may crash, hang or swallow memory.

What the work is, is not known here: a function and its arguments are handed in.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from melwatch import system
from melwatch.errors import DegradedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from multiprocessing.context import BaseContext
    from multiprocessing.synchronize import RLock
    from threading import Event
    from types import TracebackType


Task = TypeVar("Task")
Result = TypeVar("Result")

_IN_FLIGHT_PER_PROCESS = 2
_MOST_BREAKS = 3
"""How often workers are begun anew while nothing comes of it."""
_GLANCE_S = 0.25
"""How often to look whether work is to be halted."""


class Loss(StrEnum):
    """How a worker was lost."""

    CRASH = "crash"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Done(Generic[Task, Result]):
    """The result of one task, or how the worker was lost over it."""

    task: Task
    result: Result | None
    loss: Loss | None = None


class Workers(Generic[Task]):
    """A pool of worker processes; use it as a context manager."""

    def __init__(
        self,
        *,
        processes: int,
        timeout_s: Callable[[Task], float],
        initializer: Callable[..., None],
        initargs: tuple[object, ...],
    ) -> None:
        self.processes = processes
        self.timeout_s = timeout_s
        self._ways = _Ways(system.child_context())
        self._begin = partial(
            ProcessPool,
            max_workers=processes,
            initializer=initializer,
            initargs=initargs,
            context=self._ways,  # type: ignore[arg-type]
        )
        self.pool = self._begin()

    def __enter__(self) -> Self:
        """Start nothing yet: the first task does."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers: they are idle, or after an exception whatever they are doing."""
        self._end()

    def _end(self) -> None:
        self.pool.stop()  # type: ignore[no-untyped-call]
        self.pool.join()
        self._ways.locks.clear()

    def map(
        self, work: Callable[[Task], Result], tasks: Iterable[Task], halt: Event | None = None
    ) -> Iterator[Done[Task, Result]]:
        """Do the work on every task, a few at a time, and yield each as it is done, in any order.

        A worker that dies or takes too long costs its own task only; one that dies over none in
        particular, as where the system is short of memory, costs a new beginning. An exception that
        `work` raises is a bug, and raised here. Once `halt` is set no further task is begun.
        Raises `DegradedError` where workers cannot be started, or die again and again before they do anything.
        """
        waiting, breaks = chain(tasks), 0
        unscheduled: list[Task] = []
        running: dict[Future[Result], Task] = {}
        while True:
            if halt is not None and halt.is_set():
                waiting = chain()
                running = {future: task for future, task in running.items() if future.running() or not future.cancel()}
            try:
                for task in islice(waiting, max(0, self.processes * _IN_FLIGHT_PER_PROCESS - len(running))):
                    unscheduled = [task]
                    running[self._schedule(work, task)] = unscheduled.pop()
                if not running:
                    return
                done, _ = wait(running, _GLANCE_S if halt is not None else None, FIRST_COMPLETED)
                for future in done:
                    outcome = _outcome(future, running[future])
                    del running[future]
                    breaks = 0
                    yield outcome
            except BrokenProcessPool as error:
                breaks += 1
                if breaks > _MOST_BREAKS:
                    raise _no_workers() from error
                self._end()
                self.pool = self._begin()
                waiting, running = chain(unscheduled, running.values(), waiting), {}

    def _schedule(self, work: Callable[[Task], Result], task: Task) -> Future[Result]:
        try:
            return self.pool.schedule(work, args=(task,), timeout=self.timeout_s(task))
        except RuntimeError as error:  # the pool broke since the last task
            raise BrokenProcessPool from error


class _Ways:
    """How the pool makes its processes and what they share, with its locks kept until all workers have ended.

    The pool drops the locks first, and a worker that is just beginning would miss them with a traceback.
    """

    def __init__(self, context: BaseContext) -> None:
        self.context = context
        self.locks: list[RLock] = []

    def RLock(self) -> RLock:  # noqa: N802  named by multiprocessing
        self.locks.append(self.context.RLock())
        return self.locks[-1]

    def __getattr__(self, name: str) -> object:
        return getattr(self.context, name)


def _outcome(future: Future[Result], task: Task) -> Done[Task, Result]:
    try:
        return Done(task, future.result())
    except FutureTimeoutError:
        return Done(task, None, Loss.TIMEOUT)
    except ProcessExpired:
        return Done(task, None, Loss.CRASH)


def _no_workers() -> DegradedError:
    what = "The processes that read songs cannot be kept running"
    return DegradedError(what, "Is there memory enough, and may more files be opened? It is tried again.")
