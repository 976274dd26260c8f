"""Log lines as the journal likes them: the level in front as a number, the time left to it; see sd-daemon(3)."""

from __future__ import annotations

import logging
import os
from typing import IO

_NUMBERS = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


def is_journal(stream: IO[str], named: str | None) -> bool:
    """Whether a stream is the very one that systemd connected to the journal, by what JOURNAL_STREAM says of it."""
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{facts.st_dev}:{facts.st_ino}"


class LevelInFront(logging.Formatter):
    """Whatever another formatter makes of a record, with the level in front of each line."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record, each as one for the journal."""
        number = _NUMBERS.get(record.levelno, 5)
        return "\n".join(f"<{number}>{line}" for line in self._inner.format(record).splitlines())
