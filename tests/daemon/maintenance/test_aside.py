"""Where damaged files are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from melwatch.maintenance import aside

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_the_same_damage_is_kept_once(tmp_path: Path) -> None:
    """Whoever meets it again and again does not fill the disk; other content is kept beside it."""
    file = tmp_path / "train" / "a.arrow"
    file.parent.mkdir()
    file.write_bytes(b"damaged")
    first = aside.keep_copy(tmp_path, file, now=NOW)
    assert aside.keep_copy(tmp_path, file, now=NOW + timedelta(hours=1)) == first
    file.write_bytes(b"damaged otherwise")
    second = aside.keep_copy(tmp_path, file, now=NOW + timedelta(hours=2))
    kept = [path for path in (tmp_path / aside.FOLDER).rglob("*") if path.is_file()]
    assert sorted(kept) == [first, second]
    assert [path.read_bytes() for path in sorted(kept)] == [b"damaged", b"damaged otherwise"]
