"""Where log lines go and how they look: for a person, or as JSON for programs; to stderr or a file that rotates."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from melwatch_systemd.journal import LevelInFront, is_journal

if TYPE_CHECKING:
    from melwatch.config import LogSection

_FILE_BYTES, _OLD_FILES = 5_000_000, 3


def set_up_logging(settings: LogSection) -> None:
    """Send log lines where the settings say."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    layout = "%(levelname)s: %(message)s"
    if settings.file is not None:
        settings.file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            settings.file,
            maxBytes=_FILE_BYTES,
            backupCount=_OLD_FILES,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,  # commands that log nothing do not touch the daemon's file
        )
        layout = "%(asctime)s %(levelname)s: %(message)s"
    formatter = JsonLines() if settings.format == "json" else logging.Formatter(layout)
    if settings.file is None and is_journal(sys.stderr, os.environ.get("JOURNAL_STREAM")):
        formatter = LevelInFront(formatter if settings.format == "json" else logging.Formatter("%(message)s"))
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=settings.level.upper(), force=True)
    # Of other people's chatter only what is wrong is of interest; lost events we tell ourselves.
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.ERROR)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time (UTC), level, logger and message, and a traceback if there is one."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)
