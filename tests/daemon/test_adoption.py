"""Class ids and splits of a dataset that a notebook made, and that it is never lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, load_from_disk

from building import library, songs
from melwatch.adoption import adopt, old_root_of, parts_of
from melwatch.assemble import open_adopting, open_workshop
from melwatch.config.sections import Config
from melwatch.edition import Split
from melwatch.errors import ConfigError
from melwatch.manifest import epochs, ledger
from melwatch.manifest.database import writing
from melwatch.track import AudioId, RelPath
from running import Rig
from workshops import manifest_of

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.adoption import Adoption

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
CLASSES = ["Rock", "Jazz"]
"""Not in the order of names."""


def notebook(
    dataset: Path, root: str, genres: dict[str, list[str]], *, names: list[str] | None = None, windows: int = 2
) -> DatasetDict:
    """Save a dataset as the notebook does; of each genre four files to train, one to validate, the rest to test."""
    features = Features(
        {"input_values": Value("float32"), "labels": ClassLabel(names=CLASSES), "paths": Value("string")}
    )
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "validate": [], "test": []}
    for genre, files in genres.items():
        for number, file in enumerate(files):
            split = "train" if number < 4 else "validate" if number == 4 else "test"
            row = {"input_values": 0.0, "labels": CLASSES.index(genre), "paths": f"{root}/{genre}/{file}"}
            rows[split] += [row] * windows
    made = DatasetDict({split: Dataset.from_list(listed, features=features) for split, listed in rows.items()})
    made.save_to_disk(str(dataset / "music_lib"))
    (dataset / "genres.json").write_text(json.dumps(names or CLASSES), encoding="utf-8")
    return made


FILES = {"Rock": [f"{number:02}.mp3" for number in range(8)], "Jazz": [f"{number:02}.mp3" for number in range(20, 28)]}
EXPECTED = {
    RelPath(f"{genre}/{file}".encode()): Split.TRAIN if n < 4 else Split.VALIDATE if n == 4 else Split.TEST
    for genre, files in FILES.items()
    for n, file in enumerate(files)
}


def config_of(place: Path) -> Config:
    return Config.model_validate(
        {
            "library": {"root": place / "music"},
            "dataset": {"path": place / "dataset", "state": place / "state"},
            "workers": {"processes": 1},
        }
    )


def adopted(place: Path, source: Path | None = None) -> Adoption:
    shop = open_adopting(config_of(place))
    with manifest_of(shop) as db:
        return adopt(shop, db, source, NOON)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with music in it."""
    library(tmp_path / "music", {genre: dict.fromkeys(files, b"") for genre, files in FILES.items()})
    return tmp_path


def test_without_being_told_to_nothing_is_taken_over(place: Path) -> None:
    """A dataset of somebody else is refused, and the hint says how to take it over."""
    notebook(place / "dataset", str(place / "music"), FILES)
    with pytest.raises(ConfigError) as refused:
        open_workshop(config_of(place))
    assert "melwatch adopt" in refused.value.hint
    assert not (place / "state").exists()


def test_classes_and_splits_are_taken_over_and_the_dataset_is_set_aside(place: Path) -> None:
    """Ids are those of genres.json, splits those of the paths; the old dataset opens under its new name."""
    made = notebook(place / "dataset", str(place / "music"), FILES)
    adoption = adopted(place)

    assert adoption.splits == EXPECTED
    assert (adoption.elsewhere, adoption.ambiguous, adoption.relabelled) == (0, 0, 0)
    shop = open_workshop(config_of(place))
    with manifest_of(shop) as db:
        assert ledger.class_names(db) == CLASSES
        assert epochs.adopted(db) == EXPECTED
        epoch = epochs.current_epoch(db)
        assert epoch is not None
        assert (epoch.name, epoch.group_by) == ("adopted", "track")
    kept = load_from_disk(str(place / "dataset" / "music_lib.notebook"))
    assert {split: part.to_dict() for split, part in kept.items()} == {s: p.to_dict() for s, p in made.items()}
    assert json.loads((place / "dataset" / "genres.notebook.json").read_text(encoding="utf-8")) == CLASSES


def test_a_dataset_elsewhere_is_only_read(place: Path) -> None:
    """With a source of its own nothing is renamed, and where music lay before is found out."""
    notebook(place / "old", "/media/disk/My Music", FILES)
    adoption = adopted(place, place / "old" / "music_lib")

    assert adoption.splits == EXPECTED
    assert adoption.set_aside == {}
    assert (place / "old" / "music_lib" / "dataset_dict.json").exists()


