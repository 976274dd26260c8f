"""What is on record about recipes, and what is still to be made by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from building import library
from melwatch.errors import TrackError
from melwatch.library.scan import scan
from melwatch.manifest import recipes, tracks
from melwatch.manifest.database import writing
from melwatch.track import AudioId, RecipeId, RelPath
from workshops import MADE, manifest_of, put_on_record, workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop

NEW = RecipeId("new")


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """A library of three songs, one of them twice."""
    library(tmp_path / "music", {"Rock": {"a.mp3": b"a", "b.mp3": b"b", "c.mp3": b"c", "copy of a.mp3": b"a"}})
    return workshop(tmp_path)


@pytest.fixture
def db(shop: Workshop) -> Iterator[Connection]:
    """Its manifest, all songs made by the published recipe."""
    with manifest_of(shop) as db:
        put_on_record(shop, db, scan(shop.root, shop.rules).seen)
        yield db


def song(letter: str) -> AudioId:
    return AudioId(letter.encode().hex())


def left(shop: Workshop, db: Connection) -> list[bytes]:
    readable, _ = recipes.unmade_files(db, NEW, shop.recipe.id)
    return [file.path for file in readable]


def test_each_song_is_made_once(shop: Workshop, db: Connection) -> None:
    """Copies count once; what is made, or has failed by either recipe, is left aside."""
    counted = recipes.count_unmade(db, NEW, shop.recipe.id)
    assert (counted.songs, counted.left, counted.left_s, counted.failing) == (3, 3, 600.0, 0)
    assert left(shop, db) == [b"Rock/a.mp3", b"Rock/b.mp3", b"Rock/c.mp3"]

    with writing(db):
        tracks.record_spectrogram(db, song("a"), NEW, MADE)
        tracks.record_failure(db, song("b"), NEW, TrackError("no", reason="no"), tries=1, at="")
    counted = recipes.count_unmade(db, NEW, shop.recipe.id)
    assert (counted.songs, counted.left, counted.failing) == (3, 1, 1)
    assert left(shop, db) == [b"Rock/c.mp3"]


def test_what_only_a_third_recipe_made_is_still_to_be_made(shop: Workshop, db: Connection) -> None:
    """A song that the published recipe did not make counts once, whoever else made it."""
    with writing(db):
        tracks.record_spectrogram(db, song("a"), RecipeId("third"), MADE)
        tracks.record_spectrogram(db, song("b"), RecipeId("third"), MADE)
        db.execute("DELETE FROM spectrogram WHERE audio_id = ? AND recipe = ?", (song("b"), shop.recipe.id))
    counted = recipes.count_unmade(db, NEW, shop.recipe.id)
    assert (counted.left, counted.left_s) == (3, 400.0)


def test_a_song_is_read_from_whichever_file_can_be(shop: Workshop, db: Connection) -> None:
    """A copy stands in for a file that could not be read; without one the song is set apart."""
    with writing(db):
        tracks.record_problem(db, b"Rock/a.mp3", TrackError("gone", reason="unreadable"))  # type: ignore[arg-type]
        tracks.record_problem(db, b"Rock/b.mp3", TrackError("gone", reason="unreadable"))  # type: ignore[arg-type]
    readable, unreadable = recipes.unmade_files(db, NEW, shop.recipe.id)

    assert [file.path for file in readable] == [b"Rock/c.mp3", b"Rock/copy of a.mp3"]
    assert [file.path for file in unreadable] == [b"Rock/b.mp3"]


def test_a_song_whose_files_have_vanished_is_told_apart(shop: Workshop, db: Connection) -> None:
    """It is still to be made, and cannot be; a copy that is there keeps a song from being one."""
    with writing(db):
        tracks.hold(db, [RelPath(b"Rock/a.mp3"), RelPath(b"Rock/b.mp3")])
    counted = recipes.count_unmade(db, NEW, shop.recipe.id)
    assert (counted.left, counted.gone) == (3, 1)
    assert left(shop, db) == [b"Rock/c.mp3", b"Rock/copy of a.mp3"]


def test_spooled_work_of_a_recipe_that_was_given_up_is_forgotten(shop: Workshop, db: Connection) -> None:
    """What other recipes made stays."""
    with writing(db):
        tracks.record_spectrogram(db, song("a"), NEW, MADE)
    recipes.forget_spooled(db, {shop.recipe.id})

    assert {recipe for _, recipe in tracks.spooled_audio(db)} == {shop.recipe.id}


def test_what_is_accepted_is_remembered_until_it_is_forgotten(db: Connection) -> None:
    """One recipe at a time; what recipes say stays on record."""
    assert recipes.accepted(db) is None
    recipes.accept(db, NEW)
    assert recipes.accepted(db) == NEW
    recipes.forget_accepted(db)
    assert recipes.accepted(db) is None
    recipes.note_recipe(db, NEW, "{}")
    assert recipes.recipe_json(db, NEW) == "{}"
