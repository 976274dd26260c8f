"""The application: routes behind the gate, and what they share."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from melwatch_service.page import api, views
from melwatch_service.page.answers import refusal
from melwatch_service.page.desk import Desk
from melwatch_service.page.events import Events
from melwatch_service.page.gate import Gate
from melwatch_service.page.guard import Guard
from melwatch_service.page.questions import BadQuestionError, NotFoundError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from melwatch.passes.workshop import Workshop

_HERE = Path(__file__).parent / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MOST_NOTES = 50
_WRONG_KEY_S = 1.0


class Notes:
    """Words for a person that no request of the daemon's holds, by a name that nobody can guess."""

    def __init__(self) -> None:
        self._words: OrderedDict[str, str] = OrderedDict()

    def keep(self, words: str) -> str:
        """Keep some words; return their name."""
        name = f"n{secrets.token_hex(8)}"
        self._words[name] = words
        while len(self._words) > _MOST_NOTES:
            self._words.popitem(last=False)
        return name

    def get(self, name: str, default: str) -> str:
        """Return the words of a name."""
        return self._words.get(name, default)


class Patience:
    """Lets wrong keys be tried one after another only, a second each."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def wait(self) -> None:
        """Wait for one's turn, and then a second."""
        async with self._turn:
            await asyncio.sleep(_WRONG_KEY_S)


def make_app(shop: Workshop, port: int) -> Starlette:
    """Return the application of a server that listens on a port."""
    guard = Guard(settings=shop.config.page, port=port)
    app = Starlette(
        routes=[*views.ROUTES, *api.ROUTES, *_static_routes()],
        exception_handlers={
            HTTPException: _refused,
            BadQuestionError: _misunderstood,
            NotFoundError: _not_found,
        },
    )
    app.router.redirect_slashes = False
    app.state.desk = Desk(shop)
    app.state.guard = guard
    app.state.events = Events(app.state.desk)
    app.state.notes = Notes()
    app.state.patience = Patience()
    app.add_middleware(_gate_of, guard=guard)
    return app


def _gate_of(app: ASGIApp, guard: Guard) -> ASGIApp:
    return Gate(app, guard)


def _static_routes() -> list[Route]:
    """Return the few files that never change while the server runs, from memory: there is no folder to escape from."""
    return [_static(file) for file in sorted(_HERE.iterdir()) if file.suffix in _KINDS]


def _static(file: Path) -> Route:
    content, kind = file.read_bytes(), _KINDS[file.suffix]
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}

    async def give(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    return Route(f"/static/{file.name}", give)


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:  # noqa: PLR2004
        return refusal(request, 404, "There is no such page", "")
    return refusal(request, status, "That cannot be asked like this")


async def _misunderstood(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadQuestionError)  # noqa: S101  registered for it alone
    return refusal(request, 400, error.what, error.hint)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, NotFoundError)  # noqa: S101  as above
    return refusal(request, 404, error.what, error.hint)
