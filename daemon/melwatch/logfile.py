"""Log lines in a file that rotates, for people or as JSON for programs."""

from __future__ import annotations

import json
import logging
import logging.handlers
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FILE_BYTES, _OLD_FILES = 5_000_000, 3


def log_to_file(file: Path, *, level: str, as_json: bool) -> None:
    """Send log lines to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        file,
        maxBytes=_FILE_BYTES,
        backupCount=_OLD_FILES,
        encoding="utf-8",
        errors="backslashreplace",
        delay=True,  # commands that log nothing do not touch the daemon's file
    )
    handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(asctime)s %(levelname)s: %(message)s"))
    log_to(handler, level)


def log_to(handler: logging.Handler, level: str) -> None:
    """Send log lines to a handler and nowhere else."""
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
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
