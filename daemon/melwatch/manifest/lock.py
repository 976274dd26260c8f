"""One writer at a time for each state folder, and the name of whoever that is."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from melwatch.config.secret import without_secrets
from melwatch.errors import LockedError
from melwatch.platform import system

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


_GLANCE_S, _GLANCES = 0.05, 10
"""Whoever only asks holds the lock for a moment; one that is taken stays taken for longer."""


@contextmanager
def locked(state: Path, now: datetime) -> Iterator[None]:
    """Hold the lock of a state folder; the system releases it whatever becomes of the process.

    Raises `LockedError`, naming the holder, where another process has it.
    """
    path = state / "lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(handle):
            raise LockedError(f"Another melwatch is at work on {state}: {holder(path)}", "Wait for it, or stop it.")
        try:
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, _introduction(now))
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    for _ in range(_GLANCES):
        if system.try_lock(handle):
            return True
        time.sleep(_GLANCE_S)
    return False


def holder(path: Path) -> str:
    """Say who wrote the lock file last."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"process {told['pid']} on {told['host']} ({told['command']}), since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has not given its name"


def holder_pid(state: Path) -> int | None:
    """Return the process that holds the lock of a state folder; None for nobody, or one of another machine."""
    path = state / "lock"
    try:
        if not _is_taken(path):
            return None
        told = json.loads(path.read_text(encoding="utf-8"))
        return int(told["pid"]) if told["host"] == socket.gethostname() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_taken(path: Path) -> bool:
    """Whether the lock is held: what is written in its file, a killed process or a moved clock may have left."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return not system.try_lock(handle, is_shared=True)
    finally:
        os.close(handle)


def _introduction(now: datetime) -> bytes:
    command = " ".join(without_secrets(sys.argv))[:200].encode("utf-8", "backslashreplace").decode()
    told = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "since": now.isoformat()}
    return json.dumps(told).encode()
