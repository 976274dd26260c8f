"""Digests that change exactly when content does, whatever the packing. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from melwatch.edition import DatasetTrack, Edition


def split_fingerprint(edition: Edition, split: Split) -> str:
    """Digest the keys of a split's rows, in order, and the class names; 32 hex digits."""
    digest = hashlib.sha256()
    _feed(digest, ["melwatch rows", *edition.class_names])
    if edition.columns:
        _feed(digest, ["columns", *edition.columns])
    for track in tracks_of(edition.tracks, split):
        key = [track.audio_id, edition.recipe, track.windows, track.label, track.shown_path, track.split]
        _feed(digest, key)
    return digest.hexdigest()[:32]


def audio_fingerprint(edition: Edition, split: Split) -> str:
    """Digest the rows of a split of the audio dataset, in order, and the class names; 32 hex digits."""
    digest = hashlib.sha256()
    _feed(digest, ["melwatch audio", edition.music_root, *edition.class_names])
    for track in tracks_of(edition.tracks, split):
        _feed(digest, [track.audio_id, track.label, track.path.hex()])
    return digest.hexdigest()[:32]


def fingerprint(edition: Edition) -> str:
    """Digest all three splits; 32 hex digits."""
    return _combined([split_fingerprint(edition, split) for split in Split])


def content_digest(edition: Edition) -> str:
    """Digest all that a publish would write, tags and pending work included; 32 hex digits."""
    facts = [
        [track.path.hex(), track.genre, track.tags.title, track.tags.artist, track.tags.album, track.sound.duration_s]
        for track in edition.tracks
    ]
    audio = [edition.music_root] if edition.music_root is not None else []
    return _combined([fingerprint(edition), edition.recipe_json, edition.pending, facts, *audio])


def tracks_of(tracks: Iterable[DatasetTrack], split: Split) -> list[DatasetTrack]:
    """Return a split's tracks in row order."""
    return sorted((track for track in tracks if track.split is split), key=lambda track: track.ordinal)


def _combined(parts: Sequence[object]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()[:32]


def _feed(digest: hashlib._Hash, value: object) -> None:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    digest.update(f"{len(text)}:{text}".encode())
