"""What a change costs in libraries of different sizes, and what reading costs after many changes.

    python tests/bench/scale.py one-song FOLDER [--files 10000 100000] [--rounds 5]
    python tests/bench/scale.py no-change FOLDER [--files 100000] [--rounds 5]
    python tests/bench/scale.py memory FOLDER [--files 100000]
    python tests/bench/scale.py rename FOLDER [--files 2000]
    python tests/bench/scale.py reading FOLDER [--publishes 500]

Libraries are made below FOLDER where they are not there yet, and may be used again. Songs are short, and
their spectrograms of 3 kB but for `rename`, where they have their full size: that takes 20 GB for a while.
Each command prints a table for `docs/scale.md`. A pass is timed by itself, from its begin to its record, and
the whole `melwatch sync` with it. Linux only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import Measured, measure
from scale_library import published
from scale_reading import reading

from building import tone
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Sequence

MB = 1e6


def pass_seconds(rig: Rig) -> float:
    """Return how long the last pass took by its own record."""
    with closing(sqlite3.connect(rig.state / "manifest.sqlite3", timeout=10)) as db:
        return float(db.execute("SELECT seconds FROM pass ORDER BY number DESC LIMIT 1").fetchone()[0])


def sync(rig: Rig) -> Measured:
    """Run and measure one pass."""
    done = measure(rig.command("sync"), env=rig.environment)
    assert done.exit_code == 0, done.output
    return done


def add_song(rig: Rig) -> None:
    """Put one song into the library that it did not have."""
    folder = rig.music / "Genre 01" / "New"
    folder.mkdir(parents=True, exist_ok=True)
    moment = time.time_ns()
    (folder / f"{moment}.mp3").write_bytes(tone(200 + moment // 1000 % 1_000_000 / 100, 0.25))


def one_song(folder: Path, sizes: Sequence[int], rounds: int) -> None:
    """One song more, by turns in each library."""
    rigs = {size: published(folder / f"lib{size}", size) for size in sizes}
    taken: dict[int, list[tuple[float, ...]]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, rig in rigs.items():
            add_song(rig)
            done = sync(rig)
            taken[size].append((pass_seconds(rig), done.wall_s, done.cpu_s, (done.written_bytes or 0) / MB))
    print("| tracks | pass, s | `melwatch sync`, s | its CPU time, s | written, MB |\n|--:|--:|--:|--:|--:|")
    middle = {size: [median(values) for values in zip(*rows, strict=True)] for size, rows in taken.items()}
    for size, (seconds, wall_s, cpu_s, written) in middle.items():
        print(f"| {size:,} | {seconds:.2f} | {wall_s:.2f} | {cpu_s:.2f} | {written:.1f} |")
    first, last = middle[sizes[0]], middle[sizes[-1]]
    ratios = [much / little for much, little in zip(last, first, strict=True)]
    of_what = f"{sizes[-1]:,} / {sizes[0]:,}"
    print(f"\n{of_what}: pass {ratios[0]:.2f}, CPU time {ratios[2]:.2f}, written {ratios[3]:.2f}")


def walk(root: Path) -> int:
    """List all folders and ask for the facts of each entry, and nothing else."""
    waiting, files = [os.fspath(root)], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                entry.stat()
                if entry.is_dir():
                    waiting.append(entry.path)
                else:
                    files += 1
    return files


def no_change(folder: Path, sizes: Sequence[int], rounds: int) -> None:
    """A pass where nothing has changed, against a bare walk, by turns."""
    print("| files | bare walk, s | pass, s | `melwatch sync`, s | pass / (2 walks + 1 s) |\n|--:|--:|--:|--:|--:|")
    for size in sizes:
        rig = published(folder / f"lib{size}", size)
        sync(rig)
        walks, passes, walls = [], [], []
        for _ in range(rounds):
            begin = time.perf_counter()
            files = walk(rig.music)
            walks.append(time.perf_counter() - begin)
            walls.append(sync(rig).wall_s)
            passes.append(pass_seconds(rig))
        bare, seconds = median(walks), median(passes)
        print(f"| {files:,} | {bare:.2f} | {seconds:.2f} | {median(walls):.2f} | {seconds / (2 * bare + 1):.2f} |")


def memory(folder: Path, sizes: Sequence[int]) -> None:
    """The most that each process of a pass holds that takes in and publishes one song."""
    print("| tracks | coordinator, MB | publisher, MB | its own, without mapped files, MB |\n|--:|--:|--:|--:|")
    for size in sizes:
        rig = published(folder / f"lib{size}", size)
        add_song(rig)
        process = subprocess.Popen(
            rig.command("sync"),
            env={**os.environ, **rig.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        peaks: dict[int, tuple[float, float]] = {}
        watch = threading.Thread(target=_watch, args=(process, peaks))
        watch.start()
        assert process.wait() == 0
        watch.join()
        coordinator = peaks.pop(process.pid)[0]
        largest, own = max(peaks.values())
        print(f"| {size:,} | {coordinator:.0f} | {largest:.0f} | {own:.0f} |")


def _watch(process: subprocess.Popen[bytes], peaks: dict[int, tuple[float, float]]) -> None:
    """Note the most resident memory, and anonymous memory, of each process of a tree."""
    while process.poll() is None:
        found = [process.pid]
        for pid in found:
            with suppress(OSError, ValueError, KeyError):  # it has ended
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text(encoding="ascii").split())
                lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
                facts = dict(line.split(":", 1) for line in lines)
                most, own = (int(facts[name].split()[0]) * 1024 / MB for name in ("VmHWM", "RssAnon"))
                peaks[pid] = most, max(own, peaks.get(pid, (0.0, 0.0))[1])
        time.sleep(0.01)


def rename(folder: Path, files: int) -> None:
    """A genre's folder gets another name, against a plain copy of the bytes in its shards, by turns."""
    place = folder / f"genre{files}"
    rig = Rig.at(place)
    if not rig.music.exists():
        for number in range(files):
            file = rig.music / "Rock" / f"Album {number // 12}" / f"{number}.mp3"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(tone(200 + number * 0.7, 0.25))
        rig.run("sync", timeout=7200)
    library = rig.dataset / "music_lib"
    print("| tracks | shards, GB | plain copy, s | pass, s | pass / copy | extracted |\n|--:|--:|--:|--:|--:|--:|")
    for before, after in (("Rock", "Beat"), ("Beat", "Rock")):
        shards = sorted(library.glob("*/*.arrow"), key=lambda shard: shard.stat().st_mtime_ns)
        size = sum(shard.stat().st_size for shard in shards)
        begin = time.perf_counter()
        _copy(shards, place / "copy")
        copy_s = time.perf_counter() - begin
        shutil.rmtree(place / "copy")
        (rig.music / before).rename(rig.music / after)
        sync(rig)
        extracted = rig.status()["last_pass"]["extracted"]
        seconds = pass_seconds(rig)
        print(
            f"| {files:,} | {size / 1e9:.2f} | {copy_s:.1f} | {seconds:.1f} | {seconds / copy_s:.2f} | {extracted} |",
            flush=True,
        )
        for shard in shards:  # else the next copy would be twice as large
            shard.unlink()
        for version in sorted((library / "versions").iterdir())[:-1]:
            shutil.rmtree(version)


def _copy(files: Sequence[Path], target: Path) -> None:
    """Copy files as `cp` does, and flush each to the disk."""
    target.mkdir()
    for number, file in enumerate(files):
        with file.open("rb") as source, (target / str(number)).open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 22)
            copy.flush()
            os.fsync(copy.fileno())


def main() -> None:
    """Parse and run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("one-song", "no-change", "memory", "rename", "reading"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--publishes", type=int, default=500)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    os.environ["HF_HUB_OFFLINE"] = "1"
    match given.what:
        case "one-song":
            one_song(given.folder, given.files or [10_000, 100_000], given.rounds)
        case "no-change":
            no_change(given.folder, given.files or [100_000], given.rounds)
        case "memory":
            memory(given.folder, given.files or [10_000, 100_000])
        case "rename":
            rename(given.folder, (given.files or [2_000])[0])
        case "reading":
            reading(given.folder / "reading", given.publishes)


if __name__ == "__main__":
    main()
