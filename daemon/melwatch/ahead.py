"""Getting worker processes ready while the commands are still being imported."""

from __future__ import annotations

from melwatch import system

WORKER_MODULES = ("melwatch.ingest", "melwatch.library.tags", "melwatch.spectrogram.extract")


def start_worker_server() -> None:
    """Start, once, the process that workers are forked from, where the system has such a thing."""
    system.start_child_server(WORKER_MODULES)
