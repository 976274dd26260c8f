"""A dataset that a notebook made with `save_to_disk`: reading what is taken over of it, and setting it aside."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.dataset import layout
from melwatch.edition import Split
from melwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = {"train": Split.TRAIN, "validate": Split.VALIDATE, "validation": Split.VALIDATE, "test": Split.TEST}
_ASIDE = "notebook"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookSong:
    """A file of the dataset, as its column `paths` has it."""

    path: str
    label: int
    splits: frozenset[Split]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """What is taken over: class names by id, and the files with their splits."""

    class_names: tuple[str, ...]
    songs: tuple[NotebookSong, ...]


def read_notebook(folder: Path) -> Notebook:
    """Read labels and paths of a `DatasetDict`, and `genres.json` in it or beside it; needs `datasets`.

    Raises `ConfigError` where it is not laid out as the notebook does.
    """
    from datasets import ClassLabel, DatasetDict, load_from_disk

    if not (folder / layout.DATASET_DICT).exists():
        raise ConfigError(
            f"There is no DatasetDict in {folder}", "Name the folder that load_from_disk opens with --from."
        )
    opened = load_from_disk(str(folder))
    if not isinstance(opened, DatasetDict) or {*map(str, opened)} - _NAMES.keys():
        raise ConfigError(f"{folder} has other splits than train, validate and test: {', '.join(map(str, opened))}")
    told: tuple[str, ...] = ()
    splits: dict[str, set[Split]] = {}
    labels: dict[str, int] = {}
    for name, part in opened.items():
        if not {"labels", "paths"} <= {*part.column_names}:
            raise ConfigError(f"{folder} lacks a column labels or paths: {', '.join(part.column_names)}")
        if isinstance(part.features["labels"], ClassLabel):
            told = tuple(part.features["labels"].names)
        columns = part.select_columns(["labels", "paths"]).with_format(None)
        for row in columns:
            splits.setdefault(row["paths"], set()).add(_NAMES[str(name)])
            labels[row["paths"]] = int(row["labels"])
    return Notebook(
        class_names=_class_names(folder, told, max(labels.values(), default=-1)),
        songs=tuple(
            NotebookSong(path=path, label=labels[path], splits=frozenset(found)) for path, found in splits.items()
        ),
    )


def set_aside(folder: layout.DatasetFolder) -> dict[Path, Path]:
    """Give a notebook's files in a dataset folder other names, so that nothing overwrites them; return which.

    What `load_from_disk` opens comes last: until then it can be taken over once more.
    """
    renamed = {}
    for path in (folder.path / layout.GENRES, folder.library):
        if path.exists():
            target = _free(path)
            os.rename(path, target)
            renamed[path] = target
    return renamed


def _free(path: Path) -> Path:
    number = 1
    while True:
        stem = f"{path.stem}.{_ASIDE}" + (str(number) if number > 1 else "")
        target = path.with_name(stem + path.suffix)
        if not target.exists():
            return target
        number += 1


def _class_names(folder: Path, told: tuple[str, ...], largest: int) -> tuple[str, ...]:
    """Return the names by label, in NFC; `genres.json` and the dataset itself must not contradict each other."""
    aside = layout.GENRES.replace(".json", f".{_ASIDE}.json")
    files = [place / name for name in (layout.GENRES, aside) for place in (folder, folder.parent)]
    file = next((file for file in files if file.exists()), None)
    if file is None and not told:
        raise ConfigError(f"There is no {layout.GENRES} in {folder} or beside it", "It lists the class names by label.")
    names = _composed(told) if file is None else _composed(_read_names(file))
    if file is not None and told and names != _composed(told):
        raise ConfigError(
            f"{file} names other classes than the dataset itself",
            f"The dataset: {', '.join(told)}. The file: {', '.join(names)}.",
        )
    if largest >= len(names) or len({*names}) < len(names):
        raise ConfigError(f"{len({*names})} class names in {file or folder} do not fit labels up to {largest}")
    return names


def _read_names(file: Path) -> tuple[str, ...]:
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{file} is not a list of class names")
    return tuple(names)


def _composed(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", name) for name in names)
