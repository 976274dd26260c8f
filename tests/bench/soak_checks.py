"""What must hold of a soak at every calm moment, and over all the versions that its readers saw."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
from soak_library import MIN_GENRE, genre_of
from soak_melwatch import Broken
from soak_reader import shown_in, songs_of
from soak_songs import is_bad

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from soak_faults import Faults
    from soak_library import Library, Model
    from soak_melwatch import Melwatch

CONVERGED_WITHIN_S = 420
MOST_MEMORY_BYTES, MOST_DESCRIPTORS, MOST_THREADS = 120_000_000, 64, 24
TEMPORARY = re.compile(r".*(\.melwatch-tmp|\.tmp|\.part)$")
BAD_LINES = ("This is a bug", "Exception in thread", "does not add up", "CRITICAL")
"""Not any traceback: what a killed daemon has just begun may end with one."""


class Checks:
    """Everything that a soak asks of melwatch; raises `Broken` where it does not hold."""

    def __init__(self, melwatch: Melwatch, library: Library, faults: Faults) -> None:
        self.melwatch, self.library, self.faults = melwatch, library, faults
        self.calm = self.versions = 0
        self.names: list[str] = []
        self.splits: dict[str, str] = {}
        self.appeared: Counter[str] = Counter()
        self.present: set[str] = set()
        self.extracted = 0
        self._last_pass = self._last_version = 0

    # While all goes on.

    def note_songs(self) -> None:
        """Count the songs that have come since the last time: each may be extracted once for that."""
        if self.library.place.library() == self.library.place.music and self.faults.active.get("root"):
            return
        now = {song for song in self.library.model().tracks.values() if not is_bad(song)}
        self.appeared.update(now - self.present)
        self.present = now

    def check_log(self) -> None:
        """See that the daemon has not stumbled."""
        text = self.melwatch.new_log()
        found = [line for line in text.splitlines() if any(word in line for word in BAD_LINES)]
        if found:
            raise Broken("the daemon's log says: " + text[-6000:])

    def take_in_version(self, told: dict[str, Any]) -> None:
        """Hold a version that a reader saw against all before it: class ids and splits stay what they were."""
        if "broken" in told:
            raise Broken(f"a reader: {told['broken']}")
        if told["version"] < self._last_version:
            raise Broken(f"version {told['version']} came after version {self._last_version}")
        self._last_version = told["version"]
        self.versions += 1
        self._check_names(told["names"])
        self._check_splits(told["splits"], told["version"])

    def _check_names(self, names: list[str]) -> None:
        if len(names) < len(self.names):
            raise Broken(f"classes were {self.names}, and are {names}")
        for number, (old, new) in enumerate(zip(self.names, names, strict=False)):
            if old != new and not self._was_renamed(old, new):
                raise Broken(f"class {number} was {old!r} and is {new!r}, which nobody renamed it to")
        if len(set(names)) != len(names):
            raise Broken(f"a class name is there twice: {names}")
        self.names = names

    def _was_renamed(self, old: str, new: str) -> bool:
        reached = {old}
        for source, target in self.library.renamed:
            if source in reached:
                reached.add(target)
        return new in reached

    def _check_splits(self, splits: dict[str, str], version: int) -> None:
        moved = [song for song, split in splits.items() if self.splits.get(song, split) != split]
        for song in moved:
            rows = self.melwatch.rows("SELECT source, target FROM move WHERE audio_id = ? ORDER BY number", song)
            if not rows or rows[-1][1] != splits[song]:
                raise Broken(f"{song} went from {self.splits[song]} to {splits[song]} in version {version}: {rows}")
        self.splits |= splits

    # At calm moments.

    def check(self, *, deeply: bool) -> None:
        """Wait until melwatch has taken in all there is, and compare everything with everything."""
        self.note_songs()
        model = self.library.model()
        self.wait_until_converged(model)
        self._mend()
        self.check_log()
        self._check_manifest(model)
        self._check_dataset(model)
        self._check_words(model)
        self._check_pinned()
        self._check_costs()
        self._check_extractions()
        self._check_orphans()
        if deeply:
            self._check_at_rest()
        self.calm += 1

    def wait_until_converged(self, model: Model) -> None:
        """Wait until the daemon is idle and the dataset shows what it should, answering what it asks."""
        until_s = time.monotonic() + CONVERGED_WITHIN_S
        calm_since_s = None
        while True:
            self.melwatch.check_alive()
            if self.melwatch.process is None or self.melwatch.process.poll() is not None:
                self.melwatch.start()
            live = self.melwatch.live()
            state = live.get("state")
            if state == "needs_confirmation":
                self.melwatch.run("accept-deletions", expect=(0, 1))
            if self.faults.is_retry_due and state == "idle":
                self.faults.is_retry_due = False
                self.melwatch.run("retry")
            is_idle = state == "idle" and not live["unsettled_files"]
            difference = self._difference(model) if is_idle else f"the state is {state}"
            if difference is not None:
                calm_since_s = None
            elif calm_since_s is None:
                calm_since_s = time.monotonic()
            elif time.monotonic() - calm_since_s > 2:
                return
            if time.monotonic() > until_s:
                raise Broken(f"not in step after {CONVERGED_WITHIN_S} s: {difference}; {live}")
            time.sleep(0.5)

    def _difference(self, model: Model) -> str | None:
        expected = {self._shown(path): song for path, song in model.shown().items()}
        version = self.melwatch.current().get("version")
        if version is None:
            return f"nothing is published of {len(expected)} songs" if expected else None
        try:
            found = songs_of(self.melwatch.rig.dataset, version)
        except OSError as error:
            return str(error)
        if not expected:  # then nothing new is published
            return None
        return _difference_of(expected, found)

    def _shown(self, path: bytes) -> str:
        return os.path.join(os.fsencode(self.melwatch.rig.music), path).decode("utf-8", "backslashreplace")

    def _mend(self) -> None:
        """Have what this soak damaged mended: what only reading all shards shows is shown that way."""
        if not self.faults.damaged:
            return
        if self.faults.is_flipped:
            self.melwatch.stop()
            self.melwatch.run("verify", "--read-data", expect=(0, 4))
            self.melwatch.start()
        until_s = time.monotonic() + CONVERGED_WITHIN_S
        while (wrong := self._wrong_with_current()) is not None:
            if time.monotonic() > until_s:
                raise Broken(f"not mended: {self.faults.damaged}: {wrong}")
            if self.melwatch.live().get("state") == "idle":
                self.melwatch.run("rescan", expect=(0, 1))
            time.sleep(1)
        self.wait_until_converged(self.library.model())
        self.faults.is_mended()

    def _wrong_with_current(self) -> str | None:
        from datasets import load_from_disk

        library = self.melwatch.rig.dataset / "music_lib"
        try:
            songs = songs_of(self.melwatch.rig.dataset, self.melwatch.current()["version"])
            shown = shown_in(load_from_disk(str(library)))
        except Exception as error:  # noqa: BLE001  whatever a damaged dataset makes of it
            return repr(error)
        numbers = self.library.songs.numbers
        wrong = [path for path, places in shown.items() if any(p.digest != numbers[songs[path]] for p in places)]
        is_there = (library / "README.md").exists()
        return None if not wrong and is_there else f"{wrong}, README {is_there}"

    def _check_manifest(self, model: Model) -> None:
        """Manifest = tree: every file has a row or a reason."""
        known = dict(self.melwatch.rows("SELECT path, audio_id FROM track"))
        if known.keys() != model.tracks.keys():
            raise Broken(f"manifest and tree differ: {sorted(known.keys() ^ model.tracks.keys())}")
        wrong = {
            path: (known[path], song) for path, song in model.tracks.items() if known[path] != song and not is_bad(song)
        }
        if wrong:
            raise Broken(f"the manifest has other songs than the files: {wrong}")
        rows = self.melwatch.rows("SELECT path, reason FROM left_out")
        noted = {path: reason for path, reason in rows if not path.endswith(b"/")}
        if noted != model.left_out:
            raise Broken(f"other files are left out than should be: {_difference_of(model.left_out, noted)}")

    def _check_dataset(self, model: Model) -> None:
        """Dataset = manifest: what `load_from_disk` opens shows each song once, with its genre and its numbers."""
        from datasets import load_from_disk

        if self.melwatch.current() == {}:
            return
        opened = load_from_disk(str(self.melwatch.rig.dataset / "music_lib"))
        names = opened["train"].features["labels"].names
        genres = json.loads((self.melwatch.rig.dataset / "genres.json").read_text(encoding="utf-8"))
        if genres != names:
            raise Broken(f"genres.json has {genres}, the dataset {names}")
        shown = shown_in(opened)
        expected = {self._shown(path): (path, song) for path, song in model.shown().items()}
        if not expected:
            return
        if shown.keys() != expected.keys():
            raise Broken(f"the dataset shows other songs: {sorted(shown.keys() ^ expected.keys())}")
        split_of: dict[str, str] = {}
        for path, places in shown.items():
            inside, song = expected[path]
            if len(places) != 1:
                raise Broken(f"{path!r} is shown {len(places)} times: {places}")
            if places[0].genre != genre_of(inside):
                raise Broken(f"{path!r} has the label {places[0].genre!r}")
            if places[0].digest != self.library.songs.numbers[song]:
                raise Broken(f"{path!r} has the numbers of another song")
            if split_of.setdefault(song, places[0].split) != places[0].split:
                raise Broken(f"{song} is in two splits")

    def _check_words(self, model: Model) -> None:
        """Every file has a reason: `missing`, `status`, `why` and `verify` agree with the tree."""
        told = csv.DictReader(io.StringIO(self.melwatch.run("missing", "--csv")))
        missing = {row["path"]: row["reason"] for row in told if not row["path"].endswith("/")}
        expected = {path.decode("utf-8", "backslashreplace"): reason for path, reason in model.reasons().items()}
        if missing != expected:
            raise Broken(f"`missing` is wrong: {_difference_of(expected, missing)}")
        status = json.loads(self.melwatch.run("status", "--json"))
        last, tracks = status["last_pass"], status["tracks"]
        files = len(model.tracks) + len(model.left_out) + model.others
        if not sum(last["balance"].values()) == last["found"] == files:
            raise Broken(f"the balance of {files} files does not add up: {last}")
        bad = sum(map(is_bad, model.tracks.values()))
        if (tracks["ready"], tracks["pending"], tracks["failed"]) != (len(model.tracks) - bad, 0, bad):
            raise Broken(f"of {len(model.tracks)} tracks {bad} are bad, but status says {tracks}")
        findings = self.melwatch.run("verify", expect=(0, 4))
        self._check_findings(findings)

    def _check_findings(self, findings: str) -> None:
        """Nothing may be wrong with the current version; older ones may lack what this soak damaged."""
        damaged = self.faults.damaged_ever
        serious = [
            line
            for line in findings.splitlines()
            if line and line != "No problems found." and not any(shard in line for shard in damaged)
        ]
        current = self.melwatch.current().get("version")
        serious += [line for line in findings.splitlines() if f"Version {current} " in line]
        if serious:
            raise Broken(f"`verify` finds: {serious}")

    def _check_pinned(self) -> None:
        import melwatch

        for number, shown in self.faults.pinned.items():
            if shown_in(melwatch.load(self.melwatch.rig.dataset, version=number)) != shown:
                raise Broken(f"the pinned version {number} has changed")

    def _check_costs(self) -> None:
        """The daemon's own process stays small however long it runs."""
        assert self.melwatch.process is not None
        process = psutil.Process(self.melwatch.process.pid)
        held = (process.memory_info().rss, process.num_fds(), process.num_threads())
        self.held = held
        if held[0] > MOST_MEMORY_BYTES or held[1] > MOST_DESCRIPTORS or held[2] > MOST_THREADS:
            raise Broken(f"the daemon holds {held[0]:,} bytes, {held[1]} descriptors, {held[2]} threads")

    def _check_extractions(self) -> None:
        """No song is made twice without need."""
        rows = self.melwatch.rows("SELECT number, report FROM pass WHERE number > ? ORDER BY number", self._last_pass)
        for number, report in rows:
            self._last_pass = number
            self.extracted += json.loads(report)["extracted"]
        allowed = self.appeared.total() + self.faults.extra_extractions
        if self.extracted > allowed:
            raise Broken(f"{self.extracted} songs were extracted, {allowed} would have been enough")

    def _check_orphans(self) -> None:
        """What a killed daemon left running ends by itself."""
        _, alive = psutil.wait_procs(self.melwatch.orphans, 15)
        if alive:
            raise Broken(f"processes of a killed daemon live on: {alive}")
        self.melwatch.orphans.clear()

    def _check_at_rest(self) -> None:
        """With the daemon stopped: all bytes are sound, nothing is left over, and one more pass changes nothing."""
        self.melwatch.stop()
        self._check_findings(self.melwatch.run("verify", "--read-data", expect=(0, 4)))
        self.melwatch.run("gc")
        self._check_leftovers()
        before = self.melwatch.current()
        passes = len(self.melwatch.rows("SELECT number FROM pass"))
        self.melwatch.run("sync")
        if (after := self.melwatch.current()) != before:
            raise Broken(f"a pass with nothing to do published {after} after {before}, {passes} passes")
        self.melwatch.start()

    def _check_leftovers(self) -> None:
        dataset, state = self.melwatch.rig.dataset, self.melwatch.rig.state
        left = [str(path) for place in (dataset, state) for path in place.rglob("*") if TEMPORARY.fullmatch(path.name)]
        rows = self.melwatch.rows("SELECT audio_id, recipe FROM spectrogram WHERE shard IS NULL")
        spool = {path.name for path in (state / "spool").iterdir()}
        left += sorted(spool ^ {f"{audio_id}.{recipe}" for audio_id, recipe in rows})
        used = {str(path) for number in self._versions() for path in self._shards_of(number)}
        for shard in (dataset / "music_lib").glob("*/*.arrow"):
            name = f"{shard.parent.name}/{shard.name}"
            if name not in used and not self.melwatch.rows("SELECT path FROM shard WHERE path = ?", name):
                left.append(name)
        if left:
            raise Broken(f"left over: {left}")

    def _versions(self) -> list[Path]:
        return sorted((self.melwatch.rig.dataset / "music_lib" / "versions").iterdir())

    @staticmethod
    def _shards_of(version: Path) -> list[str]:
        shards = []
        for split in ("train", "validate", "test"):
            state = json.loads((version / split / "state.json").read_text(encoding="utf-8"))
            shards += [f"{split}/{os.path.basename(file['filename'])}" for file in state["_data_files"]]
        return shards


def _difference_of(expected: dict[Any, Any], found: dict[Any, Any]) -> str | None:
    if expected == found:
        return None
    lacks = {key: value for key, value in expected.items() if key not in found}
    has = {key: value for key, value in found.items() if key not in expected}
    other = {key: (value, found[key]) for key, value in expected.items() if key in found and found[key] != value}
    return f"lacks {lacks}; has {has}; expected and found differ for {other}"


def weighted(choices: dict[str, tuple[int, Callable[[], str]]]) -> tuple[list[str], list[int]]:
    """Return names and weights for a draw."""
    return list(choices), [weight for weight, _ in choices.values()]


__all__ = ["MIN_GENRE", "Checks", "weighted"]
