"""Following a dataset from another thread or program."""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import TYPE_CHECKING

import melwatch
from editions import Press, songs

if TYPE_CHECKING:
    from pathlib import Path


def test_the_current_version_comes_first_then_each_new_one(tmp_path: Path) -> None:
    """Versions published while the reader is busy follow one by one, in order."""
    press = Press(place=tmp_path)
    press.publish(songs(6))
    press.publish(songs(7))
    versions = melwatch.follow(press.folder.path, poll_s=0.02, timeout_s=10)

    assert next(versions) == 2
    press.publish(songs(8))
    press.publish(songs(9))
    assert [next(versions), next(versions)] == [3, 4]


def test_only_the_newest_if_asked(tmp_path: Path) -> None:
    """What was published in between is skipped."""
    press = Press(place=tmp_path)
    press.publish(songs(6))
    versions = melwatch.follow(press.folder.library, poll_s=0.02, timeout_s=10, latest_only=True)

    assert next(versions) == 1
    press.publish(songs(7))
    press.publish(songs(8))
    assert next(versions) == 3


def test_it_goes_on_after_a_version(tmp_path: Path) -> None:
    """A program that knows a version is given what came since, each once."""
    press = Press(place=tmp_path)
    for count in (6, 7, 8):
        press.publish(songs(count))

    assert list(melwatch.follow(press.folder.path, after=1, timeout_s=0.05)) == [2, 3]


def test_it_waits_for_a_dataset_that_is_not_there_yet(tmp_path: Path) -> None:
    """The first version is yielded once it is published."""
    press = Press(place=tmp_path)
    found: list[int] = []
    reader = Thread(target=lambda: found.append(next(melwatch.follow(press.folder.path, poll_s=0.02))))
    reader.start()
    press.publish(songs(6))
    reader.join(20)

    assert found == [1]


def test_it_ends_when_nothing_new_comes_or_when_told_to(tmp_path: Path) -> None:
    """A stop is noticed at once, also in the middle of a long wait, and costs no processor time."""
    press = Press(place=tmp_path)
    press.publish(songs(6))
    assert list(melwatch.follow(press.folder.path, timeout_s=0.1)) == [1]

    stop, found = Event(), list[int]()
    reader = Thread(target=lambda: found.extend(melwatch.follow(press.folder.path, poll_s=60, stop=stop)))
    began_s = time.process_time()
    reader.start()
    while not found:
        time.sleep(0.01)
    time.sleep(0.5)
    stop.set()
    reader.join(5)

    assert not reader.is_alive()
    assert found == [1]
    assert time.process_time() - began_s < 0.3
