"""One writer at a time, whatever becomes of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from melwatch.errors import LockedError
from melwatch.manifest.lock import holder, holder_pid, locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ELEVEN = NOON - timedelta(hours=1)
HOLD = """
import sys
from datetime import datetime
from pathlib import Path
from melwatch.manifest.lock import locked
with locked(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(state: Path, now: datetime = ELEVEN) -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, str(state), now.isoformat()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_holder_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    """While another process is at work, the error says which and since when."""
    with another_process(tmp_path) as first:
        with pytest.raises(LockedError) as raised, locked(tmp_path, NOON):
            pass
        assert holder(tmp_path / "lock").startswith(f"process {first.pid} ")

    assert raised.value.exit_code == 3
    for words in (f"process {first.pid} ", socket.gethostname(), "2024-05-01T11:00:00+00:00", str(tmp_path)):
        assert words in raised.value.what


def test_a_refused_holder_takes_nothing_from_the_first(tmp_path: Path) -> None:
    """Being refused any number of times leaves lock and name with who has them."""
    with another_process(tmp_path) as first:
        for _ in range(3):
            with pytest.raises(LockedError, match=f"process {first.pid} "), locked(tmp_path, NOON):
                pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The system releases what a process held when it is killed, though its name is still written there."""
    with another_process(tmp_path) as first:
        first.kill()
        first.wait()

        with locked(tmp_path, NOON):
            assert holder(tmp_path / "lock").startswith(f"process {os.getpid()} ")


def test_the_lock_is_free_when_its_holder_is_done(tmp_path: Path) -> None:
    """One after the other may hold it, and afterwards nobody's name is left."""
    with another_process(tmp_path) as first:
        assert first.stdin is not None
        first.stdin.close()
        assert first.wait() == 0

        for _ in range(2):
            with locked(tmp_path, NOON):
                assert json.loads((tmp_path / "lock").read_text())["since"] == "2024-05-01T12:00:00+00:00"
            assert (tmp_path / "lock").read_bytes() == b""


def test_the_lock_is_free_after_an_exception(tmp_path: Path) -> None:
    """Work that fails does not keep the next from beginning."""
    with pytest.raises(KeyboardInterrupt), locked(tmp_path, NOON):
        raise KeyboardInterrupt

    with locked(tmp_path, NOON):
        assert holder(tmp_path / "lock").startswith(f"process {os.getpid()} ")


def test_locks_of_different_state_folders_are_different(tmp_path: Path) -> None:
    """Two datasets can be worked on at once."""
    (tmp_path / "other").mkdir()

    with another_process(tmp_path), locked(tmp_path / "other", NOON):
        assert holder(tmp_path / "other" / "lock").startswith(f"process {os.getpid()} ")


@pytest.mark.parametrize("content", [None, b"", b'{"pid": 1', b"\xff\xfe", b'{"pid": 1}', b"[]", b"null", b"5"])
def test_a_holder_without_a_name_is_told_as_such(tmp_path: Path, content: bytes | None) -> None:
    """A lock file that says nothing useful is no error in itself."""
    if content is not None:
        (tmp_path / "lock").write_bytes(content)

    assert holder(tmp_path / "lock") == "a process that has not given its name"


def test_a_command_line_that_is_not_text_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments may hold any bytes and be of any length."""
    monkeypatch.setattr(sys, "argv", ["melwatch", os.fsdecode(b"/music/caf\xe9"), "x" * 1000])

    with locked(tmp_path, NOON):
        words = holder(tmp_path / "lock")

    assert "melwatch /music/caf" in words
    assert len(words) < 400


# Which process has the lock.


@contextmanager
def saying(state: Path, content: bytes) -> Iterator[None]:
    """Hold the lock while its file says something else than it should."""
    with locked(state, NOON):
        (state / "lock").write_bytes(content)
        yield


def told(**values: object) -> bytes:
    """Return what this process would write, but for some values."""
    own = {"pid": os.getpid(), "host": socket.gethostname(), "command": "melwatch", "since": NOON.isoformat()}
    return json.dumps({**own, **values}).encode()


def test_a_holder_is_known_by_its_number(tmp_path: Path) -> None:
    """Whoever looks for the daemon finds the process that took the lock, be it another or the same."""
    with another_process(tmp_path) as other:
        assert holder_pid(tmp_path) == other.pid
    with locked(tmp_path, NOON):
        assert holder_pid(tmp_path) == os.getpid()


@pytest.mark.parametrize("years", [-50, 50])
def test_a_holder_is_known_whatever_the_clock_said(tmp_path: Path, years: int) -> None:
    """A clock that was set after the lock was taken hides nobody."""
    with another_process(tmp_path, NOON + timedelta(days=365 * years)) as other:
        assert holder_pid(tmp_path) == other.pid


def test_asking_takes_the_lock_from_nobody(tmp_path: Path) -> None:
    """While one process asks again and again, others take the lock whenever they want."""
    ask = "import sys\nfrom pathlib import Path\nfrom melwatch.manifest.lock import holder_pid\n"
    ask += "print('asks', flush=True)\nwhile True: holder_pid(Path(sys.argv[1]))"
    with locked(tmp_path, NOON):
        pass
    with subprocess.Popen([sys.executable, "-c", ask, str(tmp_path)], stdout=subprocess.PIPE, text=True) as asker:
        try:
            assert asker.stdout is not None
            assert asker.stdout.readline() == "asks\n"
            for _ in range(50):
                with locked(tmp_path, NOON):
                    pass
        finally:
            asker.kill()


def test_nobody_holds_a_lock_that_was_released_or_never_taken(tmp_path: Path) -> None:
    """A folder without a lock, without a file even, has no holder."""
    assert holder_pid(tmp_path / "nowhere") is None
    assert holder_pid(tmp_path) is None
    with locked(tmp_path, NOON):
        pass
    assert holder_pid(tmp_path) is None


def test_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    """The name of one that was killed is still written there, and means nobody."""
    with another_process(tmp_path) as other:
        assert holder_pid(tmp_path) == other.pid
        other.kill()
        other.wait()

        assert (tmp_path / "lock").stat().st_size > 0
        assert holder_pid(tmp_path) is None


def test_a_name_alone_is_no_lock(tmp_path: Path) -> None:
    """A file that names a living process means nothing while nobody holds the lock."""
    (tmp_path / "lock").write_bytes(told())

    assert holder_pid(tmp_path) is None


def test_a_process_of_another_machine_is_not_looked_for_here(tmp_path: Path) -> None:
    """A state folder may lie on a network drive."""
    with saying(tmp_path, told(host=socket.gethostname() + ".elsewhere")):
        assert holder_pid(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"[]", b"null", b"5", b'"pid"', b"{}", b'{"pid": 1}',
        told(pid=None), told(pid="x"), told(pid=[]), told(pid=1, host=None),
    ],
)  # fmt: skip
def test_a_holder_that_says_nonsense_is_nobody(tmp_path: Path, content: bytes) -> None:
    """Whatever is written there, looking for the holder is no error."""
    with saying(tmp_path, content):
        assert holder_pid(tmp_path) is None
