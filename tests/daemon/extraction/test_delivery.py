"""What a worker elsewhere sends, and whether it is taken in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import pytest

from building import library, tone
from melwatch.errors import TrackError
from melwatch.extraction.delivery import Delivery
from melwatch.extraction.ingest import Examined, Setup
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.spool import read_facts, spool_file, write_spool
from melwatch.spectrogram.workers import Done, Loss
from melwatch.track import AudioId, FileStamp, Identity, RelPath, Sound, Tags

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

PATH, SONG = RelPath(b"Rock/00.mp3"), AudioId("ab" * 32)


class Elsewhere:
    """A cluster that sends what it is told to."""

    def __init__(self, *sent: Any) -> None:
        self.sent = sent

    def map(self, work: Any, tasks: Any, halt: Any = None) -> Any:
        del work, halt
        for task, sent in zip(tasks, self.sent, strict=True):
            yield Done(task, sent()) if callable(sent) else Done(task, sent, None if sent else Loss.CRASH)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """A library of one song, and a spool."""
    music = library(tmp_path / "music", {"Rock": {"00.mp3": tone(440)}})
    (tmp_path / "spool").mkdir()
    return Setup(root=os.fsencode(music), spool=tmp_path / "spool", recipe=Recipe(), ready=frozenset(), memory_mb=1024)


def sent(setup: Setup, place: Path, **seen: int) -> tuple[Examined, None, bytes]:
    """Return what a worker sends of the song, with what it has seen otherwise than it is here."""
    import numpy as np

    values = np.ones((6, *setup.recipe.shape), np.float32)
    made = write_spool(place / "made", values, Sound(duration_s=1.0, promised_s=1.0, method="seek"))
    facts = (place / "music" / "Rock" / "00.mp3").stat()
    stamp = FileStamp(size=facts.st_size, mtime_ns=facts.st_mtime_ns, changed_ns=7, inode=8)
    identity = Identity(audio_id=SONG, file_digest="d", tags=Tags())
    examined = Examined(path=PATH, stamp=stamp._replace(**seen), read_ns=9, identity=identity, made=made)
    return examined, None, (place / "made").read_bytes()


def delivered(setup: Setup, *what: Any) -> Done[RelPath, Examined]:
    """Return what becomes of what is sent."""
    elsewhere: Any = Elsewhere(*what)
    work: Any = None
    (done,) = Delivery(cluster=elsewhere, setup=setup).map(work, [PATH])
    return done


def test_what_is_sent_is_in_the_spool_as_if_made_here(setup: Setup, tmp_path: Path) -> None:
    """With this machine's stamp of the file, whatever the other one sees, so that the next look finds it unchanged."""
    facts = (tmp_path / "music" / "Rock" / "00.mp3").stat()
    done = delivered(setup, sent(setup, tmp_path))
    assert done.result is not None
    assert done.result.stamp == FileStamp(
        size=facts.st_size, mtime_ns=facts.st_mtime_ns, changed_ns=facts.st_ctime_ns, inode=facts.st_ino
    )
    assert done.result.read_ns > facts.st_ctime_ns
    file = spool_file(setup.spool, SONG, setup.recipe.id)
    assert read_facts(file, setup.recipe.bytes_per_track) == done.result.made
    assert file.read_bytes() == (tmp_path / "made").read_bytes()


@pytest.mark.parametrize("seen", [{"size": 1}, {"mtime_ns": 5}])
def test_another_file_there_than_here_is_not_taken_in(setup: Setup, tmp_path: Path, seen: dict[str, int]) -> None:
    """As where a share shows an older state; it is looked at again."""
    done = delivered(setup, sent(setup, tmp_path, **seen))
    assert done.result is not None
    assert done.result.error is not None
    assert (done.result.error.reason, done.result.identity) == ("changing", None)
    assert not list(setup.spool.iterdir())


def test_a_file_that_changes_meanwhile_is_not_taken_in(setup: Setup, tmp_path: Path) -> None:
    """What was sent is of the file as it was."""

    def change() -> object:
        was = sent(setup, tmp_path)
        (tmp_path / "music" / "Rock" / "00.mp3").write_bytes(tone(220))
        return was

    done = delivered(setup, change)
    assert done.result is not None
    assert done.result.error is not None
    assert done.result.error.reason == "changing"
    assert not list(setup.spool.iterdir())


def test_numbers_that_are_not_what_was_made_are_not_taken_in(setup: Setup, tmp_path: Path) -> None:
    """They are made once more."""
    examined, _, content = sent(setup, tmp_path)
    damaged = bytes([content[0] ^ 1]) + content[1:]
    assert delivered(setup, (examined, None, damaged)) == Done(PATH, None, Loss.CRASH)
    assert delivered(setup, (examined, None, None)) == Done(PATH, None, Loss.CRASH)
    assert not list(setup.spool.iterdir())


@pytest.mark.parametrize("first", ["worker", "numbers"])
@pytest.mark.parametrize("second", ["worker", "numbers"])
def test_what_is_lost_twice_with_its_worker_is_no_fault_of_the_song(
    setup: Setup, tmp_path: Path, first: str, second: str
) -> None:
    """It is tried once more, and then told as what could not be read this time; nothing is held against it."""
    examined, _, _ = sent(setup, tmp_path)
    outcomes = {"worker": None, "numbers": (examined, None, b"other")}
    elsewhere: Any = Elsewhere(outcomes[first])
    delivery, work = Delivery(cluster=elsewhere, setup=setup), cast("Any", None)
    assert list(delivery.map(work, [PATH])) == [Done(PATH, None, Loss.CRASH)]
    elsewhere.sent = (outcomes[second],)
    (done,) = delivery.map(work, [PATH])
    assert done.result is not None
    assert done.result.error is not None
    assert (done.loss, done.result.identity, done.result.error.reason) == (None, None, "worker_lost")


def test_a_child_that_dies_twice_is_the_fault_of_its_song(setup: Setup) -> None:
    """Whatever became of a worker before; it is left out as it is with the local engine."""
    elsewhere: Any = Elsewhere(None)
    delivery, work = Delivery(cluster=elsewhere, setup=setup), cast("Any", None)
    list(delivery.map(work, [PATH]))
    for loss in (Loss.CRASH, Loss.TIMEOUT):
        elsewhere.sent = ((None, loss, None),)
        assert list(delivery.map(work, [PATH])) == [Done(PATH, None, loss)]


def test_losses_and_failures_pass_through(setup: Setup) -> None:
    """They are judged as those of the local engine."""
    failed = Examined(path=PATH, error=TrackError("It is not a plain file", reason="not_regular"))
    assert delivered(setup, (failed, None, None)) == Done(PATH, failed)
    assert delivered(setup, (None, Loss.TIMEOUT, None)) == Done(PATH, None, Loss.TIMEOUT)
    assert delivered(setup, None) == Done(PATH, None, Loss.CRASH)
