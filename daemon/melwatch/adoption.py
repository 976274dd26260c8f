"""Taking over class ids and splits of a dataset that a notebook made, so that old models and scores stay comparable."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.dataset.notebook import read_notebook, set_aside
from melwatch.dataset.splits import most_held_out
from melwatch.errors import ConfigError
from melwatch.manifest import epochs, ledger, versions
from melwatch.manifest.database import writing
from melwatch.names import native
from melwatch.passes.spelling import as_spelled
from melwatch.platform.child import run_in_child
from melwatch.track import RelPath

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.dataset.notebook import Notebook
    from melwatch.edition import Split
    from melwatch.passes.workshop import Workshop

EPOCH = "adopted"
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What was taken over.

    `elsewhere` counts files that did not lie below the music root, `missing` those that are not there any
    more, `ambiguous` those that were in several splits, `relabelled` those whose folder is another genre than
    their label said.
    """

    class_names: tuple[str, ...]
    splits: dict[RelPath, Split]
    elsewhere: int
    missing: int
    ambiguous: int
    relabelled: int
    set_aside: dict[Path, Path]


def adopt(shop: Workshop, db: Connection, source: Path | None, now: datetime) -> Adoption:
    """Take over class ids and splits, and set the dataset aside if it lies where melwatch's own is to be.

    With `source` it lies elsewhere and is only read. Raises `ConfigError` where melwatch has decided
    on classes or splits already.
    """
    require_nothing_of_ours(shop.folder)
    if ledger.placements(db) or versions.newest_version(db) is not None:
        raise ConfigError(
            f"melwatch has placed the songs of {shop.folder.path} already", "Only a new dataset can take over another."
        )
    found: Notebook = run_in_child(read_notebook, source or shop.folder.library)
    adoption = _matched(shop, found)
    if not adoption.splits:
        raise ConfigError(
            f"None of the {len(found.songs):,} files of the dataset lies below {os.fsdecode(shop.root)}",
            "Name the music folder that it was made from with --music.",
        )
    with writing(db):
        ledger.save_classes(db, found.class_names)
        epochs.save_adopted(db, adoption.splits)
        if epochs.current_epoch(db) is None:
            epochs.begin_epoch(db, EPOCH, "track", now.isoformat(timespec="seconds"))
    if source is None:
        adoption.set_aside.update(set_aside(shop.folder))
    return adoption


def require_nothing_of_ours(folder: DatasetFolder) -> None:
    """Raise `ConfigError` where a dataset of melwatch lies."""
    if folder.current.exists() or folder.version_numbers():
        raise ConfigError(
            f"{folder.path} holds a dataset of melwatch already", "It has class ids and splits of its own."
        )


def _matched(shop: Workshop, found: Notebook) -> Adoption:
    old_root = old_root_of(
        [song.path for song in found.songs], lambda path: os.path.exists(native(shop.root, path)), shop.root
    )
    splits: dict[RelPath, Split] = {}
    counts: Counter[str] = Counter()
    listed: dict[RelPath, list[bytes]] = {}
    for song in found.songs:
        written = _below(parts_of(song.path), old_root)
        if written is None:
            counts["elsewhere"] += 1
            continue
        path = as_spelled(shop.root, written, listed)
        if path is None:
            counts["missing"] += 1
            continue
        splits[path] = most_held_out(song.splits)
        counts["ambiguous"] += len(song.splits) > 1
        counts["relabelled"] += shop.genres.genre_of(path) != found.class_names[song.label]
    return Adoption(
        class_names=found.class_names,
        splits=splits,
        elsewhere=counts["elsewhere"],
        missing=counts["missing"],
        ambiguous=counts["ambiguous"],
        relabelled=counts["relabelled"],
        set_aside={},
    )


def parts_of(path: str) -> list[str]:
    """Return the parts of a path as any system wrote it."""
    return re.split(r"[\\/]+" if _WINDOWS.match(path) else "/+", path)


def old_root_of(paths: Sequence[str], exists: Callable[[RelPath], bool], root: bytes) -> list[str]:
    """Return the parts of the folder that the music lay in when paths were noted: that below which most are there now.

    The present root is tried first, then whatever leads to files that `exists` finds.
    """
    present = parts_of(os.fsdecode(root))
    if any(parts_of(path)[: len(present)] == present for path in paths):
        return present
    step = max(1, len(paths) // 50)
    votes: Counter[tuple[str, ...]] = Counter()
    for path in paths[::step]:
        parts = parts_of(path)
        for depth in range(len(parts) - 1):
            below = _below(parts, parts[:depth])
            if below is not None and exists(below):
                votes[tuple(parts[:depth])] += 1
                break
    return list(votes.most_common(1)[0][0]) if votes else present


def _below(parts: list[str], root: list[str]) -> RelPath | None:
    """Return the path below a root; None where it does not lie in a genre folder there."""
    below = parts[len(root) :]
    if parts[: len(root)] != root or len(below) < 2 or not all(below):  # noqa: PLR2004  genre and file
        return None
    return RelPath(os.fsencode("/".join(below)))
