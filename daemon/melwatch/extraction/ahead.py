"""Getting child processes ready while the commands are still being imported."""

from __future__ import annotations

from melwatch.platform import system

CHILD_MODULES = (
    "melwatch.extraction.ingest",
    "melwatch.library.tags",
    "melwatch.spectrogram.extract",
    "melwatch.publishing.publication",
    "melwatch.dataset.publish",
)


def start_children_server() -> None:
    """Start, once, the process that workers and publishers are forked from, where the system has such a thing."""
    system.start_child_server(CHILD_MODULES)
