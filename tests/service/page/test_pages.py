"""What the pages and the API show of a library: the same in both, and the same as the commands say."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from building import library
from melwatch import status
from melwatch.errors import TrackError
from melwatch.manifest import tracks
from melwatch.manifest.database import open_manifest, writing
from melwatch.track import Tags
from melwatch_service.page.space import dataset_space
from pages import Visitor, page_workshop, put_songs_on_record, show_as_a_pass_does, somebody_answering, visited
from workshops import workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from melwatch.passes.workshop import Workshop

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 3
ROCK = {f"{n:02}.mp3": b"rock %02d" % n for n in range(60)}
PAGES = ("/", "/genres", "/tracks", "/tracks/1", "/problems", "/problems?kind=duplicates", "/versions", "/login")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Three genres, one too small, with a duplicate, a failed track, and names of all kinds."""
    place = tmp_path_factory.mktemp("shown")
    jazz = {f"{n}.mp3": b"jazz %d" % n for n in range(6)}
    library(
        place / "music",
        {"Rock": {"Übermut": ROCK}, "Jäzz": jazz | {"9 copy.mp3": b"jazz 0"}, "Ska": {f"{LONG}.mp3": b"1"}},
    )
    shop = page_workshop(place)
    put_songs_on_record(shop, {"Rock/Übermut/07.mp3": Tags(title="Größe", artist="Die Ärzte", album="Öl")})
    with open_manifest(shop.state.path) as db, writing(db):
        db.execute("DELETE FROM spectrogram WHERE audio_id = ?", ((b"jazz 5").hex(),))
        error = TrackError("It is no MP3\nsecond line", "Replace it.", reason="not_mp3")
        tracks.record_failure(db, (b"jazz 5").hex(), shop.recipe.id, error, tries=2, at="2026-01-02T03:04:05+00:00")
    show_as_a_pass_does(shop)
    return shop


@pytest.fixture(scope="module")
def visitor(shop: Workshop) -> Iterator[Visitor]:
    """Somebody at the page."""
    with visited(shop) as visitor:
        yield visitor


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_a_title_a_language_and_a_way_past_the_menu(visitor: Visitor, path: str) -> None:
    """Each is whole HTML for screen readers, without inline styles or scripts."""
    answer = visitor.get(path)
    assert answer.status == 200
    assert answer.text.startswith('<!doctype html>\n<html lang="en">')
    assert re.search(r"<title>\S.* · melwatch</title>", answer.text)
    assert '<a class="skip" href="#content">' in answer.text
    assert len(re.findall(r"<h1[ >]", answer.text)) == 1
    assert not re.search(r"<script(?! src=\"/static/page.js\" defer></script>)|<style| style=| on\w+=", answer.text)
    assert not re.search(r"(src|href|action)=\"https?:", answer.text)


def test_status_says_what_the_command_says(shop: Workshop, visitor: Visitor) -> None:
    """`/api/status` has the fields and values of `status --json`."""
    with open_manifest(shop.state.path) as db:
        said = status.overview(shop, db)
    told = visitor.get("/api/status").json()
    assert told == {
        **said,
        "under_represented": [*said["under_represented"]],
        "over_represented": [*said["over_represented"]],
    }
    assert told["tracks"] == {"ready": 67, "pending": 0, "failed": 1, "excluded": 0}
    assert told["genres"] == {"Rock": 60}
    assert told["waiting"] == {"Jäzz": 5, "Ska": 1}


def test_genres_tell_shares_and_marks(visitor: Visitor) -> None:
    """Largest first, with the split of each, and those that wait marked so."""
    told = visitor.get("/api/genres").json()
    assert [(row["genre"], row["tracks"], row["mark"]) for row in told["genres"]] == [
        ("Rock", 60, "usual"), ("Jäzz", 5, "waiting"), ("Ska", 1, "waiting"),
    ]  # fmt: skip
    assert sum(told["genres"][0]["splits"].values()) == 60
    page = visitor.get("/genres").text
    assert "Jäzz" in page
    assert "1 more needed" in page


