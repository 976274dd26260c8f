"""Where log lines go and how they look: to a file that rotates, or to stderr, as a terminal or a journal wants them."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from melwatch.logfile import JsonLines, PlainLines, log_to, log_to_file
from melwatch_systemd.journal import LevelInFront, is_journal

if TYPE_CHECKING:
    from melwatch.config.sections import LogSection


def set_up_logging(settings: LogSection) -> None:
    """Send log lines where the settings say."""
    as_json = settings.format == "json"
    if settings.file is not None:
        log_to_file(settings.file, level=settings.level, as_json=as_json)
        return
    formatter: logging.Formatter = JsonLines() if as_json else PlainLines("%(levelname)s: %(message)s")
    if is_journal(sys.stderr, os.environ.get("JOURNAL_STREAM")):
        formatter = LevelInFront(formatter if as_json else PlainLines("%(message)s"))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    log_to(handler, settings.level)
