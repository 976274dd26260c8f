"""What the running daemon does about each request, and what it answers."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from melwatch.errors import ConfigError
from melwatch.library.part import Part
from melwatch.manifest import epochs, recipes, requests, tracks
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.manifest.requests import Ask
from melwatch.passes.look import accept_root
from melwatch.track import RelPath

if TYPE_CHECKING:
    from sqlite3 import Connection

    from melwatch.daemon.runner import Runner
    from melwatch.manifest.requests import Request

log = logging.getLogger(__name__)

_PAUSED = "paused_until"
_UNTIL_RESUMED = "resume"


def answer_all(runner: Runner, now: datetime) -> None:
    """Act on what is asked; what cannot be carried out must not come back at each start."""
    for request in requests.waiting(runner.db):
        try:
            words = act_on(runner, request, now)
        except (ValueError, OverflowError) as error:
            log.warning("A request (%s) could not be carried out: %s", request.kind, error)
            words = f"That could not be done: {error}"
        requests.answer(runner.db, request, words)


def act_on(runner: Runner, request: Request, now: datetime) -> str:
    """Carry out one request; return what to tell the person."""
    match request.kind:
        case Ask.PAUSE:
            return _pause(runner, request.argument, now)
        case Ask.RESUME:
            with writing(runner.db):
                runner.db.execute("DELETE FROM meta WHERE key = ?", (_PAUSED,))
            words = "Work goes on."
        case Ask.PUBLISH:
            words = _publish(runner, now)
        case Ask.RETRY:
            number = tracks.forget_failures(runner.db, tracks.songs_at(runner.db, request.argument))
            words = f"{number:,} failed songs are tried again."
        case Ask.RESCAN if request.argument:
            runner.look_now(Part.of([RelPath(bytes.fromhex(request.argument))]))
            return "It is looked at."
        case Ask.RESCAN:
            words = "The library is looked at."
        case Ask.NEW_EPOCH:
            words = _ask_for_epoch(runner, request.argument)
        case _:
            words = _accept(runner, request)
    runner.look_now()
    return words


def _accept(runner: Runner, request: Request) -> str:
    """Take note of what a person has confirmed."""
    match request.kind:
        case Ask.ACCEPT_DELETIONS:
            return f"{tracks.accept_deletions(runner.db):,} deletions go ahead."
        case Ask.ACCEPT_ROOT:
            accept_root(runner.db)
            return "What lies at the music root now is taken for the library."
        case Ask.ACCEPT_RECIPE:
            recipes.accept(runner.db, request.argument)
            return "Songs are extracted by the new recipe; the old version stays current until all are."
        case _:
            raise ValueError(f"{request.kind} is nothing to accept")


def _publish(runner: Runner, now: datetime) -> str:
    runner.agenda.is_publish_asked = True
    if runner.background.is_busy:  # what there is now, and what the look of the next pass finds
        runner.wishes.publish.set()
        runner.wishes.halt.set()
    paused = pause_of(runner.db, now)
    when = "as soon as the library has been looked at" if paused is None else f"after the pause {paused}"
    return f"It is published {when}."


def _ask_for_epoch(runner: Runner, name: str) -> str:
    try:
        with writing(runner.db):
            epochs.ask_for_epoch(runner.db, name)
    except ConfigError as error:
        return f"{error.what}. {error.hint}"
    runner.agenda.is_publish_asked = True
    return f"The epoch {name} begins with the next pass, and is published."


def _pause(runner: Runner, seconds: str, now: datetime) -> str:
    until = (now + timedelta(seconds=float(seconds))).isoformat(timespec="seconds") if seconds else _UNTIL_RESUMED
    with writing(runner.db):
        set_meta(runner.db, _PAUSED, until)
    runner.wishes.halt.set()
    return "Paused until `melwatch resume`." if until == _UNTIL_RESUMED else f"Paused until {until}."


def pause_of(db: Connection, now: datetime) -> str | None:
    """Say until when work is paused; None where it is not."""
    until = get_meta(db, _PAUSED)
    if until is None or until == _UNTIL_RESUMED:
        return until and "until `melwatch resume`"
    return f"until {until}" if datetime.fromisoformat(until) > now else None
