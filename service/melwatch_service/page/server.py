"""The page's server: a thread of the daemon with an event loop of its own, which never keeps the daemon from ending."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from melwatch.assemble import open_to_ask
from melwatch.daemon.page import note_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch.config.sections import PageSection
    from melwatch.passes.workshop import Workshop

log = logging.getLogger(__name__)

_BACKLOG = 128
_STOP_S = 1.0
_TAKEN = {errno.EADDRINUSE, errno.EACCES, 10013, 10048}


@contextmanager
def serving(shop: Workshop) -> Iterator[None]:
    """Serve the page for as long as the block lasts; that it cannot be served is no reason not to work."""
    page = _Page(shop)
    thread = Thread(target=page.run, name="page", daemon=True)
    thread.start()
    try:
        yield
    finally:
        page.stop()
        thread.join(_STOP_S)


def bind(settings: PageSection) -> socket.socket:
    """Return a socket that listens where the configuration says, or on another port where that one is taken.

    Raises `OSError` where the host is none of this machine's.
    """
    family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    for port in (settings.port, 0):
        listening = socket.socket(family, socket.SOCK_STREAM)
        # On Windows this keeps others from taking the port over; elsewhere a restart need not wait for old connections.
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if exclusive is None else exclusive, 1)
        try:
            listening.bind((address[0], port, *address[2:]))
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            if port == 0 or error.errno not in _TAKEN:
                raise
        else:
            return listening
    raise AssertionError("the loop above returns or raises")


def address_of(settings: PageSection, port: int) -> str:
    """Return the address of the page as a browser takes it."""
    return f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{port}"


class _Page:
    """One server on its thread."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.is_stopping = False
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Have it end at once; safe from any thread."""
        self.is_stopping = True
        if self._loop is not None and self._stop is not None:
            try:
                self._loop.call_soon_threadsafe(self._stop.set)
            except RuntimeError:  # it has ended already
                return

    def run(self) -> None:
        """Serve until told to stop; faults are told in the log and cost the page only."""
        settings = self.shop.config.page
        try:
            listening = bind(settings)
        except OSError as error:
            log.warning("There is no status page: %s port %d: %s", settings.host, settings.port, error.strerror)
            return
        with listening:
            try:
                self._announce(listening.getsockname()[1])
                asyncio.run(self._serve(listening, listening.getsockname()[1]))
            except Exception:
                log.exception("The status page has ended")

    def _announce(self, port: int) -> None:
        """Say where it is: in the log, and on record for `status`."""
        settings = self.shop.config.page
        address = address_of(settings, port)
        if settings.port in {0, port}:
            log.info("The status page is at %s", address)
        else:
            log.warning("Port %d is taken by another program; the status page is at %s", settings.port, address)
        with open_to_ask(self.shop) as db:
            note_page(db, address, os.getpid())

    async def _serve(self, listening: socket.socket, port: int) -> None:
        from melwatch_service.page.app import make_app
        from melwatch_service.page.connections import make_server

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        if self.is_stopping:
            return
        app = make_app(self.shop, port)
        server = make_server(app, self._stop)
        try:
            await server.serve(sockets=[listening])
        finally:
            app.state.desk.close()
