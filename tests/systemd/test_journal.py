"""Log lines for the journal."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from melwatch_systemd.journal import LevelInFront, is_journal

if TYPE_CHECKING:
    from pathlib import Path


def test_each_line_has_its_level_in_front() -> None:
    """So a traceback is as red as its first line."""
    record = logging.LogRecord("melwatch", logging.ERROR, __file__, 1, "one\ntwo %s", ("words",), None)
    assert LevelInFront(logging.Formatter("%(message)s")).format(record) == "<3>one\n<3>two words"


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    """A stream that was led elsewhere is not the journal, whatever the environment says."""
    with (tmp_path / "stream").open("w", encoding="utf-8") as stream:
        facts = os.fstat(stream.fileno())
        assert is_journal(stream, f"{facts.st_dev}:{facts.st_ino}")
        assert not is_journal(stream, f"{facts.st_dev}:{facts.st_ino + 1}")
        assert not is_journal(stream, None)
