"""What SQLite finds wrong with a manifest, and the passes on record."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from melwatch.manifest import versions
from melwatch.manifest.database import FILE_NAME, open_manifest, read_manifest
from melwatch.manifest.health import OLDEST_SQLITE, complaints, schema_version, sqlite_version

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_manifest_is_sound(tmp_path: Path) -> None:
    """And of the newest schema, by a SQLite that is new enough."""
    with open_manifest(tmp_path) as db:
        assert complaints(db) == []
        assert schema_version(db) >= 4
    assert sqlite_version() >= OLDEST_SQLITE


def test_a_damaged_page_is_complained_of(tmp_path: Path) -> None:
    """Also where the file still opens."""
    with open_manifest(tmp_path) as db:
        for number in range(3000):
            db.execute("INSERT INTO meta VALUES (?, ?)", (f"key {number}", "x" * 50))
    file = tmp_path / FILE_NAME
    with file.open("r+b") as manifest:
        manifest.seek(file.stat().st_size - 5 * 4096)
        manifest.write(os.urandom(4096))
    with read_manifest(tmp_path) as db:
        assert complaints(db)


def test_the_last_passes_come_newest_first(tmp_path: Path) -> None:
    """As many as are asked for."""
    with open_manifest(tmp_path) as db:
        assert versions.last_passes(db, 3) == []
        assert versions.last_pass(db) is None
        for number in range(5):
            versions.record_pass(db, f"2026-05-0{number + 1}", 1.5, {"extracted": number})
        assert [done["extracted"] for done in versions.last_passes(db, 3)] == [4, 3, 2]
        assert versions.last_pass(db) == {"started_at": "2026-05-05", "seconds": 1.5, "extracted": 4}
