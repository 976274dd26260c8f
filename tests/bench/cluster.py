"""What a song costs on a Dask cluster beyond what it costs with the local engine, on one machine.

    python tests/bench/cluster.py [--songs 300] [--runs 3] [--workers 1,2,4]

Short made-up songs, so that little is decoded and each still sends its 3.1 MB. Both engines do the same
songs by turns, with as many processes; the table shows medians. Processor time is that of all processes
together: coordinator, scheduler, workers and their children. Starting up is left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from building import library, songs
from clusters import dask_cluster
from melwatch.extraction.ahead import start_children_server
from melwatch.extraction.delivery import deliveries
from melwatch.extraction.ingest import Setup, examine, identify_only, set_up
from melwatch.library.rules import Rules
from melwatch.library.scan import scan
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from melwatch.track import SeenFile

_LIMIT_S = 600.0
_WARM = 4
"""Songs that are done first, for each process."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one song took, in milliseconds."""

    wall_ms: float
    processor_ms: float


@contextmanager
def local(setup: Setup, files: Sequence[SeenFile], processes: int) -> Iterator[Any]:
    """Have the local engine ready."""
    del files
    start_children_server()
    with Workers[Any](processes=processes, timeout_s=lambda _: _LIMIT_S, initializer=set_up, initargs=(setup,)) as pool:
        yield pool


def cost(engine: Any, work: Callable[..., Any], files: Sequence[SeenFile], others: Sequence[int], warm: int) -> Cost:
    """Do the work on all files; the first ones only make ready."""
    paths = [file.path for file in files]
    for done in engine.map(work, paths[:warm]):
        assert done.loss is None
    cpu_s, began_s = _processor_s(others), time.perf_counter()
    count = 0
    for done in engine.map(work, paths[warm:]):
        assert done.result.error is None, done.result.error
        count += 1
    wall_s, cpu_s = time.perf_counter() - began_s, _processor_s(others) - cpu_s
    return Cost(wall_s / count * 1000, cpu_s / count * 1000)


def _processor_s(others: Sequence[int]) -> float:
    total = 0.0
    for pid in (os.getpid(), *others):
        family = psutil.Process(pid)
        for process in (family, *family.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
    return total


def compare(place: Path, workers: int, count: int, runs: int) -> None:
    """Print a line for each kind of work."""
    music = library(place / "music", {"Rock": songs(count)})
    root = os.fsencode(music)
    files = scan(root, Rules.of(extensions=(".mp3",), exclude=(), ignore=())).seen
    with dask_cluster(place / f"dask {workers}") as dask:
        for number in range(workers):
            dask.add(str(number))
        others = [dask.scheduler.pid, *(worker.pid for worker in dask.workers.values())]
        for work, name in ((identify_only, "identify, nothing sent"), (examine, "extract, 3.1 MB sent")):
            here, there = [], []
            for _ in range(runs):
                for engine, found in ((local, here), (None, there)):
                    setup = Setup(
                        root=root,
                        spool=place / "spool",
                        recipe=Recipe(),
                        ready=frozenset(),
                        memory_mb=1024,
                    )
                    setup.spool.mkdir()
                    opened = (
                        engine(setup, files, workers)
                        if engine
                        else deliveries(dask.address, setup, files, lambda _: _LIMIT_S)
                    )
                    with opened as ready:
                        found.append(cost(ready, work, files, others, _WARM * workers))
                    shutil.rmtree(setup.spool)
            _print_line(workers, name, here, there)


def _print_line(workers: int, name: str, here: Sequence[Cost], there: Sequence[Cost]) -> None:
    wall = [statistics.median(each.wall_ms for each in costs) for costs in (here, there)]
    cpu = [statistics.median(each.processor_ms for each in costs) for costs in (here, there)]
    cells = [f"{value:.1f}" for value in (*wall, wall[1] - wall[0], *cpu, cpu[1] - cpu[0])]
    print(f"| {workers} | {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--songs", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", default="1,2,4")
    given = parser.parse_args()
    print("| workers | work | local, ms a song | Dask | more | processor, local | Dask | more |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for workers in map(int, given.workers.split(",")):
        with tempfile.TemporaryDirectory() as place:
            compare(Path(place), workers, given.songs, given.runs)


if __name__ == "__main__":
    main()
