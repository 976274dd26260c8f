"""Which songs a music root holds, by the notebook's rules; nothing here decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EXCLUDED = frozenset({"$RECYCLE.BIN", "downloads", "Eigenes", "Hörbücher", "Mixes", "System Volume Information"})
MIN_SONGS = 6


def songs_by_genre(root: Path, *, min_songs: int = MIN_SONGS) -> dict[str, list[Path]]:
    """MP3s under each top-level folder, sorted; genres with too few songs are left out."""
    genres: dict[str, list[Path]] = {}
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name in EXCLUDED:
            continue
        songs = sorted(path for path in folder.rglob("*") if is_song(path))
        if len(songs) >= min_songs:
            genres[folder.name] = songs
    return genres


def is_song(path: Path) -> bool:
    """Whether this is a file that calls itself an MP3."""
    return path.suffix.lower() == ".mp3" and path.is_file()
