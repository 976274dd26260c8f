"""Tracks whose path is only spelled differently than before: in its case, or in how it composes its letters.

Windows and macOS keep the case of a name and do not tell names apart by it, and a copy by way of a Mac
may decompose umlauts. What is opened is always what the file system says; here the record follows it.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from typing import TYPE_CHECKING

from melwatch.manifest import ledger, tracks
from melwatch.manifest.database import writing
from melwatch.names import key_of, native
from melwatch.platform import filesystem
from melwatch.track import RelPath

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from sqlite3 import Connection

    from melwatch.names import GenreNames
    from melwatch.track import KnownFile

log = logging.getLogger(__name__)


def new_spellings(known: Collection[RelPath], seen: Collection[RelPath]) -> dict[RelPath, RelPath]:
    """Return old path to new path for each known track that is there under another spelling only.

    Where several could be meant, none is. Pure.
    """
    gone, new = _by_key(set(known) - set(seen)), _by_key(set(seen) - set(known))
    return {gone[key][0]: new[key][0] for key in gone.keys() & new.keys() if len(gone[key]) == len(new[key]) == 1}


def respell(
    db: Connection, known: Sequence[KnownFile], paths: Collection[RelPath], genres: GenreNames
) -> dict[RelPath, RelPath]:
    """Put new spellings of tracks, and of genres that are called by a folder renamed so, on record; return them.

    Tracks that are where they were need not be among the `known` and the `paths`.
    """
    spellings = new_spellings({file.path for file in known}, paths)
    if not spellings:
        return {}
    still = {genres.genre_of(path) for path in tracks.songs_by_path(db).keys() - spellings.keys()}
    called = {genres.genre_of(old): genres.genre_of(new) for old, new in spellings.items()}
    names = ledger.class_names(db)
    renamed = {old: new for old, new in called.items() if old not in still and new not in names}
    with writing(db):
        tracks.respell(db, spellings)
        ledger.save_classes(db, [renamed.get(name, name) for name in names])
    log.info("%d tracks are spelled differently now", len(spellings))
    return spellings


def as_spelled(root: bytes, path: RelPath, listed: dict[RelPath, list[bytes]] | None = None) -> RelPath | None:
    """Return a path as its folders list it, however it was written; None where they list nothing like it.

    `listed` keeps listings for the next path.
    """
    listed = {} if listed is None else listed
    found = RelPath(b"")
    for part in path.split(b"/"):
        if found not in listed:
            try:
                listed[found] = os.listdir(filesystem.openable(native(root, found)))
            except OSError:
                listed[found] = []
        names = listed[found]
        alike = [part] if part in names else [name for name in names if key_of(name) == key_of(part)]
        if len(alike) != 1:
            return None
        found = RelPath(found + b"/" + alike[0] if found else alike[0])
    return found


def is_same_file(root: bytes, known: RelPath, asked: RelPath) -> bool:
    """Whether a path that somebody wrote is another spelling of a known one, to the file system it is on."""
    if key_of(known) != key_of(asked):
        return False
    try:
        return os.path.samefile(*(filesystem.openable(native(root, path)) for path in (known, asked)))
    except OSError:
        return False


def _by_key(paths: Iterable[RelPath]) -> dict[str, list[RelPath]]:
    found: dict[str, list[RelPath]] = defaultdict(list)
    for path in paths:
        found[key_of(path)].append(path)
    return found
