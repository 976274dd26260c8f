"""One writer at a time for each state folder, and the name of whoever that is."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from melwatch import system
from melwatch.errors import LockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(state: Path, now: datetime) -> Iterator[None]:
    """Hold the lock of a state folder; the system releases it whatever becomes of the process.

    Raises `LockedError`, naming the holder, where another process has it.
    """
    path = state / "lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not system.try_lock(handle):
            raise LockedError(f"Another melwatch is at work on {state}: {holder(path)}", "Wait for it, or stop it.")
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, _introduction(now))
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def holder(path: Path) -> str:
    """Say who wrote the lock file last."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"process {told['pid']} on {told['host']} ({told['command']}), since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not given its name"


def holder_pid(state: Path) -> int | None:
    """Return the process that holds the lock of a state folder, as far as its file tells; None for nobody."""
    import psutil

    try:
        told = json.loads((state / "lock").read_text(encoding="utf-8"))
        process = psutil.Process(int(told["pid"]))
        is_same = told["host"] == socket.gethostname() and process.create_time() <= _seconds(told["since"]) + 1
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process.pid if is_same else None


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _introduction(now: datetime) -> bytes:
    command = " ".join(sys.argv)[:200].encode("utf-8", "backslashreplace").decode()
    told = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "since": now.isoformat()}
    return json.dumps(told).encode()
