"""`status --watch`: looking at the manifest again and again, and showing it where something has changed."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from melwatch import status
from melwatch.assemble import open_for_reading
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from melwatch.passes.workshop import Workshop

_TICK_S = 1.0
_REST = 10
"""What takes long to find out is asked for less often."""


def watch_in_terminal(shop: Workshop, clock: Callable[[], datetime]) -> None:
    """Fill the terminal with how things stand, until Ctrl-C."""
    from rich.console import Console, Group
    from rich.live import Live

    from melwatch_service.board import board_lines, next_publish

    console = Console(highlight=False, markup=False, emoji=False)
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        for facts in _looks(shop):
            now = clock()
            words = next_publish(shop.config.schedule, now, is_running=facts["pid"] is not None)
            width, height = console.size
            lines = board_lines(facts, next_publish=words, now=now, width=width, height=height)
            live.update(Group(*lines), refresh=True)


def watch_in_pipe(shop: Workshop, lines_of: Callable[[dict[str, Any]], list[str]] | None) -> None:
    """Print how things stand whenever that changes: as text by `lines_of`, or as one line of JSON each time."""
    before: dict[str, Any] | None = None
    for facts in _looks(shop):
        if facts == before:
            continue
        tell([json.dumps(facts)] if lines_of is None else [*([] if before is None else [""]), *lines_of(facts)])
        sys.stdout.flush()
        before = facts


def _looks(shop: Workshop) -> Iterator[dict[str, Any]]:
    """Yield how things stand, about every second; how far the daemon is, is asked for each time."""
    facts: dict[str, Any] = {}
    again_s = 0.0
    while True:
        began_s = time.monotonic()
        with open_for_reading(shop) as db:
            if began_s >= again_s:
                facts = status.overview(shop, db)
                took_s = time.monotonic() - began_s
                again_s = began_s + (_REST * took_s if took_s * _REST > _TICK_S else 0.0)
            else:
                facts = {**facts, **status.live_fields(shop, db)}
        yield facts
        time.sleep(_TICK_S)
