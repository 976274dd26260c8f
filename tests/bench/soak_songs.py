"""What a soak's files hold, and what a dataset should make of each: learnt once, in a place where all is quiet."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from soak_reader import shown_in

from building import RATE_HZ, retagged
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 0.5
KEY_OF_BAD = "bad"
UNKNOWN = f"{KEY_OF_BAD} unknown"


def sweep(number: int) -> bytes:
    """Return one of any number of different short MP3s, no two moments of which sound alike."""
    time_s = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    hertz = 200 + 3.7 * number
    samples = 0.4 * np.sin(2 * np.pi * (hertz * time_s + hertz * time_s**2))
    out = io.BytesIO()
    soundfile.write(out, samples, RATE_HZ, format="MP3", subtype="MPEG_LAYER_III")
    return out.getvalue()


def broken(number: int) -> bytes:
    """Return what is called `.mp3` and is no song."""
    noise = np.random.default_rng(number).bytes(3000)
    kinds = (
        b"",
        b"<html><script>alert(1)</script></html>" + noise[:9],
        noise,
        b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + noise,
    )
    return kinds[number % len(kinds)]


@dataclass(kw_only=True)
class Songs:
    """All that was ever written to the library, by the digest of the whole file."""

    good: list[bytes]
    bad: list[bytes]
    song_of: dict[str, str] = field(default_factory=dict)
    """The song in each file's content: its id, or `bad ...` with the reason why it is none."""
    numbers: dict[str, str] = field(default_factory=dict)
    """The digest of each song's spectrograms."""

    @classmethod
    def learn(cls, folder: Path, count: int, environment: dict[str, str]) -> Songs:
        """Have `melwatch sync` read every content once, undisturbed."""
        songs = cls(
            good=[sweep(number) for number in range(count)], bad=[broken(number) for number in range(count // 5)]
        )
        rig = Rig(folder / "music", folder / "dataset", folder / "state", environment)
        genre = rig.music / "All"
        genre.mkdir(parents=True)
        contents = {f"{number:05}.mp3": content for number, content in enumerate([*songs.good, *songs.bad])}
        for name, content in contents.items():
            (genre / name).write_bytes(content)
        rig.run("sync")
        songs._take_in(rig, contents)
        (folder / "reference.json").write_text(json.dumps(songs.numbers), encoding="utf-8")
        return songs

    def _take_in(self, rig: Rig, contents: dict[str, bytes]) -> None:
        from datasets import load_from_disk

        with closing(sqlite3.connect(rig.state / "manifest.sqlite3")) as db:
            known = dict(db.execute("SELECT path, audio_id FROM track"))
            failed = dict(db.execute("SELECT audio_id, reason FROM failure"))
        shown = shown_in(load_from_disk(str(rig.dataset / "music_lib")))
        for name, content in contents.items():
            song = known[f"All/{name}".encode()]
            if song in failed:
                self.song_of[key_of(content)] = f"{KEY_OF_BAD} {failed[song]}"
                continue
            self.song_of[key_of(content)] = song
            self.numbers[song] = shown[str(rig.music / "All" / name)][0].digest
        if len(self.numbers) != len(self.good):
            raise SystemExit(f"{len(self.good)} songs gave {len(self.numbers)} different ids")

    def retag(self, content: bytes, title: str) -> bytes:
        """Return the same song with another tag, and remember that it is the same."""
        new = retagged(content, title) if content else content
        self.song_of[key_of(new)] = self.song_of[key_of(content)]
        return new

    def song_in(self, content: bytes) -> str:
        """Return the song that a file holds, or `bad ...`: unknown is what is not written to its end."""
        return self.song_of.get(key_of(content), UNKNOWN)


def is_bad(song: str) -> bool:
    """Whether there is nothing to hear."""
    return song.startswith(f"{KEY_OF_BAD} ")  # an id is hexadecimal and may begin with `bad`, too


def key_of(content: bytes) -> str:
    """Return the digest by which a file's content is known."""
    return hashlib.sha256(content).hexdigest()
