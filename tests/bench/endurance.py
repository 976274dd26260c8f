"""Run the real daemon for long, and see that it costs nothing, grows nothing and breaks no reader.

    python tests/bench/endurance.py idle FOLDER [--files 10000] [--minutes 10]
    python tests/bench/endurance.py passes FOLDER [--passes 2000] [--seed 1]
    python tests/bench/endurance.py readers FOLDER [--versions 300]

FOLDER is made, and may be deleted afterwards. Each prints what it saw as JSON, and ends with 1
where a limit is broken. Songs are short and spectrograms small, so that only melwatch itself is
measured. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from building import tone
from daemons import running
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = {"MELWATCH_SPECTROGRAM__WINDOW_S": "0.1", "MELWATCH_SPECTROGRAM__WINDOWS_PER_TRACK": "1"}
AT_ONCE = {"MELWATCH_WATCH__SETTLE_S": "0", "MELWATCH_SCHEDULE__QUIET_S": "0.1"}
GENRES = ("Blues", "Folk", "Jazz", "Rock", "Ska")

MOST_IDLE_MB, MOST_IDLE_CPU = 80, 0.003
MOST_GROWTH_MB, MOST_GROWTH = 6, 3


def song(number: int) -> bytes:
    """Return one of any number of different short songs."""
    return tone(200 + number * 0.31, 0.3)


def idle(rig: Rig, files: int, minutes: float) -> dict[str, Any]:
    """Leave the daemon alone over a large library: what it holds, computes and writes meanwhile."""
    for number in range(files):
        folder = rig.music / GENRES[number % len(GENRES)] / f"Album {number // 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.mp3").write_bytes(song(number))
    rig.environment.update(SMALL)
    with running(rig) as daemon:
        daemon.wait_for(lambda: rig.status()["tracks"]["ready"] == files, 1800)
        daemon.wait_for(lambda: rig.status()["state"] == "idle" and not daemon.children(), 1800)
        time.sleep(20)
        before, began_s = daemon.cost(), time.monotonic()
        state = _files(rig.state), _files(rig.dataset)
        most = 0
        while time.monotonic() - began_s < minutes * 60:
            most = max(most, daemon.memory_bytes())
            time.sleep(5)
        seconds, after = time.monotonic() - began_s, daemon.cost()
        seen = {
            "files": files,
            "minutes": round(seconds / 60, 1),
            "memory_mb": round(most / 1e6, 1),
            "cpu_share": round((after["cpu_s"] - before["cpu_s"]) / seconds, 5),
            "written_bytes": after["written_bytes"] - before["written_bytes"],
            "files_touched": (_files(rig.state), _files(rig.dataset)) != state,
        }
    seen["holds"] = (
        seen["memory_mb"] <= MOST_IDLE_MB
        and seen["cpu_share"] <= MOST_IDLE_CPU
        and seen["written_bytes"] == 0
        and not seen["files_touched"]
    )
    return seen


def passes(rig: Rig, wanted: int, seed: int) -> dict[str, Any]:
    """Change the library at random for so many passes: what the daemon holds at a tenth and at the end."""
    chance = random.Random(seed)  # noqa: S311  to be repeatable
    library = _Library(rig.music, chance)
    for _ in range(40):
        library.add()
    rig.environment.update(SMALL | AT_ONCE | {"MELWATCH_SCHEDULE__PUBLISH": "5s", "MELWATCH_DATASET__KEEP_HOURS": "0"})
    held: list[dict[str, int]] = []
    with running(rig) as daemon:
        daemon.wait_for(lambda: rig.status()["version"] == 1, 120)
        while (done := _passes_done(rig)) < wanted:
            library.change()
            daemon.wait_for(lambda done=done: _passes_done(rig) > done, 60)
            if done // 50 > len(held):
                held.append({"passes": done} | daemon.holds())
                print(json.dumps(held[-1]), file=sys.stderr, flush=True)
        daemon.wait_for(lambda: daemon.songs() == library.names(), 120)
        status = rig.status()
    early, late = _most(held[len(held) // 10 : len(held) // 5 + 1]), _most(held[-len(held) // 10 - 1 :])
    grown = {key: late[key] - early[key] for key in ("memory_bytes", "descriptors", "threads")}
    return {
        "passes": done, "seed": seed, "version": status["version"], "tracks": status["tracks"],
        "early": early, "late": late, "grown": grown,
        "holds": grown["memory_bytes"] <= MOST_GROWTH_MB * 1e6
        and grown["descriptors"] <= MOST_GROWTH and grown["threads"] <= MOST_GROWTH,
    }  # fmt: skip


READER = """
import json, pickle, subprocess, sys
import melwatch
from datasets import load_from_disk
place, mode = sys.argv[1:]
old = load_from_disk(place + "/music_lib")
was = {split: list(part[:]["paths"]) for split, part in old.items()}
loads = overlaps = 0
versions = set()
while True:
    before = melwatch.current_version(place)
    opened = melwatch.load(place) if mode == "load" else load_from_disk(place + "/music_lib")
    splits = [set(part["paths"]) for part in opened.values()]
    if sum(map(len, splits)) != len(set().union(*splits)):
        overlaps += 1
        assert mode != "load", "splits overlap"
        twice = {path for part in splits for path in part if sum(path in other for other in splits) > 1}
        placed = {path: set() for path in twice}
        for number in range(before, melwatch.current_version(place) + 1):
            for split, part in melwatch.load(place, version=number).items():
                for path in twice.intersection(part["paths"]):
                    placed[path].add(split)
        assert all(len(known) > 1 for known in placed.values()), "in two splits, yet not moved"
    if before == melwatch.current_version(place):
        versions.add(before)
    loads += 1
    if loads % 50 == 0:
        assert {split: list(part[:]["paths"]) for split, part in old.items()} == was
        again = pickle.dumps(old["train"])
        code = "import pickle, sys; print(len(pickle.load(sys.stdin.buffer)[:]['paths']))"
        told = subprocess.run([sys.executable, "-c", code], input=again, capture_output=True, check=True)
        assert int(told.stdout) == len(was["train"])
    print(json.dumps({"loads": loads, "versions": len(versions), "overlaps": overlaps}), flush=True)
