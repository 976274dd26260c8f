"""Libraries of any size for `scale.py`: many names of one small song, on record as if each had been extracted.

The names are hard links, so that 100,000 of them take next to no space; what is on record of each is its
own, as with real songs. Spectrograms are noise, of 3 kB a song with the small recipe.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from large import small_spectrograms, take_in

from building import tone
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
