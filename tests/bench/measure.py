"""Run a command and measure its whole process tree: time, memory, bytes written.

    python tests/bench/measure.py -- melwatch sync --music MUSIC --dataset DATASET

Memory is the sum of PSS (shared pages counted once) over the process and its descendants, sampled.
CPU time and bytes written come from the kernel's accounts of waited-for children, so that they hold
the short-lived ones too; this process adopts orphans for that. Off Linux memory is the sum of RSS
and bytes written are not known.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PR_SET_CHILD_SUBREAPER = 36
_ORPHANS_S = 10.0
_LOOK_SHARE = 25
_OUTPUT_CHARACTERS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run took."""

    wall_s: float
    cpu_s: float
    other_cpu_s: float
    """CPU time that the rest of the machine took meanwhile: how far to trust `wall_s`."""
    peak_memory_bytes: int
    written_bytes: int | None
    exit_code: int
    output: str
    """The end of what it printed, both streams."""


def measure(command: Sequence[str], *, env: Mapping[str, str] | None = None, interval_s: float = 0.08) -> Measured:
    """Run to the end; `env` is added to this process's environment."""
    _adopt_orphans()
    cpu_s, busy_s, written = _children_cpu_s(), _busy_s(), _written_bytes()
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        memory = _MemoryWatch(process.pid, interval_s)
        memory.start()
        exit_code = process.wait()
        wall_s = time.perf_counter() - begin
        memory.stop()
        _reap_orphans()
        output.seek(0)
        printed = output.read().decode(errors="replace")
    cpu_s, busy_s = _children_cpu_s() - cpu_s, _busy_s() - busy_s
    written_now = _written_bytes()
    return Measured(
        wall_s=wall_s,
        cpu_s=cpu_s,
        other_cpu_s=max(0.0, busy_s - cpu_s),
        peak_memory_bytes=memory.peak_bytes,
        written_bytes=None if written is None or written_now is None else written_now - written,
        exit_code=exit_code,
        output=printed[-_OUTPUT_CHARACTERS:],
    )


def size_on_disk(*folders: Path) -> int:
    """Bytes of all files below these folders."""
    files = (path for folder in folders for path in folder.rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


class _MemoryWatch(threading.Thread):
    """Samples the memory of a process tree until told to stop."""

    def __init__(self, pid: int, interval_s: float) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._pid = pid
        self._interval_s = interval_s
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            begin = time.perf_counter()
            self.peak_bytes = max(self.peak_bytes, sum(map(_memory_bytes, _tree(self._pid))))
            # Looking at large processes is dear: it shall not slow down what is measured.
            seconds = time.perf_counter() - begin
            self._stopped.wait(max(self._interval_s, _LOOK_SHARE * seconds))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _tree(pid: int) -> list[int]:
    """This process and all its descendants."""
    if sys.platform != "linux":
        with suppress(psutil.Error):
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        return [pid]
    # psutil would read every process of the machine for this.
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def _memory_bytes(pid: int) -> int:
    """PSS of one process; 0 if it has just ended."""
    with suppress(OSError, psutil.Error):
        if sys.platform != "linux":
            return psutil.Process(pid).memory_info().rss
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        for line in rollup.splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _busy_s() -> float:
    """CPU time of the whole machine, idle and waiting left out."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def _written_bytes() -> int | None:
    """Bytes that this process and its reaped children caused to be written to storage."""
    with suppress(OSError):
        for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
    return None


def _adopt_orphans() -> None:
    """Let grandchildren whose parent ends become ours, so that their accounts reach us."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _reap_orphans() -> None:
    if sys.platform == "linux":
        patience_s = time.monotonic() + _ORPHANS_S
        with suppress(ChildProcessError):
            while time.monotonic() < patience_s:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    time.sleep(0.01)


def main() -> None:
    """Measure one command; its own output goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="+")
    measured = measure(parser.parse_args().command)
    sys.stderr.write(measured.output)
    numbers = asdict(measured)
    del numbers["output"]
    print(json.dumps(numbers))
    sys.exit(measured.exit_code)


if __name__ == "__main__":
    main()
