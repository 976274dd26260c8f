"""The manifest's file: whose it is, which schema it has, and transactions."""

from __future__ import annotations

import sqlite3
import stat
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from melwatch.errors import DegradedError, StoreError
from melwatch.manifest import database
from melwatch.manifest.database import (
    APPLICATION_ID,
    FILE_NAME,
    get_meta,
    log_trouble,
    open_manifest,
    read_manifest,
    set_meta,
    writing,
)

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
BROKEN = "CREATE TABLE second (number INTEGER) STRICT; INSERT INTO missing VALUES (1);"
SECOND = "CREATE TABLE second (number INTEGER) STRICT; INSERT INTO second VALUES (2);"


def pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def tables(db: sqlite3.Connection) -> set[str]:
    return {row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def made_elsewhere(file: Path, script: str) -> bytes:
    """Write a database that is not of melwatch's making; return its bytes."""
    with closing(sqlite3.connect(file)) as db:
        db.executescript(script)
    return file.read_bytes()


def set_two(db: sqlite3.Connection) -> None:
    """Begin a transaction that changes one key, adds another, and does not come to its end."""
    with writing(db):
        set_meta(db, "one", "changed")
        set_meta(db, "two", "new")
        raise KeyboardInterrupt


def fill(db: sqlite3.Connection) -> None:
    with writing(db):
        for number in range(10_000):
            set_meta(db, str(number), "x" * 500)


def fill_small_disk(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA max_page_count = {pragma(db, 'page_count') + 2}")
    fill(db)


# Opening and migrating.


def test_a_new_manifest_has_the_newest_schema_and_our_mark(tmp_path: Path) -> None:
    """Opening where there is nothing makes a manifest with write-ahead log and all tables."""
    with open_manifest(tmp_path) as db:
        assert pragma(db, "application_id") == APPLICATION_ID
        assert pragma(db, "user_version") == database._migrations()[-1][0]
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert tables(db) >= {"meta", "track", "spectrogram", "failure", "genre", "placement", "version"}


def test_what_was_written_is_there_at_the_next_start(tmp_path: Path) -> None:
    """Opening an existing manifest changes nothing in it."""
    with open_manifest(tmp_path) as db, writing(db):
        set_meta(db, "one", "1")

    with open_manifest(tmp_path) as db:
        assert get_meta(db, "one") == "1"
        assert get_meta(db, "two") is None


def test_migrations_are_numbered_without_gaps() -> None:
    """The numbered files are applied in order, each once."""
    assert [number for number, _ in database._migrations()] == [
        number for number, _ in enumerate(database._migrations(), start=1)
    ]


def test_an_older_manifest_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only migrations that a manifest lacks are applied, and what it holds stays."""
    monkeypatch.setattr(database, "_migrations", lambda: [(1, FIRST)])
    with open_manifest(tmp_path) as db, writing(db):
        set_meta(db, "one", "1")
    monkeypatch.setattr(database, "_migrations", lambda: [(1, FIRST), (2, SECOND)])

    for _ in range(2):
        with open_manifest(tmp_path) as db:
            assert pragma(db, "user_version") == 2
            assert [row[0] for row in db.execute("SELECT number FROM second")] == [2]
            assert get_meta(db, "one") == "1"


def test_a_migration_that_fails_leaves_the_schema_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each migration is a transaction of its own: the first is kept, of the second nothing."""
    monkeypatch.setattr(database, "_migrations", lambda: [(1, FIRST), (2, BROKEN)])

    with pytest.raises(StoreError, match="missing"), open_manifest(tmp_path):
        pass

    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.row_factory = sqlite3.Row
        assert (pragma(db, "user_version"), pragma(db, "application_id")) == (1, APPLICATION_ID)
        assert tables(db) == {"meta"}


# Files that are refused.


@pytest.mark.parametrize("open_it", [open_manifest, read_manifest])
@pytest.mark.parametrize("mark", [0, 0x12345678])
def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, open_it: object, mark: int) -> None:
    """Another program's file is not migrated but named, byte for byte as it was."""
    file = tmp_path / FILE_NAME
    before = made_elsewhere(file, f"PRAGMA application_id = {mark}; CREATE TABLE photos (name TEXT);")

    with pytest.raises(StoreError, match="not a manifest of melwatch") as raised, open_it(tmp_path):  # type: ignore[operator]
        pass

    assert "--state" in raised.value.hint
    assert file.read_bytes() == before


@pytest.mark.parametrize("open_it", [open_manifest, read_manifest])
def test_a_newer_schema_is_refused(tmp_path: Path, open_it: object) -> None:
    """A manifest of a newer melwatch is not touched, and the hint is to upgrade."""
    newest = database._migrations()[-1][0]
    with open_manifest(tmp_path) as db:
        db.execute(f"PRAGMA user_version = {newest + 1}")

    with pytest.raises(StoreError, match=rf"schema {newest + 1}, this one knows {newest}") as raised:
        open_it(tmp_path).__enter__()  # type: ignore[operator]

    assert "Upgrade" in raised.value.hint


@pytest.mark.parametrize("open_it", [open_manifest, read_manifest])
@pytest.mark.parametrize("content", [b"no database at all, " * 100, b"SQLite format 3\x00" + b"\xff" * 4080])
def test_a_damaged_file_is_an_error_of_the_store(tmp_path: Path, open_it: object, content: bytes) -> None:
    """Garbage in the manifest's place is told as damage, with what to do, and is not overwritten."""
    (tmp_path / FILE_NAME).write_bytes(content)

    with pytest.raises(StoreError, match=FILE_NAME) as raised, open_it(tmp_path):  # type: ignore[operator]
        pass

    assert raised.value.exit_code == 4
    assert "melwatch repair" in raised.value.hint
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_damage_that_shows_up_later_is_an_error_of_the_store(tmp_path: Path) -> None:
    """A page that turns out broken in the middle of the work stops it as damage does at the start."""
    with open_manifest(tmp_path) as db:
        size = pragma(db, "page_size")
        fill(db)
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek(2 * size)
        file.write(b"\xff" * 200 * size)

    with pytest.raises(StoreError), open_manifest(tmp_path) as db:
        db.execute("SELECT count(value) FROM meta WHERE value <> ''").fetchone()


def test_a_state_folder_that_is_missing_is_an_error_of_the_store(tmp_path: Path) -> None:
    """A manifest cannot be opened in a folder that is not there."""
    with pytest.raises(StoreError), open_manifest(tmp_path / "missing"):
        pass


# Transactions.


def test_an_interrupted_transaction_is_rolled_back_whole(tmp_path: Path) -> None:
    """After an exception nothing of a transaction is there, and the next one works."""
    with open_manifest(tmp_path) as db:
        with writing(db):
            set_meta(db, "one", "1")
        with pytest.raises(KeyboardInterrupt):
            set_two(db)

        assert (get_meta(db, "one"), get_meta(db, "two")) == ("1", None)
        with writing(db):
            set_meta(db, "two", "2")
        assert get_meta(db, "two") == "2"


def test_a_transaction_is_invisible_until_its_end(tmp_path: Path) -> None:
    """Whoever reads meanwhile sees what was there before, and is not kept waiting."""
    with open_manifest(tmp_path) as db, writing(db):
        set_meta(db, "one", "1")
        with read_manifest(tmp_path) as reader:
            assert get_meta(reader, "one") is None

    with read_manifest(tmp_path) as reader:
        assert get_meta(reader, "one") == "1"


def test_two_writers_wait_and_then_say_who_is_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that cannot begin because another program writes is told as such."""
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_S", 0.05)
    with open_manifest(tmp_path) as db, writing(db):
        with pytest.raises(DegradedError, match="Another program"), open_manifest(tmp_path) as other:
            fill(other)
        set_meta(db, "one", "1")


def test_a_violated_constraint_is_a_bug_and_passes_through(tmp_path: Path) -> None:
    """What contradicts the schema is our fault, not damage, and keeps its traceback."""
    with pytest.raises(sqlite3.IntegrityError), open_manifest(tmp_path) as db:
        db.execute("INSERT INTO placement VALUES ('song', 'nowhere')")


def test_a_wrong_use_of_the_connection_is_a_bug_and_passes_through(tmp_path: Path) -> None:
    """Too few values for a statement are not damage."""
    with pytest.raises(sqlite3.ProgrammingError), open_manifest(tmp_path) as db:
        db.execute("SELECT ?", ())


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    """Where there is no room to write, work is put off until there is; what was there stays."""
    with open_manifest(tmp_path) as db, writing(db):
        set_meta(db, "one", "1")

    with pytest.raises(DegradedError, match="full"), open_manifest(tmp_path) as db:
        fill_small_disk(db)

    with open_manifest(tmp_path) as db:
        assert [tuple(row) for row in db.execute("SELECT * FROM meta")] == [("one", "1")]


# Reading.


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """Looking changes nothing, not by mistake either."""
    with open_manifest(tmp_path):
        pass

    with pytest.raises(StoreError, match="readonly"), read_manifest(tmp_path) as db:
        fill(db)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no groups of this kind")
@pytest.mark.parametrize(("folder", "file"), [(0o770, 0o664), (0o700, 0o644), (0o755, 0o644)])
def test_a_group_that_may_write_to_the_folder_may_write_to_the_manifest(tmp_path: Path, folder: int, file: int) -> None:
    """The files that SQLite puts beside it too; otherwise all stay their owner's."""
    tmp_path.chmod(folder)
    with open_manifest(tmp_path) as db:
        with writing(db):
            set_meta(db, "key", "value")
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    assert modes == {f"{FILE_NAME}{end}": file for end in ("", "-wal", "-shm")}


def test_a_log_that_a_reader_keeps_growing_is_told_and_shrinks_when_the_reader_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one reads on and on SQLite cannot empty its log: that is said, and it ends with the reader."""
    monkeypatch.setattr(database, "LARGEST_LOG_BYTES", 4 << 20)
    monkeypatch.setattr(database, "_LOG_KEPT_BYTES", 1 << 20)
    with open_manifest(tmp_path) as db:

        def write(letter: str) -> None:
            for number in range(20):
                with writing(db):
                    set_meta(db, f"key {number}", letter * 1_000_000)

        write("a")
        assert log_trouble(tmp_path) is None
        with read_manifest(tmp_path) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM meta").fetchone()
            write("b")
            trouble = log_trouble(tmp_path)
            assert trouble is not None
            assert "4 MB" in trouble.what
            reader.execute("COMMIT")
        write("c")
        assert log_trouble(tmp_path) is None
