"""The stage of a pass that looks: what the library holds, and whether it is the library we know.

A look at a part of the library ends as one at the whole does: for the rest stands what is on record.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.errors import RootOfflineError, RootUnknownError
from melwatch.library.part import EVERYTHING, Part
from melwatch.library.root import RootKey, RootState, judge_root, read_root
from melwatch.library.rules import Reason
from melwatch.library.scan import LOST_SIGHT, LeftOut, LinkMetError, Scan, scan
from melwatch.manifest import tracks, versions
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.plan import is_under
from melwatch.spelling import respell
from melwatch.track import RelPath, SeenFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from sqlite3 import Connection

    from melwatch.track import KnownFile
    from melwatch.workshop import Workshop

ROOT_KEY = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found the library to hold, and what was known before it."""

    known: list[KnownFile]
    seen: Scan
    root: RootKey


def look(shop: Workshop, db: Connection, part: Part = EVERYTHING, awaited: Collection[RelPath] = ()) -> Look:
    """Scan the library, or a part of it and whatever is not at rest.

    Those are unfinished, held and `awaited` files, and what could not be looked at before.

    Raises `RootOfflineError` where the root is gone, which never means that the songs are.
    """
    known = tracks.known_files(db, shop.recipe.id, is_past=shop.recipe.is_past)
    remembered = remembered_root(db)
    if part.is_everything or remembered is None:
        seen, root = scan_root(shop, known, remembered)
    else:
        restless = {file.path for file in known if not file.is_done} | tracks.gone(db) | tracks.gone(db, "accepted")
        lost = {path for path, reason in tracks.left_out(db).items() if reason in LOST_SIGHT}
        part |= Part.of(RelPath(path.rstrip(b"/")) for path in restless.union(lost, awaited))
        seen, root = scan_root(shop, known, remembered, lambda: _scan_part(shop, db, part, known))
    if respell(db, known, {*(file.path for file in seen.seen), *seen.unverified}, shop.genres):
        known = tracks.known_files(db, shop.recipe.id, is_past=shop.recipe.is_past)
    # A look that could not see all may have met another root.
    if not seen.out_of_reach and get_meta(db, ROOT_KEY) != json.dumps(root.to_json()):
        with writing(db):
            set_meta(db, ROOT_KEY, json.dumps(root.to_json()))
    return Look(known=known, seen=seen, root=root)


def _scan_part(shop: Workshop, db: Connection, part: Part, known: list[KnownFile]) -> Scan:
    """Scan a part of the library, and say of the rest what is on record; with links in it, scan everything."""
    try:
        found = scan(shop.root, shop.rules, part)
    except LinkMetError:
        return scan(shop.root, shop.rules)
    left_out = {path: Reason(word) for path, word in tracks.left_out(db).items() if not part.holds(path)}
    elsewhere = [file for file in known if not part.holds(file.path)]
    seen = [*found.seen, *(SeenFile(path=file.path, stamp=file.stamp) for file in elsewhere)]
    left_out |= {entry.path: entry.reason for entry in found.left_out}
    last = versions.last_pass(db) or {"balance": {}}
    return Scan(
        seen=sorted(seen, key=lambda file: file.path),
        left_out=[LeftOut(path=path, reason=reason) for path, reason in sorted(left_out.items())],
        unverified=found.unverified,
        other_files=Counter({Reason.NOT_AUDIO: last["balance"].get(Reason.NOT_AUDIO, 0)}),
    )


def scan_root(
    shop: Workshop, known: list[KnownFile], remembered: RootKey | None, scan_it: Callable[[], Scan] | None = None
) -> tuple[Scan, RootKey]:
    """Scan the library and hold it against what is known of it; writes nothing.

    `scan_it` does it instead where the root is the one that is remembered.
    """
    seen = Scan()
    found, error = read_root(shop.root)
    if error is None:
        try:
            seen = scan_it() if scan_it and found == remembered else scan(shop.root, shop.rules)
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
