"""How log lines look, for people or as JSON for programs, and a file for them that rotates."""

from __future__ import annotations

import json
import logging
import logging.handlers
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from melwatch.names import printable

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
    handler.setFormatter(JsonLines() if as_json else PlainLines("%(asctime)s %(levelname)s: %(message)s"))
    log_to(handler, level)


def log_to(handler: logging.Handler, level: str) -> None:
    """Send log lines to a handler and nowhere else."""
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # Of other people's chatter only what is wrong is of interest; lost events we tell ourselves.
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.ERROR)


class PlainLines(logging.Formatter):
    """One line a record, whatever names are in it; the lines of a traceback follow, indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is logging's
        """Return the line, in which nothing breaks the line or speaks to a terminal."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802  logging's own name and type
        """Return the traceback, so that none of its lines can be taken for a record."""
        return "\n".join(f"    {printable(line)}" for line in super().formatException(ei).split("\n"))


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
