"""A pass over a large library in a process of its own, so that what it holds in memory ends with it.

The process that asked for it stays what it was: it passes on wishes, takes in progress and log lines,
and in the end what came of the pass and what is to be remembered for the next one.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from logging.handlers import QueueHandler
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from melwatch.manifest.database import open_manifest
from melwatch.passes.pipeline import Pipeline
from melwatch.passes.work import Wishes
from melwatch.platform import system
from melwatch.platform.child import ChildDiedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from multiprocessing.connection import Connection

    from melwatch.library.part import Part
    from melwatch.passes.patience import Patience
    from melwatch.passes.pipeline import Passed
    from melwatch.passes.workshop import Workshop
    from melwatch.progress import Progress
    from melwatch.track import RelPath

LARGE_TRACKS = 10_000
"""From so many tracks on a pass is done apart: it holds some 0.4 kB a track, and more where much is new or gone."""

_LISTEN_S = 0.2


def run_pass_apart(
    shop: Workshop,
    progress: Progress,
    patience: Patience,
    wishes: Wishes,
    now: datetime,
    part: Part,
    closed: Collection[RelPath],
) -> tuple[Passed, Patience]:
    """Return what came of a pass, and the patience as it is now; raises what the pass raises.

    Raises `ChildDiedError` where the process is killed.
    """
    context = system.child_context()
    ours, theirs = context.Pipe()
    level = logging.getLogger().level
    args = (theirs, level, shop, patience, now, part, frozenset(closed), wishes.publish.is_set())
    process = context.Process(target=_work, args=args)  # type: ignore[attr-defined]
    process.start()
    theirs.close()
    try:
        return _listen(ours, progress, wishes)
    except EOFError:
        process.join()
        raise ChildDiedError(f"A pass was killed (exit code {process.exitcode})") from None
    finally:
        ours.close()
        process.join()


def _listen(line: Any, progress: Progress, wishes: Wishes) -> tuple[Passed, Patience]:  # noqa: ANN401  below
    """Take in what the other process says until it is done; tell it what is wished for meanwhile."""
    told: set[str] = set()
    while True:
        for name, event in (("publish", wishes.publish), ("halt", wishes.halt)):
            if event.is_set() and name not in told:
                told.add(name)
                with suppress(OSError):  # it has ended, which the next line finds out
                    line.send(name)
        if not line.poll(_LISTEN_S):
            continue
        kind, value = _received(line)
        match kind:
            case "progress":
                getattr(progress, value[0])(*value[1:])
            case "log":
                logging.getLogger(value.name).handle(value)
            case "error":
                raise value
            case _:
                return value  # type: ignore[no-any-return]  # what `_work` sends as its result


def _received(line: Any) -> tuple[str, Any]:  # noqa: ANN401  the end of a pipe is of another type on Windows
    try:
        kind, value = line.recv()
    except OSError as error:  # it was killed before it heard all that it was told
        raise EOFError from error
    return kind, value


class _Line:
    """The line back, for several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, Lock()

    def tell(self, kind: str, value: object) -> None:
        with self._lock:
            self._connection.send((kind, value))


class _Logging(QueueHandler):
    """Log lines leave by the line; what they were made of need not travel."""

    def __init__(self, tell: Callable[[str, object], None]) -> None:
        super().__init__(queue=None)  # type: ignore[arg-type]  # there is a line instead
        self._tell = tell

    def enqueue(self, record: logging.LogRecord) -> None:
        self._tell("log", record)


class _Progress:
    """Progress that is told by the line."""

    def __init__(self, tell: Callable[[str, object], None]) -> None:
        self._tell = tell

    def say(self, sentence: str) -> None:
        self._tell("progress", ("say", sentence))

    def begin(self, what: str, total: int, unit: str = "songs") -> None:
        self._tell("progress", ("begin", what, total, unit))

    def advance(self) -> None:
        self._tell("progress", ("advance",))

    def end(self) -> None:
        self._tell("progress", ("end",))


def _work(
    connection: Connection,
    log_level: int,
    shop: Workshop,
    patience: Patience,
    now: datetime,
    part: Part,
    closed: frozenset[RelPath],
    is_publishing: bool,  # noqa: FBT001  as multiprocessing passes it on
) -> None:
    """Do the pass, in the other process."""
    system.ignore_interrupts()
    system.die_with_parent()
    line, wishes = _Line(connection), Wishes()
    if is_publishing:
        wishes.publish.set()
    logging.basicConfig(level=log_level, handlers=[_Logging(line.tell)], force=True)
    Thread(target=_hear, args=(connection, wishes), daemon=True).start()
    try:
        with open_manifest(shop.state.path) as db:
            pipeline = Pipeline(shop, db, _Progress(line.tell), patience, wishes.halt)
            passed = pipeline.run_pass(now, may_publish=wishes.publish.is_set, part=part, closed=closed)
        line.tell("result", (passed, patience))
    except BaseException as error:  # noqa: BLE001  it is raised again in the process that asked
        line.tell("error", error)


def _hear(connection: Connection, wishes: Wishes) -> None:
    """Take in wishes; end this process when the other end of the line closes."""
    events: dict[Any, Any] = {"publish": wishes.publish, "halt": wishes.halt}
    try:
        while True:
            events[connection.recv()].set()
    except (EOFError, OSError):
        os._exit(1)
