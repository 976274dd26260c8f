"""The status page as far as the engine knows it: a neighbour in the daemon's process, found by its name."""

from __future__ import annotations

import json
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from melwatch.manifest.database import get_meta, set_meta, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop

_NEIGHBOUR = "melwatch_service.page.server"
_KEY = "page"


@contextmanager
def page_beside(shop: Workshop) -> Iterator[None]:
    """Serve the page for as long as the block lasts, if the configuration says so."""
    if not shop.config.page.enabled:
        yield
        return
    with import_module(_NEIGHBOUR).serving(shop):
        yield


def note_page(db: Connection, address: str, pid: int) -> None:
    """Put on record where the page is served."""
    with writing(db):
        set_meta(db, _KEY, json.dumps({"address": address, "pid": pid}))


def page_address(db: Connection, pid: int | None) -> str | None:
    """Return where the daemon with this process id serves its page; None where it does not."""
    told = get_meta(db, _KEY)
    page = {} if told is None else json.loads(told)
    return str(page["address"]) if pid is not None and page.get("pid") == pid else None
