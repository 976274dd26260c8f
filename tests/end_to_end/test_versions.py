"""The commands about versions, from outside."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from datasets import Audio, load_from_disk

import melwatch
from building import library, songs, tone
from running import Rig, files_below

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.slow


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Two versions of a library of two genres."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(7), "Jazz": songs(7, first=20)})
    rig.sync()
    (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
    (rig.music / "Rock" / "00.mp3").unlink()
    (rig.music / "Jazz" / "20.mp3").rename(rig.music / "Rock" / "moved.mp3")
    rig.sync()
    return rig


def test_versions_are_listed_compared_pinned_and_exported(rig: Rig, tmp_path: Path) -> None:
    """Each command does what it says, from the dataset alone: without the state folder, too."""
    shutil.rmtree(rig.state)
    newest, oldest = json.loads(rig.run("versions", "--json"))
    assert (newest["version"], newest["parent"], oldest["parent"]) == (2, 1, None)
    assert oldest["tracks"] == newest["tracks"] == 14
    told = json.loads(rig.run("diff", "1", "2", "--json"))
    rock, jazz = rig.music / "Rock", rig.music / "Jazz"
    assert told["added"] == [str(rock / "new.mp3")]
    assert told["removed"] == [str(rock / "00.mp3")]
    assert told["renamed"] == [{"from": str(jazz / "20.mp3"), "to": str(rock / "moved.mp3")}]
    assert told["relabelled"] == [{"path": str(rock / "moved.mp3"), "from": 0, "to": 1}]
    assert {move["from"] for move in told["moved"]} <= {"train"}  # for a split that Jazz would have lacked
    assert not told["re_extracted"] + told["replaced"] + told["classes"]
    assert "1 added, 1 removed, 1 renamed" in rig.run("diff", "1", "2")
    assert "show the same" in rig.run("diff", "2", "2")

    rig.run("pin", "1")
    assert "pinned" in rig.run("versions")
    short = Rig(rig.music, rig.dataset, rig.state, {
        "MELWATCH_DATASET__KEEP_HOURS": "0", "MELWATCH_DATASET__KEEP_VERSIONS": "1",
    })  # fmt: skip
    short.sync()
    short.run("gc")
    newest_now = rig.current()["version"]
    assert [row["version"] for row in json.loads(rig.run("versions", "--json"))] == [newest_now, 1]

    rig.run("export", "1", str(tmp_path / "copy"), "--with-metadata")
    rig.run("export", "1", str(tmp_path / "copy"), expect=2)
    rig.run("diff", "1", "9", expect=2)
    copy, version = load_from_disk(str(tmp_path / "copy")), melwatch.load(rig.dataset, version=1)
    for split, part in version.items():
        assert list(copy[split]["paths"]) == list(part["paths"])
        assert np.array_equal(copy[split][:]["input_values"], part[:]["input_values"])

    rig.run("unpin", "1")
    short.run("gc")
    assert [row["version"] for row in json.loads(rig.run("versions", "--json"))] == [newest_now]


def test_columns_and_the_audio_dataset_come_without_extracting(rig: Rig) -> None:
    """Switched on, they are in the next version; where nothing else changed no song is decoded and nobody is asked."""
    options = {
        "MELWATCH_DATASET__COLUMNS": '["track_id", "window", "start_s"]', "MELWATCH_DATASET__AUDIO": "true",
    }  # fmt: skip
    before, more = rig.rows_and_splits(), Rig(rig.music, rig.dataset, rig.state, options)
    assert more.sync()["last_pass"]["extracted"] == 0
    assert rig.rows_and_splits() == before
    rows = melwatch.load(rig.dataset)["train"]
    assert list(rows["window"][:6]) == [0, 1, 2, 3, 4, 5]
    assert len(set(rows["track_id"][:6])) == 1
    assert np.allclose(np.diff(rows["start_s"][:6]), rows["start_s"][1])
    audio = load_from_disk(str(rig.dataset / "music_lib_audio"))
    for split, part in audio.cast_column("audio", Audio(decode=False)).items():
        shown = melwatch.load(rig.dataset)[split]
        assert [row["audio"]["path"] for row in part] == list(dict.fromkeys(shown["paths"]))
        assert [row["labels"] for row in part] == [int(label) for label in shown["labels"][::6]]
    files = files_below(rig.dataset)
    more.run("sync")
    assert files_below(rig.dataset) == files
