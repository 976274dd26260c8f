"""A real Dask cluster on this machine: scheduler and workers as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UP_S = 60.0


@dataclass
class Dask:
    """A scheduler, and its workers by name."""

    place: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def add(
        self, name: str, *, nanny: bool = True, threads: int = 1, environment: dict[str, str] | None = None,
        preload: str = "",
    ) -> psutil.Process:  # fmt: skip
        """Start a worker; return its own process, as soon as there is one, not the nanny's."""
        options = ["--name", name, "--nthreads", str(threads), "--no-dashboard"]
        options += ["--local-directory", str(self.place / name), "--nanny" if nanny else "--no-nanny"]
        if preload:
            file = self.place / f"{name}.py"
            file.write_text(preload, encoding="utf-8")
            options += ["--preload", str(file)]
        log = self.place / f"{name}.log"
        started = _start(log, "distributed.cli.dask_worker", self.address, *options, env=environment)
        self.workers[name] = started
        self._wait_for("Registered to:", log, started)
        return self.process(name, nanny=nanny)

    def process(self, name: str, *, nanny: bool = True) -> psutil.Process:
        """Return the process in which a worker runs now."""
        outer = psutil.Process(self.workers[name].pid)
        if not nanny:
            return outer
        return next(child for child in outer.children() if "spawn_main" in " ".join(child.cmdline()))

    def _wait_for(self, words: str, log: Path, process: subprocess.Popen[bytes]) -> None:
        end_s = time.monotonic() + _UP_S
        while words not in log.read_text(encoding="utf-8"):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < end_s, log.read_text(encoding="utf-8")
            time.sleep(0.05)


def _start(log: Path, module: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=out, stderr=out, env={**os.environ, **(env or {})}
        )


@contextmanager
def dask_cluster(place: Path) -> Iterator[Dask]:
    """Start a scheduler on a free port; end it and all its workers with everything they began."""
    place.mkdir(parents=True, exist_ok=True)
    log = place / "scheduler.log"
    scheduler = _start(log, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    dask = Dask(place, "", scheduler)
    with ExitStack() as ending:
        ending.callback(_end, dask)
        dask._wait_for("Scheduler at:", log, scheduler)
        (line,) = [line for line in log.read_text(encoding="utf-8").splitlines() if "Scheduler at:" in line]
        dask.address = line.split()[-1]
        yield dask


def _end(dask: Dask) -> None:
    for started in (*dask.workers.values(), dask.scheduler):
        kill_with_children(started)


def kill_with_children(started: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it began."""
    try:
        family = [*psutil.Process(started.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    started.kill()
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    started.wait()


def on(dask: Dask) -> dict[str, Any]:
    """Return the variables that have melwatch use it."""
    return {"MELWATCH_WORKERS__ENGINE": "dask", "MELWATCH_WORKERS__DASK": dask.address}
