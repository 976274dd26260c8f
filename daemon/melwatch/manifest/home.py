"""Which state folder belongs to a dataset, and the refusal to mix up two."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import platformdirs

from melwatch.disk import replace_file
from melwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "dataset.json"


@dataclass(frozen=True, slots=True)
class StateFolder:
    """A state folder and the id of the dataset that it serves."""

    path: Path
    dataset_id: str

    @property
    def spool(self) -> Path:
        """Where finished spectrograms wait."""
        return self.path / "spool"


def find_state(named: Path | None, dataset: Path, dataset_id: str | None) -> StateFolder:
    """Return the state folder of a dataset; it may not exist yet.

    `dataset_id` is what the dataset says of itself, None before its first version. Raises
    `ConfigError` where the named folder serves another dataset.
    """
    if named is not None:
        served = _served(named)
        if served and dataset_id and served["dataset_id"] != dataset_id:
            raise ConfigError(
                f"The state folder {named} serves another dataset ({served['path']})",
                "Name another --state folder, or leave it to melwatch.",
            )
        return StateFolder(named, dataset_id or (served or {}).get("dataset_id") or uuid.uuid4().hex)
    base = platformdirs.user_state_path("melwatch", appauthor=False)
    if dataset_id is None:
        dataset_id = _known_id(base, dataset) or uuid.uuid4().hex
    return StateFolder(base / dataset_id, dataset_id)


def claim(state: StateFolder, dataset: Path) -> None:
    """Create a state folder and note in it which dataset it serves."""
    state.spool.mkdir(parents=True, exist_ok=True)
    served = {"dataset_id": state.dataset_id, "path": os.fsencode(dataset).decode("utf-8", "backslashreplace")}
    replace_file(state.path / _FILE, json.dumps(served, ensure_ascii=False).encode())


def _known_id(base: Path, dataset: Path) -> str | None:
    """Find the state of a dataset that has no version yet, or has been deleted, by its path."""
    shown = os.fsencode(dataset).decode("utf-8", "backslashreplace")
    for folder in sorted(base.glob("*/")):
        served = _served(folder)
        if served and served["path"] == shown:
            return served["dataset_id"]
    return None


def _served(folder: Path) -> dict[str, str] | None:
    try:
        said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and {"dataset_id", "path"} <= said.keys() else None
