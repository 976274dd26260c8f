"""How files are opened, put in place and told apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from melwatch.platform.filesystem import is_being_written

if TYPE_CHECKING:
    from pathlib import Path

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="is about Linux's leases")
where_writers_are_told = pytest.mark.skipif(
    sys.platform not in {"linux", "win32"}, reason="the system does not tell who writes"
)

WITH_A_WRITER_DURING_THE_LEASE = """
import fcntl, os, sys
from melwatch.platform.filesystem import is_being_written

path, ask = os.fsencode(sys.argv[1]), fcntl.fcntl

def ask_and_open(handle, command, argument=0):
    answer = ask(handle, command, argument)
    if (command, argument) == (fcntl.F_SETLEASE, fcntl.F_RDLCK):
        try:
            os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except BlockingIOError:
            print("the writer has to wait")
    return answer

fcntl.fcntl = ask_and_open
print("written:", is_being_written(path))
os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
print("the writer is let in")
"""


@pytest.fixture
def song(tmp_path: Path) -> bytes:
    path = tmp_path / "Jäzz.mp3"
    path.write_bytes(b"sound")
    return os.fsencode(path)


@where_writers_are_told
def test_a_file_is_being_written_while_its_writer_has_it_open(song: bytes) -> None:
    """From opening to closing, whether anything is written or not."""
    assert not is_being_written(song)
    for mode in ("ab", "r+b"):
        with open(song, mode):
            assert is_being_written(song)
            assert is_being_written(song)
        assert not is_being_written(song)


@where_writers_are_told
def test_readers_do_not_count(song: bytes) -> None:
    """A player that has the song open is no reason to wait."""
    with open(song, "rb"):
        assert not is_being_written(song)


def test_asking_leaves_the_file_as_it_was(song: bytes) -> None:
    """Neither its times nor its content change, and nobody is kept from it afterwards."""
    before = os.stat(song)
    is_being_written(song)

    after = os.stat(song)
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    with open(song, "ab") as file:
        file.write(b"more")


def test_what_is_no_file_is_not_being_written(tmp_path: Path) -> None:
    """A path that leads nowhere and a folder."""
    assert not is_being_written(os.fsencode(tmp_path / "absent.mp3"))
    assert not is_being_written(os.fsencode(tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no FIFOs")
def test_a_pipe_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its other end would wake up."""
    os.mkfifo(tmp_path / "pipe.mp3")
    monkeypatch.setattr("melwatch.platform.filesystem.open_shared", lambda path: pytest.fail(f"{path!r} was opened"))

    assert not is_being_written(os.fsencode(tmp_path / "pipe.mp3"))


@on_linux
def test_a_file_in_another_mans_hands_is_being_written(song: bytes) -> None:
    """Where another program holds a lease for writing, opening it fails instead of waiting."""
    import fcntl

    with open(song, "r+b") as file:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert is_being_written(song)


@on_linux
def test_no_descriptor_stays_open(song: bytes) -> None:
    """Whatever the answer was."""
    before = len(os.listdir("/proc/self/fd"))
    is_being_written(song)
    with open(song, "ab"):
        is_being_written(song)

    assert len(os.listdir("/proc/self/fd")) == before


@on_linux
def test_a_writer_who_comes_while_we_ask_ends_neither_us_nor_him(song: bytes) -> None:
    """The signal that tells of him is ignored, and he is let in a moment later."""
    done = subprocess.run(
        [sys.executable, "-c", WITH_A_WRITER_DURING_THE_LEASE, os.fsdecode(song)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["the writer has to wait", "written: False", "the writer is let in"]
