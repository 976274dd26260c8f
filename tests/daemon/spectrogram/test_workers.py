"""The worker pool: what becomes of it when something else ends its processes."""

from __future__ import annotations

import os
import sys

import pytest

from melwatch.errors import DegradedError
from melwatch.spectrogram.workers import Done, Workers


def workers(initializer_code: int | None) -> Workers[int]:
    """Return a pool whose workers end as soon as they are up, or do not."""
    return Workers(processes=1, timeout_s=lambda _: 60.0, initializer=_end, initargs=(initializer_code,))


def _end(code: int | None) -> None:
    if code is not None:
        os._exit(code)


def test_work_comes_back() -> None:
    """Each task has its result."""
    with workers(None) as pool:
        assert sorted(pool.map(abs, [-1, -2]), key=lambda done: done.task) == [Done(-2, 2), Done(-1, 1)]


@pytest.mark.parametrize("has_halt", [False, True])
def test_workers_that_are_killed_before_they_work_are_no_bug(has_halt: bool) -> None:  # noqa: FBT001  a parameter of pytest
    """Where the system ends workers over no song in particular, that is told as something that may pass."""
    from threading import Event

    with workers(1) as pool, pytest.raises(DegradedError, match="cannot be kept running"):
        list(pool.map(abs, range(9), Event() if has_halt else None))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such server")
def test_a_server_that_is_killed_is_no_bug() -> None:
    """Children are forked from a server; where that dies over starting one, it is told and begun anew."""
    import signal
    from multiprocessing import forkserver
    from threading import Timer

    from melwatch.ahead import start_children_server
    from melwatch.child import ChildDiedError, run_in_child

    start_children_server()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGSTOP)
    killing = Timer(1.0, os.kill, (server, signal.SIGKILL))
    killing.start()
    with pytest.raises(ChildDiedError, match="could not be begun"):
        run_in_child(abs, -1)
    killing.join()
    assert run_in_child(abs, -1) == 1
