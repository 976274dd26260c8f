"""What is never forgotten: class ids and splits."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from melwatch.edition import Split
from melwatch.manifest import ledger
from melwatch.manifest.database import open_manifest, writing
from melwatch.track import AudioId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE, TWO = AudioId("1" * 32), AudioId("2" * 32)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Open an empty manifest."""
    with open_manifest(tmp_path) as connection:
        yield connection


def save_classes(db: sqlite3.Connection, *names: str) -> None:
    with writing(db):
        ledger.save_classes(db, names)


def save_placements(db: sqlite3.Connection, placed: dict[AudioId, Split]) -> None:
    with writing(db):
        ledger.save_placements(db, placed)


def test_a_new_ledger_is_empty(db: sqlite3.Connection) -> None:
    """At first no genre has a class and no song a split."""
    assert ledger.class_names(db) == []
    assert ledger.placements(db) == {}


@pytest.mark.parametrize(
    "names", [("Rock", "Jazz", "Ärzte"), ("Jazz", "Rock"), ("Rock", "rock"), ("a'b", "c\\xe9"), ()]
)
def test_class_names_come_back_in_the_order_of_their_ids(db: sqlite3.Connection, names: tuple[str, ...]) -> None:
    """Names keep their positions, be they sorted or not, and are told apart by case."""
    save_classes(db, *names)

    assert ledger.class_names(db) == list(names)
    assert [row["class_id"] for row in db.execute("SELECT class_id FROM genre ORDER BY 1")] == [*range(len(names))]


@pytest.mark.parametrize("later", [("Rock", "Jazz", "Soul"), ("Hard Rock", "Jazz"), ("Jazz", "Rock"), ("Rock", "Jazz")])
def test_classes_can_be_appended_and_renamed(db: sqlite3.Connection, later: tuple[str, ...]) -> None:
    """The names noted last hold, also where two were exchanged."""
    save_classes(db, "Rock", "Jazz")
    save_classes(db, *later)

    assert ledger.class_names(db) == list(later)


def test_classes_that_stay_are_not_written(db: sqlite3.Connection) -> None:
    """A pass without a new genre leaves the table alone."""
    save_classes(db, "Rock", "Jazz")
    before = db.total_changes
    save_classes(db, "Rock", "Jazz")

    assert db.total_changes == before


def test_two_classes_of_one_name_are_a_bug(db: sqlite3.Connection) -> None:
    """A name has one id, and a try to give it two leaves everything as it was."""
    save_classes(db, "Rock")

    with pytest.raises(sqlite3.IntegrityError):
        save_classes(db, "Jazz", "Jazz")

    assert ledger.class_names(db) == ["Rock"]


def test_splits_come_back_as_splits(db: sqlite3.Connection) -> None:
    """What was placed is remembered, and what is placed later is added to it."""
    save_placements(db, {ONE: Split.TRAIN})
    save_placements(db, {TWO: Split.VALIDATE})
    save_placements(db, {})

    assert ledger.placements(db) == {ONE: Split.TRAIN, TWO: Split.VALIDATE}
    assert all(isinstance(split, Split) for split in ledger.placements(db).values())


def test_a_moved_song_has_its_new_split(db: sqlite3.Connection) -> None:
    """The decision made last holds, and concerns no other song."""
    save_placements(db, {ONE: Split.TRAIN, TWO: Split.TRAIN})
    save_placements(db, {ONE: Split.TEST})

    assert ledger.placements(db) == {ONE: Split.TEST, TWO: Split.TRAIN}


def test_there_are_three_splits(db: sqlite3.Connection) -> None:
    """No other word can be noted as a split."""
    with pytest.raises(sqlite3.IntegrityError):
        save_placements(db, {ONE: "holdout"})  # type: ignore[dict-item]

    assert ledger.placements(db) == {}


def test_the_ledger_outlives_a_restart(tmp_path: Path) -> None:
    """Classes and splits are there when the manifest is opened again."""
    with open_manifest(tmp_path) as db:
        save_classes(db, "Rock")
        save_placements(db, {ONE: Split.TEST})

    with open_manifest(tmp_path) as db:
        assert (ledger.class_names(db), ledger.placements(db)) == (["Rock"], {ONE: Split.TEST})
