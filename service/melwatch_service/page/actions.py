"""What a person can ask for on the page, as requests to the daemon: the same that the commands make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.config.durations import seconds_of
from melwatch.manifest import shown
from melwatch.manifest.requests import Ask
from melwatch_service.page.questions import LARGEST, BadQuestionError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop

ACTIONS = {
    "rescan": Ask.RESCAN,
    "publish": Ask.PUBLISH,
    "pause": Ask.PAUSE,
    "resume": Ask.RESUME,
    "retry": Ask.RETRY,
    "accept-deletions": Ask.ACCEPT_DELETIONS,
    "accept-recipe": Ask.ACCEPT_RECIPE,
}
_LONGEST_PAUSE_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Wish:
    """A request to the daemon."""

    kind: Ask
    argument: str = ""


def wish_of(shop: Workshop, db: Connection, action: str, form: Mapping[str, str]) -> Wish:
    """Return what the daemon is to be asked for an action and what its form says.

    Raises `BadQuestionError`, or `NotFoundError` for a track that is not on record.
    """
    kind = ACTIONS.get(action)
    if kind is None:
        raise NotFoundError(f"There is no action {action[:40]!r}", f"There are: {', '.join(ACTIONS)}.")
    match kind:
        case Ask.PAUSE:
            return Wish(kind, _seconds(form.get("for", "")))
        case Ask.RETRY:
            return Wish(kind, _path(db, form.get("track", "")))
        case Ask.ACCEPT_RECIPE:
            return Wish(kind, shop.recipe.id)
        case _:
            return Wish(kind)


def _seconds(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    try:
        seconds = seconds_of(text)
    except (ValueError, OverflowError):
        seconds = None
    if seconds is None or not 0 < seconds <= _LONGEST_PAUSE_S:
        raise BadQuestionError("A pause lasts like 30m, 2h or 1d, up to a year", "Without, it lasts until it is ended.")
    return str(seconds)


def _path(db: Connection, text: str) -> str:
    """Return the path of a track that is named by its number, as requests have it."""
    text = text.strip()
    if not text:
        return ""
    is_number = text.isascii() and text.isdecimal() and int(text[:12]) <= LARGEST
    path = shown.path_of(db, int(text[:12])) if is_number else None
    if path is None:
        raise NotFoundError("There is no such track")
    return path.hex()
