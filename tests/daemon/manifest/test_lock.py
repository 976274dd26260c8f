"""One writer at a time, whatever becomes of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import psutil
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
    for told in (f"process {first.pid} ", socket.gethostname(), "2024-05-01T11:00:00+00:00", str(tmp_path)):
        assert told in raised.value.what


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
        told = holder(tmp_path / "lock")

    assert "melwatch /music/caf" in told
    assert len(told) < 400


# Which process has the lock.


def now() -> datetime:
    return datetime.now(UTC)


def introduce(state: Path, **told: object) -> None:
    """Write a lock file of this process, but for what is `told`."""
    own = {"pid": os.getpid(), "host": socket.gethostname(), "command": "melwatch", "since": now().isoformat()}
    (state / "lock").write_text(json.dumps({**own, **told}))


def test_a_holder_that_is_alive_is_known_by_its_number(tmp_path: Path) -> None:
    """Whoever looks for the daemon finds the process that took the lock, be it another or the same."""
    with another_process(tmp_path, now() + timedelta(seconds=1)) as other:
        assert holder_pid(tmp_path) == other.pid

    with locked(tmp_path, now()):
        assert holder_pid(tmp_path) == os.getpid()
    introduce(tmp_path)
    assert holder_pid(tmp_path) == os.getpid()


def test_a_holder_is_known_however_long_it_has_run_before(tmp_path: Path) -> None:
    """A process may take the lock long after it began."""
    introduce(tmp_path, since=(now() + timedelta(days=300)).isoformat())

    assert holder_pid(tmp_path) == os.getpid()


def test_the_moment_counts_in_any_zone(tmp_path: Path) -> None:
    """A holder that writes another zone's time is recognised all the same."""
    zone = timezone(timedelta(hours=-9))
    introduce(tmp_path, since=now().astimezone(zone).isoformat())

    assert holder_pid(tmp_path) == os.getpid()


def test_nobody_holds_a_lock_that_was_released_or_never_taken(tmp_path: Path) -> None:
    """A folder without a lock, without a file even, has no holder."""
    assert holder_pid(tmp_path / "nowhere") is None
    assert holder_pid(tmp_path) is None
    with locked(tmp_path, now()):
        pass
    assert holder_pid(tmp_path) is None


def test_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    """The name of one that was killed is still written there, and means nobody."""
    with another_process(tmp_path, now() + timedelta(seconds=1)) as other:
        assert holder_pid(tmp_path) == other.pid
        other.kill()
        other.wait()

        assert (tmp_path / "lock").stat().st_size > 0
        assert holder_pid(tmp_path) is None


def test_another_process_of_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    """One that began after the lock was taken only has its number, as after a restart of the machine."""
    began = datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    introduce(tmp_path, since=(began - timedelta(seconds=5)).isoformat())
    assert holder_pid(tmp_path) is None

    introduce(tmp_path, since=began.isoformat())
    assert holder_pid(tmp_path) == os.getpid()


def test_a_process_of_another_machine_is_not_looked_for_here(tmp_path: Path) -> None:
    """A state folder may lie on a network drive."""
    introduce(tmp_path, host=socket.gethostname() + ".elsewhere")

    assert holder_pid(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b"5", b'"pid"', b"{}", b'{"pid": 1}'],
)
def test_a_lock_file_of_garbage_names_nobody(tmp_path: Path, content: bytes) -> None:
    """Whatever is written there, looking for the holder is no error."""
    (tmp_path / "lock").write_bytes(content)

    assert holder_pid(tmp_path) is None


@pytest.mark.parametrize(
    "told",
    [
        {"pid": None}, {"pid": "x"}, {"pid": -1}, {"pid": 2**70}, {"pid": []}, {"host": None}, {"since": "yesterday"},
        {"since": None}, {"since": 5},
    ],
)  # fmt: skip
def test_a_holder_that_says_nonsense_is_nobody(tmp_path: Path, told: dict[str, object]) -> None:
    """Each value is looked at with the same distrust."""
    introduce(tmp_path, **told)

    assert holder_pid(tmp_path) is None
