"""How long each page takes over a large library, and what the daemon holds in memory meanwhile.

    python tests/bench/large.py FOLDER          makes a library of 100,000 tracks
    python tests/bench/page.py FOLDER [--rounds 15] [--without]

It starts the daemon over FOLDER and prints, as JSON, the median of each page in milliseconds, and the
resident memory of the daemon's own process: most during the first pass, and at rest. It ends with 1
where a limit is broken. `--without` measures memory with the page off. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from large import small_spectrograms

from daemons import running
from running import Rig

MOST_MS = 200
MOST_IDLE_MB, MOST_IDLE_WITHOUT_MB, MOST_PASS_MB = 110, 80, 150
PAGES = (
    "/", "/genres", "/tracks", "/tracks?page=1000", "/tracks?page=2000&split=test", "/tracks?q=titel+99999",
    "/tracks?q=nowhere", "/tracks?state=failed", "/tracks?genre=Genre+16+%C3%9Cbung", "/tracks/1", "/tracks/77777",
    "/problems", "/problems?kind=duplicates", "/problems?kind=left_out", "/versions", "/api/status", "/api/overview",
    "/api/tracks", "/api/tracks/1", "/api/genres", "/metrics", "/healthz",
)  # fmt: skip


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Return what a process holds, or held at most (`VmHWM`), in megabytes."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(rf"{field}:\s+(\d+) kB", text)
    return round(int(found[1]) * 1024 / 1e6, 1) if found else 0.0


def times_ms(address: str, rounds: int) -> dict[str, float]:
    """Return the median of each page in milliseconds, each on a connection of its own."""
    host = address.removeprefix("http://")
    taken: dict[str, list[float]] = {path: [] for path in PAGES}
    for _ in range(rounds):
        for path in PAGES:
            began_s = time.perf_counter()
            connection = HTTPConnection(host, timeout=60)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            assert answer.status == 200, (path, answer.status)
            taken[path].append((time.perf_counter() - began_s) * 1e3)
    return {path: round(median(values), 1) for path, values in taken.items()}


def on_record(rig: Rig, question: str) -> Any:
    """Ask the manifest: `melwatch status` would work out all of a large library each time."""
    with closing(sqlite3.connect(rig.state / "manifest.sqlite3", timeout=10)) as db:
        return db.execute(question).fetchone()[0]


def main() -> None:
    """Start, wait, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--without", action="store_true")
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    rig = Rig.at(given.folder)
    has_page = not given.without
    rig.environment.update(small_spectrograms(given.folder))
    rig.environment.update({"MELWATCH_PAGE__ENABLED": str(has_page), "MELWATCH_PAGE__PORT": "0"})
    before = on_record(rig, "SELECT max(number) FROM pass")
    with running(rig) as daemon:
        pid = daemon.process.pid
        daemon.wait_for(lambda: on_record(rig, "SELECT max(number) FROM pass") != before, 1800)
        daemon.wait_for(lambda: not daemon.children(), 600)
        seen = {"pass_mb": memory_mb(pid, "VmHWM"), "idle_mb": memory_mb(pid)}
        if has_page:
            page = json.loads(on_record(rig, "SELECT value FROM meta WHERE key = 'page'"))
            seen["pages_ms"] = times_ms(page["address"], given.rounds)
            seen["after_visits_mb"] = memory_mb(pid)
    most_idle_mb = MOST_IDLE_MB if has_page else MOST_IDLE_WITHOUT_MB
    seen["holds"] = (
        seen["pass_mb"] <= MOST_PASS_MB
        and max(seen["idle_mb"], seen.get("after_visits_mb", 0)) <= most_idle_mb
        and all(value <= MOST_MS for value in seen.get("pages_ms", {}).values())
    )
    print(json.dumps(seen, indent=2))
    sys.exit(0 if seen["holds"] else 1)


if __name__ == "__main__":
    main()
