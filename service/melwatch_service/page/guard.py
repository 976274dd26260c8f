"""Who may ask for what: the gate that every request passes before the page sees it.

A browser on this machine shows other people's pages too. So the name by which the page is called must
be one of its own (a rebound DNS name is not), and what changes something must come from the page
itself: as a POST, from the same origin, with the token that only the page's own forms hold.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from melwatch.config.sections import is_loopback

if TYPE_CHECKING:
    from melwatch.config.sections import PageSection

_HOST = re.compile(r"(\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^:@,/\s\[\]]+))(:(?P<port>[0-9]{1,5}))?")
SAFE_METHODS = frozenset({"GET", "HEAD"})
COOKIE = "melwatch_session"
OPEN_PATHS = frozenset({"/healthz", "/login", "/static/page.css", "/static/page.js", "/static/icon.svg"})
"""What needs no key."""

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What is known to the page alone, drawn anew at each start, and the names it answers to."""

    settings: PageSection
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def is_own_name(self, host: str | None) -> bool:
        """Whether a Host header names this server.

        A server for other machines is also called by any address, or by the machine's name: neither
        can be a DNS name that somebody else points here.
        """
        name, port = _split_host(host or "")
        if name is None or port not in {None, self.port} or (port is None and self.port != 80):  # noqa: PLR2004
            return False
        if name in {"127.0.0.1", "::1", "localhost", self.settings.host.lower()}:
            return True
        if is_loopback(self.settings.host):
            return False
        own = socket.gethostname().lower()
        return _is_address(name) or name in {own, f"{own}.local", own.split(".")[0]}

    def is_own_origin(self, origin: str | None, fetch_site: str | None, host: str | None) -> bool:
        """Whether a request that changes something comes from the page itself, as far as its headers tell.

        Programs send neither header; browsers send `null` for an origin that they were asked not to tell.
        """
        if fetch_site is not None and fetch_site != "same-origin":
            return False
        if origin is None:
            return True
        if origin == "null":
            return fetch_site == "same-origin"
        return origin.lower() == f"http://{(host or '').lower()}"

    def is_own_token(self, token: str | None) -> bool:
        """Whether a form was made by this very server."""
        return token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    def is_key(self, key: str | None) -> bool:
        """Whether somebody has the key."""
        wanted = self.settings.key
        return wanted is not None and key is not None and hmac.compare_digest(key.encode(), wanted.encode())

    def is_let_in(self, authorization: str | None, cookie: str | None) -> bool:
        """Whether whoever asks has shown the key: with this request, or before."""
        if self.settings.key is None or self.bears_key(authorization):
            return True
        try:
            morsel = SimpleCookie(cookie or "").get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self.session.encode())

    def bears_key(self, authorization: str | None) -> bool:
        """Whether a request carries the key itself, which no browser sends for somebody else."""
        kind, _, key = (authorization or "").partition(" ")
        return kind.lower() == "bearer" and self.is_key(key.strip())


def _split_host(host: str) -> tuple[str | None, int | None]:
    """Take a Host header apart; no name where it is none."""
    found = _HOST.fullmatch(host.strip().lower())
    if found is None:
        return None, None
    name = found["address"] or found["name"].removesuffix(".")
    return name or None, int(found["port"]) if found["port"] else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
