"""What systemd hears from the daemon."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from melwatch_systemd.notify import Notify, take_notify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such sockets for Python")


class Ear:
    """A socket like the one that systemd listens at."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> list[str]:
        """Return the messages that have come since it was asked last."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ear]:
    """An ear at either kind of address."""
    ear = Ear(str(tmp_path / "notify") if request.param == "path" else f"@melwatch-test-{os.getpid()}")
    with ear.socket:
        yield ear


def test_a_life_is_told_in_the_words_of_the_protocol(ear: Ear) -> None:
    """Ready, what it is at, and that it stops."""
    face = Notify(ear.address)
    face.ready()
    face.progress("extracting: 1 of 2\nfiles")
    face.progress("extracting: 1 of 2\nfiles")
    face.progress("idle")
    face.stopping()
    assert ear.heard() == [
        "READY=1", "STATUS=extracting: 1 of 2 files", "STATUS=idle", "STOPPING=1\nSTATUS=stopping"
    ]  # fmt: skip
    assert not face.is_watched


def test_the_watchdog_is_fed_in_time_but_not_at_each_round(ear: Ear) -> None:
    """At the first round, and again when a quarter of its interval is over."""
    now_s = 100.0
    face = Notify(ear.address, watchdog_s=8.0, clock=lambda: now_s)
    assert face.is_watched
    for now_s in (100.0, 101.0, 102.0, 103.0, 104.5):  # noqa: B007  the clock reads it
        face.progress("idle")
    assert ear.heard() == ["STATUS=idle\nWATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]


def test_what_systemd_says_is_for_this_process_alone() -> None:
    """It is taken out of the environment, and a watchdog of another process is none."""
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    face = take_notify(environment)
    assert face is not None
    assert face.is_watched
    assert environment == {"HOME": "/"}
    other = take_notify({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"})
    assert other is not None
    assert not other.is_watched
    assert take_notify({}) is None


def test_a_supervisor_that_is_gone_does_not_end_the_daemon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and that is all."""
    Notify(str(tmp_path / "nobody")).ready()
    assert "could not be told READY=1" in caplog.text
