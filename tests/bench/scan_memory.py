"""What a look at a very large library costs: memory and seconds for so many files.

    python tests/bench/scan_memory.py FOLDER [--files 1000000]

FOLDER is made and holds that many names of a few files (hard links, 1,000 a folder), so it takes
next to no space. Measured are a scan, and a plan where all of it is known already, in a process of
their own each, and how much of the memory is melwatch's. Nothing is extracted: that costs the same
for each song however many there are. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

PER_FOLDER, PER_GENRE = 1000, 50_000

SCAN = """
import json, resource, sys, time
from melwatch.library.rules import Rules
from melwatch.library.scan import scan
from melwatch.passes.plan import make_plan
from melwatch.track import KnownFile
def peak_mb():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
rules = Rules.of(extensions=(".mp3",), exclude=(), ignore=())
idle_mb, began_s = peak_mb(), time.monotonic()
seen = scan(sys.argv[1].encode(), rules)
took_s = round(time.monotonic() - began_s, 1)
told = {"files": len(seen.seen), "idle_mb": idle_mb, "scan_s": took_s, "scan_mb": peak_mb()}
if sys.argv[2] == "plan":
    known = [KnownFile(path=file.path, stamp=file.stamp, read_ns=2**62, is_done=True) for file in seen.seen]
    began_s = time.monotonic()
    plan = make_plan(known, seen.seen)
    assert plan.unchanged == len(known)
    told |= {"plan_s": round(time.monotonic() - began_s, 1), "plan_mb": peak_mb()}
print(json.dumps(told))
"""


def fill(folder: Path, files: int) -> None:
    """Make so many names."""
    for start in range(0, files, PER_FOLDER):
        album = folder / f"Genre {start // PER_GENRE}" / f"Album {start // PER_FOLDER}"
        album.mkdir(parents=True)
        first = album / f"{start}.mp3"
        first.write_bytes(b"no song")
        for number in range(start + 1, min(start + PER_FOLDER, files)):
            os.link(first, album / f"{number}.mp3")


def main() -> None:
    """Parse, fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1_000_000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    fill(given.folder, given.files)
    for what in ("scan", "plan"):
        done = subprocess.run(
            [sys.executable, "-c", SCAN, str(given.folder), what], check=True, capture_output=True, text=True
        )
        print(done.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
