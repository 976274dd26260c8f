"""Libraries of any size for `scale.py`: many names of one small song, on record as if each had been extracted.

The names are hard links, so that 100,000 of them take next to no space; what is on record of each is its
own, as with real songs. Spectrograms are noise, of 3 kB a song with the small recipe.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from large import small_spectrograms

from building import tone
from melwatch.assemble import open_for_work, open_workshop
from melwatch.look import look
from melwatch.manifest import tracks
from melwatch.manifest.database import writing
from melwatch.settings import load_config
from melwatch.spectrogram.spool import spool_file, write_spool
from melwatch.track import AudioId, Identity, Sound, Tags
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Mapping

SONGS_PER_ALBUM, ALBUMS_PER_ARTIST, GENRES = 12, 4, 24
_MOST_LINKS = 50_000
"""ext4 allows 65,000 names of a file."""


def make_library(root: Path, files: int) -> None:
    """Write so many names, in genres of different sizes, artists and albums."""
    original = root
    for number in range(files):
        album, artist = number // SONGS_PER_ALBUM, number // (SONGS_PER_ALBUM * ALBUMS_PER_ARTIST)
        folder = root / f"Genre {(artist * artist) % GENRES:02}" / f"Artist {artist}" / f"Album {album}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{number % SONGS_PER_ALBUM:02} Ein Titel {number}.mp3"
        if number % _MOST_LINKS == 0:
            file.write_bytes(tone(440.0, 0.25))
            original = file
        else:
            os.link(original, file)


def take_in(place: Path) -> None:
    """Put all names that are not, on record as songs that have been extracted."""
    config = load_config(music=place / "music", dataset=place / "dataset", state=place / "state")
    shop, now = open_workshop(config), datetime.now(UTC)
    values = np.random.default_rng(1).normal(0, 0.5, (6, *shop.recipe.shape)).astype(np.float32)
    sound = Sound(duration_s=200.0, promised_s=200.0, method="slices")
    with open_for_work(shop, now) as db:
        shop.state.spool.mkdir(exist_ok=True)
        known = tracks.songs_by_path(db)
        new = [file for file in look(shop, db).seen.seen if file.path not in known]
        tracks.add_tracks(db, new)
        with writing(db):
            for number, file in enumerate(new, len(known)):
                _, artist, album, title = file.path.decode().removesuffix(".mp3").split("/")
                song = AudioId(hashlib.sha256(file.path).hexdigest())
                tags = Tags(title=title, artist=artist, album=album)
                identity = Identity(audio_id=song, file_digest=song, tags=tags)
                values[0, 0, 0] = number
                made = write_spool(spool_file(shop.state.spool, song, shop.recipe.id), values, sound)
                tracks.record_identity(db, file.path, file.stamp, time.time_ns() + 10**10, identity)
                tracks.record_spectrogram(db, song, shop.recipe.id, made)


def published(place: Path, files: int, variables: Mapping[str, str] | None = None) -> Rig:
    """Return a library of so many songs with its dataset, made where it is not there yet."""
    rig = Rig.at(place)
    place.mkdir(parents=True, exist_ok=True)
    rig.environment.update(small_spectrograms(place) if variables is None else variables)
    if not rig.music.exists():
        make_library(rig.music, files)
        with patch.dict(os.environ, rig.environment):
            take_in(place)
        rig.run("sync", timeout=7200)
    return rig


def main() -> None:
    """Make a library: FOLDER FILES."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    published(Path(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    main()
