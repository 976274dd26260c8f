"""The worker pool: what becomes of it when something else ends its processes."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from melwatch.errors import DegradedError
from melwatch.spectrogram.workers import Done, Workers

if TYPE_CHECKING:
    from pathlib import Path


def workers(initializer_code: int | None) -> Workers[int]:
    """Return a pool whose workers end as soon as they are up, or do not."""
    return Workers(processes=1, timeout_s=lambda _: 60.0, initializer=_end, initargs=(initializer_code,))


def _end(code: int | None) -> None:
    if code is not None:
        os._exit(code)


def _end_at_first(mark: Path) -> None:
    if not mark.exists():
        mark.touch()
        os._exit(1)


def test_a_worker_that_is_killed_over_nothing_costs_nothing(tmp_path: Path) -> None:
    """Others are begun in its place, and each task has its result."""
    mark = tmp_path / "ended"
    with Workers[int](processes=1, timeout_s=lambda _: 60.0, initializer=_end_at_first, initargs=(mark,)) as pool:
        done = list(pool.map(abs, range(9)))
    assert mark.exists()
    assert sorted(done, key=lambda each: each.task) == [Done(number, number) for number in range(9)]


class Deadly(int):
    """A number that ends the first process that it is sent to, as it is received."""

    mark: Path

    def __reduce__(self) -> tuple[object, ...]:
        return _received, (int(self), self.mark)


def _received(number: int, mark: Path) -> int:
    _end_at_first(mark)
    return number


@pytest.mark.timeout(50)
def test_a_worker_that_is_killed_as_it_takes_a_task_keeps_nobody_waiting(tmp_path: Path) -> None:
    """It holds a lock at that moment; another that is at work neither waits for that, a minute, nor loses the task."""
    deadly = Deadly(0)
    deadly.mark = tmp_path / "ended"
    with Workers[int](processes=2, timeout_s=lambda _: 60.0, initializer=_end, initargs=(None,)) as pool:
        done = list(pool.map(time.sleep, [2, deadly, 0, 0]))
    assert deadly.mark.exists()
    assert sorted(each.task for each in done) == [0, 0, 0, 2]
    assert {each.loss for each in done} == {None}


def test_work_comes_back() -> None:
    """Each task has its result."""
    with workers(None) as pool:
        assert sorted(pool.map(abs, [-1, -2]), key=lambda done: done.task) == [Done(-2, 2), Done(-1, 1)]


def test_workers_that_begin_as_the_work_ends_do_so_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    """One of many does all there is; the others have hardly begun and say nothing of missing what they share."""
    for _ in range(2):
        with Workers[int](processes=12, timeout_s=lambda _: 60.0, initializer=_end, initargs=(None,)) as pool:
            assert list(pool.map(abs, [-1])) == [Done(-1, 1)]
    assert capfd.readouterr().err == ""


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

    from melwatch.extraction.ahead import start_children_server
    from melwatch.platform.child import ChildDiedError, run_in_child

    start_children_server()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGSTOP)
    killing = Timer(1.0, os.kill, (server, signal.SIGKILL))
    killing.start()
    with pytest.raises(ChildDiedError, match="could not be begun"):
        run_in_child(abs, -1)
    killing.join()
    while psutil.Process(server).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert run_in_child(abs, -1) == 1
