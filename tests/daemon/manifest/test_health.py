"""What is found out about the manifest's file, without writing to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from melwatch.manifest import recipes
from melwatch.manifest.database import FILE_NAME, newest_schema, open_manifest, set_meta, writing
from melwatch.manifest.health import State, examine
from melwatch.track import RecipeId

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A manifest with a few pages."""
    with open_manifest(tmp_path) as db, writing(db):
        for number in range(500):
            set_meta(db, str(number), "x" * 100)
    return tmp_path / FILE_NAME


def test_a_sound_manifest_is_sound(file: Path) -> None:
    """Also while its log has not been written back, which looking does not change."""
    assert examine(file, is_thorough=True).state is State.SOUND
    with open_manifest(file.parent) as db:
        with writing(db):
            set_meta(db, "one", "1")
        before = {path.name: path.stat().st_size for path in file.parent.iterdir()}
        assert examine(file).state is State.SOUND
        assert {path.name: path.stat().st_size for path in file.parent.iterdir()} == before


@pytest.mark.parametrize("content", [None, b""])
def test_nothing_is_missing(tmp_path: Path, content: bytes | None) -> None:
    """No file and an empty one are the same: SQLite begins anew with both."""
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content)
    assert examine(tmp_path / FILE_NAME).state is State.MISSING


@pytest.mark.parametrize(("pragma", "state"), [("user_version", State.NEWER), ("application_id", State.DAMAGED)])
def test_a_number_in_the_head_tells(file: Path, pragma: str, state: State) -> None:
    """A higher schema is a newer melwatch's; our tables without our mark are damage."""
    with closing(sqlite3.connect(file)) as db:
        db.execute(f"PRAGMA {pragma} = {newest_schema() + 1}")
    assert examine(file).state is state


def test_another_programs_database_is_foreign(tmp_path: Path) -> None:
    """It has neither our mark nor our tables."""
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute("CREATE TABLE photos (name TEXT)")
    assert examine(tmp_path / FILE_NAME).state is State.FOREIGN


@pytest.mark.parametrize("kept", [0.999, 0.9, 0.5, 0.1, 0.01])
def test_a_cut_file_is_damaged(file: Path, kept: float) -> None:
    """Wherever it ends, also within its last page, which SQLite would read as zeros."""
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    assert examine(file).state is State.DAMAGED


def test_a_recipe_that_is_not_what_its_id_says_is_damage(file: Path) -> None:
    """Zeros in the text of a recipe are valid pages to SQLite."""
    with open_manifest(file.parent) as db:
        recipes.note_recipe(db, RecipeId("0123456789abcdef"), '{"mean": 1\0\0')
    assert examine(file).state is State.DAMAGED


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    """A log that another account's look had made could not be written to by the manifest's owner."""
    with open_manifest(tmp_path):
        pass
    before = sorted(tmp_path.iterdir())
    assert examine(tmp_path / FILE_NAME).state is State.SOUND
    assert sorted(tmp_path.iterdir()) == before
