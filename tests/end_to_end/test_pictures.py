"""The pictures of the README are taken of a real daemon, and show what it shows today."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from building import library
from daemons import Daemon, running
from example import first_songs, later_songs
from melwatch.config.sections import ScheduleSection
from melwatch_service.board import board_lines, next_publish
from pictures import HOW, PICTURES, RECORD, RENEW, drawn, files, record, smaller, sources, steady
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTH, HEIGHT = 96, 30
PLACES = {"music": "/home/anna/Musik", "dataset": "/home/anna/datasets/musik"}
IS_RENEWED = os.environ.get(RENEW) == "1"


@pytest.mark.skipif(IS_RENEWED, reason="the pictures are taken anew")
def test_no_picture_is_older_than_what_shapes_it() -> None:
    """Since they were taken neither the pictures nor the templates, styles and board have been changed."""
    noted = record()
    assert noted["sources"] == sources(), HOW
    assert noted["pictures"] == files(), HOW


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The real daemon over a library as a person might have it, some of which came in later."""
    rig = Rig.at(tmp_path_factory.mktemp("pictures"))
    rig.environment["MELWATCH_PAGE__PORT"] = "0"
    library(rig.music, first_songs())
    with running(rig) as daemon:
        for version, more in ((1, {}), (2, later_songs())):
            library(rig.music, more)
            daemon.wait_for(lambda version=version: rig.status()["version"] == version, 240)
            daemon.wait_for_state("idle")
        yield daemon


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="ends the daemon with a signal")
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_the_pictures_say_what_is_said_today(daemon: Daemon) -> None:
    """Page and board of a real daemon say the same as in the pictures; on request they are taken anew."""
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no Playwright")
    facts = daemon.rig.status()
    lines, said = _board(facts), {}
    with playwright.sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, path, scheme, width, until in (
            ("page-light", "/", "light", 1120, "#places-title"),
            ("page-dark", "/", "dark", 1120, "#places-title"),
            ("genres", "/genres", "light", 1120, "#genres > p:last-of-type"),
            ("phone", "/genres", "dark", 390, "#genres > p:last-of-type"),
        ):
            page = browser.new_page(
                color_scheme=scheme, viewport={"width": width, "height": 900}, device_scale_factor=1.5
            )
            page.goto(facts["page"] + path, wait_until="load")
            _rename_places(page, daemon.rig)
            said[path] = steady(_words(page))
            if IS_RENEWED:
                (PICTURES / f"{name}.png").write_bytes(smaller(_taken(page, width, until)))
            page.close()
        browser.close()
    said["status"] = steady("\n".join(line.plain for line in lines).partition("Last passes")[0])
    if IS_RENEWED:
        (PICTURES / "status.svg").write_text(drawn(lines, WIDTH, "melwatch status --watch"), encoding="utf-8")
        noted = {"sources": sources(), "pictures": files(), "says": said}
        RECORD.write_text(json.dumps(noted, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert record()["says"] == said, HOW


def _board(facts: dict[str, Any]) -> list[Any]:
    """Return the board three minutes after the last publish, without what only this machine knows."""
    now = datetime.fromisoformat(facts["published_at"]) + timedelta(minutes=3)
    words = next_publish(ScheduleSection(), now, is_running=True)
    return board_lines(facts | PLACES | {"pid": 4711}, next_publish=words, now=now, width=WIDTH, height=HEIGHT)


def _rename_places(page: Page, rig: Rig) -> None:
    """Put ordinary places where the page names those of the test."""
    page.evaluate(
        """places => document.querySelectorAll("main code").forEach(code => {
            for (const [from, to] of places) code.textContent = code.textContent.replace(from, to);
        })""",
        [[str(rig.dataset), PLACES["dataset"]], [str(rig.music), PLACES["music"]]],
    )


def _words(page: Page) -> str:
    """Return the words of the page, but for how the work was divided into passes, which is a matter of moments."""
    words: str = page.evaluate(
        """() => {
            const main = document.querySelector("main").cloneNode(true);
            main.querySelectorAll("#activity ol, #last-pass p").forEach(part => part.remove());
            return main.textContent;
        }"""
    )
    return words


def _taken(page: Page, width: int, until: str) -> bytes:
    """Return a picture of the page from its top to just above some part of it."""
    box = page.locator(until).bounding_box()
    assert box is not None
    return page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": int(box["y"]) - 14})
