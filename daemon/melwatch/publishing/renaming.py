"""Following genres to their new names, so that they keep their class ids: after a folder was renamed, or by config."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from melwatch.dataset.labels import find_renames
from melwatch.manifest import ledger, tracks
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.names import GenreNames, folded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from sqlite3 import Connection

    from melwatch.track import AudioId, RelPath

_NAMES = "genre_names"


def rename_vanished(
    db: Connection, names: GenreNames, gone: Mapping[RelPath, AudioId | None], left: Mapping[RelPath, AudioId | None]
) -> dict[str, str]:
    """Rename genres of which nothing is left but under a new name; call it inside `writing`."""
    return _rename(db, _songs_by_genre(gone, names), _songs_by_genre(left, names))


def follow_config(db: Connection, names: GenreNames) -> dict[str, str]:
    """Rename genres that the configuration has given another name since the last time; return old names to new."""
    told = get_meta(db, _NAMES)
    before = GenreNames(json.loads(told) if told is not None else {})
    if before == names:
        return {}
    songs = tracks.songs_by_path(db)
    with writing(db):
        set_meta(db, _NAMES, json.dumps(names.by_folder))
        return _rename(db, _songs_by_genre(songs, before), _songs_by_genre(songs, names), may_merge=True)


def _rename(
    db: Connection,
    before: Mapping[str, set[AudioId]],
    after: Mapping[str, set[AudioId]],
    *,
    may_merge: bool = False,
) -> dict[str, str]:
    known = ledger.class_names(db)
    # Who only spells a name otherwise has more right to it than who is merged into it.
    respelled = {
        name: genre
        for name in known
        for genre in sorted(after)
        if folded(genre) == folded(name) and genre not in known and name not in after
    }
    spelled = [respelled.get(name, name) for name in known]
    renames = respelled | find_renames(spelled, before, after, may_merge=may_merge)
    ledger.save_classes(db, [renames.get(name, name) for name in known])
    return renames


def _songs_by_genre(songs: Mapping[RelPath, AudioId | None], names: GenreNames) -> dict[str, set[AudioId]]:
    """Group the songs of paths by genre, leaving out files that were never read."""
    genres: dict[str, set[AudioId]] = defaultdict(set)
    for path, song in songs.items():
        found = genres[names.genre_of(path)]
        if song is not None:
            found.add(song)
    return genres
