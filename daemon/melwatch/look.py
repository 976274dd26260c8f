"""The stage of a pass that looks: what the library holds, and whether it is the library we know."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.errors import RootOfflineError, RootUnknownError
from melwatch.library.root import RootKey, RootState, judge_root, read_root
from melwatch.library.scan import Scan, scan
from melwatch.manifest import tracks
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.plan import is_under
from melwatch.spelling import respell

if TYPE_CHECKING:
    from sqlite3 import Connection

    from melwatch.track import KnownFile
    from melwatch.workshop import Workshop

ROOT_KEY = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at the whole library found, and what was known before it."""

    known: list[KnownFile]
    seen: Scan
    root: RootKey


def look(shop: Workshop, db: Connection) -> Look:
    """Scan the library; raises `RootOfflineError` where the root is gone, which never means that the songs are."""
    known = tracks.known_files(db, shop.recipe.id)
    seen, root = scan_root(shop, known, remembered_root(db))
    if respell(db, known, {*(file.path for file in seen.seen), *seen.unverified}):
        known = tracks.known_files(db, shop.recipe.id)
    # A look that could not see all may have met another root.
    if seen.is_whole and get_meta(db, ROOT_KEY) != json.dumps(root.to_json()):
        with writing(db):
            set_meta(db, ROOT_KEY, json.dumps(root.to_json()))
    return Look(known=known, seen=seen, root=root)


def scan_root(shop: Workshop, known: list[KnownFile], remembered: RootKey | None) -> tuple[Scan, RootKey]:
    """Scan the library and hold it against what is known of it; writes nothing."""
    seen = Scan()
    found, error = read_root(shop.root)
    if error is None:
        try:
            seen = scan(shop.root, shop.rules)
            again, error = read_root(shop.root)
            found = found if again == found else None
        except OSError as failure:
            error = failure
    if error is not None and not known:
        what = f"The music root {os.fsdecode(shop.root)} cannot be read: {error.strerror}"
        raise RootUnknownError(what, "Name your music folder with --music.") from None
    unverified = frozenset(seen.unverified)
    in_sight = [file for file in known if not is_under(file.path, unverified)]
    sizes = {file.path: file.stamp.size for file in in_sight}
    verdict = judge_root(
        known=remembered,
        found=found,
        error=error,
        known_tracks=len(in_sight),
        seen_tracks=len(seen.seen),
        tracks_in_place=sum(sizes.get(file.path) == file.stamp.size for file in seen.seen),
    )
    if verdict.state is not RootState.ONLINE or found is None:
        what = verdict.what or "The music root was exchanged while it was looked at"
        raise RootOfflineError(f"{what} ({os.fsdecode(shop.root)})", verdict.hint)
    return seen, found


def accept_root(db: Connection) -> None:
    """Let the next look take whatever lies at the root's path for the library."""
    with writing(db):
        db.execute("DELETE FROM meta WHERE key = ?", (ROOT_KEY,))


def remembered_root(db: Connection) -> RootKey | None:
    """Return what is known of the root, if anything."""
    told = get_meta(db, ROOT_KEY)
    return None if told is None else RootKey.from_json(json.loads(told))
