"""The guard as a layer around the application: it answers what may not pass, and marks every answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from melwatch.errors import MelwatchError
from melwatch_service.page.answers import refusal
from melwatch_service.page.forms import TooLargeError, read_form
from melwatch_service.page.guard import OPEN_PATHS, SAFE_METHODS, SECURITY_HEADERS

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from melwatch_service.page.guard import Guard

log = logging.getLogger(__name__)


class Gate:
    """Every request passes here first."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app, self.guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] != "http":
            return
        has_begun = False

        async def marked(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        request = Request(scope, receive)
        try:
            answer = await self._refused(request)
            await (answer or self.app)(scope, receive, marked)
        except Exception as error:
            if has_begun:
                raise
            await _explained(request, error)(scope, receive, marked)

    async def _refused(self, request: Request) -> Response | None:
        """Answer what may not pass."""
        headers = request.headers
        if len(headers.getlist("host")) != 1 or not self.guard.is_own_name(headers["host"]):
            hint = "Use the address that `melwatch page` tells."
            return refusal(request, 403, "This page does not go by that name", hint)
        is_let_in = self.guard.is_let_in(headers.get("authorization"), headers.get("cookie"))
        if not is_let_in and request.url.path not in OPEN_PATHS:
            return refusal(request, 401, "This page asks for its key", "It is `page.key` of the configuration.")
        if request.method in SAFE_METHODS:
            return None
        return await self._refused_change(request)

    async def _refused_change(self, request: Request) -> Response | None:
        """Answer what would change something and did not come from the page itself."""
        headers = request.headers
        if request.method != "POST":
            return refusal(request, 405, "Only GET and POST are understood here")
        if not self.guard.is_own_origin(headers.get("origin"), headers.get("sec-fetch-site"), headers["host"]):
            return refusal(request, 403, "That was asked by another page", "Nothing was done.")
        try:
            request.state.form = await read_form(request)
        except TooLargeError:
            return refusal(request, 413, "That is too much for a form")
        token = headers.get("x-melwatch-token") or request.state.form.get("token")
        if self.guard.bears_key(headers.get("authorization")) or self.guard.is_own_token(token):
            return None
        hint = "It may be from before melwatch was restarted: reload the page and try again."
        return refusal(request, 403, "That form is not one of this page's", hint)


def _explained(request: Request, error: Exception) -> Response:
    """Say what went wrong; what is not expected is a bug, and logged as one."""
    if isinstance(error, MelwatchError):
        return refusal(request, 503, error.what, error.hint)
    extra: dict[str, Any] = {"exc_info": error}
    log.error("This is a bug in melwatch's page (%s); please report it with these lines", request.url.path, **extra)
    return refusal(request, 500, "That is a bug in melwatch's page", "The log has more.")
