"""What is known of each worker of a cluster while it is used, and which one gets the next task; nothing of Dask."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from melwatch.errors import MelwatchError

if TYPE_CHECKING:
    from collections.abc import Iterable

Task = TypeVar("Task")

IN_FLIGHT_PER_THREAD = 2
"""One that is done, and one that waits, so that nobody idles; each may be a result of some megabytes."""
AGAIN_S = 30.0
"""When a worker that could not be used is welcomed again."""


class UnfitError(MelwatchError):
    """This worker cannot do the work for now; others may."""


class ForgottenError(UnfitError):
    """This worker is not ready any more: it is another process than was welcomed, or was left alone for long."""


class Standing(StrEnum):
    """Whether a worker gets tasks."""

    NEW = "new"
    WELCOMED = "welcomed"
    """It is making ready."""
    FIT = "fit"
    REFUSED = "refused"


@dataclass(slots=True, kw_only=True)
class Post(Generic[Task]):
    """One worker; moments are seconds on the monotonic clock."""

    address: str
    threads: int
    standing: Standing = Standing.NEW
    why: str = ""
    running: dict[Any, tuple[Task | None, float]] = field(default_factory=dict)
    """By what stands for the result: the task (none for a welcome) and when it is overdue."""
    again_s: float = 0.0

    @property
    def load(self) -> float:
        """How many tasks it has, for each of its threads."""
        return len(self.running) / self.threads

    @property
    def is_busy(self) -> bool:
        """Whether it has a task."""
        return any(task is not None for task, _ in self.running.values())

    def is_due(self, now_s: float) -> bool:
        """Whether it is to be welcomed."""
        return self.standing is Standing.NEW or (self.standing is Standing.REFUSED and now_s >= self.again_s)

    def is_late(self, now_s: float) -> bool:
        """Whether something that it was given is overdue."""
        return any(now_s > overdue_s for _, overdue_s in self.running.values())

    def has(self, future: object) -> bool:
        """Whether it is this worker's."""
        return future in self.running

    def welcome(self, future: object, now_s: float, limit_s: float) -> None:
        """Have it make ready."""
        self.standing = Standing.WELCOMED
        self.running[future] = (None, now_s + limit_s)

    def give(self, future: object, task: Task, overdue_s: float) -> None:
        """Have it do a task."""
        self.running[future] = (task, overdue_s)

    def end(self, future: object) -> Task | None:
        """Note that something is done; return its task, if it was one."""
        return self.running.pop(future)[0]

    def give_up(self) -> tuple[list[Any], list[Task]]:
        """Forget what it is doing; return what stands for the results, and the tasks."""
        futures, tasks = list(self.running), [task for task, _ in self.running.values() if task is not None]
        self.running.clear()
        if self.standing is Standing.WELCOMED:
            self.standing = Standing.NEW
        return futures, tasks

    def refuse(self, why: str, now_s: float) -> None:
        """Give it nothing for a while; without a reason it may make ready at once."""
        if why:
            self.standing, self.why, self.again_s = Standing.REFUSED, why, now_s + AGAIN_S
        elif self.standing is Standing.FIT:
            self.standing = Standing.NEW


def next_post(posts: Iterable[Post[Task]]) -> Post[Task] | None:
    """Return the fit worker that has least to do, if one has time for more."""
    free = [post for post in posts if post.standing is Standing.FIT and post.load < IN_FLIGHT_PER_THREAD]
    return min(free, key=lambda post: post.load, default=None)