def test_taking_over_can_be_finished_later(place: Path) -> None:
    """Interrupted between the two renames, it is done again to the same end."""
    notebook(place / "dataset", str(place / "music"), FILES)
    (place / "dataset" / "genres.json").rename(place / "dataset" / "genres.notebook.json")

    assert adopted(place).splits == EXPECTED
    assert not (place / "dataset" / "music_lib").exists()


def test_what_does_not_fit_is_counted(place: Path) -> None:
    """Files elsewhere or gone, files in two splits and files of another genre than their label are told."""
    made = notebook(place / "dataset", str(place / "music"), FILES)
    rows = made["train"].to_list()
    rows.append({**rows[0], "paths": made["test"][0]["paths"]})
    rows.append({"input_values": 0.0, "labels": 0, "paths": str(place / "music" / "Jazz" / "other.mp3")})
    (place / "music" / "Jazz" / "other.mp3").write_bytes(b"another song")
    rows.append({"input_values": 0.0, "labels": 1, "paths": str(place / "music" / "Rock" / "gone.mp3")})
    rows.append({"input_values": 0.0, "labels": 0, "paths": "/elsewhere/Rock/1.mp3"})
    made["train"] = Dataset.from_list(rows, features=made["train"].features)
    made.save_to_disk(str(place / "again"))
    adoption = adopted(place, place / "again")

    counts = adoption.ambiguous, adoption.relabelled, adoption.elsewhere, adoption.missing
    assert counts == (1, 1, 1, 1)
    assert adoption.splits[RelPath(made["test"][0]["paths"].removeprefix(f"{place / 'music'}/").encode())] is Split.TEST


@pytest.mark.parametrize(
    "names", [["Jazz", "Rock"], ["Rock"], ["Rock", "Rock"], {"Rock": 0}], ids=["order", "few", "twice", "no list"]
)
def test_names_that_contradict_the_dataset_are_refused(place: Path, names: Any) -> None:
    """Nothing is renamed or noted where class ids are in doubt."""
    notebook(place / "dataset", str(place / "music"), FILES, names=names)
    with pytest.raises(ConfigError):
        adopted(place)
    assert (place / "dataset" / "music_lib" / "dataset_dict.json").exists()
    assert (place / "dataset" / "genres.json").exists()


def test_what_melwatch_has_placed_is_not_taken_over_from(place: Path) -> None:
    """Splits and ids of melwatch's own are never overwritten."""
    notebook(place / "dataset", str(place / "music"), FILES)
    shop = open_adopting(config_of(place))
    with manifest_of(shop) as db:
        with writing(db):
            ledger.save_placements(db, {AudioId("1" * 32): Split.TRAIN})
        with pytest.raises(ConfigError, match="already"):
            adopt(shop, db, None, NOON)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/music/Rock/a.mp3", ["", "music", "Rock", "a.mp3"]),
        ("D:\\Music\\Rock\\a.mp3", ["D:", "Music", "Rock", "a.mp3"]),
        ("\\\\nas\\Music\\Rock\\a.mp3", ["", "nas", "Music", "Rock", "a.mp3"]),
        ("/music/AC\\DC/a.mp3", ["", "music", "AC\\DC", "a.mp3"]),
    ],
)
def test_paths_of_any_system_are_understood(path: str, parts: list[str]) -> None:
    """A backslash separates only where a path begins as Windows writes it."""
    assert parts_of(path) == parts


def test_where_music_lay_is_what_leads_to_most_files() -> None:
    """One stray file does not decide."""
    paths = ["/other/Rock/1.mp3", *(f"D:\\Old\\Music\\Rock\\{number}.mp3" for number in range(1, 9))]
    there = {RelPath(f"Rock/{number}.mp3".encode()) for number in range(1, 9)}

    assert old_root_of(paths, there.__contains__, b"/new/music") == ["D:", "Old", "Music"]


@pytest.mark.slow
def test_an_adopted_dataset_is_gone_on_with(tmp_path: Path) -> None:
    """`sync` refuses, `adopt` takes over, and then every song has the split and the class that it had."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(8), "Jazz": songs(8, first=20)})
    notebook(rig.dataset, str(rig.music), FILES)
    rig.run("sync", expect=2)
    said = rig.run("adopt")
    assert "Took over 2 classes and the splits of 16 files." in said
    assert "music_lib.notebook" in said
    rig.run("sync")

    found = {path: (genre, split) for (path, _), (genre, split, _) in rig.rows_and_splits().items()}
    assert found == {path.decode(): (path.decode().split("/")[0], split.value) for path, split in EXPECTED.items()}
    assert json.loads((rig.dataset / "genres.json").read_text(encoding="utf-8")) == CLASSES
    assert json.loads(rig.run("splits", "report", "--json"))["epoch"] == "adopted"
    rig.run("adopt", expect=2)
