"""One writer at a time, whatever becomes of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from melwatch.errors import LockedError
from melwatch.manifest.lock import holder, locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOLD = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from melwatch.manifest.lock import locked
with locked(Path(sys.argv[1]), datetime(2024, 5, 1, 11, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, str(state)]
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
