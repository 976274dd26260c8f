"""A version as a folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from datasets import DatasetDict, load_dataset, load_from_disk

import melwatch
from editions import Press, Song, songs
from melwatch.dataset import layout
from melwatch.dataset.export import export, upload
from melwatch.dataset.install import install
from melwatch.dataset.storage import Storage
from melwatch.errors import ConfigError, LockedError, StoreError
from melwatch.progress import Unwatched

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder

FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all": {"dtype": "float16", "columns": ("track_id", "window", "start_s")},
}


def values(opened: DatasetDict) -> dict[str, list[dict[str, Any]]]:
    """Return every row as plain values."""
    return {split: part.with_format(None).to_list() for split, part in opened.items()}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_export_equals_the_version_row_for_row(tmp_path: Path, form: dict[str, Any]) -> None:
    """Rows, order, features, format and fingerprint are the version's, whatever was published since."""
    press = Press(place=tmp_path)
    press.publish(songs(80), **form)
    press.publish(songs(90, ("Jazz", "Rock", "Soul")))
    version = melwatch.load(press.folder.path, version=1)
    expected = values(version)
    export(press.folder, 1, tmp_path / "out" / "copy", file_bytes=2_000, with_metadata=True)
    features = {split: part.features for split, part in version.items()}
    prints = {split: part._fingerprint for split, part in version.items()}
    del version
    shutil.rmtree(press.folder.path)

    copy = load_from_disk(str(tmp_path / "out" / "copy"))

    assert isinstance(copy, DatasetDict)
    assert values(copy) == expected
    assert {split: part.features for split, part in copy.items()} == features
    assert {split: part._fingerprint for split, part in copy.items()} == prints
    assert copy["train"].format["type"] == "numpy"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_export_tells_songs_instead_of_paths(tmp_path: Path, form: dict[str, Any]) -> None:
    """All else is the version's, bit for bit; `paths` tells the digest of the sound, and fingerprints are others."""
    press = Press(place=tmp_path)
    edition = press.publish(songs(80), **form)
    version = melwatch.load(press.folder.path)
    songs_by_path = {track.shown_path: track.audio_id for track in edition.tracks}
    expected = {
        split: [row | {"paths": songs_by_path[row["paths"]]} for row in rows] for split, rows in values(version).items()
    }

    export(press.folder, 1, tmp_path / "copy", file_bytes=2_000)

    copy = load_from_disk(str(tmp_path / "copy"))
    assert isinstance(copy, DatasetDict)
    assert values(copy) == expected
    for split, part in copy.items():
        assert part.features == version[split].features
        assert part._fingerprint != version[split]._fingerprint
        assert list(part[:]["input_values"].tobytes()) == list(version[split][:]["input_values"].tobytes())


def test_no_name_of_a_file_or_song_is_anywhere_in_an_export(tmp_path: Path) -> None:
    """Neither in rows, nor in Arrow's metadata, nor in any file; with metadata the paths are there, to compare."""
    press = Press(place=tmp_path / "press")
    press.publish([Song(path=f"Rock/Secretband - Hush {number}.mp3", sound=number) for number in range(12)])
    export(press.folder, 1, tmp_path / "without")
    export(press.folder, 1, tmp_path / "with", with_metadata=True)

    def told(folder: Path) -> bool:
        content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        return any(name in content for name in (b"Secretband", b"Hush", b".mp3", b"Song ", str(press.place).encode()))

    assert not told(tmp_path / "without")
    assert told(tmp_path / "with")


def test_a_version_that_cannot_tell_its_songs_is_not_exported_without_names(tmp_path: Path) -> None:
    """Where `tracks.parquet` is damaged nothing is guessed, and nothing left behind."""
    press = Press(place=tmp_path / "press")
    press.publish(songs(12))
    (press.folder.version(1) / "tracks.parquet").write_bytes(b"PAR1 and more PAR1")

    with pytest.raises(StoreError, match=r"tracks\.parquet"):
        export(press.folder, 1, tmp_path / "copy")

    assert {path.name for path in tmp_path.iterdir()} == {"press"}


