"""A status page on folders of a test, served for real, and a client that sends just what it is told."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from melwatch.daemon.page import page_address
from melwatch.library.scan import scan
from melwatch.manifest import requests, tracks
from melwatch.manifest.database import open_manifest, writing
from melwatch.publishing import publication
from melwatch.publishing.showing import show
from melwatch.publishing.terms import remember
from melwatch.track import AudioId, Identity, Tags
from melwatch_service.page.server import serving
from workshops import MADE, manifest_of, workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from melwatch.passes.workshop import Workshop

KEY = "a key of enough characters"


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Visitor:
    """Somebody who asks the page for something, with just these headers and no others."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, headers: Mapping[str, str | None] | None = None, body: bytes | None = None
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            sent = {"Host": self.host, **self.headers, **(headers or {})}
            if body is not None:
                sent["Content-Length"] = str(len(body))
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str | None] | None = None) -> Answer:
        return self.ask("GET", path, headers)

    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.get("/").text)
        assert found is not None
        return found[1]

    def post(self, path: str, headers: Mapping[str, str | None] | None = None, **fields: str) -> Answer:
        """Send a form as the page's own do: with the token, unless another one is given."""
        from urllib.parse import urlencode

        body = urlencode({"token": self.token(), **fields} if "token" not in fields else fields).encode()
        return self.ask("POST", path, {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}, body)

    def raw(self, sent: bytes) -> bytes:
        """Send bytes as they are, and return all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            found = b""
            while more := connection.recv(65536):
                found += more
            return found


def put_songs_on_record(shop: Workshop, tags: Mapping[str, Tags] | None = None) -> None:
    """Note the files of a library as if a pass had extracted them, and show them; equal bytes sound alike."""
    with manifest_of(shop) as db:
        seen = scan(shop.root, shop.rules).seen
        tracks.add_tracks(db, seen)
        with writing(db):
            for file in seen:
                with open(shop.root + b"/" + file.path, "rb") as content:
                    song = AudioId(content.read().hex()[:64])
                name = os.fsdecode(file.path)
                identity = Identity(audio_id=song, file_digest="", tags=(tags or {}).get(name, Tags()))
                tracks.record_identity(db, file.path, file.stamp, file.stamp.changed_ns + 10**10, identity)
                tracks.record_spectrogram(db, song, shop.recipe.id, MADE)
        show_as_a_pass_does(shop)


def show_as_a_pass_does(shop: Workshop) -> None:
    """Work out what a version would show, remember its splits, and show it."""
    with open_manifest(shop.state.path) as db:
        records = list(tracks.track_records(db, shop.recipe.id))
        composition = publication.compose_version(shop, db, records)
        remember(db, composition, datetime.now(UTC))
        show(db, records, composition)


@contextmanager
def visited(shop: Workshop) -> Iterator[Visitor]:
    """Serve the page of a workshop on a free port."""
    with serving(shop):
        yield Visitor(port_of(shop))


def port_of(shop: Workshop) -> int:
    """Wait for the page to say where it is."""
    with open_manifest(shop.state.path) as db:
        wait_for(lambda: page_address(db, os.getpid()) is not None)
        address = page_address(db, os.getpid())
        assert address is not None
        return int(address.rsplit(":", 1)[1])


def wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    """Wait until something holds."""
    pause = threading.Event()
    for _ in range(int(timeout_s * 50)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it never came to that")


@contextmanager
def somebody_answering(shop: Workshop) -> Iterator[list[tuple[str, str]]]:
    """Take requests as the daemon does, note them, and answer each with its own words."""
    taken: list[tuple[str, str]] = []
    is_over = threading.Event()

    def answer() -> None:
        with open_manifest(shop.state.path) as db:
            while not is_over.wait(0.02):
                for request in requests.waiting(db):
                    taken.append((request.kind.value, request.argument))
                    requests.answer(db, request, f"{request.kind} is done")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield taken
    finally:
        is_over.set()
        thread.join()


def page_workshop(place: Path, **page: Any) -> Workshop:
    """Return a workshop whose page is on, on a free port."""
    return workshop(place, page={"enabled": True, "port": 0, **page})
