"""The pages, rendered on the server: each shows what the API says, and its buttons are plain forms."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from melwatch.manifest.requests import answer_to
from melwatch.passes import renewal
from melwatch.spectrogram.spool import spool_file
from melwatch.track import AudioId
from melwatch_service.page import api, facts
from melwatch_service.page.answers import ranged
from melwatch_service.page.guard import COOKIE, SAFE_METHODS
from melwatch_service.page.questions import (
    LARGEST,
    NotFoundError,
    in_path,
    page_number,
    problem_kind,
    track_question,
    version_number,
)
from melwatch_service.page.render import render, today

if TYPE_CHECKING:
    from starlette.requests import Request

    from melwatch.spectrogram.recipe import Recipe
    from melwatch.track import TrackRecord
    from melwatch_service.page.desk import Desk


_OWN_PAGE = re.compile(r"/(genres|tracks|tracks/[0-9]{1,10}|problems|versions)?", re.ASCII)


async def page(request: Request, template: str, here: str, **values: Any) -> HTMLResponse:  # noqa: ANN401  as render
    """Return one page, with what was said to the last button that was pressed."""
    said = await _said(request)
    token = request.app.state.guard.token
    has_key = request.app.state.guard.settings.key is not None
    text = render(template, here=here, token=token, said=said, path=request.url.path, has_key=has_key, **values)
    return HTMLResponse(text)


async def _said(request: Request) -> str:
    number = request.query_params.get("said", "")
    if not (number.isascii() and number.isdecimal()) or int(number[:12]) > LARGEST:
        return str(request.app.state.notes.get(number, ""))
    return await api.desk_of(request).look(lambda db: answer_to(db, int(number))) or ""


async def overview(request: Request) -> Response:
    """The first page: how things stand."""
    desk = api.desk_of(request)
    found = await desk.look(lambda db: facts.overview(desk.shop, db, today()))
    return await page(request, "overview.html", "overview", **found)


async def genres(request: Request) -> Response:
    """Songs per genre."""
    desk = api.desk_of(request)
    return await page(request, "genres.html", "genres", found=await desk.look(partial(facts.genres, desk.shop)))


async def genres_picture(request: Request) -> Response:
    """The same as `melwatch plot genres` draws it."""
    desk = api.desk_of(request)
    found = await desk.look(partial(facts.genres, desk.shop))
    counts = {row["genre"]: row["tracks"] for row in found["genres"] if row["mark"] != "waiting"}
    waiting = {row["genre"]: row["tracks"] for row in found["genres"] if row["mark"] == "waiting"}
    picture = await desk.in_child("draw_genres", counts=counts, waiting=waiting)
    return Response(picture, media_type="image/png")


async def track_list(request: Request) -> Response:
    """Search and filters over all tracks."""
    wanted = track_question(request)
    found = await api.desk_of(request).look(
        lambda db: facts.track_list(
            db, text=wanted.text, genre=wanted.genre, split=wanted.split, state=wanted.state, page=wanted.page
        )
    )
    return await page(request, "tracks.html", "tracks", found=found, wanted=wanted)


async def track(request: Request) -> Response:
    """One track."""
    return await page(request, "track.html", "tracks", track=await api.track_facts(request))


async def spectrograms(request: Request) -> Response:
    """All windows of a track in one picture."""
    desk, record = api.desk_of(request), await _record(request)
    location = record.location
    if location is None or record.audio_id is None:
        raise NotFoundError("There are no spectrograms of this track yet")
    key = f"{record.audio_id}-{location.checksum}.png"

    async def draw() -> bytes:
        recipe = await _recipe(desk)
        drawn: bytes = await desk.in_child(
            "draw_track",
            folder=desk.shop.folder,
            spooled=spool_file(desk.shop.state.spool, AudioId(str(record.audio_id)), recipe.id),
            location=location,
            recipe=recipe,
            title="",
        )
        await desk.do(partial(desk.shelf.put, key, drawn))
        return drawn

    picture = await desk.do(partial(desk.shelf.get, key)) or await desk.once(key, draw)
    return Response(picture, media_type="image/png", headers={"cache-control": "private, max-age=3600"})


async def window(request: Request) -> Response:
    """One window of a track, as it is heard."""
    desk, record, number = api.desk_of(request), await _record(request), in_path(request, "window")
    recipe = await _recipe(desk)
    if record.audio_id is None or record.sound is None or number >= recipe.windows.per_track:
        raise NotFoundError("There is no such window")
    keys = [f"{record.audio_id}-{recipe.id}-{place}.wav" for place in range(recipe.windows.per_track)]

    async def cut() -> list[bytes]:
        hydrate = desk.shop.config.library.hydrate
        windows: list[bytes] = await desk.in_child(
            "cut_windows", root=desk.shop.root, path=record.path, recipe=recipe, hydrate=hydrate
        )
        for place, content in zip(keys, windows, strict=False):
            await desk.do(partial(desk.shelf.put, place, content))
        return windows

    sound = await desk.do(partial(desk.shelf.get, keys[number]))
    if sound is None:
        windows = await desk.once(keys[0], cut)
        if number >= len(windows):
            raise NotFoundError("There is no such window")
        sound = windows[number]
    return ranged(request, sound, "audio/wav")


async def _record(request: Request) -> TrackRecord:
    desk, ordinal = api.desk_of(request), in_path(request, "track")
    record = await desk.look(lambda db: facts.record_of(desk.shop, db, ordinal))
    if record is None:
        raise NotFoundError(f"There is no track {ordinal}")
    return record


async def _recipe(desk: Desk) -> Recipe:
    return (await desk.look(partial(renewal.workshop_in_force, desk.shop))).recipe


async def problems(request: Request) -> Response:
    """What is not as it should be."""
    desk, kind, number = api.desk_of(request), problem_kind(request), page_number(request)
    found = await desk.look(lambda db: facts.problems(desk.shop, db, kind=kind, page=number))
    return await page(request, "problems.html", "problems", found=found)


async def versions(request: Request) -> Response:
    """What was published."""
    desk = api.desk_of(request)
    return await page(request, "versions.html", "versions", found=await desk.do(partial(facts.version_list, desk.shop)))


async def difference(request: Request) -> Response:
    """What differs between two versions."""
    before, after = version_number(request, "before"), version_number(request, "after")
    found = await api.difference(api.desk_of(request), before, after)
    return await page(request, "difference.html", "versions", found=found)


async def act(request: Request) -> Response:
    """A button was pressed: ask the daemon, then show the page it was on, with the answer."""
    number, _ = await api.asked(request)
    return _back(request, str(number))


async def pin(request: Request) -> Response:
    """Pin or unpin, then show the versions again."""
    words = await api.pinned(request)
    return _back(request, request.app.state.notes.keep(words))


def _back(request: Request, said: str) -> Response:
    """Lead back to where the button was; only to a page of ours."""
    wanted = request.state.form.get("back", "/")
    path = wanted if _OWN_PAGE.fullmatch(wanted) else "/"
    return RedirectResponse(f"{path}?said={said}", 303)


async def sign_in(request: Request) -> Response:
    """Ask for the key, where there is one."""
    guard = request.app.state.guard
    if request.method in SAFE_METHODS:
        return HTMLResponse(render("login.html", token=guard.token, is_wrong=False))
    if not guard.is_key(request.state.form.get("key")):
        await request.app.state.patience.wait()
        return HTMLResponse(render("login.html", token=guard.token, is_wrong=True), 401)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, guard.session, httponly=True, samesite="strict", path="/")
    return answer


ROUTES = [
    Route("/", overview),
    Route("/genres", genres),
    Route("/genres.png", genres_picture),
    Route("/tracks", track_list),
    Route("/tracks/{track}", track),
    Route("/tracks/{track}/spectrograms.png", spectrograms),
    Route("/tracks/{track}/windows/{window}.wav", window),
    Route("/problems", problems),
    Route("/versions", versions),
    Route("/versions/diff", difference),
    Route("/actions/{action}", act, methods=["POST"]),
    Route("/versions/{version}/{what}", pin, methods=["POST"]),
    Route("/login", sign_in, methods=["GET", "POST"]),
]
