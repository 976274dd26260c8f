"""What is on record of versions and passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.manifest import tracks, versions
from melwatch.manifest.database import open_manifest, writing
from melwatch.track import AudioId, FileStamp, Identity, Made, RecipeId, RelPath, SeenFile, Sound, Tags

if TYPE_CHECKING:
    from pathlib import Path


def test_the_last_passes_come_newest_first(tmp_path: Path) -> None:
    """As many as are asked for."""
    with open_manifest(tmp_path) as db:
        assert versions.last_passes(db, 3) == []
        assert versions.last_pass(db) is None
        for number in range(5):
            versions.record_pass(db, f"2026-05-0{number + 1}", 1.5, {"extracted": number})
        assert [done["extracted"] for done in versions.last_passes(db, 3)] == [4, 3, 2]
        assert versions.last_pass(db) == {"number": 5, "started_at": "2026-05-05", "seconds": 1.5, "extracted": 4}


def test_a_shard_is_needed_for_a_song_of_the_library_by_a_recipe_in_use(tmp_path: Path) -> None:
    """One that holds only songs that are gone, or work by other recipes, is not."""
    held = [
        ("kept", "a", "recipe"), ("gone", "x", "recipe"), ("old", "a", "old"), ("mixed", "y", "recipe"),
        ("mixed", "b", "recipe"),
    ]  # fmt: skip
    with open_manifest(tmp_path) as db:
        tracks.add_tracks(db, [SeenFile(path=RelPath(path), stamp=FileStamp(1, 1, 1, 1)) for path in (b"R/a", b"R/b")])
        made = Made(windows=6, checksum="", sound=Sound(duration_s=9.0, promised_s=9.0, method="seek"))
        with writing(db):
            for song in ("a", "b"):
                identity = Identity(audio_id=AudioId(song), file_digest="", tags=Tags())
                tracks.record_identity(db, RelPath(b"R/" + song.encode()), FileStamp(1, 1, 1, 1), 5, identity)
            for shard, song, recipe in held:
                tracks.record_spectrogram(db, AudioId(song), RecipeId(recipe), made)
                place = (f"train/{shard}.arrow", song, recipe)
                db.execute("UPDATE spectrogram SET shard = ?, first_row = 0 WHERE audio_id = ? AND recipe = ?", place)

        assert versions.needed_shards(db, {"recipe", ""}) == {"train/kept.arrow", "train/mixed.arrow"}
        assert versions.needed_shards(db, {"old"}) == {"train/old.arrow"}
