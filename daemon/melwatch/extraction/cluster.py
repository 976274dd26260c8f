"""Workers elsewhere, on a Dask cluster: the same work as a local pool does, handed out and taken in from here.

What the work is, and how a worker makes ready for it, is not known here. Dask moves functions and results;
which worker gets which task is decided here, so that it is known over which task a worker was lost.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections import deque
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from uuid import uuid4

from melwatch.errors import DegradedError
from melwatch.spectrogram.posts import ForgottenError, Post, Standing, UnfitError, next_post
from melwatch.spectrogram.workers import Done, Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from threading import Event
    from types import TracebackType

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
Sent = TypeVar("Sent")

CONNECT_S = 10.0
_PATIENCE_S = 20.0
"""How long to go on without a worker that can be used: one that died may be begun anew."""
_FINISH_S = 3.0
"""How long the tasks at hand may take once work is to be halted."""
_LATE_S = 60.0
"""How much later than its time limit a task may come back before its worker counts as lost."""
_WELCOME_S = 120.0
_LOOK_S, _GLANCE_S = 1.0, 0.25
_FETCH_S = 30.0
_FAREWELL_S = 2.0
_ALIVE = {"running", "paused"}
"""Dask pauses a worker that is short of memory; what it was given waits."""
_TRIED_AGAIN = "Nothing is lost: the next pass goes on from there."
_LARGE = {"distributed.admin.large-graph-warning-threshold": "1GB"}
"""Which songs are known travels once to each worker; Dask would warn of its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand(Generic[Task, Result, Sent]):
    """What is done on the workers, as functions that travel there."""

    welcome: Callable[[], str]
    """Makes a worker ready; returns why it cannot be used, or nothing."""
    perform: Callable[[Callable[[Task], Result], Task, float], Sent]
    """Does the work on a task within so many seconds, on a worker that is ready."""
    dismiss: Callable[[], None]


