"""Hints on their way to the one who scans."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melwatch.library.hints import Basket
from melwatch.library.part import outermost
from melwatch.track import RelPath

FOLDERS = st.sets(
    st.lists(st.sampled_from([b"a", b"b", b"ab"]), max_size=4).map(lambda parts: RelPath(b"/".join(parts)))
)


@given(FOLDERS)
def test_the_order_of_hints_does_not_matter(folders: set[RelPath]) -> None:
    """A basket hands over the outermost of the folders that were put in."""
    basket = Basket()
    for folder in folders:
        basket.add([folder])
    assert basket.take().folders == outermost(folders)


def test_many_folders_become_everything() -> None:
    """More than 512 folders, none inside another, are everything; folders inside others do not count."""
    basket = Basket()
    basket.add(RelPath(b"Rock/%d" % n) for n in range(512))
    basket.add(RelPath(b"Rock/1/%d" % n) for n in range(1000))
    assert len(basket.take().folders) == 512
    basket.add(RelPath(b"Rock/%d" % n) for n in range(513))
    hints = basket.take()
    assert hints.everything == "many folders changed"
    assert not hints.folders


def test_folders_found_one_below_another_collapse_before_they_are_too_many() -> None:
    """A folder that takes in those that came before it makes room."""
    basket = Basket()
    basket.add(RelPath(b"Rock/%d" % n) for n in range(500))
    basket.add([RelPath(b"Rock")])
    basket.add(RelPath(b"Jazz/%d" % n) for n in range(500))
    hints = basket.take()
    assert hints.everything is None
    assert len(hints.folders) == 501


def test_what_is_taken_is_forgotten() -> None:
    """A second take is empty, and there is nothing to wait for."""
    basket = Basket()
    basket.add([RelPath(b"Rock")], closed=RelPath(b"Rock/a.mp3"))
    assert basket.wait(0)
    assert basket.take().closed == {b"Rock/a.mp3"}
    hints = basket.take()
    assert (hints.folders, hints.everything, hints.closed) == (frozenset(), None, frozenset())
    basket.wait(0)
    assert not basket.wait(0)


def test_everything_covers_folders() -> None:
    """Once everything is to be looked at, no folder is named."""
    basket = Basket()
    basket.add([RelPath(b"Rock")])
    basket.add_everything("events were lost")
    basket.add([RelPath(b"Jazz")])
    hints = basket.take()
    assert (hints.folders, hints.everything) == (frozenset(), "events were lost")


def test_waking_ends_a_wait_without_a_hint() -> None:
    """A wait ends when another thread wakes it, and says that there is no hint."""
    basket = Basket()
    timer = threading.Timer(0.05, basket.wake)
    timer.start()
    began_s = time.monotonic()
    assert not basket.wait(30)
    assert time.monotonic() - began_s < 10
    timer.join()


def test_waking_beforehand_ends_the_next_wait() -> None:
    """A wake that comes between two waits is not lost."""
    basket = Basket()
    basket.wake()
    began_s = time.monotonic()
    assert not basket.wait(30)
    assert time.monotonic() - began_s < 10


@pytest.mark.skipif(sys.platform == "win32", reason="signals of that kind are not on Windows")
def test_a_signal_handler_may_wake() -> None:
    """A signal that comes while its own thread waits ends the wait."""
    basket = Basket()
    before = signal.signal(signal.SIGUSR1, lambda *_: basket.wake())
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        timer.start()
        began_s = time.monotonic()
        assert not basket.wait(30)
        assert time.monotonic() - began_s < 10
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
