"""A small real dataset with two versions, an audio dataset and a spool, ways to damage it, and what must survive."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Audio, load_from_disk

from building import library, songs, tone
from melwatch.assemble import hold_for_repair, open_for_mending, open_pipeline
from melwatch.maintenance.repair import Repair
from melwatch.maintenance.verify import Finding, verify, verify_data
from melwatch.manifest import ledger
from melwatch.manifest.database import FILE_NAME, read_manifest
from melwatch.progress import Unwatched
from workshops import workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from melwatch.passes.workshop import Workshop
    from melwatch.report import PassReport

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SMALL = {"feature_extractor_type": "ASTFeatureExtractor", "max_length": 32, "num_mel_bins": 16}


@dataclass
class Patient:
    """The set-up that is damaged, as it was when all was well: copied back before each case."""

    place: Path
    now: datetime = NOW
    well: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, place: Path) -> Patient:
        """Make two versions, of 12 and of 13 songs, with two more songs waiting in the spool."""
        library(place / "model", {"preprocessor_config.json": json.dumps(SMALL).encode()})
        library(place / "music", {"Rock": songs(6), "Jazz": songs(6, first=20), "Few": songs(2, first=40)})
        patient = cls(place)
        patient.sync(NOW - timedelta(hours=2))
        library(place / "music", {"Rock": {"a new one.mp3": tone(900), "z new one.mp3": tone(907)}})
        (place / "music" / "Rock" / "00.mp3").unlink()
        patient.sync(NOW - timedelta(hours=1))
        for name in ("dataset", "state"):
            shutil.copytree(place / name, place / "well" / name)
        patient.well = patient.content()
        return patient

    @property
    def dataset(self) -> Path:
        return self.place / "dataset"

    @property
    def state(self) -> Path:
        return self.place / "state"

    @property
    def manifest(self) -> Path:
        return self.state / FILE_NAME

    @property
    def shop(self) -> Workshop:
        """The workshop, found anew as each command does."""
        dataset = {"path": self.dataset, "state": self.state, "audio": True}
        return workshop(self.place, dataset=dataset, spectrogram={"model": str(self.place / "model")})

    def recover(self) -> None:
        """Make everything well again, by magic."""
        for name in ("dataset", "state"):
            shutil.rmtree(self.place / name)
            shutil.copytree(self.place / "well" / name, self.place / name)
        self.now = NOW

    def sync(self, now: datetime | None = None) -> PassReport:
        """Do one pass."""
        now = now or self.now
        with open_pipeline(self.shop, Unwatched(), now) as pipeline:
            return pipeline.run_pass(now).report

    def verify(self, *, read_data: bool = False) -> list[Finding]:
        """Do what `melwatch verify` does."""
        found = verify(self.shop, is_thorough=read_data)
        if read_data and any(finding.what.startswith("The manifest") for finding in found):
            return found + verify_data(self.shop, None, Unwatched())
        if read_data:
            with open_for_mending(self.shop, self.now) as db:
                found += verify_data(self.shop, db, Unwatched())
        return found

    def repair(self) -> tuple[list[str], int]:
        """Do what `melwatch repair` does; return what it said and how many songs it extracted."""
        shop, extracted = self.shop, 0
        repair = Repair(shop=shop, now=self.now, progress=Unwatched())
        with hold_for_repair(shop, self.now):
            repair.mend()
        if repair.said:
            extracted = self.sync().extracted
            with hold_for_repair(shop, self.now):
                repair.retire()
        return repair.said, extracted

    def rehearse(self) -> list[str]:
        """Do what `melwatch repair --dry-run` does."""
        return Repair(shop=self.shop, now=self.now, progress=Unwatched(), is_rehearsal=True).mend()

    def content(self) -> dict[str, Any]:
        """Return all that must survive: rows in order, fingerprints, classes, splits."""
        spectrograms = load_from_disk(str(self.dataset / "music_lib"))
        audio = load_from_disk(str(self.dataset / "music_lib_audio"))
        with read_manifest(self.state) as db:
            splits, classes = ledger.placements(db), ledger.class_names(db)
        current = json.loads((self.dataset / "music_lib" / "current.json").read_text(encoding="utf-8"))
        return {
            "rows": {
                split: [(row["paths"], int(row["labels"]), np.asarray(row["input_values"]).tobytes()) for row in part]
                for split, part in spectrograms.items()
            },
            "fingerprint": current["fingerprint"],
            "dataset_id": current["dataset_id"],
            "audio": {
                split: [(row["audio"]["path"], row["labels"]) for row in part.cast_column("audio", Audio(decode=False))]
                for split, part in audio.items()
            },
            "splits": splits,
            "classes": classes,
            "genres": json.loads((self.dataset / "genres.json").read_text(encoding="utf-8")),
        }

    def differences(self) -> list[str]:
        """Name what is not as it was."""
        now = self.content()
        return [name for name, value in self.well.items() if now[name] != value]

    def metadata(self) -> list[Path]:
        """Return every file of dataset and state that is neither a shard nor the manifest, a backup or the spool."""
        files = [path for home in (self.dataset, self.state) for path in sorted(home.rglob("*")) if path.is_file()]
        apart = {self.manifest, self.state / "lock"}
        return [
            file for file in files
            if file.suffix != ".arrow" and file not in apart and file.parent.name not in {"backups", "spool"}
        ]  # fmt: skip

    def shards(self, library_name: str = "music_lib") -> list[Path]:
        """Return the shards."""
        return sorted((self.dataset / library_name).glob("*/*.arrow"))

    def kept_aside(self, content: bytes) -> bool:
        """Whether a damaged file lies where such are kept, byte for byte."""
        places = [self.dataset / "damaged", self.state / "damaged"]
        aside = [path for place in places for path in place.rglob("*.damaged") if path.is_file()]
        return any(path.read_bytes() == content for path in aside)


def cut(file: Path) -> None:
    """Leave half of a file."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def empty(file: Path) -> None:
    """Leave nothing in a file."""
    file.write_bytes(b"")


def delete(file: Path) -> None:
    """Remove a file."""
    file.unlink()


def flip(file: Path) -> None:
    """Turn one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def garble_page(number: int) -> Callable[[Path], None]:
    """Return what fills a page of a database, counted from the start or from the end, with noise."""

    def garble(file: Path) -> None:
        content = bytearray(file.read_bytes())
        start = (number % (len(content) // 4096)) * 4096
        content[start : start + 4096] = np.random.default_rng(abs(number)).bytes(4096)
        file.write_bytes(content)

    garble.__name__ = f"garble_page_{number}"
    return garble


def truncate_to(share: float) -> Callable[[Path], None]:
    """Return what leaves a share of a file."""

    def truncate(file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])

    truncate.__name__ = f"truncate_to_{share}"
    return truncate


def pragma(name: str, value: int) -> Callable[[Path], None]:
    """Return what sets a number in the head of a database."""

    def set_it(file: Path) -> None:
        with closing(sqlite3.connect(file)) as db:
            db.execute(f"PRAGMA {name} = {value}")

    set_it.__name__ = f"{name}_{value}"
    return set_it


def each(files: list[Path], damages: list[Callable[[Path], None]]) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """Yield every file with every damage."""
    for file in files:
        for damage in damages:
            yield file, damage
