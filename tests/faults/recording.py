"""What was asked of the system while a command ran, and the disks that a crash anywhere in it would leave."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from faults.interposer import IGNORED, Call
from faults.steps import role_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Tree: TypeAlias = dict[str, bytes | None]
"""Every file by its path, with its content; folders have none."""

_ENTRY = struct.Struct("=IIQQIIII")


class Crash(StrEnum):
    """How a command ends, and what of it is then on the disk."""

    KILLED = "killed"
    """All that was asked for."""
    TORN = "killed half-way through a write"
    NAMES_LOST = "power cut, names lost"
    """What was synced; files and folders under the names by which they were when their folder was synced."""
    CONTENTS_LOST = "power cut, contents lost"
    """Every name, but of the contents only what was synced."""
    CONTENTS_TORN = "power cut, contents torn"
    """Every name, and the first half of contents that were never synced."""
    MANIFEST_AHEAD = "power cut, manifest ahead"
    """All of the manifest, and of the rest what was synced."""
    DATASET_AHEAD = "power cut, dataset ahead"
    """All of the dataset, and of the state what was synced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change that was asked of the system, below the place of a test."""

    call: Call
    path: str
    target: str
    inode: int
    offset: int
    data: bytes

    @property
    def name(self) -> str:
        """The name of the step."""
        return f"{self.call.verb} {self.role}"

    @property
    def role(self) -> str:
        """What it was asked for."""
        return role_of(os.path.normpath(f"/disk/{self.target or self.path}"))


def read_log(log: Path, place: Path) -> list[Operation]:
    """Return all operations in the order in which they happened."""
    content, at, operations = log.read_bytes(), 0, []
    while at < len(content):
        call, _, inode, offset, n_path, n_target, n_data, _ = _ENTRY.unpack_from(content, at)
        at += _ENTRY.size
        parts = []
        for size in (n_path, n_target, n_data):
            parts.append(content[at : at + size])
            at += size
        path, target = (os.path.relpath(os.fsdecode(part), place) if part else "" for part in parts[:2])
        operations.append(
            Operation(call=Call(call), path=path, target=target, inode=inode, offset=offset, data=parts[2])
        )
    return operations


class _File:
    """A file whatever its name: what is in it, and what was when it was last synced."""

    def __init__(self, content: bytes = b"", durable: bytes | None = None) -> None:
        self.content = content
        self.durable = durable
        self._torn = (content, content[: len(content) // 2])

    def write(self, offset: int, data: bytes) -> None:
        gap = bytes(max(0, offset - len(self.content)))
        self.content = self.content[:offset] + gap + data + self.content[offset + len(data) :]

    def after_power_cut(self, *, torn: bool) -> bytes:
        if self.durable is not None:
            return self.durable
        if not torn:
            return b""
        if self._torn[0] is not self.content:
            self._torn = (self.content, self.content[: len(self.content) // 2])
        return self._torn[1]


@dataclass(slots=True)
class _Folder:
    """A folder: the names in it, and those that were when it was last synced."""

    entries: dict[str, _File | _Folder] = field(default_factory=dict)
    durable: dict[str, _File | _Folder] = field(default_factory=dict)


class Disk:
    """What lies below a place, as the operations on it say, together with what of it a power cut cannot take."""

    def __init__(self, place: Path) -> None:
        """Begin with what is there, all of it durable."""
        self.root = _Folder()
        self.inodes: dict[int, _File] = {}
        for path in sorted(place.rglob("*")):
            folder, name = self._parent(str(path.relative_to(place)))
            if path.is_dir():
                folder.entries[name] = _Folder()
            else:
                content = path.read_bytes()
                folder.entries[name] = self.inodes[path.stat().st_ino] = _File(content, content)
            folder.durable[name] = folder.entries[name]

    def apply(self, operation: Operation) -> None:
        """Do what was done."""
        match operation.call:
            case Call.WRITE:
                self.inodes[operation.inode].write(operation.offset, operation.data)
            case Call.SYNC:
                self._sync(operation)
            case Call.CREATE:
                folder, name = self._parent(operation.path)
                folder.entries[name] = self.inodes[operation.inode] = _File()
            case Call.TRUNCATE:
                file = self.inodes[operation.inode]
                file.content = file.content[: operation.offset].ljust(operation.offset, b"\0")
            case Call.REPLACE:
                folder, name = self._parent(operation.path)
                target, new_name = self._parent(operation.target)
                target.entries[new_name] = folder.entries.pop(name)
            case Call.REMOVE | Call.RMDIR:
                folder, name = self._parent(operation.path)
                del folder.entries[name]
            case Call.MKDIR:
                folder, name = self._parent(operation.path)
                folder.entries[name] = _Folder()
            case Call.CHMOD:
                pass
            case _:
                raise AssertionError(f"nothing is known of what {operation.name} leaves")

    def crashes(self, following: Operation | None) -> Iterator[tuple[Crash, Tree]]:
        """Yield what each kind of crash leaves, before the operation that was to follow."""
        alive, names_lost = self.tree(), self._tree_after_power_cut(names=False)
        yield Crash.KILLED, alive
        yield Crash.NAMES_LOST, names_lost
        yield Crash.CONTENTS_LOST, self._tree_after_power_cut(names=True)
        yield Crash.CONTENTS_TORN, self._tree_after_power_cut(names=True, torn=True)
        yield Crash.MANIFEST_AHEAD, _mixed(names_lost, alive, "state/manifest.sqlite3")
        yield Crash.DATASET_AHEAD, _mixed(names_lost, alive, "dataset")
        if following is not None and following.call is Call.WRITE and len(following.data) > 1:
            file = self.inodes[following.inode]
            before = file.content
            file.write(following.offset, following.data[: len(following.data) // 2])
            yield Crash.TORN, self.tree()
            file.content = before

    def tree(self) -> Tree:
        """Return all that is there."""
        return {
            path: below.content if isinstance(below, _File) else None for path, below in _walk(self.root, names=True)
        }

    def _sync(self, operation: Operation) -> None:
        synced: _File | _Folder = self.inodes.get(operation.inode) or self._folder(operation.path)
        if isinstance(synced, _Folder):
            synced.durable = dict(synced.entries)
        else:
            synced.durable = synced.content

    def _parent(self, path: str) -> tuple[_Folder, str]:
        folder, name = os.path.split(path)
        return self._folder(folder), name

    def _folder(self, path: str) -> _Folder:
        folder = self.root
        for name in path.split("/"):
            if name not in {"", "."}:
                below = folder.entries[name]
                assert isinstance(below, _Folder), path
                folder = below
        return folder

    def _tree_after_power_cut(self, *, names: bool, torn: bool = False) -> Tree:
        return {
            path: below.after_power_cut(torn=torn) if isinstance(below, _File) else None
            for path, below in _walk(self.root, names=names)
        }


def _walk(folder: _Folder, prefix: str = "", *, names: bool) -> Iterator[tuple[str, _File | _Folder]]:
    for name, below in (folder.entries if names else folder.durable).items():
        yield prefix + name, below
        if isinstance(below, _Folder):
            yield from _walk(below, f"{prefix}{name}/", names=names)


def _mixed(durable: Tree, alive: Tree, prefix: str) -> Tree:
    """Return what is durable, but what lies under a prefix as it was."""
    mixed = {path: content for path, content in durable.items() if not path.startswith(prefix)}
    for path, content in alive.items():
        if path.startswith(prefix):
            for parent in reversed(Path(path).parents[:-1]):
                mixed.setdefault(str(parent), None)
            mixed[path] = content
    return mixed


def on_disk(place: Path) -> Tree:
    """Return what really lies below a place, as far as it is on a disk."""
    assert IGNORED == "-shm$"
    return {
        str(path.relative_to(place)): None if path.is_dir() else path.read_bytes()
        for path in sorted(place.rglob("*"))
        if not path.name.endswith("-shm")
    }


def put_on_disk(place: Path, tree: Tree) -> None:
    """Make a tree what lies below a place."""
    for path, content in tree.items():
        if content is None:
            (place / path).mkdir(parents=True, exist_ok=True)
        else:
            (place / path).write_bytes(content)
