"""A first import is usable while it runs, and comes to the same as one that is not looked at."""

from __future__ import annotations

import json
import os
import subprocess
import time
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

import melwatch
from building import library, songs, tone
from melwatch.errors import DegradedError
from melwatch.library.settle import Settling
from melwatch.manifest import epochs, ledger
from melwatch.manifest.database import writing
from melwatch.passes.patience import Patience
from melwatch.passes.pipeline import Pipeline
from melwatch.platform.child import ChildDiedError
from melwatch.progress import Unwatched
from melwatch.publishing import publication
from melwatch.publishing.press import write_apart
from running import Rig
from workshops import manifest_of, workshop

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.dataset.fingerprint import Prints
    from melwatch.edition import Edition, Published
    from melwatch.errors import MelwatchError
    from melwatch.passes.pipeline import Passed

pytestmark = [pytest.mark.timeout(300)]

EAGER = {"MELWATCH_SCHEDULE__MAX_WAIT_S": "0.15", "MELWATCH_WORKERS__PROCESSES": "1"}
"""An import that publishes whenever it may."""


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Three genres, with a duplicate, songs that fail, and a genre that is too small in the end."""
    rock: dict[str, Any] = songs(24)
    rock |= {"twin.mp3": rock["03.mp3"], "short.mp3": tone(900, seconds=0.05)}
    folk: dict[str, Any] = songs(5, first=40)
    folk |= {"bad.mp3": b"ID3 nothing"}
    return library(tmp_path / "music", {"Folk": folk, "Jazz": songs(24, first=60), "Rock": rock})


def versions(rig: Rig) -> list[dict[str, Any]]:
    """Return what each version says of itself, oldest first."""
    folders = sorted((rig.dataset / "music_lib" / "versions").glob("0*"))
    return [json.loads((folder / "current.json").read_text(encoding="utf-8")) for folder in folders]


def test_early_versions_change_nothing_in_the_end(tmp_path: Path, music: Path) -> None:
    """There are versions that say what they lack; the last is that of an import without them, to the row."""
    plain = Rig.at(tmp_path / "plain", music=music)
    plain.sync()
    eager = Rig(music, tmp_path / "eager" / "dataset", tmp_path / "eager" / "state", EAGER)
    eager.sync()

    early = versions(eager)
    assert len(versions(plain)) == 1
    assert len(early) > 1
    assert [version["complete"] for version in early] == [False] * (len(early) - 1) + [True]
    assert all(version["pending"] > 0 for version in early[:-1])
    assert eager.current()["fingerprint"] == plain.current()["fingerprint"]
    assert eager.rows_and_splits() == plain.rows_and_splits()
    with pytest.raises(DegradedError, match="not complete"):
        melwatch.load(eager.dataset, version=early[0]["version"], require_complete=True)
    first = melwatch.load(eager.dataset, version=early[0]["version"])
    assert min(part.num_rows for part in first.values()) > 0


def test_what_an_import_was_killed_over_is_not_made_again(tmp_path: Path, music: Path) -> None:
    """Killed after an early version, the next pass makes only what is on no record, and comes to the same."""
    plain = Rig.at(tmp_path / "plain", music=music)
    made = plain.sync()["last_pass"]["extracted"]
    killed = Rig(music, tmp_path / "killed" / "dataset", tmp_path / "killed" / "state", EAGER)
    process = subprocess.Popen(
        killed.command("sync"), env={**os.environ, **EAGER}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (killed.dataset / "music_lib" / "current.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()

    in_version = len({path for path, _ in killed.rows_and_splits()})
    again = killed.sync()["last_pass"]["extracted"]
    assert in_version > 0
    assert again <= made - in_version
    assert killed.current()["fingerprint"] == plain.current()["fingerprint"]


class HaltingAfter(Unwatched):
    """Progress that halts a pass after so many steps, as the daemon does to look again or to stop."""

    def __init__(self, steps: int) -> None:
        self.left, self.halt = steps, Event()

    def advance(self) -> None:
        """Count down."""
        self.left -= 1
        if not self.left:
            self.halt.set()


@pytest.mark.parametrize("may_publish", [False, True])
def test_a_pass_of_the_daemon_that_is_halted_settles_nothing(tmp_path: Path, music: Path, *, may_publish: bool) -> None:
    """Halted before all files were read it places no song and names no class; passes that go on come to the same."""
    plain = Rig.at(tmp_path / "plain", music=music)
    plain.sync()
    shop = workshop(tmp_path)
    with manifest_of(shop) as db:

        def run(progress: HaltingAfter) -> Passed:
            patience = Patience(settling=Settling(0), gone_s=0)
            pipeline = Pipeline(shop, db, progress, patience, progress.halt)
            return pipeline.run_pass(datetime.now(UTC), may_publish=lambda: may_publish)

        halted = run(HaltingAfter(15))
        assert halted.is_interrupted
        assert not halted.report.is_published
        assert ledger.placements(db) == {}
        assert ledger.class_names(db) == []
        assert run(HaltingAfter(10)).is_interrupted
        passed = run(HaltingAfter(1000))
        assert passed.report.is_published is may_publish
        Pipeline(shop, db, Unwatched()).run_pass(datetime.now(UTC))
    assert Rig.at(tmp_path).current()["fingerprint"] == plain.current()["fingerprint"]


@pytest.mark.parametrize("trouble", [DegradedError("The disk is full"), ChildDiedError("It was killed")], ids=repr)
def test_an_early_version_that_cannot_be_written_ends_no_import(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch, trouble: MelwatchError
) -> None:
    """Songs are extracted all the same, and what there is is published at the end."""
    plain = Rig.at(tmp_path / "plain", music=music)
    plain.sync()
    tried = []

    def write(path: Path, edition: Edition, digests: Prints, *, may_begin: bool) -> Published:
        tried.append(edition.pending)
        if edition.pending:
            raise trouble
        return write_apart(path, edition, digests, may_begin=may_begin)

    monkeypatch.setattr(publication, "write_apart", write)
    shop = workshop(tmp_path, schedule={"max_wait_s": 0.15}, workers={"processes": 1})
    with manifest_of(shop) as db:
        passed = Pipeline(shop, db, Unwatched()).run_pass(datetime.now(UTC))
    assert tried[0] > 0
    assert tried[-1] == 0
    assert (passed.report.is_published, passed.report.version) == (True, 1)
    assert Rig.at(tmp_path).current()["fingerprint"] == plain.current()["fingerprint"]


@pytest.mark.usefixtures("music")
def test_what_is_settled_before_early_versions_is_told(tmp_path: Path) -> None:
    """The report of a pass says that a new epoch has begun, and counts what all versions of the pass wrote."""
    shop = workshop(tmp_path, schedule={"max_wait_s": 0.15}, workers={"processes": 1})
    with manifest_of(shop) as db:
        with writing(db):
            epochs.ask_for_epoch(db, "afresh")
        report = Pipeline(shop, db, Unwatched()).run_pass(datetime.now(UTC)).report
        assert report.version is not None
        assert report.version > 1
        assert report.new_epoch == "afresh"
        shards = sum(shard.stat().st_size for shard in (tmp_path / "dataset").rglob("*.arrow"))
        assert report.bytes_written >= shards
