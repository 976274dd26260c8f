"""How the page answers: HTML for browsers, JSON for programs, and the same words in both where it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response

from melwatch_service.page.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

TITLES = {
    400: "That cannot be understood",
    401: "Please sign in",
    403: "Refused",
    404: "Not found",
    405: "Not that way",
    413: "Too large",
    500: "Something went wrong",
    503: "Not just now",
}


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a program; pure ASCII, so that any reader takes it whatever names hold."""
    text = json.dumps(value, ensure_ascii=True)
    return Response(text, status, dict(headers or {}), media_type="application/json")


def is_program(request: Request) -> bool:
    """Whether whoever asks wants JSON."""
    path = request.url.path
    return path.startswith("/api/") or "application/json" in request.headers.get("accept", "")


def refusal(request: Request, status: int, what: str, hint: str = "") -> Response:
    """Say what was not done, and why."""
    headers = {"www-authenticate": 'Bearer realm="melwatch"'} if status == 401 else {}  # noqa: PLR2004
    if status == 405:  # noqa: PLR2004
        headers["allow"] = "GET, HEAD, POST"
    if is_program(request):
        return as_json({"what": what, "hint": hint}, status, headers)
    page = render("refusal.html", title=TITLES.get(status, "Refused"), what=what, hint=hint, status=status)
    return HTMLResponse(page, status, headers)


def ranged(request: Request, content: bytes, media_type: str) -> Response:
    """Answer with a file, or the stretch of it that a player asks for."""
    total = len(content)
    headers = {"accept-ranges": "bytes", "cache-control": "private, max-age=3600"}
    span = _span(request.headers.get("range"), total)
    if span is None:
        return Response(content, 200, headers, media_type=media_type)
    start, end = span
    if start >= end:
        return Response(b"", 416, {"content-range": f"bytes */{total}"})
    headers["content-range"] = f"bytes {start}-{end - 1}/{total}"
    return Response(content[start:end], 206, headers, media_type=media_type)


def _span(header: str | None, total: int) -> tuple[int, int] | None:
    """Return the stretch that a Range header asks for; None where it asks for none that is understood here."""
    unit, _, spec = (header or "").partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not all(part.isascii() for part in (first, last)):
        return None
    if first.isdecimal() and (not last or last.isdecimal()):
        return int(first[:18]), min(total, int(last[:18]) + 1 if last else total)
    if not first and last.isdecimal():
        return max(0, total - int(last[:18])), total
    return None
