"""What befalls the melwatch of a soak: disks, crashes, requests and damage. Some of it lasts until it is lifted."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from soak_reader import shown_in

from building import library as write_tree
from building import songs as tones

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from soak_library import Library
    from soak_melwatch import Melwatch
    from soak_place import Place
    from soak_reader import Shown


@dataclass(kw_only=True)
class Fault:
    """Something that lasts for a number of actions."""

    lift: Callable[[], None]
    left: int


class Faults:
    """Makes things go wrong, remembers what still does, and what that may cost."""

    def __init__(self, place: Place, melwatch: Melwatch, library: Library, chance: Random) -> None:
        self.place, self.melwatch, self.library, self.chance = place, melwatch, library, chance
        self.active: dict[str, Fault] = {}
        self.is_paused = False
        self.excuse = place.folder / "excuse"
        self.damaged: list[str] = []
        self.damaged_ever: set[str] = set()
        self.is_flipped = False
        self.pinned: dict[int, dict[str, list[Shown]]] = {}
        self.extra_extractions = 0
        """How many songs may be made once more than their appearances say."""
        self.is_retry_due = False

    def actions(self) -> dict[str, tuple[int, Callable[[], str]]]:
        """Return every kind of trouble: how often compared to others, and what makes it and tells about it."""
        disks = 1 if self.place.may_mount else 0
        return {
            "root disconnected": (2, self.disconnect_root),
            "root exchanged": (disks, self.exchange_root),
            "root emptied": (1, self.empty_root),
            "folder unreadable": (2, self.forbid_folder),
            "dataset disk full": (2 * disks, lambda: self.fill("dataset", self.place.dataset_disk)),
            "state disk full": (2 * disks, lambda: self.fill("state", self.place.state_disk)),
            "dataset disk read-only": (disks, self.forbid_dataset),
            "dataset disk gone": (disks, self.disconnect_dataset),
            "daemon killed": (3, self.kill_daemon),
            "child killed": (3, self.kill_child),
            "daemon stopped and started": (1, self.restart),
            "daemon frozen": (1, self.freeze),
            "sync instead": (1, self.sync),
            "sync beside": (1, self.sync_beside),
            "rescan": (2, self.rescan),
            "publish": (2, lambda: self.ask("publish")),
            "pause": (1, self.pause),
            "retry": (1, lambda: self.ask("retry")),
            "pin": (1, self.pin),
            "unpin": (1, self.unpin),
            "export": (1, self.export),
            "shard deleted": (1, lambda: self.damage("deleted")),
            "shard cut short": (1, lambda: self.damage("cut short")),
            "shard flipped": (1, lambda: self.damage("flipped")),
            "metadata deleted": (1, self.delete_metadata),
        }

    def age(self) -> None:
        """Let an action pass: what has lasted long enough ends."""
        for name, fault in list(self.active.items()):
            fault.left -= 1
            if fault.left <= 0:
                self._lift(name)

    def lift_all(self) -> None:
        """End all trouble."""
        for name in list(self.active):
            self._lift(name)

    def _lift(self, name: str) -> None:
        self.active.pop(name).lift()
        self._note_excuses()

    def _begin(self, name: str, lift: Callable[[], None], longest: int = 6) -> str:
        self.active[name] = Fault(lift=lift, left=self.chance.randint(1, longest))
        self._note_excuses()
        return f"for {self.active[name].left} actions"

    def _note_excuses(self) -> None:
        self.melwatch.is_excused = self.melwatch.is_excused or not self.active.keys().isdisjoint({"state", "dataset"})
        if self.damaged or "dataset gone" in self.active:
            self.excuse.touch()
        elif not self.damaged:
            self.excuse.unlink(missing_ok=True)

    # The root.

    def disconnect_root(self) -> str:
        """Unmount the music."""
        if "root" in self.active:
            return "is already away"
        self.place.disconnect(self.place.disk)
        return self._begin("root", lambda: self.place.connect(self.place.disk))

    def exchange_root(self) -> str:
        """Mount another disk where the music was."""
        if "root" in self.active:
            return "is already away"
        if not any(self.place.other.iterdir()):
            write_tree(self.place.other, {"Other": tones(3), "Blues": tones(2, first=40)})
        self.place.disconnect(self.place.disk)
        self.place.connect(self.place.other)

        def back() -> None:
            self.place.disconnect(self.place.other)
            self.place.connect(self.place.disk)

        return self._begin("root", back)

    def empty_root(self) -> str:
        """Move all that is in the root away, and later back."""
        if "root" in self.active or "folder" in self.active:
            return "is already away"
        root, aside = self.library.root, self.place.folder / "aside"
        self.library.finish_writing()
        aside.mkdir()
        # Genres that wait for more songs may go without being asked about.
        self.extra_extractions += 5 * len(list(root.iterdir()))
        for entry in sorted(root.iterdir()):
            entry.rename(aside / entry.name)
        time.sleep(self.chance.uniform(0, 12))
        for entry in sorted(aside.iterdir()):
            entry.rename(root / entry.name)
        aside.rmdir()
        return "and filled again"

    def forbid_folder(self) -> str:
        """Make a folder unreadable."""
        folders = [path for path in sorted(self.library.root.rglob("*")) if path.is_dir() and not path.is_symlink()]
        if "folder" in self.active or not folders:
            return "is already"
        folder = self.chance.choice(folders)
        identity = folder.stat().st_ino
        folder.chmod(0)

        def allow() -> None:
            for path in [self.library.root, *self.library.root.rglob("*")]:
                if not path.is_symlink() and path.is_dir() and path.stat().st_ino == identity:
                    path.chmod(0o755)

        return repr(str(folder.relative_to(self.library.root))) + " " + self._begin("folder", allow)

    # Disks.

    def fill(self, name: str, disk: Path) -> str:
        """Fill a disk but for a few bytes."""
        if name in self.active or "dataset gone" in self.active:
            return "is in trouble already"
        spare = self.chance.choice((0, 20_000, 200_000, 1_000_000))
        self.place.fill(disk, spare)
        self.extra_extractions += 20  # what did not get to the spool, or from there to a shard
        return f"{spare} bytes left " + self._begin(name, lambda: self.place.free(disk))

    def forbid_dataset(self) -> str:
        """Remount the dataset read-only, as the system does after an error."""
        if not self.active.keys().isdisjoint({"dataset", "dataset gone"}):
            return "is in trouble already"
        if not self.place.set_read_only(read_only=True):
            return "is being written to"

        def allow() -> None:
            self.place.set_read_only(read_only=False)

        return self._begin("dataset", allow)

    def disconnect_dataset(self) -> str:
        """Take the dataset's disk away."""
        if not self.active.keys().isdisjoint({"dataset", "dataset gone"}):
            return "is in trouble already"
        self.excuse.touch()
        self.place.disconnect_dataset()

        def back() -> None:
            left = self.place.dataset_disk / "dataset"
            if left.exists():
                raise RuntimeError(f"a dataset was begun on the mount point: {sorted(left.rglob('*'))}")
            self.place.connect_dataset()

        return self._begin("dataset gone", back, longest=4)

    # Processes.

    def kill_daemon(self) -> str:
        """Kill it, and start it again at once or later."""
        self.melwatch.kill()
        self.extra_extractions += 4
        if "daemon" in self.active or self.chance.random() < 0.6:
            self.melwatch.start()
            return "and started at once"
        return self._begin("daemon", self.melwatch.start, longest=4)

    def kill_child(self) -> str:
        """Kill a process below the daemon, if there is one just now."""
        until_s = time.monotonic() + 3
        while time.monotonic() < until_s:
            children = self.melwatch.children()
            if children:
                victim = self.chance.choice(children)
                with suppress(psutil.Error):
                    victim.kill()
                self.extra_extractions += 2
                self.is_retry_due = True
                return f"one of {len(children)}"
            time.sleep(0.05)
        return "none there"

    def restart(self) -> str:
        """Stop it properly and start it again."""
        if "daemon" in self.active:
            return "is not running"
        self.melwatch.stop()
        self.melwatch.start()
        return ""

    def freeze(self) -> str:
        """Have it stand still for a while, as a machine that sleeps."""
        self.melwatch.signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.5, 8))
        self.melwatch.signal(signal.SIGCONT)
        return ""

    def sync(self) -> str:
        """Run `melwatch sync` instead of the daemon."""
        if "daemon" in self.active:
            return "is not running"
        self.library.finish_writing()
        self.melwatch.stop()
        self.melwatch.run("sync", expect=(0, 1))
        self.melwatch.start()
        return ""

    def sync_beside(self) -> str:
        """Run `melwatch sync` beside the daemon: it must be refused."""
        if not self.melwatch.live():
            return "no daemon"
        self.melwatch.run("sync", expect=(3,))
        return ""

    # Requests.

    def ask(self, *command: str) -> str:
        """Ask something of the daemon."""
        if not self.melwatch.live() or self.active.keys() & {"state", "dataset", "dataset gone"}:
            return "no daemon, or one in trouble"
        return self.melwatch.run(*command).strip()

    def rescan(self) -> str:
        """Ask for a look at everything or at one folder."""
        folders = [path.name for path in sorted(self.library.root.iterdir()) if path.is_dir()]
        if folders and self.chance.random() < 0.5:
            return self.ask("rescan", str(self.place.music / self.chance.choice(folders)))
        return self.ask("rescan")

    def pause(self) -> str:
        """Pause, and resume later."""
        if "pause" in self.active or not self.melwatch.live() or self.active:
            return "not now"
        self.melwatch.run("pause")
        self.is_paused = True

        def resume() -> None:
            self.melwatch.run("resume", expect=(0, 1, 3))

        return self._begin("pause", resume)

    def end_pause(self) -> None:
        """Resume, now that nothing else is in the way."""
        if self.is_paused:
            self.melwatch.run("resume")
            self.is_paused = False

    # Versions.

    def pin(self) -> str:
        """Pin the current version and remember what it shows."""
        number = self.melwatch.current().get("version")
        if not number or self.pinned or self.damaged or self.active:
            return "not now"
        import melwatch

        self.melwatch.run("pin", str(number))
        self.pinned[number] = shown_in(melwatch.load(self.melwatch.rig.dataset, version=number))
        return f"version {number}"

    def unpin(self) -> str:
        """Let go of what is pinned."""
        if self.active.keys() & {"dataset", "dataset gone"}:
            return "not now"
        for number in list(self.pinned):
            self.melwatch.run("unpin", str(number))
            del self.pinned[number]
            return f"version {number}"
        return "none pinned"

    def export(self) -> str:
        """Export the current version and open it."""
        number = self.melwatch.current().get("version")
        if not number or self.damaged or self.active:
            return "not now"
        from datasets import load_from_disk

        target = self.place.folder / "export"
        self.melwatch.run("export", str(number), str(target))
        rows = sum(map(len, load_from_disk(str(target)).values()))
        shutil.rmtree(target)
        return f"version {number}, {rows} rows"

    # Damage.

    def damage(self, how: str) -> str:
        """Damage a shard of the current version."""
        number = self.melwatch.current().get("version")
        if not number or self.pinned or self.damaged or self.active:
            return "not now"
        shards = [
            path
            for path in sorted((self.melwatch.rig.dataset / "music_lib").glob("*/*.arrow"))
            if path.stat().st_size > 10_000
        ]
        if not shards:
            return "none"
        shard = self.chance.choice(shards)
        self.damaged.append(f"{shard.parent.name}/{shard.name}")
        self.damaged_ever.add(self.damaged[0])
        self._note_excuses()
        self.extra_extractions += 2 * 32
        match how:
            case "deleted":
                shard.unlink()
            case "cut short":
                os.truncate(shard, shard.stat().st_size // 2)
            case _:
                self.is_flipped = True
                with shard.open("r+b") as file:
                    file.seek(self.chance.randrange(shard.stat().st_size // 2, shard.stat().st_size - 1000))
                    byte = file.read(1)
                    file.seek(-1, os.SEEK_CUR)
                    file.write(bytes([byte[0] ^ 0x40]))
        return self.damaged[-1]

    def delete_metadata(self) -> str:
        """Delete one of the files that lead to the current version."""
        library = self.melwatch.rig.dataset / "music_lib"
        if not self.melwatch.current() or self.damaged or self.active:
            return "not now"
        name = self.chance.choice(("train/state.json", "test/dataset_info.json", "README.md", "dataset_dict.json"))
        self.damaged.append(name)
        self._note_excuses()
        (library / name).unlink(missing_ok=True)
        return name

    def is_mended(self) -> None:
        """All that was damaged is well again."""
        self.damaged.clear()
        self.is_flipped = False
        self._note_excuses()
