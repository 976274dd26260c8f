"""Copies of the manifest: when they are made, what is in them, and how many are kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from melwatch.manifest import database
from melwatch.manifest.backups import all_backups, back_up_daily
from melwatch.manifest.database import FILE_NAME, get_meta, open_manifest, set_meta, writing

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def value_in(file: Path, key: str) -> str | None:
    """Return what a copy remembers."""
    with closing(sqlite3.connect(file)) as db:
        row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def test_a_copy_holds_what_is_on_record_also_in_the_log(tmp_path: Path) -> None:
    """It is one sound file of its own, with what the write-ahead log still holds back."""
    with open_manifest(tmp_path) as db:
        with writing(db):
            set_meta(db, "one", "1")
        made = back_up_daily(db, tmp_path, NOW)
    assert made is not None
    assert made.name == f"manifest-schema{database.newest_schema()}-20261124T120000Z.sqlite3"
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert value_in(made, "one") == "1"
    with closing(sqlite3.connect(made)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_there_is_one_a_day_and_the_newest_three_stay(tmp_path: Path) -> None:
    """Within a day nothing is copied; after five days the first two copies are gone."""
    with open_manifest(tmp_path) as db:
        for hours in range(0, 5 * 24, 12):
            back_up_daily(db, tmp_path, NOW + timedelta(hours=hours))
    days = [backup.taken_at for backup in all_backups(tmp_path)]
    assert days == [NOW + timedelta(days=day) for day in (4, 3, 2)]


def test_copies_from_the_future_hold_nothing_up(tmp_path: Path) -> None:
    """After the clock was years ahead copies go on being made, and the one with the wrong date goes."""
    with open_manifest(tmp_path) as db:
        back_up_daily(db, tmp_path, NOW.replace(year=2036))
        assert back_up_daily(db, tmp_path, NOW) is not None
    assert [backup.taken_at for backup in all_backups(tmp_path)] == [NOW]


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_before_an_upgrade_a_copy_is_made_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: int
) -> None:
    """A manifest with older tables is copied as it was, then upgraded with all that it holds."""
    every = database._migrations()
    monkeypatch.setattr(database, "_migrations", lambda: every[:schema])
    with open_manifest(tmp_path) as db, writing(db):
        set_meta(db, "one", "1")
        db.execute("INSERT INTO placement VALUES ('song', 'test')")
        db.execute("INSERT INTO genre VALUES (0, 'Jazz')")
    assert all_backups(tmp_path) == []
    monkeypatch.setattr(database, "_migrations", lambda: every)

    with open_manifest(tmp_path) as db:
        assert get_meta(db, "one") == "1"
        assert [tuple(row) for row in db.execute("SELECT * FROM placement")] == [("song", "test")]
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(every)
        for day in range(9):
            back_up_daily(db, tmp_path, NOW + timedelta(days=day))

    (before,) = [backup for backup in all_backups(tmp_path) if backup.is_before_upgrade]
    assert before.schema == schema
    assert value_in(before.path, "one") == "1"
    with closing(sqlite3.connect(before.path)) as old:
        assert old.execute("PRAGMA user_version").fetchone()[0] == schema
    assert len(all_backups(tmp_path)) == 4


def test_a_new_manifest_is_not_copied(tmp_path: Path) -> None:
    """There is nothing to lose yet."""
    with open_manifest(tmp_path):
        pass
    assert not (tmp_path / "backups").exists()
    assert (tmp_path / FILE_NAME).exists()
