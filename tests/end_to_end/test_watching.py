"""`status --watch` in a terminal of its own, in a pipe, and beside a daemon."""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from building import library, songs
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")]

HOSTILE = "Ro[red]ck\x1b[31m"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A dataset of one genre with a hostile name, after its first pass."""
    rig = Rig.at(tmp_path)
    library(rig.music, {HOSTILE: songs(6)})
    rig.sync()
    return rig


def heed_ctrl_c() -> None:
    """Have the process end by it though the tests run in the background, where shells have it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A pseudo terminal with the command in it."""

    def __init__(self, rig: Rig, rows: int, columns: int) -> None:
        import fcntl
        import pty
        import termios

        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            rig.command("status", "--watch"),
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**{k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}, "TERM": "xterm-256color"},
            preexec_fn=lambda: (heed_ctrl_c(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),  # noqa: PLW1509  there are no threads
        )  # fmt: skip
        os.close(theirs)
        self.said = b""

    def read_until(self, is_enough: Callable[[bytes], bool], timeout_s: float = 60) -> None:
        """Read what comes until it is enough."""
        until_s = time.monotonic() + timeout_s
        while not is_enough(self.said):
            assert time.monotonic() < until_s, self.said
            if select.select([self.ours], [], [], 0.1)[0]:
                try:
                    self.said += os.read(self.ours, 65536)
                except OSError:  # the other end is closed
                    assert is_enough(self.said), self.said
                    return

    def end_by_ctrl_c(self) -> int:
        """Type it; return the exit code."""
        os.write(self.ours, b"\x03")
        self.read_until(lambda said: b"\x1b[?1049l" in said)
        code = self.process.wait(20)
        os.close(self.ours)
        return code


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (50, 160)])
def test_it_fills_a_terminal_until_ctrl_c(rig: Rig, rows: int, columns: int) -> None:
    """It is drawn again and again on a screen of its own, which is left as it was; names do nothing there."""
    terminal = Terminal(rig, rows, columns)
    terminal.read_until(lambda said: said.count(b"1 genre, 6 songs") >= 3)
    assert terminal.end_by_ctrl_c() == 0
    assert terminal.said.count(b"\x1b[?1049h") == 1
    assert b"Ro[red]ck\\x1b[31m" in terminal.said
    assert b"\x1b[31m" not in terminal.said.replace(b"\\x1b[31m", b"")
    assert b"\x1b[2J" not in terminal.said.partition(b"1 genre")[2]  # clearing is what flickers


def test_a_pipe_gets_it_whenever_it_changes(rig: Rig) -> None:
    """Once at first, and once more after another pass; as a line of JSON each for programs."""
    command = rig.command("status", "--watch", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=heed_ctrl_c) as process:  # noqa: PLW1509
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        library(rig.music, {HOSTILE: songs(1, first=20)})
        rig.run("sync")
        while (now := json.loads(process.stdout.readline()))["version"] == first["version"]:
            assert now != first
        assert now["tracks"]["ready"] == 7
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
