"""One piece of work at a time, on a thread that nobody waits for."""

from __future__ import annotations

import threading
from threading import Event

import pytest

from melwatch.platform.background import Background

LONG_S = 60.0


def nothing() -> None:
    pass


def test_a_result_can_be_taken_once() -> None:
    """Taking makes room for the next piece of work."""
    background: Background[int] = Background(nothing)
    for number in (1, 2):
        background.start(lambda number=number: number)  # type: ignore[misc]
        assert background.wait(LONG_S)

        assert (background.is_busy, background.is_done) == (True, True)
        assert background.take() == number
        assert (background.is_busy, background.is_done) == (False, False)
        with pytest.raises(RuntimeError, match="nothing to take"):
            background.take()


def test_work_may_return_nothing() -> None:
    """None is a result like any other."""
    background: Background[None] = Background(nothing)
    background.start(nothing)
    assert background.wait(LONG_S)

    assert background.take() is None


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), KeyboardInterrupt()])
def test_what_the_work_raises_is_raised_by_taking(error: BaseException) -> None:
    """No exception is lost in the thread, whatever its kind, and the next piece of work knows nothing of it."""

    def fail() -> str:
        raise error

    background: Background[str] = Background(nothing)
    background.start(fail)
    assert background.wait(LONG_S)
    with pytest.raises(type(error)) as raised:
        background.take()
    assert raised.value is error

    background.start(lambda: "fine")
    assert background.wait(LONG_S)
    assert background.take() == "fine"


def test_nothing_else_begins_while_work_goes_on() -> None:
    """Until its outcome is taken, starting and taking are refused, and the work is not disturbed."""
    may_end, has_begun = Event(), Event()

    def work() -> str:
        has_begun.set()
        assert may_end.wait(LONG_S)
        return "done"

    background: Background[str] = Background(nothing)
    background.start(work)
    assert has_begun.wait(LONG_S)
    assert (background.is_busy, background.is_done) == (True, False)
    with pytest.raises(RuntimeError, match="still busy"):
        background.start(lambda: "other")
    with pytest.raises(RuntimeError, match="nothing to take"):
        background.take()

    may_end.set()
    assert background.wait(LONG_S)
    with pytest.raises(RuntimeError, match="still busy"):
        background.start(lambda: "other")
    assert background.take() == "done"


def test_waiting_ends_with_the_work_or_in_time() -> None:
    """`wait` tells whether the work has ended, and takes no outcome."""
    may_end = Event()
    background: Background[bool] = Background(nothing)
    assert background.wait(0.0)
    background.start(lambda: may_end.wait(LONG_S))

    assert not background.wait(0.01)
    may_end.set()
    assert background.wait(LONG_S)
    assert background.wait(LONG_S)
    assert background.take() is True


@pytest.mark.parametrize("fails", [False, True])
def test_whoever_waits_is_told_when_the_work_is_done(fails: bool) -> None:  # noqa: FBT001  a parameter of pytest
    """`when_done` is called once, from the thread, after the work, whether it failed or not."""
    told: list[str] = []

    def work() -> None:
        told.append(f"worked in {threading.current_thread().name}")
        if fails:
            raise ValueError("bad")

    background: Background[None] = Background(lambda: told.append(f"done in {threading.current_thread().name}"))
    background.start(work)
    assert background.wait(LONG_S)

    assert told == ["worked in pass", "done in pass"]


def test_work_that_hangs_does_not_keep_the_process() -> None:
    """The thread is a daemon thread: Python ends without it."""
    may_end = Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        may_end.wait(LONG_S)

    background: Background[None] = Background(nothing)
    background.start(work)
    may_end.set()
    assert background.wait(LONG_S)

    assert [thread.daemon for thread in threads] == [True]
