"""Edit a library at random, kill, fill disks, unmount, read and check for as long as told: nothing may break.

    python tests/bench/soak.py FOLDER [--minutes 60] [--seed N] [--quick]

The real daemon runs on FOLDER, which is made, while two programs read the dataset. From the seed,
which is printed, follows what is done, though not when melwatch comes to it. Every so often all
trouble is lifted, and once melwatch is in step the invariants are checked:

* manifest = tree: every file has a row or a reason, and the balance adds up;
* dataset = manifest: it shows each song that it should once, with its genre and its own numbers;
* the splits are disjoint and stay what they were, but for moves that were reported;
* class ids stay what they were;
* nothing is left over, nothing grows, and no song is extracted twice without need.

One that does not hold is printed with the seed and what was done, all is kept, and the exit code is 1.
With root rights dataset and state are disks of their own; without, what needs that is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soak_checks import Checks, weighted
from soak_faults import Faults
from soak_library import Library
from soak_melwatch import Broken, Melwatch, settings
from soak_place import Place, enter_private_mounts
from soak_songs import Songs

READER = Path(__file__).with_name("soak_reader.py")
CONTENTS, CONTENTS_QUICK = 400, 100
ACTIONS_BETWEEN_CHECKS, ACTIONS_QUICK = 25, 8
TROUBLE = 0.35
"""The share of actions that are trouble rather than changes of the library."""


class Soak:
    """One run from a seed."""

    def __init__(self, folder: Path, seed: int, *, is_quick: bool) -> None:
        self.chance = random.Random(seed)  # noqa: S311  to be repeatable
        self.is_quick = is_quick
        self.began_s = time.monotonic()
        self.done: Counter[str] = Counter()
        self.log = (folder / "actions.log").open("w", encoding="utf-8")
        place = Place(folder, self.chance)
        self.say(f"disks: {place.kinds if place.may_mount else 'plain folders'}")
        songs = Songs.learn(folder / "quiet", CONTENTS_QUICK if is_quick else CONTENTS, settings(folder))
        (folder / "linked.mp3").write_bytes(songs.good[0])
        self.place, self.library = place, Library(place, songs, self.chance)
        self.melwatch = Melwatch(place)
        self.faults = Faults(place, self.melwatch, self.library, self.chance)
        self.checks = Checks(self.melwatch, self.library, self.faults)
        self.readers: dict[str, subprocess.Popen[bytes]] = {}
        self.told: dict[str, int] = {}

    def say(self, words: str) -> None:
        """Keep a line of what is done."""
        print(f"{time.monotonic() - self.began_s:8.1f} {words}", file=self.log, flush=True)

    def run(self, seconds: float) -> None:
        """Begin, act and check in turn, and end with a check at rest."""
        self.library.begin()
        self.melwatch.start()
        self._calm(deeply=False)
        for mode in ("load", "load_from_disk"):
            self._start_reader(mode)
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            for _ in range(ACTIONS_QUICK if self.is_quick else ACTIONS_BETWEEN_CHECKS):
                self._act()
            self._calm(deeply=self.chance.random() < 0.3)
        self._calm(deeply=True)
        self.melwatch.stop()

    def _act(self) -> None:
        is_trouble = self.chance.random() < TROUBLE
        choices = (self.faults if is_trouble else self.library).actions()
        (name,) = self.chance.choices(*weighted(choices))
        self.say(f"{name} ...")
        told = choices[name][1]()
        self.done[name] += 1
        self.say(f"    {told}")
        self.faults.age()
        self._listen()
        time.sleep(self.chance.uniform(0.1, 0.8 if self.is_quick else 3))

    def _calm(self, *, deeply: bool) -> None:
        self.say("lifting all trouble")
        self.library.finish_writing()
        self.faults.lift_all()
        self.melwatch.start()
        self.faults.end_pause()
        self._listen()
        self.melwatch.is_excused = False
        if self.faults.damaged or self.chance.random() < 0.5:
            self._ask_to_look()
        self.say("checking" + (" deeply" if deeply else ""))
        self.checks.check(deeply=deeply)
        self._listen()
        self.say(
            f"all is well: {len(self.checks.present)} songs, {self.checks.extracted} extracted, {self.checks.held}"
        )

    def _ask_to_look(self) -> None:
        until_s = time.monotonic() + 60
        while not self.melwatch.live() and time.monotonic() < until_s:
            self.melwatch.check_alive()
            time.sleep(0.2)
        self.melwatch.run("rescan")

    def _listen(self) -> None:
        """Take in what the readers have seen, and see that all live."""
        self.checks.note_songs()
        self.checks.check_log()
        self.melwatch.check_alive()
        for mode, reader in list(self.readers.items()):
            lines = self._told_by(mode)
            for line in lines[self.told.get(mode, 0) :]:
                self.checks.take_in_version(json.loads(line))
            self.told[mode] = len(lines)
            if reader.poll() == -signal.SIGBUS and self.faults.excuse.exists():
                self._start_reader(mode)  # a shard was cut that it had mapped
            elif reader.poll() is not None:
                raise Broken(f"the reader {mode} has ended: {(self.place.folder / f'{mode}.err').read_text()[-3000:]}")

    def _told_by(self, mode: str) -> list[str]:
        file = self.place.folder / f"{mode}.out"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def _start_reader(self, mode: str) -> None:
        folder = self.place.folder
        arguments = [self.place.dataset, mode, folder / "quiet" / "reference.json", self.faults.excuse]
        with (folder / f"{mode}.err").open("wb") as err:
            self.readers[mode] = subprocess.Popen(
                [sys.executable, str(READER), *map(str, arguments), str(folder / f"{mode}.out")],
                stdout=err,
                stderr=err,
                env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
            )

    def reads(self) -> int:
        """Return how often the dataset was opened and read."""
        counts = [self.place.folder / f"{mode}.count" for mode in self.readers]
        return sum(len(count.read_bytes()) for count in counts if count.exists())

    def summary(self) -> str:
        """Return in a line what was done and seen."""
        actions = ", ".join(f"{name} {count}" for name, count in sorted(self.done.items()))
        checks = self.checks
        return (
            f"{(time.monotonic() - self.began_s) / 60:.1f} minutes, {self.done.total()} actions, "
            f"{checks.calm} calm checks, {checks.versions} versions seen, "
            f"version {self.melwatch.current().get('version')} at the end, {self.reads()} reads, "
            f"{checks.extracted} extracted for {checks.appeared.total()} arrivals ({actions})"
        )

    def end(self) -> None:
        """End whatever runs."""
        self.library.finish_writing()
        for reader in self.readers.values():
            reader.kill()
            reader.wait()
        self.melwatch.kill()
        self.log.close()


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--quick", action="store_true", help="a minute, with few songs")
    given = parser.parse_args()
    enter_private_mounts()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    folder = given.folder.absolute()
    folder.mkdir(parents=True)
    print(f"seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what it started ends with it
    soak = Soak(folder, seed, is_quick=given.quick)
    try:
        soak.run(60 * (given.minutes if given.minutes is not None else 1 if given.quick else 60))
    except (Broken, Exception) as error:  # noqa: BLE001  a defect of this program keeps what it was at, too
        what = str(error) if isinstance(error, Broken) else traceback.format_exc()
        print(f"BROKEN with seed {seed}: {what}")
        print("".join((folder / "actions.log").read_text(encoding="utf-8").splitlines(keepends=True)[-60:]))
        soak.say(f"BROKEN: {what}")
        print(f"Kept: {folder} and {soak.place.keep()}")
        return 1
    finally:
        soak.end()
    print(f"seed {seed}: {soak.summary()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
