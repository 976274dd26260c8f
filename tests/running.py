"""The real `melwatch` command on folders of a test, and its dataset as plain values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Rig:
    """A music root, a dataset and a state folder, and the command to run on them."""

    music: Path
    dataset: Path
    state: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, place: Path, music: Path | None = None) -> Rig:
        """Use folders below `place`."""
        return cls(music or place / "music", place / "dataset", place / "state")

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a melwatch command."""
        places = ["--music", str(self.music), "--dataset", str(self.dataset), "--state", str(self.state)]
        return [sys.executable, "-m", "melwatch_service", *arguments, *places]

    def run(self, *arguments: str, expect: int = 0, timeout: float = 600) -> str:
        """Run a command; return its standard output."""
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **self.environment},
            check=False,
        )
        output = done.stdout.decode("utf-8", "backslashreplace")
        assert done.returncode == expect, output + done.stderr.decode("utf-8", "backslashreplace")
        return output

    def sync(self) -> dict[str, Any]:
        """Run one pass; return what `status --json` says afterwards."""
        self.run("sync")
        return self.status()

    def status(self) -> dict[str, Any]:
        """Return what `status --json` says."""
        status: dict[str, Any] = json.loads(self.run("status", "--json"))
        return status

    def current(self) -> dict[str, Any]:
        """Return what `current.json` says."""
        current: dict[str, Any] = json.loads((self.dataset / "music_lib" / "current.json").read_text(encoding="utf-8"))
        return current

    def rows(self) -> dict[tuple[str, int], tuple[str, bytes]]:
        """Return genre and numbers of every row, by path below the root and window."""
        return {key: (genre, numbers) for key, (genre, _, numbers) in self.rows_and_splits().items()}

    def rows_and_splits(self) -> dict[tuple[str, int], tuple[str, str, bytes]]:
        """Return genre, split and numbers of every row, by path below the root and window."""
        from datasets import load_from_disk

        rows: dict[tuple[str, int], tuple[str, str, bytes]] = {}
        for split, part in load_from_disk(str(self.dataset / "music_lib")).items():
            names = part.features["labels"].names
            seen: dict[str, int] = {}
            for row in part:
                path = os.path.relpath(row["paths"], self.music)
                window = seen[path] = seen.get(path, -1) + 1
                numbers = np.asarray(row["input_values"], np.float32).tobytes()
                rows[path, window] = (names[int(row["labels"])], split, numbers)
        return rows


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
