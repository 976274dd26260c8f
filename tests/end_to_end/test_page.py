"""The status page of the real daemon, in a real browser: every page and button, with and without JavaScript."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from building import library, retagged, songs, tone
from daemons import Daemon, running
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="ends the daemon with a signal"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung"
PAGES = ("/", "/genres", "/tracks", "/tracks/1", "/problems", "/problems?kind=duplicates", "/versions", "/nowhere")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The real daemon over songs with umlauts, markup and long words in their names, a duplicate and a broken one."""
    rig = Rig.at(tmp_path_factory.mktemp("page"))
    rig.environment["MELWATCH_PAGE__PORT"] = "0"
    rock = songs(8)
    library(
        rig.music,
        {
            "Rock": {**rock, "copy.mp3": rock["00.mp3"], "broken.mp3": b"no song at all"},
            "Jäzz": {**songs(6, first=20), f"{LONG}.mp3": tone(801)},
            "Ska": {
                "<img src=x onerror=document.title=1>.mp3": retagged(tone(802), "<script>document.title=2</script>")
            },
        },
    )
    with running(rig) as daemon:
        daemon.wait_for(lambda: rig.status()["version"] is not None and rig.status()["state"] == "idle", 120)
        yield daemon


@pytest.fixture(scope="module")
def address(daemon: Daemon) -> str:
    """Where the daemon serves its page."""
    return str(daemon.rig.status()["page"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no Playwright")
    with playwright.sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    """A person's window, with JavaScript and without."""
    context = browser.new_context(java_script_enabled=request.param)
    context.set_default_timeout(60_000)
    yield context
    context.close()


def test_every_page_and_button_works(daemon: Daemon, address: str, context: BrowserContext) -> None:
    """Through the menu to each page, and each button says what the daemon answered."""
    daemon.wait_for_state("idle")
    page, complaints = _opened(context, address)
    assert page.locator("#state h2").inner_text() == "Idle"
    for name, heading in (
        ("Genres", "Genres"),
        ("Tracks", "Tracks"),
        ("Problems", "Problems"),
        ("Versions", "Versions"),
    ):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        assert page.locator("h1").inner_text() == heading
    page.goto(address)
    for button, words in (
        ("Rescan", "The library is looked at."),
        ("Publish now", "It is published"),
        ("Pause", "Paused until"),
    ):
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_text(words).first.wait_for()
    daemon.wait_for_state("paused")
    page.goto(address)
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Work goes on.").wait_for()
    daemon.wait_for_state("idle")
    page.goto(f"{address}/problems")
    page.get_by_role("button", name="Try again").first.click()
    page.get_by_text("1 failed songs are tried again.").wait_for()
    page.goto(f"{address}/versions")
    page.get_by_role("button", name=re.compile("^Pin version")).first.click()
    page.get_by_text("is kept until it is unpinned").wait_for()
    page.get_by_role("button", name=re.compile("^Unpin version")).first.click()
    page.get_by_text("kept no longer").wait_for()
    assert complaints == []


def test_what_needs_a_person_is_accepted_by_a_click(tmp_path: Path, context: BrowserContext) -> None:
    """A genre that vanished goes once that is agreed to, and a new recipe is taken; the difference is then shown."""
    rig = Rig.at(tmp_path, library(tmp_path / "music", {"Rock": songs(7), "Jäzz": songs(6, first=20)}))
    rig.environment["MELWATCH_PAGE__PORT"] = "0"
    rig.sync()
    shutil.rmtree(rig.music / "Jäzz")
    with running(rig) as daemon:
        page, complaints = _opened(context, daemon.wait_for_state("needs_confirmation")["page"])
        page.get_by_text("6 songs vanished at once").first.wait_for()
        assert len(daemon.songs()) == 13
        _accept(page, "Accept deletions", "Yes, remove these songs")
        daemon.wait_for(lambda: len(daemon.songs()) == 7)
        daemon.wait_for_state("idle")
        assert complaints == []
        page.close()
    rig.environment["MELWATCH_DATASET__DTYPE"] = "float16"
    with running(rig) as daemon:
        address = daemon.wait_for_state("needs_confirmation")["page"]
        page, complaints = _opened(context, address)
        _accept(page, "Accept the recipe", "Yes, extract all songs again")
        daemon.wait_for(lambda: rig.current()["version"] == 3)
        page.goto(f"{address}/versions")
        page.get_by_role("link", name="What changed in version 2").click()
        assert page.locator("#removed-title").inner_text() == "6 removed"
        assert page.locator(".changes bdi").first.inner_text().endswith("/Jäzz/20.mp3")
        page.goto(f"{address}/versions")
        page.get_by_label("Compare version").select_option("1")
        page.get_by_role("button", name="Compare").click()
        page.get_by_role("heading", name="7 extracted again").wait_for()
        page.get_by_text("The recipe changed from").wait_for()
        assert complaints == []


def test_a_track_is_found_seen_and_heard(address: str, context: BrowserContext) -> None:
    """By a word of its name; its spectrograms are a picture, its windows sounds of the right length."""
    page, _ = _opened(context, f"{address}/tracks")
    page.get_by_label("Search").fill(LONG[:20].upper())
    page.get_by_role("button", name="Show").click()
    page.locator("table.tracks a").first.click()
    assert LONG in page.locator("h1").inner_text()
    picture = context.request.get(address + str(page.locator(".picture img").get_attribute("src")))
    assert picture.ok
    assert picture.body().startswith(b"\x89PNG")
    sources = [audio.get_attribute("src") for audio in page.locator("audio").all()]
    assert len(sources) == 6
    sound = context.request.get(address + str(sources[5]), headers={"Range": "bytes=0-43"})
    assert sound.status == 206
    assert sound.body().startswith(b"RIFF")


def test_names_do_nothing(address: str, context: BrowserContext) -> None:
    """A file name and a title that are HTML are shown as they are written."""
    page, complaints = _opened(context, f"{address}/tracks?genre=Ska")
    page.locator("table.tracks a").first.click()
    assert page.locator("h1").inner_text() == "<script>document.title=2</script>"
    assert page.title() == "<script>document.title=2</script> · melwatch"
    assert page.locator("main img:not([src^='/tracks/'])").count() == 0
    assert complaints == []


def test_a_song_dropped_in_appears_by_itself(daemon: Daemon, address: str, browser: Browser) -> None:
    """The open page shows the next version without being reloaded."""
    context = browser.new_context()
    page, _ = _opened(context, address)
    page.evaluate("window.isSame = true")
    version = int(page.locator("#figures .large").nth(1).inner_text().split()[-1])
    (daemon.rig.music / "Rock" / "dropped in.mp3").write_bytes(tone(977))
    page.locator("#figures .large").nth(1).get_by_text(re.compile(rf"\b{version + 1}\b")).wait_for(timeout=60_000)
    assert page.evaluate("window.isSame")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious_and_nothing_sticks_out(
    address: str, browser: Browser, scheme: Any, width: int
) -> None:
    """On a phone and on a desktop, light and dark: no page hinders anyone, or is wider than the screen."""
    axe = Path(pytest.importorskip("axe_core_python").__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    for path in PAGES:
        page = context.new_page()
        page.goto(address + path, wait_until="domcontentloaded")
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        bad = [
            (one["id"], one["impact"], [node["html"] for node in one["nodes"]][:3])
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
        ]
        assert bad == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.close()
    context.close()


def _accept(page: Page, what: str, sure: str) -> None:
    """Press a button that asks once more, and the one that is meant."""
    page.get_by_text(what).first.click()
    page.get_by_role("button", name=sure).click()
    page.get_by_role("status").filter(has_text=re.compile(r"\w")).first.wait_for()


def _opened(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    """Open a page; what the browser complains of, such as a script that the policy forbids, is noted."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(address, wait_until="domcontentloaded")
    return page, complaints
