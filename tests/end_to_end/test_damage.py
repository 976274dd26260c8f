"""What people, disks and other programs do to files, one damage at a time: it is found, and all comes back."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from datasets import load_from_disk

import melwatch
from building import library, songs
from damages import NOW, Patient, cut, delete, each, empty, flip, garble_page, pragma, truncate_to
from melwatch.assemble import hold_for_repair, open_for_mending, open_pipeline
from melwatch.daemon import wiring
from melwatch.daemon.schedule import Task
from melwatch.dataset.export import export
from melwatch.dataset.pins import pin
from melwatch.errors import MelwatchError, StoreError, TrackError
from melwatch.maintenance import clearing
from melwatch.maintenance.recover import recover
from melwatch.maintenance.repair import Repair
from melwatch.manifest import tracks
from melwatch.manifest.backups import back_up_daily
from melwatch.manifest.database import writing
from melwatch.manifest.lock import locked
from melwatch.progress import Unwatched
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GARBLED = [garble_page(number) for number in (0, 1, 2, 5, 9, -1)]
TRUNCATED = [truncate_to(share) for share in (0.999, 0.7, 0.3, 0.05)]


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """A set-up that every case damages and that is well again before the next one."""
    return Patient.at(tmp_path_factory.mktemp("patient"))


def named(patient: Patient, file: Path, damage: Callable[[Path], None]) -> str:
    """Say which case it is."""
    return f"{damage.__name__} {file.relative_to(patient.place)}"


def old_version_is_accounted_for(patient: Patient, said: list[str]) -> bool:
    """Whether version 1 opens with all its rows, or somebody said why not."""
    try:
        return sum(part.num_rows for part in melwatch.load(patient.dataset, version=1).values()) == 12 * 6
    except MelwatchError:
        return any(sentence.startswith("Version 1 cannot be opened") for sentence in said)


def is_outcome(sentence: str) -> bool:
    """Whether this tells what a pass could not help."""
    return sentence.endswith("is set aside.") and sentence.startswith("Version ")


def faults_after_pass(patient: Patient, most: int) -> list[str]:
    """Do a pass, and return what is not as promised; at most so many songs may be extracted."""
    extracted = patient.sync().extracted
    faults = [f"extracted by sync: {extracted}"] * (extracted > most)
    return faults + [f"differs after sync: {name}" for name in patient.differences()]


def faults_after_repair(patient: Patient, damaged: bytes | None, extracted: int) -> list[str]:
    """Repair, and return what is not as promised: `damaged` is what should be kept aside."""
    rehearsed = patient.rehearse()
    said, made = patient.repair()
    faults = [f"differs: {name}" for name in patient.differences()]
    faults += [f"extracted {made}"] * (made > extracted)
    faults += [f"left: {finding}" for finding in patient.verify(read_data=True)]
    faults += ["not kept aside"] * (damaged is not None and not patient.kept_aside(damaged))
    faults += ["nothing rehearsed"] * (not rehearsed)
    faults += [f"rehearsed {rehearsed}, said {said}"] * (said[: len(rehearsed)] != rehearsed)
    faults += [f"done unrehearsed: {line}" for line in said[len(rehearsed) :] if not is_outcome(line)]
    faults += ["old version lost without a word"] * (not old_version_is_accounted_for(patient, said))
    faults += ["not idle afterwards"] * bool(patient.repair()[0])
    return faults


def test_every_metadata_file_can_be_lost(patient: Patient) -> None:
    """Cut, emptied or deleted, each is missed by `verify`, mended by a pass, and kept aside by `repair`."""
    failures, cases = {}, 0
    patient.recover()
    for file, damage in each(patient.metadata(), [cut, empty, delete]):
        patient.recover()
        damage(file)
        content = file.read_bytes() if file.exists() else None
        faults = [] if any(str(file) in finding.what for finding in patient.verify()) else ["not found"]
        if damage is not delete:
            faults += faults_after_pass(patient, 0)
        if damage is not empty:
            patient.recover()
            damage(file)
            faults += faults_after_repair(patient, content, 0)
        cases += 1
        if faults:
            failures[named(patient, file, damage)] = faults
    print(f"{cases} cases")
    assert not failures, "\n".join(f"{case}: {faults}" for case, faults in failures.items())
    assert cases > 100


def test_every_shard_can_be_lost(patient: Patient) -> None:
    """Flipped, cut or deleted: its songs alone are extracted again, and the others are not."""
    failures, cases = {}, 0
    patient.recover()
    for file, damage in each(patient.shards(), [flip, cut, delete]):
        patient.recover()
        songs_in_it = load_from_disk(str(patient.dataset / "music_lib")).num_rows
        damage(file)
        content = file.read_bytes() if file.exists() else None
        name = file.relative_to(patient.dataset / "music_lib").as_posix()
        is_found = any(name in finding.what for finding in patient.verify(read_data=damage is flip))
        faults = [] if is_found else ["not found"]
        most = songs_in_it[file.parent.name] // 6
        faults += faults_after_pass(patient, most)
        patient.recover()
        damage(file)
        faults += faults_after_repair(patient, content, most)
        cases += 1
        if faults:
            failures[named(patient, file, damage)] = faults
    print(f"{cases} cases")
    assert not failures, "\n".join(f"{case}: {faults}" for case, faults in failures.items())


def test_every_audio_shard_can_be_lost(patient: Patient) -> None:
    """They are written anew, by a pass or by `repair`, and nothing is extracted."""
    failures = {}
    patient.recover()
    for file, damage in each(patient.shards("music_lib_audio"), [flip, cut, delete]):
        patient.recover()
        damage(file)
        content = file.read_bytes() if file.exists() else None
        faults = [] if any(str(file) in finding.what for finding in patient.verify()) else ["not found"]
        faults += faults_after_pass(patient, 0)
        patient.recover()
        damage(file)
        faults += faults_after_repair(patient, content, 0)
        if faults:
            failures[named(patient, file, damage)] = faults
    assert not failures, "\n".join(f"{case}: {faults}" for case, faults in failures.items())


@pytest.mark.parametrize("with_backup", [True, False], ids=["with_backup", "without_backup"])
def test_a_damaged_manifest_is_rebuilt(patient: Patient, *, with_backup: bool) -> None:
    """However it is damaged, `sync` refuses and names `repair`, which extracts nothing and keeps all splits and ids."""
    failures = {}
    for damage in [*GARBLED, *TRUNCATED, pragma("application_id", 0)]:
        patient.recover()
        if not with_backup:
            for backup in (patient.state / "backups").iterdir():
                backup.unlink()
        damage(patient.manifest)
        content = patient.manifest.read_bytes()
        faults = [] if any(str(patient.manifest) in finding.what for finding in patient.verify()) else ["not found"]
        try:
            patient.sync()
            faults.append("sync went on")
        except StoreError as error:
            faults += ["no hint"] * ("melwatch repair" not in error.hint and "--state" not in error.hint)
        rehearsed = patient.rehearse()
        assert patient.manifest.read_bytes() == content
        said, extracted = patient.repair()
        faults += [f"differs: {name}" for name in patient.differences()]
        faults += [f"extracted {extracted}"] * bool(extracted)
        aside = [file for file in patient.state.iterdir() if ".damaged-" in file.name and not file.name.endswith("m")]
        faults += ["not kept aside"] * all(file.read_bytes() != content for file in aside)
        faults += [f"left: {finding}" for finding in patient.verify(read_data=True)]
        faults += [f"rehearsed {rehearsed}, said {said}"] * (said != rehearsed)
        if faults:
            failures[damage.__name__] = [*faults, *said]
    assert not failures, "\n".join(f"{case}: {faults}" for case, faults in failures.items())


@pytest.mark.parametrize("damage", [delete, empty], ids=["deleted", "emptied"])
@pytest.mark.parametrize("how", ["sync", "repair"])
def test_a_lost_manifest_is_rebuilt(patient: Patient, damage: Callable[[Path], None], how: str) -> None:
    """Without it a pass takes everything over from the dataset; `repair` prefers a backup. Nothing is extracted."""
    patient.recover()
    damage(patient.manifest)
    assert any("missing" in finding.what for finding in patient.verify())
    extracted = patient.sync().extracted if how == "sync" else patient.repair()[1]
    assert extracted == 0
    assert patient.differences() == []
    assert patient.verify(read_data=True) == []


def test_a_manifest_without_its_log_catches_up(patient: Patient) -> None:
    """One that was copied without its write-ahead log is older than the dataset; a pass takes over what it lacks."""
    patient.recover()
    keeper = sqlite3.connect(patient.manifest)  # as long as somebody reads, the log is not written back
    keeper.execute("PRAGMA wal_autocheckpoint = 0")
    keeper.execute("SELECT count(*) FROM track").fetchone()
    before = patient.manifest.read_bytes()
    (patient.place / "music" / "Rock" / "late.mp3").write_bytes((patient.place / "music/Rock/01.mp3").read_bytes()[:-1])
    try:
        patient.sync()
        expected = patient.content()
        keeper.close()
        for end in ("-wal", "-shm"):
            patient.manifest.with_name(patient.manifest.name + end).unlink(missing_ok=True)
        patient.manifest.write_bytes(before)
        assert patient.sync().extracted == 0
        assert patient.content() == expected
    finally:
        (patient.place / "music" / "Rock" / "late.mp3").unlink()


def test_a_backup_costs_nothing_that_was_made_since(patient: Patient) -> None:
    """Songs that were extracted after it was taken lie in the spool, where a pass and an interrupted one find them."""
    patient.recover()
    with open_for_mending(patient.shop, NOW) as db:
        assert back_up_daily(db, patient.state, NOW + timedelta(days=2))
    library(patient.place / "music", {"New": songs(3, first=60)})
    try:
        assert patient.sync().extracted == 3
        truncate_to(0.5)(patient.manifest)
        with hold_for_repair(patient.shop, patient.now):
            Repair(shop=patient.shop, now=patient.now, progress=Unwatched()).mend()
        with open_pipeline(patient.shop, Unwatched(), NOW) as pipeline:
            pipeline.halt.set()
            assert pipeline.run_pass(NOW).is_interrupted
        assert patient.sync().extracted == 0
        assert len(list((patient.state / "spool").iterdir())) == 2 + 3
        (patient.state / "spool" / "stray").write_bytes(b"")
        patient.sync()
        assert len(list((patient.state / "spool").iterdir())) == 2 + 3
    finally:
        shutil.rmtree(patient.place / "music" / "New")


def test_a_failure_that_was_mended_since_the_backup_is_forgotten(patient: Patient) -> None:
    """The dataset has its song."""
    patient.recover()
    with open_for_mending(patient.shop, NOW) as db:
        song, recipe = db.execute(
            "SELECT audio_id, recipe FROM spectrogram JOIN track USING (audio_id) WHERE shard NOTNULL"
        ).fetchone()
        with writing(db):
            tracks.record_failure(db, song, recipe, TrackError("It hung", reason="timeout"), tries=2, at="")
            db.execute("DELETE FROM version WHERE number = 2")
            db.execute("DELETE FROM spectrogram WHERE audio_id = ?", (song,))
    assert patient.sync().failed == 0
    with open_for_mending(patient.shop, NOW) as db:
        assert db.execute("SELECT count(*) FROM failure").fetchone()[0] == 0
    assert patient.differences() == []


@pytest.mark.parametrize("damage", [pragma("user_version", 99)])
def test_what_a_newer_melwatch_wrote_is_left_alone(patient: Patient, damage: Callable[[Path], None]) -> None:
    """Neither a pass nor `repair` touches it."""
    patient.recover()
    damage(patient.manifest)
    before = patient.manifest.read_bytes()
    for command in (patient.sync, patient.repair):
        with pytest.raises(StoreError) as raised:
            command()
        assert "Upgrade" in raised.value.hint
    assert next(finding.hint for finding in patient.verify()).startswith("Upgrade")
    assert patient.manifest.read_bytes() == before


def test_the_database_of_another_program_is_left_alone(patient: Patient) -> None:
    """It is named, and neither written to nor moved."""
    patient.recover()
    patient.manifest.unlink()
    db = sqlite3.connect(patient.manifest)
    db.executescript("PRAGMA application_id = 77; CREATE TABLE photos (name TEXT);")
    db.close()
    before = patient.manifest.read_bytes()
    for command in (patient.sync, patient.repair):
        with pytest.raises(StoreError, match="not a manifest of melwatch"):
            command()
    assert patient.verify()
    assert patient.manifest.read_bytes() == before


@pytest.mark.parametrize("damage", [flip, cut, empty, delete])
def test_a_damaged_spool_file_is_made_again(patient: Patient, damage: Callable[[Path], None]) -> None:
    """Only its song is extracted again."""
    patient.recover()
    file = min((patient.state / "spool").iterdir())
    if damage is flip:
        content = bytearray(file.read_bytes())
        content[100] ^= 1  # among the numbers, not the facts behind them
        file.write_bytes(content)
    else:
        damage(file)
    damaged = file.read_bytes() if file.exists() else None
    assert any(file.name in finding.what for finding in patient.verify(read_data=damage is flip))
    assert patient.sync().extracted == 1
    patient.recover()
    if damaged is None:
        file.unlink()
    else:
        file.write_bytes(damaged)
    assert faults_after_repair(patient, damaged, 1) == []


def test_a_lock_with_garbage_in_it_is_nobody(patient: Patient) -> None:
    """What a killed process, or anybody, left in the lock file keeps no one out."""
    patient.recover()
    (patient.state / "lock").write_bytes(b"\xff\x00 garbage {")
    assert patient.sync().extracted == 0
    assert patient.verify(read_data=True) == []


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumped_breaks_nothing(patient: Patient, years: int) -> None:
    """A version published in the wrong year is followed by one in the right year; all open, nothing is made anew."""
    patient.recover()
    song = patient.place / "music" / "Rock" / "01.mp3"
    patient.now = patient.now.replace(year=patient.now.year + years)
    song.rename(song.with_name("renamed.mp3"))
    try:
        assert (patient.sync().extracted, patient.verify(read_data=True)) == (0, [])
    finally:
        song.with_name("renamed.mp3").rename(song)
    patient.now = patient.now.replace(year=patient.now.year - years)
    assert patient.sync().extracted == 0
    assert patient.differences() == []
    assert patient.verify(read_data=True) == []
    assert patient.repair() == ([], 0)
    for version in (2, 3, 4):
        assert sum(part.num_rows for part in melwatch.load(patient.dataset, version=version).values()) == 13 * 6


def test_the_daemons_weekly_look_finds_rot(patient: Patient) -> None:
    """A flipped bit that no pass sees is found by reading, and the next pass writes the shard anew."""
    patient.recover()
    shard = Path(load_from_disk(str(patient.dataset / "music_lib"))["test"].cache_files[0]["filename"])
    whole = shard.read_bytes()
    flip(shard)
    assert patient.sync().is_published is False
    wiring._run_task(patient.shop, Task.VERIFY, patient.now)
    assert patient.sync().is_published
    assert shard.read_bytes() == whole
    assert patient.differences() == []
    assert patient.verify(read_data=True) == []


@pytest.mark.parametrize("number", [1, 2])
def test_a_collection_spares_a_version_that_lost_its_seal(patient: Patient, number: int) -> None:
    """It is no unfinished one: the record knows it, and the next pass seals it again, pinned as it was."""
    patient.recover()
    pin(patient.shop.folder, number)
    (patient.shop.folder.version(number) / "current.json").unlink()
    much_later = NOW + timedelta(days=900)
    with open_for_mending(patient.shop, much_later) as db:
        clearing.collect(patient.shop, db, much_later)
    assert patient.sync().extracted == 0
    assert sum(part.num_rows for part in melwatch.load(patient.dataset, version=number).values()) == (11 + number) * 6
    assert patient.verify(read_data=True) == []


@pytest.mark.parametrize("name", ["ledger.parquet", "version.json"])
def test_readers_are_not_led_back_by_what_they_never_read(patient: Patient, name: str) -> None:
    """Where only melwatch's own files of the newest version are lost, it stays current until the next one is out."""
    patient.recover()
    (patient.shop.folder.version(2) / name).unlink()
    with open_pipeline(patient.shop, Unwatched(), NOW) as pipeline:
        assert recover(pipeline.db, patient.shop.state.spool, patient.shop.folder, NOW)
    assert melwatch.current_version(patient.dataset) == 2
    assert patient.sync().version == 3
    assert patient.differences() == []


