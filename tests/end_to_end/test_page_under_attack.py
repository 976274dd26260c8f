"""The real daemon while its page is flooded, starved and asked odd things: it goes on with its work."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from building import library, songs, tone
from daemons import Daemon, running
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform == "win32", reason="ends the daemon with a signal"),
]

FLOOD, AT_ONCE = 10_000, 400
MOST_GROWTH_BYTES = 20_000_000


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """The real daemon, at rest over a small library."""
    rig = Rig.at(tmp_path)
    rig.environment["MELWATCH_PAGE__PORT"] = "0"
    library(rig.music, {"Rock": {**songs(8), "broken.mp3": b"no song"}, "Ska": songs(3, first=20)})
    with running(rig) as daemon:
        daemon.wait_for(lambda: rig.status()["version"] is not None and rig.status()["state"] == "idle", 120)
        yield daemon


def place_of(daemon: Daemon) -> tuple[str, int]:
    host, _, port = str(daemon.rig.status()["page"]).removeprefix("http://").rpartition(":")
    return host, int(port)


def takes_in_a_song(daemon: Daemon, name: str, hertz: float) -> None:
    """See that the daemon does its work as ever."""
    (daemon.rig.music / "Rock" / name).write_bytes(tone(hertz))
    daemon.wait_for(lambda: f"Rock/{name}" in daemon.songs(), 60)


def test_a_flood_of_requests_is_refused_or_answered_and_leaves_no_trace(daemon: Daemon) -> None:
    """Of ten thousand requests in parallel each is answered or turned away, and the daemon is as it was."""
    host, port = place_of(daemon)
    before = daemon.holds()

    async def one(gate: asyncio.Semaphore, number: int) -> str:
        async with gate:
            try:
                reader, writer = await asyncio.open_connection(host, port)
                path = ("/", "/tracks?q=rock", "/api/status", "/metrics", "/actions/rescan", "/nowhere")[number % 6]
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
                head = await reader.readline()
                await reader.read()
                writer.close()
            except OSError:
                return "turned away"
            return head.decode("latin-1").split(" ")[1] if head else "turned away"

    async def flood() -> set[str]:
        gate = asyncio.Semaphore(AT_ONCE)
        return set(await asyncio.gather(*(one(gate, number) for number in range(FLOOD))))

    answers = asyncio.run(flood())
    assert answers <= {"200", "404", "405", "503", "turned away"}
    assert "200" in answers
    takes_in_a_song(daemon, "during the flood.mp3", 955)
    daemon.wait_for(lambda: daemon.holds()["descriptors"] <= before["descriptors"] + 3, 30)
    assert daemon.holds()["memory_bytes"] <= before["memory_bytes"] + MOST_GROWTH_BYTES
    assert "Traceback" not in daemon.log()


def test_slow_clients_starve_nobody_for_long(daemon: Daemon) -> None:
    """Who holds all connections with half a request loses them; the daemon works meanwhile, the page soon after."""
    host, port = place_of(daemon)
    with ExitStack() as stack:
        for _ in range(100):
            slow = stack.enter_context(socket.create_connection((host, port), timeout=30))
            slow.sendall(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nX-Slow: ".encode())
        takes_in_a_song(daemon, "meanwhile.mp3", 966)
        until_s = time.monotonic() + 40
        while not _answers(host, port):
            assert time.monotonic() < until_s


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            return connection.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def test_no_request_that_the_description_allows_or_not_makes_a_fault(daemon: Daemon) -> None:
    """Requests drawn from the API's own description, good ones and bad ones, never end in a 500."""
    schemathesis = pytest.importorskip("schemathesis", reason="there is no schemathesis")
    import requests
    from hypothesis import HealthCheck, given, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    host, port = place_of(daemon)
    address = f"http://{host}:{port}"
    token = requests.get(f"{address}/api/token", timeout=10).json()["token"]
    schema = schemathesis.openapi.from_url(f"{address}/api/openapi.json")
    wanted = [
        not_a_server_error,
        checks.response_schema_conformance,
        checks.status_code_conformance,
        checks.content_type_conformance,
    ]
    seen: dict[str, set[int]] = {}

    def try_out(operation: Any, mode: Any) -> None:
        name = f"{operation.method} {operation.path}"

        @settings(
            max_examples=2 if operation.path == "/api/diff" else 25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            answer = case.call(headers={"X-Melwatch-Token": token}, timeout=60)
            seen.setdefault(name, set()).add(answer.status_code)
            case.validate_response(answer, checks=wanted)

        ask()

    for found in schema.get_all_operations():
        for mode in schemathesis.GenerationMode:
            with suppress(Unsatisfiable):  # what takes no parameter cannot be asked wrongly
                try_out(found.ok(), mode)
    assert seen["get /api/status"] == {200}
    assert {200, 404} <= seen["post /api/actions/{action}"]
    assert {200, 400} <= seen["get /api/tracks"]
    assert "Traceback" not in daemon.log()
