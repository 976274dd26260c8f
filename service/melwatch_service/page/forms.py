"""What a POST brings along: a few short fields, as browsers send them or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_BYTES = 8 << 10
_MOST_FIELDS = 16


class TooLargeError(Exception):
    """More was sent than any form of ours has."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form or JSON object; anything else has none.

    Raises `TooLargeError` without reading on.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooLargeError
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    text = bytes(body).decode("utf-8", "replace")
    if kind == "application/json":
        return _from_json(text)
    if kind == "application/x-www-form-urlencoded":
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        except ValueError:
            return {}
    return {}


def _from_json(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: str(value) for name, value in found.items() if isinstance(value, (str, int))}
