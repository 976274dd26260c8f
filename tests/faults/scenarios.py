"""What is done to a library, and how it ends when nothing goes wrong."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from building import library, retagged, songs, tone
from faults.interposer import Interposer
from faults.recording import Disk, Operation, Tree, on_disk, put_on_disk, read_log
from faults.warm import Warm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from faults.warm import Ran, Seen

SMALL = {
    "MELWATCH_SPECTROGRAM__WINDOWS_PER_TRACK": "1",
    "MELWATCH_DATASET__DTYPE": "float16",
    "MELWATCH_DATASET__KEEP_VERSIONS": "1",
    "MELWATCH_DATASET__KEEP_HOURS": "0",
    "MELWATCH_LIBRARY__MIN_TRACKS_PER_GENRE": "3",
    "MELWATCH_WORKERS__PROCESSES": "2",
}
"""One small spectrogram a song, and old versions collected at once."""


class Bench:
    """A place with a music root, a dataset and a state folder, and a warm process below the interposer."""

    def __init__(self, place: Path, music: Path | None = None) -> None:
        self.place = place
        self.disk = place / "disk"
        self.disk.mkdir(parents=True)
        self.music, self.dataset, self.state = music or place / "music", self.disk / "dataset", self.disk / "state"
        self.interposer = Interposer(place, [self.disk, self.music])
        self.warm = Warm(place, self.interposer.environment | SMALL)
        self.environment: dict[str, str] = {}
        if music is None:
            library(self.music, {"Rock": songs(6), "Jazz": songs(6, 6)})

    def run(self, *arguments: str) -> Ran:
        """Run a command."""
        places = ["--music", str(self.music), "--dataset", str(self.dataset), "--state", str(self.state)]
        return self.warm.run([*arguments, *places], self.environment)

    def sync(self) -> Ran:
        """Run a pass that must go well."""
        ran = self.run("sync")
        assert ran.code == 0, ran
        return ran

    def read(self) -> Seen:
        """Read the dataset."""
        return self.warm.read(self.dataset)

    def clear(self) -> None:
        """Leave nothing of dataset and state."""
        for folder in (self.dataset, self.state):
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, tree: Tree) -> None:
        """Have just this on the disk."""
        self.clear()
        put_on_disk(self.disk, tree)

    def files(self) -> list[str]:
        """Return the names of all that lies in dataset and state; versions are counted from 1.

        Whether today's backup of the manifest was made before it all or at its end makes no difference.
        """
        names = [str(path.relative_to(self.disk)) for path in sorted(self.disk.rglob("*"))]
        names = [name for name in names if not re.fullmatch(r"state/backups(/manifest-schema.*\.sqlite3)?", name)]
        versions = sorted({name.split("/")[3] for name in names if name.startswith("dataset/music_lib/versions/")})
        for number, version in enumerate(versions, 1):
            names = [name.replace(f"/versions/{version}", f"/versions/{number}") for name in names]
        return names

    def recorded(self, *, only_in_shards: bool = False) -> set[tuple[str, str]]:
        """Return song and recipe of all that the manifest holds to be done."""
        file = self.state / "manifest.sqlite3"
        if not file.exists():
            return set()
        where = " WHERE shard NOTNULL" if only_in_shards else ""
        with closing(sqlite3.connect(file)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'spectrogram'").fetchone():
                return set()
            return set(db.execute(f"SELECT audio_id, recipe FROM spectrogram{where}"))  # noqa: S608  no input

    def extracted(self) -> int:
        """Return how many songs the last pass extracted."""
        with closing(sqlite3.connect(self.state / "manifest.sqlite3")) as db:
            report = db.execute("SELECT json_extract(report, '$.extracted') FROM pass ORDER BY number DESC").fetchone()
            return int(report[0])

    def fingerprint(self) -> str:
        """Return what the dataset says of its content."""
        import json

        said = json.loads((self.dataset / "music_lib" / "current.json").read_text(encoding="utf-8"))
        return str(said["fingerprint"])


@dataclass(frozen=True)
class Ending:
    """What a scenario comes to when nothing goes wrong."""

    seen: Seen
    fingerprint: str
    recorded: set[tuple[str, str]]
    files: list[str]
    genres: str


@dataclass
class Recorded:
    """A command that was watched: where it began, all that it did to the disk, and how it ended."""

    bench: Bench
    before: Tree
    begun: Disk
    operations: list[Operation]
    seen_before: Seen
    after: Tree
    ending: Ending
    steps: Counter[str] = field(default_factory=Counter)


def first_import(bench: Bench) -> None:
    """Nothing is there yet."""
    bench.run("--version")


def changes(bench: Bench) -> None:
    """Songs come, go, move, are retagged and replaced, and a version is past its time."""
    bench.sync()
    (bench.music / "Rock" / "20.mp3").write_bytes(tone(400))
    (bench.music / "Rock" / "00.mp3").unlink()
    (bench.music / "Rock" / "01.mp3").write_bytes(retagged((bench.music / "Rock" / "01.mp3").read_bytes(), "New"))
    (bench.music / "Rock" / "02.mp3").rename(bench.music / "Jazz" / "02.mp3")
    (bench.music / "Jazz" / "06.mp3").write_bytes(tone(440))
    library(bench.music, {"Rock": songs(2, 30)})


def another_recipe(bench: Bench) -> None:
    """All songs are to be extracted anew."""
    bench.sync()
    bench.environment["MELWATCH_DATASET__DTYPE"] = "float32"
    assert bench.run("sync").code == 1
    assert bench.run("accept-recipe").code == 0


SCENARIOS: dict[str, Callable[[Bench], None]] = {
    "first import": first_import,
    "changes": changes,
    "another recipe": another_recipe,
}


def record(place: Path, prepare: Callable[[Bench], None]) -> Recorded:
    """Prepare a scenario, watch the pass that follows, and note how it ends."""
    bench = Bench(place)
    prepare(bench)
    seen_before, before, begun = bench.read(), on_disk(bench.disk), Disk(bench.disk)
    bench.interposer.control.is_recording = 1
    bench.sync()
    bench.interposer.control.is_recording = 0
    operations, after = read_log(bench.interposer.log, bench.disk), on_disk(bench.disk)
    return Recorded(
        bench, before, begun, operations, seen_before, after, ending_of(bench), Counter(o.name for o in operations)
    )


def looks(bench: Bench, before: Tree) -> Counter[str]:
    """Return the names of all that a pass asks of the system, calls that change nothing included."""
    bench.put(before)
    bench.interposer.log.unlink(missing_ok=True)
    bench.interposer.control.is_recording = 2
    bench.warm.stop()
    bench.sync()
    bench.interposer.control.is_recording = 0
    return Counter(operation.name for operation in read_log(bench.interposer.log, bench.disk))


def ending_of(bench: Bench) -> Ending:
    """Collect garbage and note all that is to be the same however often the pass was interrupted."""
    ran = bench.run("gc")
    assert ran.code == 0, ran
    return Ending(
        seen=bench.read(),
        fingerprint=bench.fingerprint(),
        recorded=bench.recorded(),
        files=bench.files(),
        genres=(bench.dataset / "genres.json").read_text(encoding="utf-8"),
    )