def test_an_export_is_a_world_of_its_own(patient: Patient, tmp_path: Path) -> None:
    """A copied version stays what it was, whatever becomes of the dataset, and a damaged one is not copied."""
    patient.recover()
    export(patient.shop.folder, 1, tmp_path / "copy")
    before = load_from_disk(str(tmp_path / "copy"))["train"][:]["paths"].tolist()
    for shard in patient.shards():
        shard.unlink()
    with pytest.raises(StoreError, match="missing"):
        export(patient.shop.folder, 1, tmp_path / "another")
    patient.repair()
    assert load_from_disk(str(tmp_path / "copy"))["train"][:]["paths"].tolist() == before
    assert patient.differences() == []


def test_much_at_once(patient: Patient) -> None:
    """Manifest and backups gone, two shards rotten, metadata cut: one repair brings all of it back."""
    patient.recover()
    shutil.rmtree(patient.state / "backups")
    truncate_to(0.5)(patient.manifest)
    for shard in patient.shards()[:2]:
        flip(shard)
    cut(patient.dataset / "music_lib" / "current.json")
    cut(patient.dataset / "music_lib" / "versions" / "000002" / "train" / "state.json")
    empty(patient.state / "dataset.json")
    assert faults_after_repair(patient, None, 13) == []


def test_the_commands_say_it_and_end_with_their_codes(patient: Patient) -> None:
    """`sync` and `verify` 4, `repair` 0 and 3 while another is at work, and what is said names the way out."""
    patient.recover()
    rig = Rig(patient.place / "music", patient.dataset, patient.state, {
        "MELWATCH_DATASET__AUDIO": "true", "MELWATCH_SPECTROGRAM__MODEL": str(patient.place / "model"),
    })  # fmt: skip
    assert "nothing to repair" in rig.run("repair")
    truncate_to(0.5)(patient.manifest)
    rig.run("sync", expect=4)
    rig.run("status", expect=4)
    assert "melwatch repair" in rig.run("verify", expect=4)
    assert "melwatch repair" in rig.run("verify", "--read-data", expect=4)
    assert "is set aside" in rig.run("repair", "--dry-run")
    with locked(patient.state, NOW):
        rig.run("repair", expect=3)
    said = rig.run("repair")
    assert "takes its place" in said
    assert "0 extracted" in said
    assert "No problems found" in rig.run("verify", "--read-data")
    cache = patient.dataset / "music_lib" / "train" / "cache-1.arrow"
    cache.write_bytes(b"rows")
    assert "Removed 0 caches" in rig.run("gc", "--caches")
    rig.run("gc")
    assert cache.exists()
    assert "Removed 1 caches" in rig.run("gc", "--caches", "--older-than", "0")
    assert not cache.exists()
    assert patient.differences() == []
