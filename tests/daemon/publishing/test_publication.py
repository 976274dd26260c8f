"""What is composed and where: only what has changed, and a large library in the process that writes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from building import library, songs, tone
from melwatch import status
from melwatch.passes.pipeline import Pipeline
from melwatch.platform.system import stop_child_server
from melwatch.progress import Unwatched
from melwatch.publishing import publication
from workshops import manifest_of, workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop
    from melwatch.report import PassReport

SMALL = {"spectrogram": {"window_s": 0.1, "windows_per_track": 1}}
OF_THE_WORK = {"extracted": 0, "reused": 0, "failed": 0, "is_published": False, "bytes_written": 0}
"""What of a report differs where the same is done and where it was done before."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """Eight songs, one of them twice, a file that is none, and a genre that is too small."""
    eight = songs(8)
    rock = {**eight, "no.mp3": b"no song", "zz again.mp3": next(iter(eight.values()))}
    library(tmp_path / "music", {"Rock": rock, "Jazz": songs(3, first=50)})
    yield workshop(tmp_path, **SMALL)
    stop_child_server()


def run_pass(shop: Workshop, db: Connection, *, may_publish: bool = True) -> PassReport:
    passed = Pipeline(shop, db, Unwatched()).run_pass(datetime.now(UTC), may_publish=lambda: may_publish)
    return passed.report


def without_work(report: PassReport) -> PassReport:
    return replace(report, **OF_THE_WORK)  # type: ignore[arg-type]


def compose_nothing(*_: object) -> None:
    raise AssertionError("there is nothing to compose")


def test_where_nothing_has_changed_nothing_is_composed(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says the same as that of the pass before, and anything new is seen by the next one."""
    with manifest_of(shop) as db:
        first = run_pass(shop, db)
        with monkeypatch.context() as patch:
            patch.setattr(publication, "compose_version", compose_nothing)
            second = run_pass(shop, db)
        assert without_work(second) == without_work(first)
        assert (second.extracted, second.reused, second.version) == (0, 11, 1)

        (shop.config.library.root / "Rock" / "new.mp3").write_bytes(tone(1234.0))
        third = run_pass(shop, db)
        assert (third.extracted, third.reused, third.version, third.genres) == (1, 11, 2, {"Rock": 9})


def test_what_waits_to_be_published_is_not_forgotten(shop: Workshop) -> None:
    """However many passes may not write it, the one that may does."""
    with manifest_of(shop) as db:
        for _ in range(2):
            passed = Pipeline(shop, db, Unwatched()).run_pass(datetime.now(UTC), may_publish=lambda: False)
            assert passed.unpublished is not None
            assert passed.report.version is None
        assert run_pass(shop, db).is_published
        assert not run_pass(shop, db).is_published


@pytest.mark.parametrize(
    "setting",
    [("library", {"min_tracks_per_genre": 3}), ("dataset", {"paths": "relative"}), ("dataset", {"duplicates": "all"})],
    ids=["smallest genre", "paths", "duplicates"],
)
def test_another_setting_is_heeded(shop: Workshop, tmp_path: Path, setting: tuple[str, dict[str, object]]) -> None:
    """What shapes a version is part of what must not have changed."""
    with manifest_of(shop) as db:
        assert run_pass(shop, db).version == 1
        section, other = setting
        sections = shop.config.model_dump(include={"library": {"root"}, "dataset": {"path", "state"}})
        assert run_pass(workshop(tmp_path, **SMALL, **{section: sections[section] | other}), db).version == 2


def test_a_large_library_is_composed_elsewhere_to_the_same_end(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tracks never come into the process of the pass, and all is as it would be had they."""
    monkeypatch.setattr(publication, "LARGE_TRACKS", 1)
    with monkeypatch.context() as patch, manifest_of(shop) as db:
        patch.setattr(publication, "compose_version", compose_nothing)
        report = run_pass(shop, db)
        patch.undo()
        assert report.is_published
        assert report.bytes_written > 0
        assert report.balance == {"duplicate": 1, "genre_too_small": 3, "in_dataset": 8, "not_mp3": 1}
        assert status.overview(shop, db) == status.overview_on_record(shop, db)
        monkeypatch.setattr(publication, "LARGE_TRACKS", 5_000)
        db.execute("UPDATE composed SET mark = ''")
        assert without_work(run_pass(shop, db)) == without_work(report)