class Call:
    """A call that is made where it is unpickled, on the worker.

    The scheduler unpickles what it passes on, and would need melwatch; as bytes it leaves this alone.
    """

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Be the call."""
        return self.function, self.arguments


def connect(address: str) -> Any:  # noqa: ANN401  Dask is imported only where it is used
    """Return a client of the scheduler; raises `DegradedError` where it cannot be reached.

    Security is what Dask's own configuration says.
    """
    distributed: Any = import_module("distributed")
    for name in ("distributed", "distributed.client"):  # what it complains of is told here, in other words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import_module("dask.config").set(_LARGE)
    try:
        return distributed.Client(address, timeout=CONNECT_S, set_as_default=False, name="melwatch")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        what = f"The Dask scheduler {address} cannot be reached: {first_line(error)}"
        raise DegradedError(what, f"Start it with `dask scheduler`, or mend workers.dask. {_TRIED_AGAIN}") from error


def send(client: Any, call: Call, worker: str) -> Any:  # noqa: ANN401  as above; a future of Dask
    """Have a call made on one worker and no other."""
    key = f"melwatch-{uuid4().hex}"
    return client.submit(pickle.loads, pickle.dumps(call), key=key, workers=[worker], pure=False)


class Cluster(Generic[Task, Result, Sent]):
    """All workers that a scheduler has, while there are tasks; use it as a context manager."""

    def __init__(self, *, address: str, errand: Errand[Task, Result, Sent], timeout_s: Callable[[Task], float]) -> None:
        self.address, self.errand, self.timeout_s = address, errand, timeout_s
        self.posts: dict[str, Post[Task]] = {}
        self._said: set[tuple[str, str]] = set()
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._looked_s = 0.0
        self._useful_s = time.monotonic()

    def __enter__(self) -> Self:
        """Connect."""
        self.client = connect(self.address)
        self._useful_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the workers go; what they are still doing is of no interest."""
        with suppress(Exception):  # the scheduler may be gone, and workers end by themselves what nobody asks for
            if self.client.status == "running":
                fit = [post for post in self.posts.values() if post.standing is Standing.FIT]
                going = [self._submit(Call(self.errand.dismiss), post) for post in fit]
                until_s = time.monotonic() + _FAREWELL_S
                for future in going:
                    future.result(timeout=max(0.0, until_s - time.monotonic()))
        with suppress(Exception):
            self.client.close(timeout=_FAREWELL_S)

    def map(
        self, work: Callable[[Task], Result], tasks: Iterable[Task], halt: Event | None = None
    ) -> Iterator[Done[Task, Sent]]:
        """Do the work on every task, a few at a time on each worker, and yield what is sent, in any order.

        A worker that is lost costs those tasks that it had, until they are tried alone. An exception that
        `work` raises is a bug, and raised here. Once `halt` is set no further task is begun.
        Raises `DegradedError` where the scheduler is lost, or has no worker that can be used.
        """
        source, waiting = iter(tasks), deque[Task]()
        halted_s: float | None = None
        while True:
            if halt is not None and halt.is_set():
                source = iter(())
                waiting.clear()
                halted_s = halted_s or time.monotonic()
            for task in self._look():
                yield Done(task, None, Loss.CRASH)
            self._hand_out(work, source, waiting)
            is_busy = any(post.is_busy for post in self.posts.values())
            if not (is_busy or waiting) or (halted_s and time.monotonic() - halted_s > _FINISH_S):
                self._drop_all()
                return
            for future in self._finished():
                yield from self._take(future, waiting)
            self._require_workers()

    def _look(self) -> Iterator[Task]:
        """Welcome workers that are new, and yield the tasks of those that are lost."""
        now_s = time.monotonic()
        if self.client.status != "running":
            raise self._vanished()
        if now_s - self._looked_s < _LOOK_S and self.posts:
            return
        self._looked_s = now_s
        present = self._present()
        for address in self.posts.keys() - present.keys():
            post = self.posts.pop(address)
            log.info("The worker %s is gone", address)
            yield from self._drop(post)
        for address, threads in present.items():
            post = self.posts.setdefault(address, Post(address=address, threads=threads))
            if post.is_due(now_s):
                post.welcome(self._submit(Call(self.errand.welcome), post), now_s, _WELCOME_S)
            elif post.is_late(now_s):
                yield from self._drop(post)
                self._refuse(post, "it does not answer")

    def _present(self) -> Mapping[str, int]:
        try:
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, RuntimeError) as error:
            raise self._vanished() from error
        if self.client.status != "running":
            raise self._vanished()
        return {address: facts["nthreads"] for address, facts in workers.items() if facts["status"] in _ALIVE}

    def _hand_out(self, work: Callable[[Task], Result], source: Iterator[Task], waiting: deque[Task]) -> None:
        """Give tasks to workers that have little to do; keep one waiting, to know whether there are more."""
        while True:
            if not waiting:
                waiting.extend(task for task in [next(source, None)] if task is not None)
            post = next_post(self.posts.values())
            if post is None or not waiting:
                return
            task = waiting.popleft()
            limit_s = self.timeout_s(task)
            future = self._submit(Call(self.errand.perform, work, task, limit_s), post)
            post.give(future, task, time.monotonic() + 2 * limit_s + _LATE_S)

    def _submit(self, call: Call, post: Post[Task]) -> Any:  # noqa: ANN401  a future of Dask
        future = send(self.client, call, post.address)
        future.add_done_callback(self._ended.put)
        return future

    def _finished(self) -> Iterator[Any]:
        with suppress(Empty):
            yield self._ended.get(timeout=_GLANCE_S)
            while True:
                yield self._ended.get_nowait()

    def _take(self, future: Any, waiting: deque[Task]) -> Iterator[Done[Task, Sent]]:  # noqa: ANN401
        """Take in what has ended: a welcome, or a task, which its worker may have no hand in."""
        post = next((each for each in self.posts.values() if each.has(future)), None)
        if post is None:  # it was given up
            return
        task = post.end(future)
        try:
            sent = future.result(timeout=_FETCH_S)
        except Exception as error:  # noqa: BLE001  judged there, and raised again if it is a bug
            yield from self._judge(error, post, task, waiting)
        else:
            if task is not None:
                yield Done(task, sent)
            elif sent:
                self._refuse(post, str(sent))
            else:
                post.standing = Standing.FIT
        finally:
            future.release()

    def _judge(
        self, error: Exception, post: Post[Task], task: Task | None, waiting: deque[Task]
    ) -> Iterator[Done[Task, Sent]]:
        """Find out whose fault it is that there is no result: the scheduler's, a worker's, the task's or ours."""
        distributed: Any = import_module("distributed")
        if isinstance(error, CancelledError) or self.client.status != "running":
            raise self._vanished() from error
        if isinstance(error, UnfitError):
            self._refuse(post, "" if isinstance(error, ForgottenError) else error.what)
            waiting.extend([] if task is None else [task])
        elif task is None:
            self._refuse(post, f"melwatch cannot work there: {first_line(error)}")
        elif isinstance(error, (OSError, distributed.KilledWorker)):
            yield Done(task, None, Loss.CRASH)
        else:
            raise error

    def _refuse(self, post: Post[Task], why: str) -> None:
        """Give a worker no more tasks for a while; without a reason it is only welcomed anew."""
        post.refuse(why, time.monotonic())
        if why and (post.address, why) not in self._said:
            self._said.add((post.address, why))
            log.warning("The worker %s is not used: %s", post.address, why)

    def _drop(self, post: Post[Task]) -> list[Task]:
        """Wait no longer for what a worker is doing; return its tasks."""
        futures, tasks = post.give_up()
        with suppress(OSError, RuntimeError):  # the scheduler is gone, which the next look finds out
            self.client.cancel(futures)
        return tasks

    def _drop_all(self) -> None:
        for post in self.posts.values():
            if post.running:
                self._drop(post)

    def _require_workers(self) -> None:
        now_s = time.monotonic()
        if any(post.standing is Standing.FIT for post in self.posts.values()):
            self._useful_s = now_s
        elif now_s - self._useful_s > (_PATIENCE_S if not self._is_welcoming() else _WELCOME_S):
            reasons = [f"{post.address}: {post.why}" for post in self.posts.values() if post.why]
            if reasons:
                what = f"None of the workers of {self.address} can be used ({'; '.join(reasons)})"
                raise DegradedError(what, f"Mend that there. {_TRIED_AGAIN}")
            what = f"The Dask scheduler {self.address} has no workers"
            raise DegradedError(what, f"Start some with `dask worker {self.address}`. {_TRIED_AGAIN}")

    def _is_welcoming(self) -> bool:
        return any(post.standing is Standing.WELCOMED for post in self.posts.values())

    def _vanished(self) -> DegradedError:
        return DegradedError(f"The Dask scheduler {self.address} was lost in the middle", _TRIED_AGAIN)


def first_line(error: BaseException) -> str:
    """Return what an error says, without what it adds."""
    return (str(error) or type(error).__name__).splitlines()[0]
