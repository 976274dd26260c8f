"""Connections to the page: how many at once, and how long each may take; a client can cost no more than that."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_CONNECTIONS = 64
ASKING_S = 10.0
"""How long a client may take to say what it wants."""
ANSWERING_S = 120.0
"""How long it may take to hear the answer."""
LISTENING_S = 600.0
"""How long it may listen to events; browsers then begin anew by themselves."""
EVENTS = "/events"

_LARGEST_HEAD_BYTES = 16 << 10
_LOOK_S = 2.0
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"


class Connection(H11Protocol):
    """One connection, which knows since when it has been at what it is at."""

    since_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or turn it away at once where there are too many."""
        super().connection_made(transport)
        self.since_s = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.write(_BUSY)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what comes in, unless it has been turned away."""
        if not self.transport.is_closing():
            super().data_received(data)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.since_s = self.loop.time()
        super().on_response_complete()

    def is_too_slow(self, now_s: float) -> bool:
        """Whether the client has used up its time."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            most_s = ASKING_S
        elif self.scope["path"] == EVENTS:
            most_s = LISTENING_S
        else:
            most_s = ANSWERING_S
        return now_s - self.since_s > most_s


class QuietServer(Server):
    """A server that sleeps while nobody asks for anything, and ends at once when it is told to."""

    def __init__(self, config: Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self.stop = stop

    async def main_loop(self) -> None:
        """Wait for the end; meanwhile let go of clients that have used up their time."""
        connections = self.server_state.connections
        while not self.stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), _LOOK_S)
            now_s = asyncio.get_running_loop().time()
            for connection in list(connections):
                if self.stop.is_set() or connection.is_too_slow(now_s):  # type: ignore[union-attr]  # all are ours
                    connection.transport.abort()
        self.force_exit = True


def make_server(app: ASGIApp, stop: asyncio.Event) -> QuietServer:
    """Return a server of the application that ends when `stop` is set."""
    config = Config(
        app,
        http=Connection,
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=0,
        h11_max_incomplete_event_size=_LARGEST_HEAD_BYTES,
    )
    return QuietServer(config, stop)
