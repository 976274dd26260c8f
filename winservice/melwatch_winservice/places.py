"""Names and places of a service, known before anything else is imported."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "melwatch"


def service_name(name: str) -> str:
    """Return what the service control manager knows an instance by, as `melwatch.config.instance.Instance` has it."""
    return name if name == _NAME else f"{_NAME}-{name}"


def machine_folder() -> Path:
    """Return where the machine's services keep configuration, state and logs."""
    return platformdirs.site_data_path(_NAME, appauthor=False)


def log_file(name: str) -> Path:
    """Return where a service logs unless its configuration says otherwise."""
    return machine_folder() / "logs" / f"{name}.log"


def note_fault(file: Path, words: str) -> None:
    """Write what ended a service to its log, whatever may be wrong with the rest; if that fails too, give up."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} CRITICAL: {words}\n")
    except OSError:
        return
