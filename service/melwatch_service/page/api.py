"""The JSON API: each answer is what the page of the same name shows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from melwatch import status
from melwatch.dataset import pins
from melwatch.errors import ConfigError
from melwatch_service.page import facts, metrics
from melwatch_service.page.actions import ACTIONS, wish_of
from melwatch_service.page.answers import as_json, refusal
from melwatch_service.page.description import described
from melwatch_service.page.events import MOST_LISTENERS, EventStream
from melwatch_service.page.questions import (
    NotFoundError,
    in_path,
    page_number,
    problem_kind,
    track_question,
    version_number,
)
from melwatch_service.page.render import today

if TYPE_CHECKING:
    from starlette.requests import Request

    from melwatch_service.page.desk import Desk


def desk_of(request: Request) -> Desk:
    """Return where this server gets things done."""
    desk: Desk = request.app.state.desk
    return desk


async def show_status(request: Request) -> Response:
    """What `melwatch status --json` says."""
    desk = desk_of(request)
    return as_json(await desk.look(partial(status.overview_on_record, desk.shop)))


async def show_overview(request: Request) -> Response:
    """The same, with what needs a person, space and recent activity."""
    desk = desk_of(request)
    return as_json(await desk.look(lambda db: facts.overview(desk.shop, db, today())))


async def show_genres(request: Request) -> Response:
    """Songs per genre and split."""
    desk = desk_of(request)
    return as_json(await desk.look(partial(facts.genres, desk.shop)))


async def list_tracks(request: Request) -> Response:
    """One page of tracks."""
    wanted = track_question(request)
    found = await desk_of(request).look(
        lambda db: facts.track_list(
            db, text=wanted.text, genre=wanted.genre, split=wanted.split, state=wanted.state, page=wanted.page
        )
    )
    return as_json(found)


async def show_track(request: Request) -> Response:
    """One track."""
    return as_json(await track_facts(request))


async def track_facts(request: Request) -> dict[str, Any]:
    """Return what there is to tell of the track that a path names."""
    desk, ordinal = desk_of(request), in_path(request, "track")
    found = await desk.look(lambda db: facts.track(desk.shop, db, ordinal))
    if found is None:
        raise NotFoundError(f"There is no track {ordinal}", "It may have been removed from the library.")
    return found


async def list_problems(request: Request) -> Response:
    """One page of a kind of problem."""
    desk, kind, page = desk_of(request), problem_kind(request), page_number(request)
    return as_json(await desk.look(lambda db: facts.problems(desk.shop, db, kind=kind, page=page)))


async def list_versions(request: Request) -> Response:
    """The versions on disk."""
    desk = desk_of(request)
    return as_json(await desk.do(partial(facts.version_list, desk.shop)))


async def show_difference(request: Request) -> Response:
    """What differs between two versions."""
    before, after = version_number(request, "before"), version_number(request, "after")
    return as_json(await difference(desk_of(request), before, after))


async def difference(desk: Desk, before: int, after: int) -> dict[str, Any]:
    """Compare two versions; raises `NotFoundError` where there is no such version."""
    folder = desk.shop.folder
    for number in (before, after):
        if not await desk.do(partial(folder.is_complete, number)):
            raise NotFoundError(f"There is no version {number}", "It may be past its time.")
    found: dict[str, Any] = await desk.in_child("compare_versions", folder=folder, before=before, after=after)
    return found


async def act(request: Request) -> Response:
    """Ask the daemon for something, and return what it says."""
    number, words = await asked(request)
    return as_json({"request": number, "answer": words})


async def asked(request: Request) -> tuple[int, str]:
    """Ask the daemon for what a path and a form say."""
    desk, action = desk_of(request), request.path_params["action"]
    wish = await desk.look(lambda db: wish_of(desk.shop, db, action, request.state.form))
    return await desk.ask(wish.kind, wish.argument, today().isoformat())


async def pin(request: Request) -> Response:
    """Keep a version, or let it go."""
    return as_json({"answer": await pinned(request)})


async def pinned(request: Request) -> str:
    """Pin or unpin what a path names; return what to tell the person."""
    desk, number, what = desk_of(request), in_path(request, "version"), request.path_params["what"]
    if what not in {"pin", "unpin"}:
        raise NotFoundError("There is no such action")
    try:
        await desk.do(partial(getattr(pins, what), desk.shop.folder, number))
    except ConfigError as error:
        raise NotFoundError(error.what, error.hint) from None
    if what == "pin":
        return f"Version {number} is kept until it is unpinned."
    return f"Version {number} is kept no longer than others."


async def show_token(request: Request) -> Response:
    """What a program sends along with a POST, in the header X-Melwatch-Token."""
    return as_json({"token": request.app.state.guard.token})


async def describe(request: Request) -> Response:
    """Describe this API, as OpenAPI."""
    del request
    return as_json(described(tuple(ACTIONS)))


async def listen(request: Request) -> Response:
    """Events, as long as there are not too many listeners."""
    events = request.app.state.events
    if events.listeners >= MOST_LISTENERS:
        return refusal(request, 503, "There are too many listeners")
    return EventStream(events)


async def show_metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    desk = desk_of(request)
    figures = await desk.look(partial(metrics.gather, desk.shop))
    return Response(metrics.exposition(figures), headers={"content-type": metrics.CONTENT_TYPE})


async def health(request: Request) -> Response:
    """Whether the daemon's page answers: it is part of the daemon."""
    await desk_of(request).look(lambda db: db.execute("SELECT 1").fetchone())
    return PlainTextResponse("ok\n")


ROUTES = [
    Route("/api/status", show_status),
    Route("/api/overview", show_overview),
    Route("/api/genres", show_genres),
    Route("/api/tracks", list_tracks),
    Route("/api/tracks/{track}", show_track),
    Route("/api/problems", list_problems),
    Route("/api/versions", list_versions),
    Route("/api/diff", show_difference),
    Route("/api/token", show_token),
    Route("/api/openapi.json", describe),
    Route("/api/actions/{action}", act, methods=["POST"]),
    Route("/api/versions/{version}/{what}", pin, methods=["POST"]),
    Route("/events", listen),
    Route("/metrics", show_metrics),
    Route("/healthz", health),
]
