"""The real daemon on folders of a test, and what can be seen of it from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
from datasets import load_from_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from running import Rig

QUICK = {"MELWATCH_WATCH__SETTLE_S": "1", "MELWATCH_SCHEDULE__QUIET_S": "1"}


class Daemon:
    """A running `melwatch run`, and what can be seen of it from outside."""

    def __init__(self, rig: Rig, process: subprocess.Popen[bytes]) -> None:
        self.rig = rig
        self.process = process

    def songs(self) -> set[str]:
        """Return the songs in the dataset as a reader finds it, below the music root."""
        try:
            opened = load_from_disk(str(self.rig.dataset / "music_lib"))
        except FileNotFoundError:
            return set()
        return {os.path.relpath(path, self.rig.music) for part in opened.values() for path in part["paths"]}

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 180) -> None:
        """Wait until something holds."""
        until_s = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until_s, self.log()
            time.sleep(0.1)

    def wait_for_songs(self, *names: str, timeout_s: float = 180) -> None:
        """Wait until the dataset holds just these songs."""
        self.wait_for(lambda: self.songs() == set(names), timeout_s)

    def wait_for_state(self, state: str) -> dict[str, Any]:
        """Wait until `status` says so; return all that it says."""
        self.wait_for(lambda: self.rig.status()["state"] == state)
        return self.rig.status()

    def children(self) -> list[psutil.Process]:
        """Return the processes below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def memory_bytes(self) -> int:
        """Return the resident memory of its whole tree."""
        tree = [psutil.Process(self.process.pid), *self.children()]
        return sum(process.memory_info().rss for process in tree)

    def cost(self) -> dict[str, float]:
        """Return the processor time that it and its ended children have taken, and what they wrote to disks."""
        process = psutil.Process(self.process.pid)
        return {"cpu_s": sum(process.cpu_times()[:4]), "written_bytes": process.io_counters().write_bytes}

    def holds(self) -> dict[str, int]:
        """Return what must not grow: memory of the daemon's own process, descriptors, threads."""
        process = psutil.Process(self.process.pid)
        return {
            "memory_bytes": process.memory_info().rss,
            "descriptors": process.num_fds(),
            "threads": process.num_threads(),
        }

    def log(self) -> str:
        """Return what the daemon has said so far."""
        return (self.rig.state.parent / "daemon.log").read_text(encoding="utf-8")

    def extracted(self) -> int:
        """Return how many songs were extracted in all, by its own account."""
        return sum(int(line.split()[1]) for line in self.log().splitlines() if " extracted, " in line)


@contextmanager
def running(rig: Rig) -> Iterator[Daemon]:
    """Run the daemon for as long as the block lasts; it must then end by itself, soon and well."""
    log = rig.state.parent / "daemon.log"
    with log.open("wb") as out:
        process = subprocess.Popen(rig.command("run"), stderr=out, env={**os.environ, **QUICK, **rig.environment})
    daemon = Daemon(rig, process)
    try:
        daemon.wait_for(lambda: "is running" in daemon.log())
        yield daemon
        if process.returncode is None:  # the test has not ended it itself
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0, daemon.log()
    finally:
        process.kill()
        process.wait()
