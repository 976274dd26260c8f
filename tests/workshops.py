"""A workshop on folders of a test, and tracks that are on record as if they had been worked on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from melwatch.assemble import open_workshop
from melwatch.config.sections import Config
from melwatch.manifest import tracks
from melwatch.manifest.database import open_manifest, writing
from melwatch.manifest.home import claim
from melwatch.track import AudioId, Identity, Made, Sound, Tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop
    from melwatch.track import SeenFile

MADE = Made(windows=6, checksum="c" * 32, sound=Sound(duration_s=200.0, promised_s=200.0, method="seek"))


def workshop(place: Path, **sections: dict[str, Any]) -> Workshop:
    """Return a workshop on `music`, `dataset` and `state` below a folder; sections as in the configuration."""
    places = {"library": {"root": place / "music"}, "dataset": {"path": place / "dataset", "state": place / "state"}}
    few_workers = {"workers": {"processes": 1}, "page": {"enabled": False}}
    return open_workshop(Config.model_validate(places | few_workers | sections))


@contextmanager
def manifest_of(shop: Workshop) -> Iterator[Connection]:
    """Open the manifest of a workshop, without its lock."""
    shop.state.path.mkdir(parents=True, exist_ok=True)
    claim(shop.state, shop.folder.path)
    with open_manifest(shop.state.path) as db:
        yield db


def put_on_record(shop: Workshop, db: Connection, files: Sequence[SeenFile]) -> None:
    """Note files as read long ago and made; files of the same bytes hold the same song."""
    tracks.add_tracks(db, files)
    with writing(db):
        for file in files:
            with open(shop.root + b"/" + file.path, "rb") as content:
                song = AudioId(content.read().hex())
            identity = Identity(audio_id=song, file_digest="", tags=Tags())
            tracks.record_identity(db, file.path, file.stamp, file.stamp.changed_ns + 10**10, identity)
            tracks.record_spectrogram(db, song, shop.recipe.id, MADE)
