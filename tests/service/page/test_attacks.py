"""What other people's pages, programs and file names try on the page: refused or inert."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from building import library
from melwatch.track import Tags
from melwatch_service.page.render import told
from pages import KEY, Visitor, page_workshop, put_songs_on_record, somebody_answering, visited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from melwatch.passes.workshop import Workshop

NASTY = "<script>alert(1)<%2Fscript>'\"&.mp3"
TITLE = '"><img src=x onerror=alert(2)><script>alert(3)</script>{{7*7}}'
ACTIONS = ("rescan", "publish", "pause", "resume", "retry", "accept-deletions", "accept-recipe")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A library with a file name and tags that are HTML, and a secret beside it."""
    tmp_path = tmp_path_factory.mktemp("attacked")
    library(tmp_path / "music", {"<b>Rock": {NASTY: b"0", **{f"{n}.mp3": b"%d" % n for n in range(1, 7)}}})
    (tmp_path / "secret.txt").write_text("not for the page")
    shop = page_workshop(tmp_path)
    put_songs_on_record(shop, {f"<b>Rock/{NASTY}": Tags(title=TITLE, artist=TITLE, album=TITLE)})
    return shop


@pytest.fixture(scope="module")
def visitor(shop: Workshop) -> Iterator[Visitor]:
    """Somebody at the page."""
    with visited(shop) as visitor:
        yield visitor


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.nip.io:8765", "127.0.0.1:1"])
@pytest.mark.parametrize("path", ["/", "/api/status", "/metrics", "/healthz", "/events", "/static/page.css", "/login"])
def test_a_rebound_name_gets_nothing(visitor: Visitor, host: str, path: str) -> None:
    """A page whose DNS name points here may not read anything, however it asks."""
    answer = visitor.get(path, {"Host": host})
    assert answer.status == 403
    assert b"token" not in answer.body


def test_no_host_or_two_get_nothing(visitor: Visitor) -> None:
    """Neither does whoever names none, or several."""
    assert b"HTTP/1.1 200" not in visitor.raw(b"GET / HTTP/1.1\r\n\r\n")
    assert b"HTTP/1.1 200" not in visitor.raw(b"GET / HTTP/1.0\r\n\r\n")
    twice = f"GET / HTTP/1.1\r\nHost: {visitor.host}\r\nHost: evil.example\r\n\r\n".encode()
    assert b"HTTP/1.1 200" not in visitor.raw(twice)


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_is_done_without_a_token_or_from_elsewhere(shop: Workshop, visitor: Visitor, action: str) -> None:
    """A POST that lacks the token, has another, or comes from another page leaves no request behind."""
    token = visitor.token()
    with somebody_answering(shop) as taken:
        for path in (f"/actions/{action}", f"/api/actions/{action}", "/versions/1/pin", "/api/versions/1/unpin"):
            assert visitor.post(path, token="").status == 403
            assert visitor.post(path, token="x" * 32).status == 403
            assert visitor.ask("POST", path).status == 403
            assert visitor.post(path, {"Origin": "http://evil.example"}, token=token).status == 403
            assert visitor.post(path, {"Origin": "null"}, token=token).status == 403
            assert visitor.post(path, {"Sec-Fetch-Site": "cross-site"}, token=token).status == 403
            assert visitor.post(path, {"Host": "evil.example"}, token=token).status == 403
        assert taken == []
        assert visitor.post(f"/api/actions/{action}", token=token).json()["answer"] == f"{action} is done"
        assert [kind for kind, _ in taken] == [action]


def test_a_token_does_not_pass_in_the_address(shop: Workshop, visitor: Visitor) -> None:
    """What stands in an address ends up in logs and histories, so it counts for nothing there."""
    with somebody_answering(shop) as taken:
        assert visitor.ask("POST", f"/actions/rescan?token={visitor.token()}").status == 403
        assert taken == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_only_a_post_changes_anything(shop: Workshop, visitor: Visitor, method: str) -> None:
    """Any other method is refused, token or not."""
    token = {"X-Melwatch-Token": visitor.token()}
    with somebody_answering(shop) as taken:
        for path in ("/actions/rescan", "/api/actions/rescan", "/versions/1/pin"):
            assert visitor.ask(method, path, token).status == 405
        assert taken == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/../secret.txt",
        "/static/..\\app.py", "/tracks/../../secret.txt", "/tracks/..%2f..%2fsecret.txt/windows/0.wav",
        "/tracks/1/windows/../../../secret.txt", "/tracks/1/windows/..%2f0.wav", "/tracks/-1/spectrograms.png",
        "/tracks/999999999999999999999/windows/0.wav", "/tracks/1%00/spectrograms.png", "/tracks/secret.txt",
        f"/tracks/{'9' * 5000}", "/tracks/1/windows/6.wav", "/tracks/%D9%A1/spectrograms.png",
        "/api/tracks/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/tracks/1/spectrograms.png/..",
    ],
)  # fmt: skip
def test_no_path_leads_out(visitor: Visitor, path: str) -> None:
    """There is no way to a file but by the number of a track on record."""
    answer = visitor.get(path)
    assert answer.status in {400, 404}
    assert b"not for the page" not in answer.body
    assert b"root:" not in answer.body


