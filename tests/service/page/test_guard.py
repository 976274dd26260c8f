"""Whose requests may pass: names, origins, tokens and keys, one table each."""

from __future__ import annotations

import pytest

from melwatch.config.sections import PageSection
from melwatch_service.page.guard import Guard

KEY = "a key of enough characters"
HERE = Guard(settings=PageSection(), port=8765)
BEYOND = Guard(settings=PageSection(host="0.0.0.0", key=KEY), port=8765)  # noqa: S104  the point of the test


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765", "localhost.:8765"]
)
def test_its_own_names_pass(host: str) -> None:
    """Every way to call this machine by itself, with the port, is the page's name."""
    assert HERE.is_own_name(host)


@pytest.mark.parametrize(
    "host",
    [
        None, "", "localhost", "127.0.0.1", "evil.example:8765", "127.0.0.1.evil.example:8765", "localhost:80",
        "192.168.1.5:8765", "127.0.0.1:8765:8765", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:\uff18765", "[::1]",
        "[::1:8765",
        "evil@127.0.0.1:8765", "127.0.0.1:8765, evil.example", "2130706433:8765", "0.0.0.0:8765",
    ],
)  # fmt: skip
def test_other_names_do_not(host: str | None) -> None:
    """A name that somebody made point here, another port, and what is no name at all are refused."""
    assert not HERE.is_own_name(host)


def test_a_page_for_other_machines_is_called_by_addresses_but_not_by_strange_names() -> None:
    """Where it is served to others, an address is its name; a DNS name of somebody else's is not."""
    assert BEYOND.is_own_name("192.168.1.5:8765")
    assert BEYOND.is_own_name("[fe80::1]:8765")
    assert not BEYOND.is_own_name("evil.example:8765")


@pytest.mark.parametrize(
    ("origin", "site", "is_own"),
    [
        (None, None, True),
        ("http://127.0.0.1:8765", None, True),
        ("http://127.0.0.1:8765", "same-origin", True),
        ("null", "same-origin", True),
        ("null", None, False),
        ("http://evil.example", None, False),
        ("http://evil.example", "cross-site", False),
        ("http://127.0.0.1:8765", "same-site", False),
        ("http://127.0.0.1:9999", None, False),
        ("https://127.0.0.1:8765", None, False),
        (None, "cross-site", False),
        (None, "none", False),
    ],
)
def test_only_the_page_itself_may_change_something(origin: str | None, site: str | None, is_own: bool) -> None:  # noqa: FBT001
    """Programs say nothing of an origin; browsers must name this one."""
    assert HERE.is_own_origin(origin, site, "127.0.0.1:8765") is is_own


def test_tokens_and_sessions_are_drawn_anew_at_each_start() -> None:
    """What was known before a restart is worth nothing after it."""
    other = Guard(settings=PageSection(), port=8765)
    assert HERE.is_own_token(HERE.token)
    assert not HERE.is_own_token(other.token)
    assert not HERE.is_own_token("")
    assert not HERE.is_own_token(None)


def test_a_key_is_asked_for_where_one_is_set() -> None:
    """The key itself lets in, as does the session that it began; nothing else does."""
    assert HERE.is_let_in(None, None)
    assert not BEYOND.is_let_in(None, None)
    assert BEYOND.is_let_in(f"Bearer {KEY}", None)
    assert BEYOND.is_let_in(None, f"other=1; melwatch_session={BEYOND.session}")
    for wrong in ("Bearer", "Bearer x", f"Basic {KEY}", KEY):
        assert not BEYOND.is_let_in(wrong, None)
    for wrong in ("melwatch_session=x", f"melwatch_session={KEY}", "=;=;", "melwatch_session=\xff"):
        assert not BEYOND.is_let_in(None, wrong)
