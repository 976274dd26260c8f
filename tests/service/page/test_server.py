"""The page's server: where it listens, and that it never stands in the daemon's way."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from building import library
from melwatch.config.sections import PageSection
from melwatch.config.settings import load_config
from melwatch.daemon.page import page_address, page_beside
from melwatch.errors import ConfigError
from melwatch.manifest.database import open_manifest
from melwatch_service.page import connections
from melwatch_service.page.connections import MOST_CONNECTIONS
from melwatch_service.page.server import address_of
from melwatch_service.page.shelf import Shelf
from pages import page_workshop, port_of, put_songs_on_record, visited, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.passes.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """A small library."""
    library(tmp_path / "music", {"Rock": {f"{n}.mp3": b"%d" % n for n in range(6)}})
    shop = page_workshop(tmp_path)
    put_songs_on_record(shop)
    return shop


def test_a_taken_port_gives_way_to_a_free_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page moves, the log says so, and `status` tells where it is."""
    library(tmp_path / "music", {"Rock": {"1.mp3": b"1"}})
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        shop = page_workshop(tmp_path, port=taken)
        put_songs_on_record(shop)
        with visited(shop) as visitor:
            assert visitor.port != taken
            assert visitor.get("/healthz").status == 200
    assert f"Port {taken} is taken" in caplog.text


def test_a_host_that_is_none_of_this_machine_costs_the_page_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon goes on without a page, and says so."""
    library(tmp_path / "music", {"Rock": {"1.mp3": b"1"}})
    shop = page_workshop(tmp_path, host="192.0.2.1", key="0123456789abcdef")
    put_songs_on_record(shop)
    with page_beside(shop):
        wait_for(lambda: "There is no status page" in caplog.text)


def test_a_page_that_is_off_is_not_served(tmp_path: Path) -> None:
    """With `page.enabled = false` nothing listens, and nothing of a web server is imported."""
    shop = page_workshop(tmp_path, enabled=False)
    before = threading.active_count()
    with page_beside(shop):
        assert threading.active_count() == before


def test_it_ends_at_once_whoever_is_connected(shop: Workshop) -> None:
    """Listeners, idle connections and half requests do not keep the daemon from ending."""
    with ExitStack() as stack:
        with visited(shop) as visitor:
            listener = HTTPConnection("127.0.0.1", visitor.port, timeout=10)
            stack.callback(listener.close)
            listener.request("GET", "/events", headers={"Host": visitor.host})
            listener.getresponse().readline()
            for sent in (b"", b"GET / HT", b"POST /actions/rescan HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"):
                half = stack.enter_context(socket.create_connection(("127.0.0.1", visitor.port)))
                half.sendall(sent)
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 1
        assert not any(thread.name == "page" for thread in threading.enumerate())


def test_too_many_connections_are_turned_away_and_make_room_again(shop: Workshop) -> None:
    """Beyond the limit the answer is 503 at once; when others leave, it is served again."""
    with visited(shop) as visitor, ExitStack() as stack:
        open_ones = [
            stack.enter_context(socket.create_connection(("127.0.0.1", visitor.port))) for _ in range(MOST_CONNECTIONS)
        ]
        wait_for(lambda: visitor.raw(b"").startswith(b"HTTP/1.1 503") or visitor.get("/healthz").status == 503)
        for connection in open_ones:
            connection.close()
        wait_for(lambda: _is_served(visitor.port, visitor.host))


def _is_served(port: int, host: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_slow_clients_are_let_go(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not say what they want in time, a byte now and then, loses the line."""
    monkeypatch.setattr(connections, "ASKING_S", 0.5)
    monkeypatch.setattr(connections, "_LOOK_S", 0.1)
    with visited(shop) as visitor, socket.create_connection(("127.0.0.1", visitor.port), timeout=10) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        slow.settimeout(0.05)

        def drip() -> bool:
            try:
                slow.sendall(b"X")
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_for(drip, 10)
        assert visitor.get("/healthz").status == 200


def test_what_was_on_record_before_is_no_address_of_this_daemon(shop: Workshop) -> None:
    """After a crash the address of a former process counts for nothing."""
    with visited(shop), open_manifest(shop.state.path) as db:
        port = port_of(shop)
        assert page_address(db, os.getpid()) == f"http://127.0.0.1:{port}"
        assert page_address(db, os.getpid() + 1) is None
        assert page_address(db, None) is None


def test_addresses_of_ipv6_are_written_in_brackets() -> None:
    """As browsers take them."""
    assert address_of(PageSection(host="::1"), 8765) == "http://[::1]:8765"
    assert address_of(PageSection(host="[::1]"), 1) == "http://[::1]:1"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ('host = "0.0.0.0"', "page"),
        ('host = "192.168.1.5"\nkey = "short"', "page.key"),
        ("port = 70000", "page.port"),
        ('port = "x"', "page.port"),
        ('host = ""', "page.host"),
        ('host = "a b"', "page.host"),
        ("enable = true", "page.enable"),
    ],
)
def test_a_page_that_cannot_be_meant_is_a_config_error(tmp_path: Path, settings: str, key: str) -> None:
    """Another host needs a key; each problem is named by its key."""
    file = tmp_path / "melwatch.toml"
    file.write_text(f"[library]\nroot = '{tmp_path}/music'\n[page]\n{settings}\n")
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert [problem.key for problem in raised.value.problems] == [key]
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "settings", ["", 'host = "localhost"', 'host = "::1"', 'host = "0.0.0.0"\nkey = "0123456789abcdef"']
)
def test_a_page_that_can_be_meant_is_none(tmp_path: Path, settings: str) -> None:
    """Loopback needs no key; another host does with one."""
    file = tmp_path / "melwatch.toml"
    file.write_text(f"[library]\nroot = '{tmp_path}/music'\n[page]\n{settings}\n")
    assert load_config(file).page.port == 8765


def test_the_shelf_keeps_within_its_room(tmp_path: Path) -> None:
    """What was not asked for longest makes room; without a folder to write to it is empty."""
    shelf = Shelf(tmp_path / "shelf", most_bytes=250)
    for number, name in enumerate("abc"):
        shelf.put(name, b"x" * 100)
        os.utime(tmp_path / "shelf" / name, ns=(number, number))
    shelf.put("d", b"y" * 100)
    assert [name for name in "abcd" if shelf.get(name)] == ["c", "d"]
    nowhere = Shelf(tmp_path / "not there" / "deeper")
    nowhere.put("a", b"1")
    assert nowhere.get("a") is None
