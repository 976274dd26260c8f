"""Digests that change exactly when content does, whatever the packing. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from melwatch.edition import DatasetTrack, Edition


_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_quoted = json.encoder.encode_basestring_ascii
"""What `_encode` does with a text, without asking what it is."""


def split_fingerprint(edition: Edition, split: Split) -> str:
    """Digest the keys of a split's rows, in order, and the class names; 32 hex digits."""
    digest = hashlib.sha256()
    _feed(digest, ["melwatch rows", *edition.class_names])
    if edition.columns:
        _feed(digest, ["columns", *edition.columns])
    recipe, name = _encode(edition.recipe), _encode(split)
    for track in tracks_of(edition.tracks, split):
        song, path = _quoted(track.audio_id), _quoted(track.shown_path)
        _feed_text(digest, f"[{song},{recipe},{track.windows},{track.label},{path},{name}]")
    return digest.hexdigest()[:32]


def audio_fingerprint(edition: Edition, split: Split) -> str:
    """Digest the rows of a split of the audio dataset, in order, and the class names; 32 hex digits."""
    digest = hashlib.sha256()
    _feed(digest, ["melwatch audio", edition.music_root, *edition.class_names])
    for track in tracks_of(edition.tracks, split):
        _feed(digest, [track.audio_id, track.label, track.path.hex()])
    return digest.hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """The digests of an edition: of each split's rows, of all rows, and of all that a publish would write."""

    splits: Mapping[Split, str]
    rows: str
    content: str


def prints(edition: Edition) -> Prints:
    """Work out all digests of an edition at once."""
    splits = {split: split_fingerprint(edition, split) for split in Split}
    rows = _combined(list(splits.values()))
    return Prints(splits=splits, rows=rows, content=_content_digest(edition, rows))


def fingerprint(edition: Edition) -> str:
    """Digest all three splits; 32 hex digits."""
    return prints(edition).rows


def content_digest(edition: Edition) -> str:
    """Digest all that a publish would write; 32 hex digits."""
    return prints(edition).content


def _content_digest(edition: Edition, rows: str) -> str:
    """Digest all that a publish would write, tags and pending work included; 32 hex digits."""
    digest = hashlib.sha256()
    for part in (rows, edition.recipe_json, edition.pending):
        _feed(digest, part)
    _feed_list(digest, [_facts(track) for track in edition.tracks])
    if edition.music_root is not None:
        _feed(digest, edition.music_root)
    return digest.hexdigest()[:32]


def _facts(track: DatasetTrack) -> str:
    """Encode what the content digest takes of a track. Lists are put together here: that is three times as quick."""
    tags = track.tags
    texts = (track.path.hex(), track.genre, tags.title, tags.artist, tags.album)
    return f"[{','.join(map(_quoted, texts))},{track.sound.duration_s!r}]"


def tracks_of(tracks: Iterable[DatasetTrack], split: Split) -> list[DatasetTrack]:
    """Return a split's tracks in row order."""
    return sorted((track for track in tracks if track.split is split), key=lambda track: track.ordinal)


def _combined(parts: Sequence[object]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()[:32]


def _feed(digest: hashlib._Hash, value: object) -> None:
    _feed_text(digest, _encode(value))


def _feed_text(digest: hashlib._Hash, text: str) -> None:
    digest.update(f"{len(text)}:{text}".encode())


def _feed_list(digest: hashlib._Hash, texts: Sequence[str]) -> None:
    """Feed what `_feed` would of a list whose items are encoded already, without putting it together."""
    digest.update(f"{sum(map(len, texts)) + max(len(texts) - 1, 0) + 2}:[".encode())
    for number, text in enumerate(texts):
        digest.update(("," + text if number else text).encode())
    digest.update(b"]")
