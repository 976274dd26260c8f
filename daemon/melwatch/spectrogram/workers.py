"""A pool of child processes for work on files that may crash, hang or swallow memory.

What the work is, is not known here: a function and its arguments are handed in.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from melwatch.errors import DegradedError
from melwatch.platform import system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.context import BaseContext
    from multiprocessing.synchronize import RLock
    from threading import Event
    from types import TracebackType


Task = TypeVar("Task")
Result = TypeVar("Result")

_IN_FLIGHT = 2
"""Tasks of one worker: the one that it does and its next."""
_MOST_BREAKS = 3
"""How often each worker is begun anew while nothing comes of it."""
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
        self.timeout_s = timeout_s
        begin = partial(ProcessPool, max_workers=1, initializer=initializer, initargs=initargs)
        self._workers = [_Worker[Task](begin) for _ in range(processes)]

    def __enter__(self) -> Self:
        """Start nothing yet: the first task does."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers: they are idle, or after an exception whatever they are doing."""
        for worker in self._workers:
            worker.pool.stop()  # type: ignore[no-untyped-call]
        for worker in self._workers:
            worker.end()

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
        while True:
            if halt is not None and halt.is_set():
                waiting = chain()
                for worker in self._workers:
                    worker.leave_what_is_not_begun()
            room = sum(max(0, _IN_FLIGHT - len(worker.tasks)) for worker in self._workers)
            for task in islice(waiting, room):
                least_busy = min(self._workers, key=lambda worker: len(worker.tasks))
                least_busy.schedule(work, task, self.timeout_s(task))
            futures = [future for worker in self._workers for future in worker.tasks]
            if not futures:
                return
            wait(futures, _GLANCE_S if halt is not None else None, FIRST_COMPLETED)
            for worker in self._workers:
                outcomes, is_broken = worker.take()
                breaks = 0 if outcomes else breaks + is_broken
                yield from outcomes
                if is_broken or any(outcome.loss is not None for outcome in outcomes):
                    waiting = chain(worker.begin_anew(), waiting)
            if breaks > _MOST_BREAKS * len(self._workers):
                raise _no_workers()


class _Worker(Generic[Task]):
    """One process, and the tasks that it does and will do next.

    It has a pool to itself. What several processes share would be out of order for all of them as soon as one
    is killed while it holds a lock, or has taken a task and not yet said so.
    """

    def __init__(self, begin: Callable[..., ProcessPool]) -> None:
        self._ways = _Ways(system.child_context())
        self._begin = partial(begin, context=self._ways)
        self.pool = self._begin()
        self.tasks: dict[Future[Any], Task] = {}

    def schedule(self, work: Callable[[Task], Any], task: Task, timeout_s: float) -> None:
        """Have it do one task more; whether it can is seen when it is taken."""
        future: Future[Any]
        try:
            future = self.pool.schedule(work, args=(task,), timeout=timeout_s)
        except RuntimeError:  # it broke since the last task
            future = Future()
            future.set_exception(BrokenProcessPool())
        self.tasks[future] = task

    def leave_what_is_not_begun(self) -> None:
        """Forget the tasks that are still to be done."""
        self.tasks = {future: task for future, task in self.tasks.items() if future.running() or not future.cancel()}

    def take(self) -> tuple[list[Done[Task, Any]], bool]:
        """Return what is done, and whether the process was lost over nothing in particular."""
        done: list[Done[Task, Any]] = []
        for future in [future for future in self.tasks if future.done()]:
            try:
                done.append(_outcome(future, self.tasks[future]))
            except BrokenProcessPool:
                return done, True
            del self.tasks[future]
        return done, False

    def begin_anew(self) -> list[Task]:
        """Put another process in its place; return the tasks that are left."""
        self.end()
        self.pool = self._begin()
        left, self.tasks = list(self.tasks.values()), {}
        return left

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.pool.stop()  # type: ignore[no-untyped-call]
        self.pool.join()
        self._ways.locks.clear()


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
