"""Which state folder belongs to a dataset, and the refusal to mix up two."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from melwatch.errors import ConfigError
from melwatch.manifest import backups
from melwatch.platform.disk import make_folder, remove_temporaries, replace_file

PRIVATE = 0o770
"""Of a state folder: what it knows is for its owner, and for the group as far as the umask lets it."""

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
        if served and _is_another(served, dataset, dataset_id):
            raise ConfigError(
                f"The state folder {named} serves another dataset ({served['path']})",
                "Name another --state folder, or leave it to melwatch.",
            )
        return StateFolder(named, dataset_id or (served or {}).get("dataset_id") or uuid.uuid4().hex)
    base = platformdirs.user_state_path("melwatch", appauthor=False)
    if dataset_id is None:
        dataset_id = _known_id(base, dataset) or uuid.uuid4().hex
    return StateFolder(base / dataset_id, dataset_id)


def _is_another(served: dict[str, str], dataset: Path, dataset_id: str | None) -> bool:
    """Whether a state folder serves another dataset than this one, which may have no version yet."""
    if dataset_id is not None:
        return served["dataset_id"] != dataset_id
    return served["path"] != _shown(dataset) and Path(served["path"]).exists()


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def claim(state: StateFolder, dataset: Path) -> None:
    """Create a state folder and note in it which dataset it serves."""
    make_folder(state.path, mode=PRIVATE)
    make_folder(state.spool)
    for folder in (state.path, state.path / backups.FOLDER):
        remove_temporaries(folder)
    served = {"dataset_id": state.dataset_id, "path": _shown(dataset)}
    replace_file(state.path / _FILE, json.dumps(served, ensure_ascii=False).encode())


def is_claimed(state: StateFolder, dataset: Path) -> bool:
    """Whether a state folder says which dataset it serves."""
    return _served(state.path) == {"dataset_id": state.dataset_id, "path": _shown(dataset)}


def noted_in(state: StateFolder) -> Path:
    """Return the file in which a state folder says that."""
    return state.path / _FILE


def _known_id(base: Path, dataset: Path) -> str | None:
    """Find the state of a dataset that has no version yet, or has been deleted, by its path."""
    for folder in sorted(base.glob("*/")):
        served = _served(folder)
        if served and served["path"] == _shown(dataset):
            return served["dataset_id"]
    return None


def _served(folder: Path) -> dict[str, str] | None:
    try:
        said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and {"dataset_id", "path"} <= said.keys() else None