@pytest.mark.parametrize("path", ["/tracks", "/tracks?q=script", "/tracks/1", "/genres", "/problems", "/", "/tracks/3"])
def test_names_and_tags_are_text(visitor: Visitor, path: str) -> None:
    """A file name, a folder or a title that is HTML is shown as it is written, and does nothing."""
    answer = visitor.get(path)
    assert answer.status == 200
    assert "<script>" not in answer.text
    assert "<img src=x" not in answer.text
    assert "<b>Rock" not in answer.text
    assert "style=" not in answer.text
    assert "onerror=alert" not in answer.text.replace("&gt;", "").split("&lt;img src=x ")[0]


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Run `melwatch <b>`.", "Run <code>melwatch &lt;b&gt;</code>."),
        ("The genre <i>` is gone", "The genre &lt;i&gt;` is gone"),
        ("<p>\x1b", "&lt;p&gt;\\x1b"),
    ],
)
def test_sentences_are_text_but_for_commands(sentence: str, shown: str) -> None:
    """What a sentence quotes stands out; nothing in it, such as the name of a genre, is HTML."""
    assert told(sentence) == shown


def test_what_is_searched_for_is_text(visitor: Visitor) -> None:
    """So is whatever a link to the page says."""
    for path in ("/tracks?q=%22%3E%3Cscript%3E", "/tracks?genre=%3Cscript%3E", "/?said=%3Cscript%3E", "/%3Cscript%3E"):
        assert "<script>" not in visitor.get(path).text


def test_a_link_cannot_put_words_into_the_page(visitor: Visitor) -> None:
    """The words above a page are the daemon's answers, named by number, not what a link says."""
    assert "melwatch is broken" not in visitor.get("/?said=melwatch+is+broken").text


def test_buttons_lead_back_to_the_page_only(shop: Workshop, visitor: Visitor) -> None:
    """After a button was pressed nobody is sent to another site."""
    with somebody_answering(shop):
        for back in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/\r\nX: y"):
            answer = visitor.post("/actions/rescan", back=back)
            assert answer.status == 303
            assert "evil" not in answer.headers["location"]
            assert answer.headers["location"].startswith("/?said=")
        assert visitor.post("/actions/rescan", back="/tracks").headers["location"].startswith("/tracks?said=")


@pytest.mark.parametrize("path", ["/", "/tracks/1", "/api/status", "/nope", "/static/page.js", "/login", "/metrics"])
def test_every_answer_says_what_a_browser_may_do_with_it(visitor: Visitor, path: str) -> None:
    """No inline scripts, no frames, no guessing of types, no referrer, nothing kept of data."""
    headers = visitor.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def test_large_and_odd_bodies_are_refused_and_do_no_harm(visitor: Visitor) -> None:
    """A form is small; whatever else is sent is no form."""
    token = visitor.token()
    assert visitor.post("/actions/rescan", filler="x" * 20_000).status == 413
    for kind, body in (
        ("application/json", b"[" * 5000),
        ("application/json", b"\xff\xfe"),
        ("application/json", json.dumps([token]).encode()),
        ("application/x-www-form-urlencoded", b"&".join([b"a=b"] * 100)),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("", b"token=" + token.encode()),
    ):
        assert visitor.ask("POST", "/actions/rescan", {"Content-Type": kind}, body).status == 403
    assert visitor.get("/healthz").status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00" * 2000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
)
def test_what_is_no_request_ends_there(visitor: Visitor, sent: bytes) -> None:
    """Whatever is not understood gets no page, and the next visitor does."""
    with suppress(ConnectionError):
        assert b"HTTP/1.1 200" not in visitor.raw(sent)
    assert visitor.get("/").status == 200


def test_a_page_for_others_asks_for_its_key(tmp_path: Path) -> None:
    """Where a key is set, nothing but the sign-in is shown without it; with it all is, also after signing in."""
    library(tmp_path / "music", {"Rock": {"a.mp3": b"1"}})
    shop = page_workshop(tmp_path, key=KEY)
    put_songs_on_record(shop)
    with visited(shop) as visitor:
        for path in ("/", "/api/status", "/api/token", "/metrics", "/events", "/tracks/1/spectrograms.png"):
            assert visitor.get(path).status == 401
        bearing = {"Authorization": f"Bearer {KEY}"}
        assert visitor.get("/api/status", bearing).status == 200
        assert visitor.get("/api/status", {"Authorization": "Bearer wrong"}).status == 401
        login = visitor.get("/login").text
        token = login.split('name="token" value="')[1].split('"')[0]
        assert visitor.post("/login", token=token, key="wrong").status == 401
        entered = visitor.post("/login", token=token, key=KEY)
        assert entered.status == 303
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert KEY not in cookie
        assert visitor.get("/", {"Cookie": cookie.split(";")[0]}).status == 200
        with somebody_answering(shop) as taken:
            assert visitor.ask("POST", "/api/actions/rescan", bearing).status == 200
            assert visitor.ask("POST", "/api/actions/rescan", {"Cookie": cookie.split(";")[0]}).status == 403
        assert taken == [("rescan", "")]
