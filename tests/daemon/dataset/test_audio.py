"""The audio dataset beside the spectrograms."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from datasets import Audio, load_dataset, load_from_disk

import melwatch
from building import library, tone
from editions import Press, Song, songs
from melwatch.dataset import install
from melwatch.edition import Split
from melwatch.errors import ConfigError, DegradedError
from melwatch.platform.disk import replace_file

if TYPE_CHECKING:
    from pathlib import Path


def paths(press: Press) -> dict[str, list[tuple[str, str]]]:
    """Return path and genre of every row, by split."""
    opened = load_from_disk(str(press.folder.audio.library))
    names = opened["train"].features["labels"].names
    return {
        split: [(row["audio"]["path"], names[row["labels"]]) for row in part.cast_column("audio", Audio(decode=False))]
        for split, part in opened.items()
    }


def test_it_shows_the_same_tracks_in_the_same_splits(tmp_path: Path) -> None:
    """One row a track, with its file and class; `load_dataset` reads it too."""
    press = Press(place=tmp_path)
    press.publish(songs(12), music_root="/music")

    assert paths(press) == {
        split: [(f"/music/{song.path}", song.genre) for song in songs(12) if song.split == split] for split in Split
    }
    opened = load_from_disk(str(press.folder.audio.library))
    assert opened["train"].features["audio"].sampling_rate == 16_000
    converted = load_dataset(str(press.folder.audio.library))
    assert converted.num_rows == opened.num_rows
    assert converted["test"].features["labels"] == opened["test"].features["labels"]


def test_it_can_be_decoded(tmp_path: Path) -> None:
    """What it names are files that a decoder opens, whatever the library that `datasets` decodes with."""
    import soundfile

    library(tmp_path / "music", {"Rock": {"a.mp3": tone(440)}})
    press = Press(place=tmp_path)
    press.publish([Song(path="Rock/a.mp3", sound=1)], music_root=str(tmp_path / "music"))

    [(path, _)] = paths(press)["train"]
    assert soundfile.info(path).samplerate == 16_000


def test_every_moment_of_a_publish_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each split is, whole, the old one or the new one, also where a class is added."""
    press = Press(place=tmp_path)
    press.publish(songs(6), music_root="/music")
    before = paths(press)
    home = press.folder.audio.library
    saved = {path: path.read_bytes() for path in home.rglob("*") if path.suffix in {".json", ".md"}}
    press.publish(songs(15, ("Jazz", "Rock", "Soul")), music_root="/music")
    after = paths(press)
    for path, content in saved.items():
        path.write_bytes(content)
    moments = []

    def replace_and_look(path: Path, content: bytes) -> int:
        written = replace_file(path, content)
        moments.append(paths(press))
        return written

    monkeypatch.setattr(install, "replace_file", replace_and_look)
    install.install(press.folder, 2)

    assert moments[-1] == after
    for moment in moments:
        for split, found in moment.items():
            assert found in (before[split], after[split])


def test_a_dataset_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    """What lies in its place stays, and the last version too."""
    press = Press(place=tmp_path)
    press.publish(songs(6))
    theirs = library(press.folder.audio.library, {"dataset_dict.json": b"{}"})
    with pytest.raises(DegradedError, match="did not write"):
        press.publish(songs(8), music_root="/music")

    assert [path.name for path in theirs.iterdir()] == ["dataset_dict.json"]
    assert press.folder.version_numbers() == [1]


def test_it_stays_as_it_was_where_nothing_changes(tmp_path: Path) -> None:
    """No file of it is written again; without the option there is none."""
    press = Press(place=tmp_path)
    press.publish(songs(6))
    assert not press.folder.audio.library.exists()
    press.publish(songs(6), music_root="/music")
    before = {path: path.stat().st_mtime_ns for path in press.folder.audio.library.rglob("*.*")}
    press.publish([*songs(6)], music_root="/music", pending=1, columns=("window",))

    after = {path: path.stat().st_mtime_ns for path in press.folder.audio.library.rglob("*.*")}
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert changed == {"README.md"}


def test_every_version_of_it_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`melwatch.load` of its folder opens any version, also where the reader may not write; without one it says so."""
    press = Press(place=tmp_path)
    press.publish(songs(12))
    press.publish(songs(12), music_root="/music")
    press.publish(songs(15), music_root="/music")
    place = press.folder.audio.library

    for may_write in (True, False):
        monkeypatch.setattr(os, "access", lambda *_, may=may_write: may)
        assert sum(melwatch.load(place).num_rows.values()) == 15
        old = melwatch.load(place, version=2)
        assert sum(old.num_rows.values()) == 12
        assert set(old["train"].column_names) == {"audio", "labels"}
        assert sum(melwatch.load(press.folder.path, version=2).num_rows.values()) == 24
        with pytest.raises(ConfigError, match="Version 1 has no audio dataset"):
            melwatch.load(place, version=1)
    assert melwatch.current_version(place) == 3