@pytest.mark.parametrize("name", ["shard", "train/state.json", "test/dataset_info.json", "tracks.parquet"])
@pytest.mark.parametrize("with_metadata", [True, False])
def test_what_is_damaged_is_not_handed_on(tmp_path: Path, name: str, *, with_metadata: bool) -> None:
    """One bit of numbers, or of what tells of them, ends it, and nothing is left; names matter where they are used."""
    press = Press(place=tmp_path / "press")
    press.publish(songs(12))
    file = press.folder.version(1) / name
    if name == "shard":
        file = press.folder.shard(max(layout.shards_of_version(press.folder, 1)))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    for way in (export, partial(_upload, progress=Unwatched())):
        if name == "tracks.parquet" and with_metadata:
            way(press.folder, 1, tmp_path / way.__class__.__name__, with_metadata=True)
            continue
        with pytest.raises(StoreError, match=file.name):
            way(press.folder, 1, tmp_path / "copy", with_metadata=with_metadata)
        assert not (tmp_path / "copy" / "dataset_dict.json").exists()


def _upload(folder: DatasetFolder, number: int, target: Path, **options: Any) -> None:
    upload(folder, number, Storage.open(str(target)), **options)


def test_an_export_has_the_files_of_save_to_disk(tmp_path: Path) -> None:
    """The same names, in the same folders, with the same keys."""
    press = Press(place=tmp_path)
    press.publish(songs(12))
    export(press.folder, 1, tmp_path / "ours")
    melwatch.load(press.folder.path).save_to_disk(str(tmp_path / "theirs"))

    def files(folder: Path) -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
    for name in ("train/state.json", "train/dataset_info.json"):
        ours, theirs = (json.loads((tmp_path / side / name).read_text()) for side in ("ours", "theirs"))
        assert ours.keys() >= theirs.keys() - {"builder_name", "config_name", "dataset_name", "version", "splits"}


def test_an_export_has_the_class_names_of_its_version_everywhere(tmp_path: Path) -> None:
    """A class that came after a shard was written is named in the copy's shards too."""
    press = Press(place=tmp_path)
    press.publish(songs(12))
    press.publish([*songs(12), *songs(15, ("Soul",))[12:]])
    export(press.folder, 2, tmp_path / "copy")

    files = {split: [str(file) for file in (tmp_path / "copy" / split).glob("*.arrow")] for split in ("train", "test")}

    assert load_dataset("arrow", data_files=files)["train"].features["labels"].names == ["Jazz", "Rock", "Soul"]


def test_an_empty_folder_is_taken_and_anything_else_is_refused(tmp_path: Path) -> None:
    """Nothing of the person's own is written over, and after a refusal nothing is left behind."""
    press = Press(place=tmp_path / "press")
    press.publish(songs(6))
    install(press.folder, 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")

    export(press.folder, 1, tmp_path / "empty")
    with pytest.raises(ConfigError, match="exists already"):
        export(press.folder, 1, tmp_path / "full")
    with pytest.raises(ConfigError, match="no version 5"):
        export(press.folder, 5, tmp_path / "none")

    assert len(load_from_disk(str(tmp_path / "empty"))["train"]) > 0
    assert {path.name for path in tmp_path.iterdir()} == {"press", "empty", "full"}


KILLED = """
import os, sys
from pathlib import Path
from melwatch.dataset import export
from melwatch.dataset.layout import DatasetFolder
whole, left = export.replace_file, [2]
def dying(path, content):
    left[0] -= 1
    if left[0] == 0:
        print("here", flush=True)
        sys.stdin.read()
        os._exit(9)
    return whole(path, content)
export.replace_file = dying
export.export(DatasetFolder(Path(sys.argv[1])), 1, Path(sys.argv[2]))
"""


def test_what_a_killed_export_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """Not while it is at work, and nothing that only has such a name."""
    press = Press(place=tmp_path / "press")
    press.publish(songs(12))
    place = tmp_path / "out"
    own = {
        place / ".copy.1.melwatch-tmp" / "mine.txt",
        place / ".copies.1.melwatch-tmp" / "lock",
        place / ".copy.x.melwatch-tmp" / "lock",
    }
    for file in own:
        file.parent.mkdir(parents=True)
        file.write_text("mine")
    (place / ".copy.2.melwatch-tmp").mkdir()  # killed at the very beginning
    before = {path.parent for path in own}
    command = [sys.executable, "-c", KILLED, str(press.folder.path), str(place / "copy")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "here\n"
        with pytest.raises(LockedError, match="at work"):
            export(press.folder, 1, place / "copy")
        killed.communicate()
    assert killed.returncode == 9
    assert {path.name for path in place.iterdir()} > {path.name for path in before}

    export(press.folder, 1, place / "copy")

    assert set(place.iterdir()) == before | {place / "copy"}
    assert all(file.exists() for file in own)
    assert len(load_from_disk(str(place / "copy"))["train"]) > 0
