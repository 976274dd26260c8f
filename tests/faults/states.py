"""Which of the disks that crashes leave are the same to melwatch, so that each is tried once."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from faults.recording import Crash, Disk, Operation, Tree

_MANIFEST = ("state/manifest.sqlite3", "state/manifest.sqlite3-wal", "state/manifest.sqlite3-journal")
_TEMPORARY = re.compile(r"\.[0-9]+\.melwatch-tmp$")


@dataclass(slots=True)
class State:
    """One disk, and the crashes that lead to it: how, and before which operation of which name."""

    tree: Tree
    crashes: list[tuple[Crash, int, str]] = field(default_factory=list)

    def __str__(self) -> str:
        """Name the first crash that leads to it, and how many do."""
        crash, number, name = self.crashes[0]
        return f"{crash}, before operation {number} ({name}), and {len(self.crashes) - 1} more"


class States:
    """Tells disks apart by what melwatch can make of them.

    SQLite has the first word on its own files: what it makes of them counts, not their bytes. What
    was prepared beside a file by a process that is gone is never read, so that only its name counts.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._digests: dict[bytes, str] = {}
        self._manifests: dict[tuple[bytes | None, ...], str] = {}

    def of(self, disk: Disk, operations: list[Operation]) -> list[State]:
        """Return each state that a crash before, within or after one of the operations leaves."""
        states: dict[tuple[str, ...], State] = {}
        for number, operation in enumerate([*operations, None]):
            name = operation.name if operation is not None else "end"
            for crash, tree in disk.crashes(operation):
                states.setdefault(self._key(tree), State(tree)).crashes.append((crash, number, name))
            if operation is not None:
                disk.apply(operation)
        return list(states.values())

    def _key(self, tree: Tree) -> tuple[str, ...]:
        others = (self._said(path, tree[path]) for path in sorted(tree.keys() - set(_MANIFEST)))
        return (*others, self._manifest(tree))

    def _said(self, path: str, content: bytes | None) -> str:
        if content is None or _TEMPORARY.search(path):
            return path
        if content not in self._digests:
            self._digests[content] = hashlib.sha256(content).hexdigest()
        return path + self._digests[content]

    def _manifest(self, tree: Tree) -> str:
        files = tuple(tree.get(path) for path in _MANIFEST)
        if files not in self._manifests:
            self._manifests[files] = self._recovered(files)
        return self._manifests[files]

    def _recovered(self, files: tuple[bytes | None, ...]) -> str:
        """Return a digest of what a manifest says once SQLite has opened it; it must be sound."""
        if files[0] is None:
            return "".join("-" if content is None else "file without manifest" for content in files)
        for name, content in zip(_MANIFEST, files, strict=True):
            file = self.place / name.rsplit("/", 1)[-1]
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)
        with closing(sqlite3.connect(self.place / "manifest.sqlite3")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            mode = db.execute("PRAGMA journal_mode").fetchone()[0]
            return hashlib.sha256("\n".join([mode, *db.iterdump()]).encode()).hexdigest()


def selection(states: list[State]) -> list[State]:
    """Return few states among which is one for every kind of crash at every step."""
    pairs = {id(state): {(crash, name) for crash, _, name in state.crashes} for state in states}
    left, chosen = set().union(*pairs.values()), []
    while left:
        best = max(states, key=lambda state: len(pairs[id(state)] & left))
        left -= pairs[id(best)]
        chosen.append(best)
    return chosen
