"""`melwatch sync` on real files, from outside: what each kind of change does to the dataset."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from datasets import load_dataset, load_from_disk

from building import library, retagged, songs, tone
from running import Rig, files_below


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A synced library of two genres."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": {"Album": songs(7)}, "Jazz": songs(6, first=20)})
    rig.sync()
    return rig


def fresh(rig: Rig, place: Path) -> Rig:
    """Build the dataset of the same library from scratch."""
    other = Rig.at(place, music=rig.music)
    other.sync()
    return other


def test_a_library_becomes_a_dataset_that_opens_everywhere(rig: Rig) -> None:
    """`load_from_disk`, `load_dataset` and `melwatch.load` agree on rows, classes and splits."""
    import melwatch

    library_folder = str(rig.dataset / "music_lib")
    plain = load_from_disk(library_folder)
    converted = load_dataset(library_folder)
    ours = melwatch.load(rig.dataset)
    for opened in (plain, converted, ours):
        assert list(opened) == ["train", "validate", "test"]
        assert sum(part.num_rows for part in opened.values()) == 13 * 6
        assert opened["train"].features["labels"].names == ["Jazz", "Rock"]
    row = plain["test"][0]
    assert row["input_values"].shape == (1024, 128)
    assert row["input_values"].dtype == "float32"
    assert json.loads((rig.dataset / "genres.json").read_text(encoding="utf-8")) == ["Jazz", "Rock"]


def test_each_genre_is_in_each_split(rig: Rig) -> None:
    """Six songs are enough for train, validate and test."""
    found = {(genre, split) for genre, split, _ in rig.rows_and_splits().values()}
    assert found == {(genre, split) for genre in ("Jazz", "Rock") for split in ("train", "validate", "test")}


def test_a_second_pass_writes_nothing(rig: Rig) -> None:
    """Where nothing has changed, no file of the dataset is touched and the fingerprint stays."""
    before = files_below(rig.dataset), rig.current()
    status = rig.sync()
    assert status["last_pass"]["extracted"] == 0
    assert (files_below(rig.dataset), rig.current()) == before


def change(music: Path, what: str) -> None:
    """Make one change to the library that `rig` starts from; later ones build on earlier ones."""
    rock, jazz, album = music / "Rock" / "Album", music / "Jazz", music / "Rock" / "Other album"
    match what:
        case "add":
            (rock / "new.mp3").write_bytes(tone(900))
        case "delete":
            (rock / "00.mp3").unlink()
        case "rename":
            (rock / "01.mp3").rename(rock / "renamed.mp3")
        case "rename album":
            rock.rename(album)
        case "retag":
            (jazz / "20.mp3").write_bytes(retagged((jazz / "20.mp3").read_bytes(), "Title", cover_bytes=5_000_000))
        case "move":
            (album / "02.mp3").rename(jazz / "moved.mp3")
        case "copy":
            shutil.copy(jazz / "21.mp3", jazz / "a copy.mp3")
        case "touch":
            os.utime(jazz / "22.mp3")
        case "replace":
            (jazz / "23.mp3").write_bytes(tone(1000))


def test_every_kind_of_change_extracts_only_what_sounds_new(rig: Rig, tmp_path: Path) -> None:
    """Only an added and a replaced song are extracted, and the dataset is that of a build from scratch."""
    untouched = {numbers: split for _, split, numbers in rig.rows_and_splits().values()}
    extracted = {}
    for what in ("add", "delete", "rename", "rename album", "retag", "move", "copy", "touch", "replace"):
        change(rig.music, what)
        extracted[what] = rig.sync()["last_pass"]["extracted"]
    assert {what for what, number in extracted.items() if number} == {"add", "replace"}
    assert set(extracted.values()) == {0, 1}
    assert rig.rows() == fresh(rig, tmp_path / "fresh").rows()
    for _, split, numbers in rig.rows_and_splits().values():
        assert untouched.get(numbers, split) == split


def test_content_replaced_behind_the_clock_is_noticed(rig: Rig) -> None:
    """A file of the same size and modification time is read again, since its change time moved."""
    file = rig.music / "Jazz" / "20.mp3"
    before = file.stat()
    other = tone(1234)
    file.write_bytes(other[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert rig.sync()["last_pass"]["extracted"] == 1


@pytest.mark.slow
def test_a_replaced_song_keeps_the_split_of_its_path(rig: Rig) -> None:
    """What comes in place of a song takes over its split."""
    before = {path: split for (path, _), (_, split, _) in rig.rows_and_splits().items()}
    for number in range(20, 26):
        (rig.music / "Jazz" / f"{number}.mp3").write_bytes(tone(2000 + number))
    rig.sync()
    assert {path: split for (path, _), (_, split, _) in rig.rows_and_splits().items()} == before


@pytest.mark.slow
def test_a_renamed_genre_keeps_its_class(rig: Rig) -> None:
    """The folder's new name takes the old one's place in the list of classes."""
    (rig.music / "Jazz").rename(rig.music / "Zydeco")
    status = rig.sync()
    assert status["last_pass"]["extracted"] == 0
    assert json.loads((rig.dataset / "genres.json").read_text(encoding="utf-8")) == ["Zydeco", "Rock"]


@pytest.mark.slow
def test_a_genre_enters_when_it_has_grown_and_leaves_when_it_has_shrunk(rig: Rig) -> None:
    """Below six songs a genre is left out, its songs extracted and waiting; its class id is kept."""
    library(rig.music, {"Blues": songs(5, first=40)})
    assert rig.sync()["waiting"] == {"Blues": 5}
    (rig.music / "Blues" / "last.mp3").write_bytes(tone(3000))
    status = rig.sync()
    assert status["genres"]["Blues"] == 6
    assert status["last_pass"]["extracted"] == 1
    (rig.music / "Jazz" / "20.mp3").unlink()
    assert rig.sync()["genres"] == {"Blues": 6, "Rock": 7}
    assert json.loads((rig.dataset / "genres.json").read_text(encoding="utf-8")) == ["Jazz", "Rock", "Blues"]
    converted = load_dataset(str(rig.dataset / "music_lib"), split="train")
    assert converted.features["labels"].names == ["Jazz", "Rock", "Blues"]


@pytest.mark.slow
def test_another_model_gives_another_shape_and_the_dataset_opens(rig: Rig, tmp_path: Path) -> None:
    """A model's folder sets the parameters; once accepted, all songs are extracted anew; old versions open."""
    import melwatch

    parameters = {"feature_extractor_type": "ASTFeatureExtractor", "max_length": 128, "num_mel_bins": 64}
    library(tmp_path / "model", {"preprocessor_config.json": json.dumps(parameters).encode()})
    other = Rig(rig.music, rig.dataset, rig.state, {"MELWATCH_SPECTROGRAM__MODEL": str(tmp_path / "model")})
    other.run("sync", expect=1)
    other.run("accept-recipe")
    assert other.sync()["last_pass"]["extracted"] == 13
    assert melwatch.load(rig.dataset)["train"][0]["input_values"].shape == (128, 64)
    assert load_from_disk(str(rig.dataset / "music_lib"))["test"][0]["input_values"].shape == (128, 64)
    assert melwatch.load(rig.dataset, version=1)["train"][0]["input_values"].shape == (1024, 128)