"""


def readers(rig: Rig, wanted: int) -> dict[str, Any]:
    """Publish so many versions while one process loops `melwatch.load` and another `load_from_disk`."""
    library = _Library(rig.music, random.Random(2))  # noqa: S311  as above
    for _ in range(60):
        library.add()
    rig.environment.update(SMALL | AT_ONCE)
    with running(rig) as daemon:
        daemon.wait_for(lambda: rig.status()["version"] == 1, 120)
        watchers = {
            mode: subprocess.Popen(
                [sys.executable, "-c", READER, str(rig.dataset), mode],
                stdout=(rig.state.parent / f"{mode}.out").open("wb"),
                stderr=(rig.state.parent / f"{mode}.err").open("wb"),
            )
            for mode in ("load", "load_from_disk")
        }
        try:
            while (version := rig.current()["version"]) < wanted:
                library.change()
                daemon.wait_for(lambda version=version: rig.current()["version"] > version, 60)
                broken = [mode for mode, watcher in watchers.items() if watcher.poll() is not None]
                if broken:
                    raise SystemExit((rig.state.parent / f"{broken[0]}.err").read_text())
        finally:
            for watcher in watchers.values():
                watcher.terminate()
                watcher.wait()
    told = {mode: json.loads((rig.state.parent / f"{mode}.out").read_text().splitlines()[-2]) for mode in watchers}
    return {"versions": version, **told, "holds": True}


class _Library:
    """A library that is changed at random, and what it should hold."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root, self.chance, self.made = root, chance, 0
        self.songs: list[Path] = []

    def names(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.songs}

    def add(self) -> None:
        path = self._place()
        path.write_bytes(song(self.made))
        self.songs.append(path)

    def change(self) -> None:
        choice = self.chance.choice((self.add, self._move, self._remove, self._replace))
        choice()

    def _place(self) -> Path:
        self.made += 1
        folder = self.root / GENRES[self.made % len(GENRES)] / self.chance.choice(("", "Album", "Live"))
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.made}.mp3"

    def _move(self) -> None:
        number = self.chance.randrange(len(self.songs))
        target = self._place()
        self.songs[number].rename(target)
        self.songs[number] = target

    def _remove(self) -> None:
        if len(self.songs) > 60:
            self.songs.pop(self.chance.randrange(len(self.songs))).unlink()
        else:
            self.add()

    def _replace(self) -> None:
        self.made += 1
        self.chance.choice(self.songs).write_bytes(song(self.made))


def _passes_done(rig: Rig) -> int:
    with closing(sqlite3.connect(rig.state / "manifest.sqlite3", timeout=10)) as db:
        return int(db.execute("SELECT coalesce(max(number), 0) FROM pass").fetchone()[0])


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _most(held: list[dict[str, int]]) -> dict[str, int]:
    return {key: max(one[key] for one in held) for key in held[0]}


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    options: dict[str, Callable[[argparse.ArgumentParser], object]] = {
        "idle": lambda at: (
            at.add_argument("--files", type=int, default=10_000),
            at.add_argument("--minutes", type=float, default=10),
        ),
        "passes": lambda at: (
            at.add_argument("--passes", type=int, default=2000),
            at.add_argument("--seed", type=int, default=1),
        ),
        "readers": lambda at: at.add_argument("--versions", type=int, default=300),
    }
    for name, add in options.items():
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        add(command)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    rig = Rig.at(given.folder)
    os.environ["HF_HUB_OFFLINE"] = "1"
    match given.command:
        case "idle":
            seen = idle(rig, given.files, given.minutes)
        case "passes":
            seen = passes(rig, given.passes, given.seed)
        case _:
            seen = readers(rig, given.versions)
    print(json.dumps(seen, indent=2))
    sys.exit(0 if seen["holds"] else 1)


if __name__ == "__main__":
    main()
