"""What must not be shown or kept of what people type."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from melwatch.config.secret import without_password, without_secrets
from melwatch.manifest.lock import locked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("sftp://me:secret@host/data", "sftp://host/data"),
        ("s3://KEY:se/cr/et@bucket/data", "s3://bucket/data"),
        ("sftp://me:se@cr/et@host/data", "sftp://host/data"),
        ("simplecache::s3://KEY:secret@bucket", "simplecache::s3://bucket"),
        ("https://host/data?X-Signature=secret", "https://host/data?..."),
        ("sftp://me@host:22/a@b", "sftp://host:22/a@b"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        (r"C:\Music?@x", r"C:\Music?@x"),
    ],
)
def test_a_url_is_shown_without_its_secrets(typed: str, shown: str) -> None:
    """Keys of buckets may have slashes and passwords an `@` in them; paths stay as they are."""
    assert without_password(typed) == shown


def test_options_of_a_driver_are_shown_by_name() -> None:
    """However they are written."""
    words = ["pull", "--storage-option", "secret=x y", "--storage-option=key=x", "s3://a:b@c", "out"]
    shown = ["pull", "--storage-option", "secret=...", "--storage-option=key=...", "s3://c", "out"]
    assert list(without_secrets(words)) == shown


def test_a_lock_tells_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in a folder that others may read."""
    monkeypatch.setattr(sys, "argv", ["melwatch", "pull", "s3://KEY:hunter2@b", "--storage-option", "secret=hunter2"])
    with locked(tmp_path, datetime(2024, 1, 1, tzinfo=UTC)):
        told = json.loads((tmp_path / "lock").read_text())
    assert told["command"] == "melwatch pull s3://b --storage-option secret=..."
