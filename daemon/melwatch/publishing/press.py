"""Having a version written, in this process or in one of its own, and saying what is in the way where it cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from melwatch.errors import DegradedError
from melwatch.platform import system
from melwatch.platform.child import run_in_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from melwatch.dataset.fingerprint import Prints
    from melwatch.edition import Edition, Published


class Write(Protocol):
    """Writes a version into a dataset's folder; raises `DegradedError` where the disk or memory does not suffice."""

    def __call__(self, path: Path, edition: Edition, digests: Prints, *, may_begin: bool) -> Published:
        """Write it; without `may_begin` make no dataset where none is."""


def write_apart(path: Path, edition: Edition, digests: Prints, *, may_begin: bool) -> Published:
    """Have a version written by a process of its own."""
    return _explained(path, lambda: run_in_child(_write_version, path, edition, digests, may_begin=may_begin))


def write_here(path: Path, edition: Edition, digests: Prints, *, may_begin: bool) -> Published:
    """Write a version in this process, which is one of its own already."""
    return _explained(path, lambda: _write_version(path, edition, digests, may_begin=may_begin))


def _explained(path: Path, write: Callable[[], Published]) -> Published:
    try:
        return write()
    except OSError as error:
        what = "is full" if system.is_disk_full(error) else f"cannot be written: {error.strerror}"
        raise DegradedError(f"The disk of {path} {what}", "The last version stays current.") from error
    except MemoryError as error:
        what = f"There is too little memory to write {path}"
        raise DegradedError(what, "The last version stays current.") from error


def _write_version(path: Path, edition: Edition, digests: Prints, *, may_begin: bool) -> Published:
    from melwatch.dataset.publish import publish

    return publish(path, edition, digests, may_begin=may_begin)
