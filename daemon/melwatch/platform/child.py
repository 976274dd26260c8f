"""Running one function in a process of its own, so that what it imports and allocates ends with it."""

from __future__ import annotations

import os
import traceback
from threading import Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from melwatch.errors import MelwatchError
from melwatch.platform import system

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

Args = ParamSpec("Args")
Result = TypeVar("Result")


class ChildDiedError(MelwatchError):
    """There is no answer of the child process: it ended without one, or memory did not suffice for it."""


def run_in_child(work: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
    """Return what `work` returns, or raise what it raises, done in a child process.

    Arguments and result are pickled. Raises `ChildDiedError` where the process is killed, or no memory is left here.
    """
    context = system.child_context()
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs, work, args, kwargs))  # type: ignore[attr-defined]
    try:
        process.start()
    except (EOFError, ConnectionError):  # from the server that children are forked from
        what = f"{work.__name__} could not be begun: what it is started by was killed"
        raise ChildDiedError(what, "Is there memory enough?") from None
    theirs.close()
    try:
        kind, answer = ours.recv()
    except (EOFError, ConnectionError):
        process.join()
        raise ChildDiedError(f"{work.__name__} was killed (exit code {process.exitcode})") from None
    except BaseException as error:
        # Whoever waits may go on without the answer; the work must not go on without them.
        process.kill()
        process.join()
        if isinstance(error, (MemoryError, SystemError)):  # Python says the latter where memory ends amid an import
            what = f"What {work.__name__} came to could not be taken in"
            raise ChildDiedError(what, "Is there memory enough?") from error
        raise
    finally:
        ours.close()
    process.join()
    if kind == "error":
        raise answer
    result: Result = answer
    return result


def _die_with(parent: Connection) -> None:
    """End this process when the other end of the pipe closes: nothing else ever comes from there."""
    try:
        parent.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _answer(to: Connection, work: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    system.ignore_interrupts()
    system.die_with_parent()
    Thread(target=_die_with, args=(to,), daemon=True).start()
    try:
        message = ("result", work(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001  it is raised again in the parent
        error.add_note("In the child process:\n" + traceback.format_exc())
        message = ("error", error)
    to.send(message)
    to.close()
