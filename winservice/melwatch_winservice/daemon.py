"""The daemon of an installed service, put together from its configuration."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from melwatch.assemble import open_workshop
from melwatch.daemon import open_runner
from melwatch.settings import load_config
from melwatch_service.logs import set_up_logging
from melwatch_winservice.places import log_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from melwatch.config import LogSection
    from melwatch.face import Face
    from melwatch.instance import Instance
    from melwatch.runner import Runner


@contextmanager
def opened(instance: Instance, face: Face, now: datetime, log: Path | None = None) -> Iterator[Runner]:
    """Read the configuration, send log lines to its file (or `log`), take the lock and open the manifest."""
    config = load_config(instance.config_file)
    set_up_logging(_into_a_file(config.log, log or log_file(instance.name)))
    with open_runner(open_workshop(config), face, now) as runner:
        yield runner


def _into_a_file(settings: LogSection, file: Path) -> LogSection:
    return settings if settings.file is not None else settings.model_copy(update={"file": file})