@pytest.mark.parametrize(
    ("question", "total"),
    [
        ("", 68),
        ("q=größe", 1),
        ("q=GRÖSSE", 1),
        ("q=ärzte+öl", 1),
        ("q=ÄRZTE", 1),
        ("q=donaudampf", 1),
        ("q=100%25", 0),
        ("q=%27+OR+1%3D1", 0),
        ("genre=Rock", 60),
        ("genre=rock", 0),
        ("state=in_dataset", 60),
        ("state=waiting", 6),
        ("state=duplicate", 1),
        ("state=failed", 1),
        ("state=pending", 0),
        ("genre=J%C3%A4zz&state=waiting&q=0", 1),
    ],
)
def test_tracks_are_found_by_text_genre_and_state(visitor: Visitor, question: str, total: int) -> None:
    """Search looks through path and tags without regard to case; filters narrow it down."""
    from urllib.parse import quote

    told = visitor.get("/api/tracks?" + quote(question, safe="=&%+")).json()
    assert told["total"] == total
    assert len(told["tracks"]) == min(total, 50)


def test_splits_add_up(visitor: Visitor) -> None:
    """Each track of the dataset is found under one split."""
    totals = [visitor.get(f"/api/tracks?split={split}").json()["total"] for split in ("train", "validate", "test")]
    assert sum(totals) == 60
    assert min(totals) > 0


def test_pages_of_the_list_follow_one_another(visitor: Visitor) -> None:
    """All tracks come up once, in path order; a page beyond the last is the last."""
    first, second = (visitor.get(f"/api/tracks?page={n}").json() for n in (1, 2))
    paths = [track["path"] for track in first["tracks"] + second["tracks"]]
    assert paths == sorted(paths, key=str.encode)
    assert len(set(paths)) == 68
    assert visitor.get("/api/tracks?page=99").json() == second
    assert 'rel="next"' in visitor.get("/tracks").text


