"""What lies in the spool, held against what is on record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xxhash

from melwatch.dataset.layout import size_of
from melwatch.manifest import recipes, tracks
from melwatch.manifest.database import writing
from melwatch.spectrogram.recipe import Recipe
from melwatch.spectrogram.spool import read_facts, spool_file
from melwatch.track import AudioId, RecipeId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.progress import Progress


def lost(db: Connection, spool: Path) -> list[tuple[str, str]]:
    """Return the songs, with their recipes, whose spool files are missing or too short for their numbers."""
    return [key for key, size, _ in _on_record(db) if (size_of(file_of(spool, key)) or 0) < max(size, 1)]


def damaged(db: Connection, spool: Path, progress: Progress) -> list[tuple[str, str]]:
    """Return the songs, with their recipes, whose spool files hold other numbers than were written."""
    found = []
    on_record = [entry for entry in _on_record(db) if entry[1] and file_of(spool, entry[0]).exists()]
    if on_record:
        progress.begin("Reading the spool", len(on_record), "files")
        for key, size, checksum in on_record:
            with file_of(spool, key).open("rb") as file:
                if xxhash.xxh3_128(file.read(size)).hexdigest() != checksum:
                    found.append(key)
            progress.advance()
        progress.end()
    return found


def take_in(db: Connection, spool: Path) -> int:
    """Put whole files of the spool on record that are not, after the manifest was lost; return how many."""
    taken = 0
    ready: dict[str, set[AudioId]] = {}
    for entry in sorted(spool.iterdir()):
        song, _, recipe = entry.name.rpartition(".")
        text = recipes.recipe_json(db, recipe)
        if text is None:
            continue
        if recipe not in ready:
            ready[recipe] = tracks.ready_audio(db, RecipeId(recipe))
        if song in ready[recipe]:
            continue
        size = Recipe.from_json(text).bytes_per_track
        made = read_facts(entry, size)
        with entry.open("rb") as file:
            if made is not None and xxhash.xxh3_128(file.read(size)).hexdigest() == made.checksum:
                with writing(db):
                    tracks.record_spectrogram(db, AudioId(song), RecipeId(recipe), made)
                taken += 1
    return taken


def file_of(spool: Path, key: tuple[str, str]) -> Path:
    """Return the spool file of a song and a recipe."""
    return spool_file(spool, AudioId(key[0]), RecipeId(key[1]))


def _on_record(db: Connection) -> Iterator[tuple[tuple[str, str], int, str]]:
    """Yield key, bytes of the numbers (0 where nobody knows) and their checksum of all that should lie in the spool."""
    bytes_of: dict[str, int] = {}
    for song, recipe, windows, checksum in tracks.spooled(db):
        if recipe not in bytes_of:
            text = recipes.recipe_json(db, recipe)
            bytes_of[recipe] = Recipe.from_json(text).bytes_per_window if text is not None else 0
        yield (song, recipe), windows * bytes_of[recipe], checksum
