"""Make a library of many small tagged songs, and have melwatch take it in: for measuring at size.

    python tests/bench/large.py FOLDER [--files 100000]

FOLDER is made, if it is not there, with `music`, `dataset` and `state` in it. The songs are on record
as if they had been extracted, their spectrograms are noise; `melwatch sync` publishes them. The
variables to set for later runs on it are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from mutagen.id3 import ID3, TALB, TIT2, TPE1

from building import tone
from melwatch.assemble import open_for_work, open_workshop
from melwatch.config.settings import load_config
from melwatch.manifest import tracks
from melwatch.manifest.database import writing
from melwatch.passes.look import look
from melwatch.spectrogram.spool import spool_file, write_spool
from melwatch.track import AudioId, Identity, Sound, Tags
from running import Rig

TINY_MODEL = {
    "feature_size": 1, "max_length": 8, "mean": -4.2677393, "num_mel_bins": 16, "return_attention_mask": False,
    "sampling_rate": 16000, "std": 4.5689974, "do_normalize": True, "feature_extractor_type": "ASTFeatureExtractor",
}  # fmt: skip
SONGS_PER_ALBUM, ALBUMS_PER_ARTIST, GENRES = 12, 4, 24


def make_library(root: Path, files: int) -> None:
    """Write songs of different sound, with title, artist and album; genres are of different sizes."""
    for number in range(files):
        album, artist = number // SONGS_PER_ALBUM, number // (SONGS_PER_ALBUM * ALBUMS_PER_ARTIST)
        genre = (artist * artist) % GENRES
        folder = root / f"Genre {genre:02} Übung" / f"Artist {artist}" / f"Album {album}"
        if number % SONGS_PER_ALBUM == 0:
            folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{number % SONGS_PER_ALBUM:02} Ein längerer Titel {number}.mp3"
        tags = ID3()
        tags.add(TIT2(encoding=3, text=[f"Ein längerer Titel {number}"]))
        tags.add(TPE1(encoding=3, text=[f"Artist {artist}"]))
        tags.add(TALB(encoding=3, text=[f"Album {album}"]))
        file.write_bytes(tone.__wrapped__(100 + number * 0.07, 0.25))
        tags.save(file)


def small_spectrograms(place: Path) -> dict[str, str]:
    """Return the variables that make spectrograms of 3 kB a song, six windows as usual."""
    model = place / "model"
    model.mkdir(exist_ok=True)
    (model / "preprocessor_config.json").write_text(json.dumps(TINY_MODEL))
    return {"MELWATCH_SPECTROGRAM__MODEL": str(model), "MELWATCH_SPECTROGRAM__WINDOW_S": "0.1"}


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


def main() -> None:
    """Parse, make, sync."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=100_000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    os.environ["HF_HUB_OFFLINE"] = "1"
    rig = Rig.at(given.folder)
    if not rig.music.exists():
        make_library(rig.music, given.files)
    small = small_spectrograms(given.folder)
    rig.environment.update(small)
    with patch.dict(os.environ, small):
        take_in(given.folder)
    rig.run("sync", timeout=7200)
    for name, value in small.items():
        print(f"export {name}={value}")


if __name__ == "__main__":
    main()