@pytest.mark.slow
def test_a_reader_who_may_not_write_caches_elsewhere(rig: Rig, trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`map` on a dataset opened by `melwatch.load` writes into the reader's own cache folder."""
    import melwatch

    monkeypatch.setattr(os, "access", lambda *_: False)
    before = files_below(rig.dataset)
    mapped = melwatch.load(rig.dataset)["train"].map(lambda row: {"mean": row["input_values"].mean()})
    assert files_below(rig.dataset) == before
    assert trap in Path(mapped.cache_files[-1]["filename"]).parents
    assert mapped.num_rows == melwatch.load(rig.dataset)["train"].num_rows


def test_duplicates_count_once(rig: Rig) -> None:
    """Copies of one sound in a genre are one track, under the smallest path, and reported."""
    shutil.copy(rig.music / "Jazz" / "20.mp3", rig.music / "Jazz" / "00 copy.mp3")
    status = rig.sync()
    assert status["genres"]["Jazz"] == 6
    assert status["last_pass"]["balance"]["duplicate"] == 1
    assert ("Jazz/00 copy.mp3", 0) in rig.rows()
    assert "stands for both" in rig.run("why", "Jazz/20.mp3")


@pytest.mark.slow
def test_twenty_five_small_genres(tmp_path: Path) -> None:
    """Many genres of six songs each are split with each genre in each split."""
    rig = Rig.at(tmp_path)
    library(rig.music, {f"Genre {n:02}": {f"{k}.mp3": tone(150 + 6 * n + k) for k in range(6)} for n in range(25)})
    assert len(rig.sync()["genres"]) == 25
    found = {(genre, split) for genre, split, _ in rig.rows_and_splits().values()}
    assert len(found) == 75


def test_no_genre_with_enough_songs_publishes_nothing(tmp_path: Path) -> None:
    """The pass ends well, says why nothing is published, and leaves no dataset behind."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(3)})
    assert "Nothing is published" in rig.run("sync")
    assert not (rig.dataset / "music_lib").exists()


def test_a_dataset_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    """A folder that `save_to_disk` wrote is refused with exit code 2."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(6)})
    library(rig.dataset, {"music_lib": {"dataset_dict.json": b'{"splits": []}'}})
    before = files_below(rig.dataset)
    rig.run("sync", expect=2)
    assert files_below(rig.dataset) == before


def test_a_missing_or_empty_root_deletes_nothing(rig: Rig) -> None:
    """Exit code 1, and the last version stays."""
    before = files_below(rig.dataset)
    away = rig.music.with_name("away")
    rig.music.rename(away)
    rig.run("sync", expect=1)
    rig.music.mkdir()
    rig.run("sync", expect=1)
    rig.music.rmdir()
    away.rename(rig.music)
    assert rig.sync()["last_pass"]["extracted"] == 0
    assert files_below(rig.dataset) == before


@pytest.mark.slow
def test_broken_files_are_recorded_and_never_tried_twice(rig: Rig) -> None:
    """A page saved as .mp3 fails once, with a reason, also when it is renamed."""
    (rig.music / "Rock" / "page.mp3").write_bytes(b"<!DOCTYPE html><html>404</html>" * 20)
    assert rig.sync()["last_pass"]["failed"] == 1
    (rig.music / "Rock" / "page.mp3").rename(rig.music / "Rock" / "renamed.mp3")
    status = rig.sync()
    assert status["last_pass"]["failed"] == 0
    assert status["tracks"]["failed"] == 1
    assert "Rock/renamed.mp3" in rig.run("failures")
    assert "1 failed songs will be tried again" in rig.run("retry")
    assert rig.sync()["last_pass"]["failed"] == 1


def test_the_balance_adds_up(rig: Rig) -> None:
    """Every file below the root is counted once, whatever became of it."""
    library(
        rig.music,
        {
            "stray.mp3": tone(300),
            "Rock": {".hidden.mp3": tone(301), "song.mp3.part": b"", "cover.jpg": b"", "other.flac": b"fLaC"},
            "downloads": {"x.mp3": tone(302)},
            "Few": {"one.mp3": tone(303)},
            "Bad": {"empty.mp3": b""},
        },
    )
    last = rig.sync()["last_pass"]
    assert last["found"] == sum(last["balance"].values()) == sum(path.is_file() for path in rig.music.rglob("*"))
    listed = rig.run("missing", "--csv").splitlines()[1:]
    assert len(listed) == last["found"] - last["balance"]["in_dataset"] - last["balance"]["not_audio"]


def test_a_dry_run_does_nothing(tmp_path: Path) -> None:
    """It tells songs and sizes, and leaves neither dataset nor state."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(6)})
    said = rig.run("sync", "--dry-run")
    assert "6 new" in said
    assert "0.02 GB in the end" in said
    assert not rig.dataset.exists()
    assert not rig.state.exists()


def test_lost_state_is_rebuilt_from_music_and_dataset(rig: Rig) -> None:
    """Without its manifest, melwatch takes over what the dataset holds and extracts nothing again."""
    before = rig.rows_and_splits()
    shutil.rmtree(rig.state)
    assert rig.sync()["last_pass"]["extracted"] == 0
    assert rig.rows_and_splits() == before


@pytest.mark.slow
def test_state_that_is_lost_while_the_first_version_is_put_in_place_is_rebuilt(rig: Rig) -> None:
    """The version says whose it is before it is the current one, so that the new state goes with it."""
    before = rig.current()
    shutil.rmtree(rig.state)
    (rig.dataset / "music_lib" / "current.json").unlink()
    assert rig.sync()["last_pass"]["extracted"] == 0
    rig.sync()
    assert rig.current() == before


def test_a_deleted_or_cut_shard_is_made_again(rig: Rig) -> None:
    """A shard that somebody removed or shortened is noticed at the next pass, and rewritten."""
    before = rig.rows_and_splits()
    for split in ("train", "test"):
        shard = next((rig.dataset / "music_lib" / split).glob("*.arrow"))
        if split == "train":
            shard.unlink()
        else:
            os.truncate(shard, shard.stat().st_size // 2)
    rig.sync()
    assert rig.rows_and_splits() == before


@pytest.mark.slow
def test_bit_rot_is_found_and_mended(rig: Rig) -> None:
    """`verify --read-data` finds a flipped bit that `verify` does not see; the next pass replaces the shard."""
    before = rig.rows_and_splits()
    shard = next((rig.dataset / "music_lib" / "train").glob("*.arrow"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    rig.run("verify")
    rig.run("verify", "--read-data", expect=4)
    rig.sync()
    rig.run("verify", "--read-data")
    assert rig.rows_and_splits() == before


@pytest.mark.slow
def test_old_versions_are_collected_and_users_files_stay(rig: Rig) -> None:
    """Past count and age versions and their shards go; a cache that a reader left in a split stays."""
    cache = rig.dataset / "music_lib" / "train" / "cache-0123.arrow"
    cache.write_bytes(b"")
    short = Rig(rig.music, rig.dataset, rig.state, {"MELWATCH_DATASET__KEEP_HOURS": "0"})
    for number in range(5):
        (rig.music / "Rock" / f"more {number}.mp3").write_bytes(tone(4000 + number))
        short.run("sync")
    versions = sorted(path.name for path in (rig.dataset / "music_lib" / "versions").iterdir())
    assert versions == ["000004", "000005", "000006"]
    assert cache.exists()
    rig.run("verify", "--read-data")


def test_two_at_once_are_refused(rig: Rig) -> None:
    """While one melwatch holds the state, another exits with 3 and names it."""
    from datetime import UTC, datetime

    from melwatch.manifest.lock import locked

    with locked(rig.state, datetime.now(UTC)):
        rig.run("sync", expect=3)


@pytest.mark.slow
def test_a_damaged_spool_file_is_made_again(tmp_path: Path) -> None:
    """Spectrograms that rot, or are cut, while they wait for their genre are noticed and made anew."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(5)})
    rig.sync()
    flipped, cut, *_ = sorted((rig.state / "spool").iterdir())
    data = bytearray(flipped.read_bytes())
    data[1000] ^= 1
    flipped.write_bytes(data)
    os.truncate(cut, 1000)
    library(rig.music, {"Rock": songs(6)})
    assert rig.sync()["genres"] == {"Rock": 6}
    assert rig.rows() == fresh(rig, tmp_path / "fresh").rows()


@pytest.mark.slow
def test_an_older_copy_of_the_dataset_is_brought_up_to_date(rig: Rig, tmp_path: Path) -> None:
    """A dataset restored from a backup shows at the next pass what the library holds now."""
    shutil.copytree(rig.dataset, tmp_path / "backup")
    (rig.music / "Rock" / "Album" / "00.mp3").unlink()
    rig.sync()
    expected = rig.rows()
    shutil.rmtree(rig.dataset)
    shutil.copytree(tmp_path / "backup", rig.dataset)
    rig.sync()
    assert rig.rows() == expected


@pytest.mark.slow
def test_a_damaged_shard_stays_until_it_is_replaced(rig: Rig) -> None:
    """While the music is away a dataset with a bad bit still opens."""
    shard = next((rig.dataset / "music_lib" / "train").glob("*.arrow"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    rig.run("verify", "--read-data", expect=4)
    away = rig.music.with_name("away")
    rig.music.rename(away)
    rig.run("sync", expect=1)
    assert len(load_from_disk(str(rig.dataset / "music_lib"))["train"]) > 0
    away.rename(rig.music)
    rig.sync()
    rig.run("verify", "--read-data")


@pytest.mark.slow
def test_names_beyond_sixteen_bits_are_the_same_everywhere(tmp_path: Path) -> None:
    """`load_dataset` reads class names from the card as `load_from_disk` reads them from JSON."""
    rig = Rig.at(tmp_path)
    name = 'Jazz \U0001f3b7 "quoted" \\ Ü'
    library(rig.music, {name: songs(6)})
    rig.sync()
    assert load_dataset(str(rig.dataset / "music_lib"), split="train").features["labels"].names == [name]
    assert load_from_disk(str(rig.dataset / "music_lib"))["train"].features["labels"].names == [name]


@pytest.mark.slow
def test_copies_count_if_asked_to(rig: Rig) -> None:
    """With `duplicates = "all"` each file of a sound has its rows, in one split."""
    shutil.copy(rig.music / "Jazz" / "20.mp3", rig.music / "Jazz" / "copy.mp3")
    every = Rig(rig.music, rig.dataset, rig.state, {"MELWATCH_DATASET__DUPLICATES": "all"})
    assert every.sync()["genres"]["Jazz"] == 7
    rows = every.rows_and_splits()
    assert rows["Jazz/copy.mp3", 0] == rows["Jazz/20.mp3", 0]


@pytest.mark.slow
def test_a_copied_library_opens_by_itself(rig: Rig, tmp_path: Path) -> None:
    """`melwatch.load` takes a copy of `music_lib` under any name."""
    import melwatch

    shutil.copytree(rig.dataset / "music_lib", tmp_path / "copy")
    shutil.rmtree(rig.dataset)
    assert sum(part.num_rows for part in melwatch.load(tmp_path / "copy").values()) == 13 * 6
