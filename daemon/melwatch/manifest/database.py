"""The manifest's SQLite file: opening, migrating, and short transactions. Knows no table but `meta`."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing, contextmanager, suppress
from importlib import resources
from typing import TYPE_CHECKING

from melwatch.errors import DegradedError, StoreError
from melwatch.manifest.backups import back_up_before_upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION_ID = 0x6D656C77  # "melw"
FILE_NAME = "manifest.sqlite3"
_BUSY_TIMEOUT_S = 10.0
_OUT_OF_REACH = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM,
}  # fmt: skip
_LOG_KEPT_BYTES, LARGEST_LOG_BYTES = 16 << 20, 64 << 20
"""What SQLite leaves of its write-ahead log when all of it is in the manifest, and what is too much.

A log of a few MB is usual. One that grows on has a reader that never ends: then nothing can go over.
"""


@contextmanager
def open_manifest(state: Path) -> Iterator[sqlite3.Connection]:
    """Open, and where needed create or migrate, the manifest in a state folder.

    Raises `StoreError` for a damaged or foreign file and for one that a newer melwatch wrote.
    """
    file = state / FILE_NAME
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            _check_owner(connection, file)
            _share(file)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_KEPT_BYTES}")
            _migrate(connection, file)
            yield connection
    except sqlite3.DatabaseError as error:
        if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
            raise
        raise explained(error, file) from error


@contextmanager
def read_manifest(state: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing manifest for looking only."""
    file = state / FILE_NAME
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            _check_owner(connection, file)
            _check_version(connection, file)
            connection.execute("PRAGMA query_only = ON")
            yield connection
    except sqlite3.DatabaseError as error:
        raise explained(error, file) from error


def is_out_of_reach(error: sqlite3.DatabaseError) -> bool:
    """Whether the manifest could not be got at, which says nothing of what is in it."""
    return _code(error) in _OUT_OF_REACH


def explained(error: sqlite3.DatabaseError, file: Path) -> DegradedError | StoreError:
    """Return what an error of SQLite means for the manifest: trouble that passes, or damage."""
    code = _code(error)
    if code == sqlite3.SQLITE_FULL:
        return DegradedError(f"The disk of {file} is full", "Free some space, then run it again.")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DegradedError(f"Another program has {file} open for writing", "Close it.")
    if code == sqlite3.SQLITE_IOERR:
        return DegradedError(f"The disk of {file} fails: {error}", "Check it; work goes on once it can be used again.")
    hint = "Check the permissions of the state folder." if code in _OUT_OF_REACH else "Run `melwatch repair`."
    return StoreError(f"The manifest {file} cannot be used: {error}", hint)


def _code(error: sqlite3.DatabaseError) -> int:
    """Return what an error is, without its details."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run one write transaction: all of it or, after an exception, nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # After a full disk SQLite has rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def log_trouble(state: Path) -> DegradedError | None:
    """Say that the write-ahead log is too large, if it is."""
    file = state / f"{FILE_NAME}-wal"
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return None
    if size <= LARGEST_LOG_BYTES:
        return None
    what = f"{file} has grown beyond {LARGEST_LOG_BYTES >> 20} MB"
    return DegradedError(what, "A program that reads the manifest does not end; end it, and the file shrinks.")


@contextmanager
def writing_for_good(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write as `writing` does, so that it outlasts a power cut, too: what is removed next depends on it."""
    connection.execute("PRAGMA synchronous = FULL")
    try:
        with writing(connection):
            yield connection
    finally:
        connection.execute("PRAGMA synchronous = NORMAL")


def get_meta(connection: sqlite3.Connection, key: str) -> str | None:
    """Return a remembered value, or None."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row["value"])


def set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Remember a value; call it inside `writing`."""
    connection.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (key, value))


def _check_owner(connection: sqlite3.Connection, file: Path) -> None:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    is_new = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if owner != APPLICATION_ID and not is_new:
        raise StoreError(f"{file} is not a manifest of melwatch", "Name another state folder with --state.")


def _share(file: Path) -> None:
    """Let the group that may write to the state folder write to the manifest too: requests are rows in it.

    SQLite creates a file for its owner alone, whatever the umask, and the files beside it in its image.
    """
    facts = file.stat()
    if file.parent.stat().st_mode & ~facts.st_mode & stat.S_IWGRP:
        with suppress(PermissionError):  # it is another account's
            file.chmod(stat.S_IMODE(facts.st_mode) | stat.S_IWGRP | stat.S_IRGRP)


def _check_version(connection: sqlite3.Connection, file: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    newest = newest_schema()
    if version > newest:
        what = f"{file} was written by a newer melwatch (schema {version}, this one knows {newest})"
        raise StoreError(what, "Upgrade melwatch.")


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    _check_version(connection, file)
    if 0 < connection.execute("PRAGMA user_version").fetchone()[0] < newest_schema():
        back_up_before_upgrade(connection, file)
    for number, sql in _migrations():
        if connection.execute("PRAGMA user_version").fetchone()[0] >= number:
            continue
        # executescript commits what is open, so the transaction is part of the script.
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {number};\nCOMMIT;"
        )


def newest_schema() -> int:
    """Return the number of the tables that this melwatch knows."""
    return _migrations()[-1][0]


def _migrations() -> list[tuple[int, str]]:
    """Return the numbered `.sql` files beside this module, in order."""
    folder = resources.files(__package__)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(int(file.name.split("_")[0]), file.read_text(encoding="utf-8")) for file in files]
