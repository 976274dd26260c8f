"""A changed recipe: it asks, then goes on in the background, and the dataset changes over as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import melwatch
from building import library, songs, tone
from daemons import running
from melwatch import status
from melwatch.assemble import open_for_reading, open_pipeline
from melwatch.dataset.layout import DatasetFolder, read_provenance
from melwatch.errors import DegradedError, TrackError
from melwatch.library.settle import Settling
from melwatch.manifest import epochs, recipes, tracks, versions
from melwatch.manifest.database import writing
from melwatch.passes import renewal
from melwatch.passes.patience import Patience
from melwatch.progress import Unwatched
from melwatch.publishing import publication
from melwatch.publishing.press import write_apart
from melwatch.spectrogram import recipe
from melwatch.track import RelPath
from running import Rig, files_below
from workshops import workshop

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.dataset.fingerprint import Prints
    from melwatch.edition import Edition, Published
    from melwatch.passes.pipeline import Passed
    from melwatch.passes.workshop import Workshop

pytestmark = pytest.mark.slow

HALF = {"MELWATCH_DATASET__DTYPE": "float16"}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A synced library of two genres."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(7), "Jazz": songs(6, first=20)})
    rig.sync()
    return rig


def changed(rig: Rig, environment: dict[str, str] = HALF) -> Rig:
    """Return the same folders with another configuration."""
    return Rig(rig.music, rig.dataset, rig.state, environment)


def test_a_changed_recipe_waits_for_a_person(rig: Rig) -> None:
    """Nothing is extracted by it; songs, hours and size are named; new songs are taken by the old one."""
    other, before = changed(rig), rig.current()
    files = files_below(rig.dataset)
    other.run("sync", expect=1)
    said = other.status()
    assert said["state"] == "needs_confirmation"
    assert "dtype float32 -> float16" in said["sentence"]
    assert "13 of 13 songs" in said["sentence"]
    assert "hours" in said["sentence"]
    assert "GB" in said["sentence"]
    assert said["recipe_change"]["songs"] == said["recipe_change"]["left"] == 13
    assert said["last_pass"]["extracted"] == 0
    assert files_below(rig.dataset) == files

    (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
    other.run("sync", expect=1)
    now = rig.current()
    assert (now["version"], now["recipe"], now["complete"]) == (before["version"] + 1, before["recipe"], True)
    config = read_provenance(DatasetFolder(rig.dataset), now["version"])["config"]
    assert "spectrogram" not in config
    assert "dtype" not in config["dataset"]
    assert "needs" not in changed(rig, {}).status()["state"]


def test_once_accepted_all_is_extracted_again_and_switching_back_costs_nothing(rig: Rig) -> None:
    """The new version has the new numbers in the same splits; going back extracts nothing and writes no shard."""
    other, before, rows = changed(rig), rig.current(), rig.rows_and_splits()
    assert "13 songs" in other.run("accept-recipe")
    assert other.sync()["last_pass"]["extracted"] == 13
    assert other.status()["recipe_change"] is None
    assert rig.current()["recipe"] != before["recipe"]
    for key, (genre, split, _) in rig.rows_and_splits().items():
        assert rows[key][:2] == (genre, split)
    assert melwatch.load(rig.dataset, version=1)["train"].features["input_values"].dtype == "float32"
    assert melwatch.load(rig.dataset)["train"].features["input_values"].dtype == "float16"

    shards = {name for name in files_below(rig.dataset) if name.endswith(".arrow")}
    rig.run("sync", expect=1)
    assert "0 of 13 songs" in rig.run("accept-recipe")
    assert rig.sync()["last_pass"]["extracted"] == 0
    assert rig.current()["fingerprint"] == before["fingerprint"]
    assert rig.rows_and_splits() == rows
    assert {name for name in files_below(rig.dataset) if name.endswith(".arrow")} == shards


def test_a_change_that_is_called_off_costs_nothing(rig: Rig) -> None:
    """By the old configuration nothing happens, as in a daemon that has it still; the change stays accepted."""
    other, files = changed(rig), files_below(rig.dataset)
    other.run("accept-recipe")
    assert rig.sync()["last_pass"]["extracted"] == 0
    assert files_below(rig.dataset) == files
    assert "nothing to accept" in rig.run("accept-recipe")
    assert other.sync()["last_pass"]["extracted"] == 13


def test_a_change_that_is_done_asks_again(rig: Rig) -> None:
    """Accepting is for one change: there and back are two."""
    other = changed(rig)
    other.run("accept-recipe")
    other.sync()
    rig.run("sync", expect=1)
    other.sync()
    rig.run("sync", expect=1)


def test_a_deletion_that_waits_for_a_person_holds_the_change_up(rig: Rig) -> None:
    """The song is not dropped by the back door; once that is accepted, the dataset changes over without it."""
    other = changed(rig, HALF | {"MELWATCH_DELETIONS__MAX_FRACTION": "0", "MELWATCH_DELETIONS__MAX_TRACKS": "0"})
    (rig.music / "Rock" / "00.mp3").unlink()
    other.run("accept-recipe")
    other.run("sync", expect=1)
    assert "12 of 13 songs are done, and the files of 1 have vanished" in other.status()["sentence"]
    assert rig.current()["version"] == 1
    other.run("accept-deletions")
    assert other.sync()["recipe_change"] is None
    assert len(rig.rows()) == 12 * 6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_change_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Until the end the old version is current and whole; at the end all is as if made by the new recipe at once."""
    rig = Rig.at(tmp_path)
    library(
        rig.music, {f"Genre {g}": {f"{n:02}.mp3": tone(100 + 40 * g + n, 30.0) for n in range(20)} for g in range(2)}
    )
    rig.sync()
    before, other = rig.current(), changed(rig)
    other.run("accept-recipe")
    for kill_s in (0.6, 0.9, 1.2, 1.5, 2.0, 2.5):
        process = subprocess.Popen(
            other.command("sync"), start_new_session=True, env={**os.environ, **HALF},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(kill_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        now = rig.current()
        assert now == before or now["recipe"] != before["recipe"]
        assert len({path for part in melwatch.load(rig.dataset).values() for path in part["paths"]}) == 40
    other.sync()
    fresh = Rig(rig.music, tmp_path / "fresh", tmp_path / "fresh state", HALF)
    fresh.sync()
    assert rig.rows() == fresh.rows()
    assert rig.current()["fingerprint"] == fresh.current()["fingerprint"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_daemon_asks_and_goes_on_in_the_background(rig: Rig) -> None:
    """It takes new songs while it waits and while it works; readers have the old recipe until all is done."""
    before = rig.current()
    with running(changed(rig)) as daemon:
        said = daemon.wait_for_state("needs_confirmation")
        assert "accept-recipe" in said["sentence"]
        (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
        daemon.wait_for(lambda: rig.current()["version"] == before["version"] + 1)
        assert rig.current()["recipe"] == before["recipe"]
        assert "Songs are extracted" in daemon.rig.run("accept-recipe")
        daemon.wait_for(lambda: rig.current()["recipe"] != before["recipe"])
        assert rig.current()["complete"]
        assert daemon.wait_for_state("idle")["recipe_change"] is None
    assert len(melwatch.load(rig.dataset)["train"]["paths"]) > 0
    assert rig.rows().keys() == {(f"{g}/{n:02}.mp3", w) for g, first, count in (("Rock", 0, 7), ("Jazz", 20, 6))
                                 for n in range(first, first + count) for w in range(6)} | {
                                     ("Rock/new.mp3", w) for w in range(6)}  # fmt: skip


def run_pass(shop: Workshop) -> Passed:
    """Run one pass as `sync` does."""
    now = datetime.now(UTC)
    with open_pipeline(shop, Unwatched(), now) as pipeline:
        return pipeline.run_pass(now)


def test_an_upgrade_waits_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a front end of the past nothing can be made: new songs wait, all else goes on, until it is accepted."""
    library(tmp_path / "music", {"Rock": songs(7)})
    old = workshop(tmp_path)
    run_pass(old)
    monkeypatch.setattr(recipe, "FRONT_END_REVISION", 2)
    new = replace(old, recipe=replace(old.recipe, front_end_revision=2))
    library(tmp_path / "music", {"Rock": {"new.mp3": tone(900)}})
    (tmp_path / "music" / "Rock" / "00.mp3").unlink()
    (tmp_path / "music" / "Rock" / "01.mp3").rename(tmp_path / "music" / "Rock" / "renamed.mp3")

    waiting = run_pass(new).report
    assert waiting.extracted == 0
    assert waiting.recipe_waits is not None
    assert "front_end_revision 1 -> 2" in waiting.recipe_waits
    assert waiting.balance == {"in_dataset": 6, "pending": 1}
    assert run_pass(new).report.is_published is False
    with open_for_reading(new) as db:
        assert status.overview(new, db)["state"] == "needs_confirmation"

    with open_pipeline(new, Unwatched(), datetime.now(UTC)) as pipeline:
        recipes.accept(pipeline.db, new.recipe.id)
    done = run_pass(new).report
    assert (done.extracted, done.recipe_change, done.is_published) == (7, None, True)
    assert done.balance == {"in_dataset": 7}


@pytest.mark.parametrize("is_damage_inside", [False, True])
def test_what_is_lost_after_an_upgrade_is_not_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_damage_inside: bool
) -> None:
    """Songs that only an older front end can make stay in the last version, until all are made anew."""
    library(tmp_path / "music", {"Rock": songs(7)})
    old = workshop(tmp_path)
    run_pass(old)
    monkeypatch.setattr(recipe, "FRONT_END_REVISION", 2)
    new = replace(old, recipe=replace(old.recipe, front_end_revision=2))
    run_pass(new)
    shard = max((tmp_path / "dataset").rglob("*.arrow"), key=lambda file: file.stat().st_size)
    if is_damage_inside:
        shard.write_bytes(bytes(shard.stat().st_size))
        library(tmp_path / "music", {"Rock": {"00.mp3": tone(900)}})
    else:
        shard.unlink()
    for _ in range(2):
        with pytest.raises(DegradedError, match="songs of the dataset are lost"):
            run_pass(new)
    with open_pipeline(new, Unwatched(), datetime.now(UTC)) as pipeline:
        patient = replace(pipeline, patience=Patience(settling=Settling(0.0), gone_s=0.0))
        assert patient.run_pass(datetime.now(UTC)).trouble is not None
        assert [version.number for version in versions.all_versions(pipeline.db)] == [1]
        recipes.accept(pipeline.db, new.recipe.id)
    done = run_pass(new).report
    assert (done.is_published, done.balance) == (True, {"in_dataset": 7})


def test_a_recipe_by_which_many_songs_fail_does_not_take_over(tmp_path: Path) -> None:
    """The dataset stays whole on its old recipe while more songs fail than may vanish at once."""
    library(tmp_path / "music", {"Rock": songs(8)})
    run_pass(workshop(tmp_path))
    limits = {"max_tracks": 1, "max_fraction": 0.1}
    places = {"path": tmp_path / "dataset", "state": tmp_path / "state", "dtype": "float16"}
    shop = workshop(tmp_path, dataset=places, deletions=limits)
    error = TrackError("It cannot be decoded", reason="undecodable")
    with open_pipeline(shop, Unwatched(), datetime.now(UTC)) as pipeline:
        recipes.accept(pipeline.db, shop.recipe.id)
        with writing(pipeline.db):
            for song in sorted(tracks.songs_by_path(pipeline.db).values())[:2]:
                tracks.record_failure(pipeline.db, song, shop.recipe.id, error, tries=1, at="")
        report = pipeline.run_pass(datetime.now(UTC)).report
        assert (report.extracted, report.is_published) == (6, False)
        assert report.recipe_change is not None
        assert "2 of 8 songs fail" in report.recipe_change["sentence"]
        assert report.recipe_stuck is not None
        assert status.overview(shop, pipeline.db)["state"] == "degraded"
        tracks.forget_failures(pipeline.db)
        assert pipeline.run_pass(datetime.now(UTC)).report.balance == {"in_dataset": 8}


def test_a_recipe_by_which_a_whole_genre_fails_does_not_take_over(tmp_path: Path) -> None:
    """However few songs they are, the genre would vanish from the dataset."""
    library(tmp_path / "music", {"Rock": songs(7), "Jazz": songs(6, first=20)})
    run_pass(workshop(tmp_path))
    shop = half_precise(tmp_path)
    error = TrackError("It needs too much memory", reason="memory")
    with open_pipeline(shop, Unwatched(), datetime.now(UTC)) as pipeline:
        recipes.accept(pipeline.db, shop.recipe.id)
        with writing(pipeline.db):
            for path, song in tracks.songs_by_path(pipeline.db).items():
                if path.startswith(b"Jazz/") and song is not None:
                    tracks.record_failure(pipeline.db, song, shop.recipe.id, error, tries=1, at="")
        report = pipeline.run_pass(datetime.now(UTC)).report
    assert (report.extracted, report.is_published, report.genres) == (7, False, {"Jazz": 6, "Rock": 7})
    assert report.recipe_change is not None
    assert "6 of 13 songs fail" in report.recipe_change["sentence"]


def test_a_song_that_cannot_be_read_holds_the_change_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dataset does not lose it: the old version stays until the file is readable again, or gone."""
    library(tmp_path / "music", {"Rock": songs(7)})
    run_pass(workshop(tmp_path))
    places = {"path": tmp_path / "dataset", "state": tmp_path / "state", "dtype": "float16"}
    shop = workshop(tmp_path, dataset=places)
    lost = tmp_path / "music" / "Rock" / "00.mp3"
    real = renewal.renew

    def renew_without_it(*args: Any, **named: Any) -> tuple[int, bool]:
        away = lost.rename(tmp_path / "away.mp3")
        try:
            return real(*args, **named)
        finally:
            away.rename(lost)

    with open_pipeline(shop, Unwatched(), datetime.now(UTC)) as pipeline:
        recipes.accept(pipeline.db, shop.recipe.id)
        monkeypatch.setattr(renewal, "renew", renew_without_it)
        held = pipeline.run_pass(datetime.now(UTC)).report
        assert held.recipe_change is not None
        assert held.recipe_change["left"] == 1
        assert held.recipe_stuck is not None
        assert not held.is_published
        with writing(pipeline.db):
            tracks.record_problem(pipeline.db, RelPath(b"Rock/00.mp3"), TrackError("It went away", reason="unreadable"))
        answer = status.why(shop, pipeline.db, lost)
        assert (answer.reason, answer.details["trouble"]) == ("in_dataset", "It went away")
        monkeypatch.undo()
        done = pipeline.run_pass(datetime.now(UTC)).report
    assert (done.extracted, done.recipe_change, done.is_published) == (1, None, True)
    assert len({path for part in melwatch.load(tmp_path / "dataset").values() for path in part["paths"]}) == 7


def half_precise(place: Path) -> Workshop:
    """Return a workshop whose recipe differs from the usual one."""
    places = {"path": place / "dataset", "state": place / "state", "dtype": "float16"}
    return workshop(place, dataset=places)


def test_a_file_that_is_being_written_holds_the_change_up(tmp_path: Path) -> None:
    """Half of a file is not taken for the song; once it is whole the dataset changes over."""
    library(tmp_path / "music", {"Rock": songs(7)})
    run_pass(workshop(tmp_path))
    shop = half_precise(tmp_path)
    patience = Patience(settling=Settling(30.0), gone_s=30.0)
    file = tmp_path / "music" / "Rock" / "00.mp3"
    whole, before = file.read_bytes(), file.stat()
    with open_pipeline(shop, Unwatched(), datetime.now(UTC)) as pipeline:
        recipes.accept(pipeline.db, shop.recipe.id)
        songs_before = tracks.songs_by_path(pipeline.db)
        with file.open("wb") as copy:
            copy.write(whole[: len(whole) // 2])
            copy.flush()
            held = replace(pipeline, patience=patience).run_pass(datetime.now(UTC))
        assert b"Rock/00.mp3" in held.unsettled
        assert held.report.recipe_change is not None
        assert held.report.recipe_change["left"] > 0
        assert tracks.songs_by_path(pipeline.db) == songs_before
        file.write_bytes(whole)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        done = pipeline.run_pass(datetime.now(UTC)).report
    assert (done.recipe_change, done.is_published) == (None, True)
    assert done.balance == {"in_dataset": 7}


def test_a_full_disk_holds_nothing_up_but_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New songs are taken in and published by the old recipe all the while; `sync` says what is wrong."""
    library(tmp_path / "music", {"Rock": songs(7)})
    run_pass(workshop(tmp_path))
    shop = half_precise(tmp_path)

    def refuse(*_: object) -> None:
        raise DegradedError("The disk is full", "Free some space.")

    monkeypatch.setattr(renewal, "check_space", refuse)
    with open_pipeline(shop, Unwatched(), datetime.now(UTC)) as pipeline:
        recipes.accept(pipeline.db, shop.recipe.id)
        library(tmp_path / "music", {"Rock": {"new.mp3": tone(900)}})
        ago = datetime.now(UTC).timestamp() - 100
        for file in (tmp_path / "music" / "Rock").iterdir():
            os.utime(file, (ago, ago))
        patient = replace(pipeline, patience=Patience(settling=Settling(0.0), gone_s=0.0))
        reports = []
        while not reports or not reports[-1].is_published:
            passed = patient.run_pass(datetime.now(UTC))
            assert passed.trouble is None or passed.trouble.what == "The disk is full"
            reports.append(passed.report)
            time.sleep(0.2)
        assert reports[-1].balance == {"in_dataset": 8}
    with pytest.raises(DegradedError, match="full"):
        run_pass(shop)
    assert len({path for part in melwatch.load(tmp_path / "dataset").values() for path in part["paths"]}) == 8


@pytest.mark.parametrize("is_changing_over", [False, True])
def test_what_a_pass_did_before_it_had_to_begin_again_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_changing_over: bool
) -> None:
    """What it decided is news once, and what it wrote counts once, be it a new recipe or a loss that comes between."""
    written: list[int] = []

    def write(path: Path, edition: Edition, digests: Prints, *, may_begin: bool) -> Published:
        published = write_apart(path, edition, digests, may_begin=may_begin)
        written.append(published.bytes_written)
        return published

    library(tmp_path / "music", {"Rock": songs(7), "Jazz": songs(6, first=20)})
    run_pass(workshop(tmp_path))
    shop = half_precise(tmp_path) if is_changing_over else workshop(tmp_path)
    with open_pipeline(shop, Unwatched(), datetime.now(UTC)) as pipeline:
        if is_changing_over:
            recipes.accept(pipeline.db, shop.recipe.id)
        else:
            shard = max((tmp_path / "dataset").rglob("*.arrow"), key=lambda file: file.stat().st_size)
            shard.write_bytes(bytes(shard.stat().st_size))
        with writing(pipeline.db):
            epochs.ask_for_epoch(pipeline.db, "spring")
        (tmp_path / "music" / "Jazz").rename(tmp_path / "music" / "Swing")
        monkeypatch.setattr(publication, "write_apart", write)
        report = pipeline.run_pass(datetime.now(UTC)).report
    assert (report.is_published, report.balance) == (True, {"in_dataset": 13})
    assert (report.new_epoch, report.renamed_genres) == ("spring", {"Jazz": "Swing"})
    assert report.bytes_written == sum(written)
