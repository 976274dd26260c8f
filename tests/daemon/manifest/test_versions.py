"""What is on record of versions and passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.manifest import versions
from melwatch.manifest.database import open_manifest

if TYPE_CHECKING:
    from pathlib import Path


def test_the_last_passes_come_newest_first(tmp_path: Path) -> None:
    """As many as are asked for."""
    with open_manifest(tmp_path) as db:
        assert versions.last_passes(db, 3) == []
        assert versions.last_pass(db) is None
        for number in range(5):
            versions.record_pass(db, f"2026-05-0{number + 1}", 1.5, {"extracted": number})
        assert [done["extracted"] for done in versions.last_passes(db, 3)] == [4, 3, 2]
        assert versions.last_pass(db) == {"number": 5, "started_at": "2026-05-05", "seconds": 1.5, "extracted": 4}
