"""What is new, as server-sent events: one look a second for all listeners, and none where nobody listens."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from melwatch.errors import MelwatchError
from melwatch.manifest import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from melwatch_service.page.desk import Desk

LOOK_S = 1.0
MOST_LISTENERS = 32
_STILL_THERE_LOOKS = 15


class Events:
    """What all listeners hear."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.listeners = 0
        self._marks: tuple[object, ...] = ()
        self._looked_s = 0.0
        self._lock = asyncio.Lock()

    async def listen(self) -> AsyncIterator[bytes]:
        """Yield events: what is so now, then each change; and now and then a sign that the line still stands."""
        known: tuple[object, ...] | None = None
        quiet = 0
        while True:
            marks = await self._look()
            if marks != known:
                known, quiet = marks, 0
                yield b"event: change\ndata: " + json.dumps(_told(marks)).encode() + b"\n\n"
            else:
                quiet += 1
                if quiet % _STILL_THERE_LOOKS == 0:
                    yield b": still there\n\n"
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> tuple[object, ...]:
        async with self._lock:
            now_s = asyncio.get_running_loop().time()
            if now_s - self._looked_s >= LOOK_S / 2:
                try:
                    self._marks = await self.desk.look(shown.marks)
                except MelwatchError:  # it is told on the page itself; here the next look may do better
                    return self._marks
                self._looked_s = now_s
            return self._marks


def _told(marks: tuple[object, ...]) -> dict[str, Any]:
    live = json.loads(str(marks[3])) if len(marks) > 3 and marks[3] is not None else {}  # noqa: PLR2004  the live one
    return {
        "state": live.get("state", "idle"),
        "sentence": live.get("sentence", ""),
        "progress": live.get("progress"),
        "version": marks[1] if marks else None,
    }


class EventStream(Response):
    """An answer that goes on until the listener leaves."""

    media_type = "text/event-stream"

    def __init__(self, events: Events) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events; stop as soon as nobody listens."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        leaving = asyncio.ensure_future(_left(receive))
        self.events.listeners += 1
        try:
            stream = self.events.listen()
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            while not leaving.done():
                following = asyncio.ensure_future(anext(stream))
                await asyncio.wait({leaving, following}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    break
                await send({"type": "http.response.body", "body": following.result(), "more_body": True})
        finally:
            self.events.listeners -= 1
            leaving.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
