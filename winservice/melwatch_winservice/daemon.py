"""The daemon of an installed service, put together from its configuration."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from melwatch.assemble import open_workshop
from melwatch.config.settings import load_config
from melwatch.daemon.wiring import open_runner
from melwatch.logfile import log_to_file
from melwatch.platform import system
from melwatch_winservice.places import log_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from melwatch.config.instance import Instance
    from melwatch.daemon.face import Face
    from melwatch.daemon.runner import Runner


@contextmanager
def opened(instance: Instance, face: Face, now: datetime, log: Path | None = None) -> Iterator[Runner]:
    """Read the configuration, send log lines to its file (or `log`), take the lock and open the manifest."""
    config = load_config(instance.config_file)
    file = config.log.file or log or log_file(instance.name)
    log_to_file(file, level=config.log.level, as_json=config.log.format == "json")
    system.lower_priority()
    with open_runner(open_workshop(config), face, now) as runner:
        yield runner