@pytest.mark.parametrize(
    "path",
    [
        "/api/tracks?page=0", "/api/tracks?page=-1", "/api/tracks?page=x", "/api/tracks?page=99999999999999999999",
        "/api/tracks?split=all", "/api/tracks?state=x", f"/api/tracks?q={'x' * 201}", "/api/problems?kind=x",
        "/api/diff", "/api/diff?before=1", "/api/diff?before=x&after=y", "/api/tracks?page=%EF%BC%91",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said_so(visitor: Visitor, path: str) -> None:
    """A question that makes no sense is answered with 400 and a sentence."""
    answer = visitor.get(path)
    assert answer.status == 400
    assert answer.json()["what"]


@pytest.mark.parametrize("path", ["/api/tracks/999", "/api/diff?before=1&after=2", "/api/nothing", "/api/tracks/1/x"])
def test_what_is_not_there_is_not_found(visitor: Visitor, path: str) -> None:
    """Neither is an error of the server."""
    assert visitor.get(path).status == 404


def test_a_track_tells_its_tags_fate_and_history(shop: Workshop, visitor: Visitor) -> None:
    """A failed one says why, and when; a duplicate names the other."""
    failed = _track(visitor, "state=failed")
    assert (failed["state"], failed["reason"]) == ("failed", "not_mp3")
    assert [event["what"] for event in failed["history"]][1] == "Working on it failed (2 times in all)."
    copy = _track(visitor, "state=duplicate")
    assert [other["path"] for other in copy["same_sound"]] == ["Jäzz/0.mp3"]
    tagged = _track(visitor, "q=ärzte".replace("ä", "%C3%A4"))
    assert (tagged["title"], tagged["artist"], tagged["album"]) == ("Größe", "Die Ärzte", "Öl")
    assert tagged["split"] in {"train", "validate", "test"}
    assert len(tagged["windows_start_s"]) == shop.recipe.windows.per_track
    assert "second line" not in visitor.get("/problems").text
    assert "Try again" in visitor.get(f"/tracks/{failed['id']}").text


def _track(visitor: Visitor, question: str) -> dict[str, Any]:
    found = visitor.get(f"/api/tracks?{question}").json()["tracks"][0]
    told: dict[str, Any] = visitor.get(f"/api/tracks/{found['id']}").json()
    return told


def test_a_song_is_retried_by_its_number(shop: Workshop, visitor: Visitor) -> None:
    """The button of one track asks for that track alone; a number that none has is refused."""
    failed = _track(visitor, "state=failed")
    with somebody_answering(shop) as taken:
        assert visitor.post("/actions/retry", track=str(failed["id"])).status == 303
        assert visitor.post("/api/actions/retry", track="12345").status == 404
        assert visitor.post("/api/actions/retry", track="Rock/00.mp3").status == 404
    assert taken == [("retry", failed["path"].encode().hex())]


def test_a_pause_has_a_length_or_none(shop: Workshop, visitor: Visitor) -> None:
    """It is written as on the command line; what is no length of time is refused."""
    with somebody_answering(shop) as taken:
        assert visitor.post("/api/actions/pause").status == 200
        assert visitor.post("/api/actions/pause", **{"for": "2h"}).status == 200
        for wrong in ("x", "-1h", "0s", "99999999d", "1e400h", "∞"):
            assert visitor.post("/api/actions/pause", **{"for": wrong}).status == 400
    assert taken == [("pause", ""), ("pause", "7200")]


def test_the_answer_of_the_daemon_is_shown_where_the_button_was(shop: Workshop, visitor: Visitor) -> None:
    """A form leads back to its page, with what the daemon said, once."""
    with somebody_answering(shop):
        answer = visitor.post("/actions/rescan", back="/genres")
    assert answer.status == 303
    assert "rescan is done" in visitor.get(answer.headers["location"]).text
    assert "rescan is done" not in visitor.get("/genres").text


def test_figures_are_there_from_the_start_and_name_no_song(visitor: Visitor) -> None:
    """Each series has a value before anything happened; labels are words of our own."""
    text = visitor.get("/metrics").text
    for line in (
        'melwatch_tracks{state="in_dataset"} 60.0', 'melwatch_tracks{state="failed"} 1.0',
        'melwatch_tracks{state="pending"} 0.0', "melwatch_event_overflows_total 0.0", "melwatch_passes_total 0.0",
        "melwatch_extracted_total 0.0", "melwatch_failures_total 0.0", "melwatch_version 0.0",
        "melwatch_last_publish_timestamp_seconds 0.0", 'melwatch_state{state="degraded"} 0.0',
        'melwatch_genres{state="waiting"} 2.0', "melwatch_dataset_bytes 0.0",
    ):  # fmt: skip
        assert line in text, line
    assert "melwatch_free_bytes" in text
    assert not re.search(r"\.mp3|Rock|J.zz|/music|Übermut", text)
    names = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(names) == len(set(names))


def test_the_description_names_every_route_of_the_api(visitor: Visitor) -> None:
    """What is served under `/api/` is described, and what is described is served."""
    from melwatch_service.page.api import ROUTES

    described = set(visitor.get("/api/openapi.json").json()["paths"])
    assert described == {route.path for route in ROUTES if route.path.startswith("/api/")} - {"/api/openapi.json"}


def test_a_player_can_seek() -> None:
    """A stretch of a file is answered as such, and one beyond its end refused."""
    from starlette.requests import Request

    from melwatch_service.page.answers import ranged

    def asked(header: str | None) -> tuple[int, bytes, str | None]:
        headers = [(b"range", header.encode())] if header is not None else []
        answer = ranged(Request({"type": "http", "headers": headers}), b"0123456789", "audio/wav")
        return answer.status_code, bytes(answer.body), answer.headers.get("content-range")

    assert asked(None) == (200, b"0123456789", None)
    assert asked("bytes=2-4") == (206, b"234", "bytes 2-4/10")
    assert asked("bytes=7-") == (206, b"789", "bytes 7-9/10")
    assert asked("bytes=-3") == (206, b"789", "bytes 7-9/10")
    assert asked("bytes=0-99") == (206, b"0123456789", "bytes 0-9/10")
    assert asked("bytes=10-") == (416, b"", "bytes */10")
    for odd in ("bytes=a-b", "lines=1-2", "bytes=1-2,4-5", "bytes=", "bytes=--1", f"bytes={'9' * 5000}-x"):
        assert asked(odd)[0] == 200


def test_what_readers_cached_counts_apart(tmp_path: Path) -> None:
    """The caches of `.map()` lie among the shards, and are told apart by their names."""
    shop = workshop(tmp_path)
    train = shop.folder.library / "train"
    train.mkdir(parents=True)
    (train / ("a" * 32 + ".arrow")).write_bytes(b"x" * 1000)
    (train / "cache-0123456789abcdef.arrow").write_bytes(b"x" * 200)
    (train / "tmpabc123").write_bytes(b"x" * 30)
    found = dataset_space(shop.folder)
    assert (found.own_bytes, found.cache_bytes) == (1000, 230)


def test_events_tell_of_a_change_within_two_seconds(shop: Workshop, visitor: Visitor) -> None:
    """A listener hears how things are, and then each change."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", visitor.port, timeout=10)
    connection.request("GET", "/events", headers={"Host": visitor.host})
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.readline() == b"event: change\n"
    assert b'"state": "idle"' in answer.readline()
    began_s = time.monotonic()
    with somebody_answering(shop):
        visitor.post("/actions/rescan")
    assert answer.readline() == b"\n"
    assert answer.readline() == b"event: change\n"
    assert time.monotonic() - began_s < 5
    connection.close()
