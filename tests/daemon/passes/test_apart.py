"""Passes in a process of their own: the same outcome, and wishes, progress, log lines and faults find their way."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from building import library, songs
from melwatch import status
from melwatch.daemon import wiring
from melwatch.daemon.live import LiveProgress
from melwatch.errors import RootOfflineError
from melwatch.library.part import EVERYTHING
from melwatch.library.settle import Settling
from melwatch.manifest.database import open_manifest
from melwatch.passes import apart
from melwatch.passes.apart import run_pass_apart
from melwatch.passes.patience import Patience
from melwatch.passes.pipeline import Passed, Pipeline
from melwatch.passes.work import Wishes
from melwatch.platform.child import ChildDiedError
from melwatch.platform.system import stop_child_server
from workshops import manifest_of, workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from melwatch.passes.workshop import Workshop

SMALL = {"spectrogram": {"window_s": 0.1, "windows_per_track": 1}}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """Seven songs and a file that is none."""
    library(tmp_path / "music", {"Rock": {**songs(7), "no.mp3": b"no song"}})
    shop = workshop(tmp_path, **SMALL)
    with manifest_of(shop):
        yield shop
    stop_child_server()


def patient() -> Patience:
    return Patience(settling=Settling(0), gone_s=0)


def run_apart(shop: Workshop, *, publish: bool = True, progress: LiveProgress | None = None) -> tuple[Passed, Patience]:
    wishes = Wishes()
    if publish:
        wishes.publish.set()
    return run_pass_apart(shop, progress or LiveProgress(), patient(), wishes, datetime.now(UTC), EVERYTHING, ())


def test_a_pass_apart_does_what_a_pass_does(shop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    """It extracts and publishes, and its warnings are in this process' log."""
    caplog.set_level(logging.INFO)
    progress = LiveProgress()
    passed, _ = run_apart(shop, progress=progress)
    assert (passed.report.extracted, passed.report.version, passed.report.genres) == (7, 1, {"Rock": 7})
    assert "no.mp3" in caplog.text
    assert progress.began_s > 0
    assert progress.value is None
    with open_manifest(shop.state.path) as db:
        again = Pipeline(shop, db, LiveProgress(), patient()).run_pass(datetime.now(UTC))
        assert again.report.extracted == 0
        assert again.report.version == 1
        assert status.overview(shop, db) == status.overview_on_record(shop, db)


def test_its_faults_are_raised_here(shop: Workshop) -> None:
    """As they would have been in this process."""
    run_apart(shop)
    (shop.config.library.root).rename(shop.config.library.root.with_name("away"))
    with pytest.raises(RootOfflineError):
        run_apart(shop)


def test_what_is_remembered_comes_back() -> None:
    """What could not be read is in the patience that the next pass is given."""
    known = patient()
    other = Patience(settling=Settling(5), gone_s=7)
    known.take_over(other)
    assert known == other


def test_a_pass_that_is_killed_is_told(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon does not wait for it forever."""
    monkeypatch.setattr(apart, "_work", _die)
    with pytest.raises(ChildDiedError):
        run_apart(shop)


def _die(*_: object) -> None:
    os._exit(9)


@pytest.mark.slow
def test_a_halt_reaches_it(shop: Workshop, tmp_path: Path) -> None:
    """Told to end early it begins no further song, and says that it was interrupted."""
    library(tmp_path / "music", {"Jazz": songs(400, first=100)})
    wishes = Wishes()
    progress = LiveProgress()

    def halt_once_begun() -> None:
        while progress.value is None or not progress.value["done"]:
            wishes.halt.wait(0.01)
        wishes.halt.set()

    Timer(0.0, halt_once_begun).start()
    passed, _ = run_pass_apart(shop, progress, patient(), wishes, datetime.now(UTC), EVERYTHING, ())
    assert passed.is_interrupted
    assert 0 < passed.report.extracted < 407


@pytest.mark.slow
@pytest.mark.parametrize("known", [0, 7])
def test_the_daemon_does_large_libraries_apart(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, known: int
) -> None:
    """Whether they are large on record, or are only found to be so: then nothing was done here."""
    del caplog
    if known:
        run_apart(shop)
    apart_from_here: list[bool] = []
    really = wiring.run_pass_apart

    def noted(*args: object) -> tuple[Passed, Patience]:
        apart_from_here.append(True)
        return really(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(wiring, "run_pass_apart", noted)
    monkeypatch.setattr(wiring, "LARGE_TRACKS", 5)
    passed = wiring._run_pass(shop, LiveProgress(), patient(), Wishes(), datetime.now(UTC), EVERYTHING, ())
    assert apart_from_here == [True]
    assert passed.report.genres == {"Rock": 7}
