"""The dataset card and the tables beside it, read by those who read such things."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from datasets import Dataset, load_dataset, load_from_disk
from huggingface_hub import DatasetCard

from editions import Press, songs

if TYPE_CHECKING:
    from pathlib import Path

FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all": {"dtype": "float16", "columns": ("track_id", "window", "start_s"), "pending": 3},
}
NAMES = ("Jazz", 'R&B: "soul" | \\ \U0001f3b7', "null", "- Rock #1")


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def press(request: pytest.FixtureRequest, tmp_path: Path) -> Press:
    """A dataset whose genres have names that YAML and Markdown stumble over."""
    press = Press(place=tmp_path)
    settings = {"splits": {"train": 0.7, "policy": "sticky"}}
    press.publish(songs(24, NAMES), music_root=str(tmp_path / "music"), config=settings, **request.param)
    return press


def test_the_hub_reads_the_card(press: Press) -> None:
    """Its YAML names splits, sizes, files, features and classes, and no licence."""
    card = DatasetCard.load(str(press.folder.library / "README.md"))
    opened = load_from_disk(str(press.folder.library))

    data = card.data.to_dict()
    assert "license" not in data
    assert data["pretty_name"]
    assert data["size_categories"] == ["n<1K"]
    assert data["task_categories"] == ["audio-classification"]
    info = data["dataset_info"]
    assert {split["name"]: split["num_examples"] for split in info["splits"]} == opened.num_rows
    features = {feature["name"]: feature["dtype"] for feature in info["features"]}
    assert list(features) == list(opened["train"].features)
    assert list(features["labels"]["class_label"]["names"].values()) == sorted(NAMES)
    for files in data["configs"][0]["data_files"]:
        for file in files["path"]:
            assert (press.folder.library / file).is_file()


def test_the_card_says_what_it_is(press: Press) -> None:
    """Recipe, split policy, whose rights, and a line for each genre."""
    text = (press.folder.library / "README.md").read_text(encoding="utf-8")

    for words in ("Version 1", "## Genres", "| Jazz | ", "sticky", "recipe", "Licence", "tracks.parquet"):
        assert words in text
    assert text.count("\n| ") == 1 + len(NAMES)


def test_the_card_leads_load_dataset_to_the_same_rows(press: Press) -> None:
    """`load_dataset` on the folder gives the rows, splits and features of `load_from_disk`."""
    converted = load_dataset(str(press.folder.library))
    opened = load_from_disk(str(press.folder.library))

    assert list(converted) == ["train", "validate", "test"]
    for split, part in opened.items():
        assert converted[split].features == part.features
        assert converted[split].to_list() == part.with_format(None).to_list()


def test_the_table_of_tracks_opens_in_pandas_and_datasets(press: Press) -> None:
    """One row a track; its place in the split is where the dataset has its path."""
    file = press.folder.library / "tracks.parquet"
    frame = pd.read_parquet(file)
    table = Dataset.from_parquet(str(file), cache_dir=str(press.place / "cache"))
    opened = load_from_disk(str(press.folder.library))

    assert len(frame) == len(table) == 24
    for track in frame.itertuples():
        assert opened[track.split][int(track.row)]["paths"] == track.path


def test_a_version_says_how_it_was_made(press: Press) -> None:
    """Recipe, columns, libraries, settings, counts and the version before it."""
    press.publish(songs(30, NAMES))
    said = json.loads((press.folder.version(2) / "version.json").read_text(encoding="utf-8"))

    assert said["parent"] == 1
    assert said["recipe_id"] == "recipe"
    assert said["counts"]["tracks"] == 30
    assert sum(said["counts"]["splits"].values()) == sum(said["counts"]["genres"].values()) == 30
    assert {"melwatch", "python", "numpy", "soundfile", "pyarrow"} <= said["libraries"].keys()
