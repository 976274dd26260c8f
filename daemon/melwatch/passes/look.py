"""The stage of a pass that looks: what the library holds, and whether it is the library we know.

A look at a part of the library ends as one at the whole does: for the rest stands what is on record.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from melwatch.errors import RootOfflineError, RootUnknownError
from melwatch.library.part import EVERYTHING, Part
from melwatch.library.root import RootKey, RootState, judge_root, read_root
from melwatch.library.rules import Reason
from melwatch.library.scan import LOST_SIGHT, LeftOut, LinkMetError, Scan, scan
from melwatch.manifest import stamps, tracks, versions
from melwatch.manifest.database import get_meta, set_meta, writing
from melwatch.passes.plan import Register, is_as_it_was, is_under
from melwatch.passes.spelling import respell
from melwatch.track import RelPath, SeenFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop
    from melwatch.track import KnownFile

ROOT_KEY = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found the library to hold, and what was known before it.

    Tracks that are as they were and need no work are only counted, as `seen.as_known`.
    """

    known: list[KnownFile]
    seen: Scan
    root: RootKey


def look(shop: Workshop, db: Connection, part: Part = EVERYTHING, awaited: Collection[RelPath] = ()) -> Look:
    """Scan the library, or a part of it and whatever is not at rest.

    Those are unfinished, held and `awaited` files, and what could not be looked at before.

    Raises `RootOfflineError` where the root is gone, which never means that the songs are.
    """
    recipe, is_past, remembered = shop.recipe.id, shop.recipe.is_past, remembered_root(db)
    begin = partial(stamps.iter_known, db, recipe, is_past=is_past)
    if part.is_everything or remembered is None:
        known, seen, root = scan_root(shop, begin, remembered)
    else:
        restless = stamps.unfinished(db, recipe, is_past=is_past) | tracks.gone(db) | tracks.gone(db, "accepted")
        lost = {path for path, reason in tracks.left_out(db).items() if reason in LOST_SIGHT}
        part |= Part.of(RelPath(path.rstrip(b"/")) for path in restless.union(lost, awaited))
        known, seen, root = scan_root(shop, begin, remembered, lambda: _scan_part(shop, db, part, begin))
    spelled = respell(db, known, {*(file.path for file in seen.seen), *seen.unverified}, shop.genres)
    if spelled:
        known = sorted((file._replace(path=spelled.get(file.path, file.path)) for file in known), key=_path)
    # A look that could not see all may have met another root.
    if not seen.out_of_reach and get_meta(db, ROOT_KEY) != json.dumps(root.to_json()):
        with writing(db):
            set_meta(db, ROOT_KEY, json.dumps(root.to_json()))
    return Look(known=known, seen=seen, root=root)


def look_anew(shop: Workshop, db: Connection, first: Look) -> Look:
    """Return what a look would have found had all been on record that is now, without going through the library."""
    recipe, is_past = shop.recipe.id, shop.recipe.is_past
    told = {file.path for file in first.known} | {file.path for file in first.seen.seen}
    undone = stamps.unfinished(db, recipe, is_past=is_past)
    known = [
        file for file in stamps.iter_known(db, recipe, is_past=is_past) if file.path in told or file.path in undone
    ]
    back = [SeenFile(path=file.path, stamp=file.stamp) for file in known if file.path not in told]
    seen = replace(
        first.seen, seen=sorted([*first.seen.seen, *back], key=_path), as_known=first.seen.as_known - len(back)
    )
    return Look(known=known, seen=seen, root=first.root)


def _scan_part(
    shop: Workshop, db: Connection, part: Part, known: Callable[[], Iterator[KnownFile]]
) -> tuple[list[KnownFile], Scan]:
    """Scan a part of the library, and say of the rest what is on record; with links in it, scan everything."""
    elsewhere: list[KnownFile] = []
    counted = 0

    def within() -> Iterator[KnownFile]:
        nonlocal counted
        for file in known():
            if part.holds(file.path):
                yield file
            elif is_as_it_was(file, file.stamp):  # it is done: others are in the part
                counted += 1
            else:
                elsewhere.append(file)

    register = Register(within())
    try:
        found = scan(shop.root, shop.rules, part, register.is_known)
    except LinkMetError:
        return _scan_all(shop, known)
    register.end()
    left_out = {path: Reason(word) for path, word in tracks.left_out(db).items() if not part.holds(path)}
    left_out |= {entry.path: entry.reason for entry in found.left_out}
    seen = [*found.seen, *(SeenFile(path=file.path, stamp=file.stamp) for file in elsewhere)]
    last = versions.last_pass(db) or {"balance": {}}
    whole = Scan(
        seen=sorted(seen, key=_path),
        as_known=found.as_known + counted,
        left_out=[LeftOut(path=path, reason=reason) for path, reason in sorted(left_out.items())],
        unverified=found.unverified,
        other_files=Counter({Reason.NOT_AUDIO: last["balance"].get(Reason.NOT_AUDIO, 0)}),
    )
    return sorted([*register.left, *elsewhere], key=_path), whole


def _scan_all(shop: Workshop, known: Callable[[], Iterable[KnownFile]]) -> tuple[list[KnownFile], Scan]:
    """Scan everything; return what is on record otherwise than it is seen, and what is seen."""
    register = Register(known())
    seen = scan(shop.root, shop.rules, EVERYTHING, register.is_known)
    register.end()
    return register.left, seen


def scan_root(
    shop: Workshop,
    known: Callable[[], Iterable[KnownFile]],
    remembered: RootKey | None,
    scan_it: Callable[[], tuple[list[KnownFile], Scan]] | None = None,
) -> tuple[list[KnownFile], Scan, RootKey]:
    """Scan the library and hold it against what is known of it; writes nothing.

    Returns what is known otherwise than it is seen, what is seen, and the root. Raises `RootUnknownError` where the
    root cannot be read and nothing was ever known of it, `RootOfflineError` where it is gone or not the library that
    we know.
    """
    left: list[KnownFile] = []
    seen = Scan()
    found, error = read_root(shop.root)
    if error is None:
        try:
            left, seen = scan_it() if scan_it and found == remembered else _scan_all(shop, known)
            again, error = read_root(shop.root)
            found = found if again == found else None
        except OSError as failure:
            error = failure
    if error is not None:
        left, seen = list(known()), Scan()
    if error is not None and not left:
        what = f"The music root {os.fsdecode(shop.root)} cannot be read: {error.strerror}"
        raise RootUnknownError(what, "Name your music folder with --music.") from None
    unverified = frozenset(seen.unverified)
    in_sight = [file for file in left if not is_under(file.path, unverified)]
    sizes = {file.path: file.stamp.size for file in in_sight}
    verdict = judge_root(
        known=remembered,
        found=found,
        error=error,
        known_tracks=len(in_sight) + seen.as_known,
        seen_tracks=seen.tracks,
        tracks_in_place=sum(sizes.get(file.path) == file.stamp.size for file in seen.seen) + seen.as_known,
    )
    if verdict.state is not RootState.ONLINE or found is None:
        what = verdict.what or "The music root was exchanged while it was looked at"
        raise RootOfflineError(f"{what} ({os.fsdecode(shop.root)})", verdict.hint)
    return left, seen, found


def _path(file: KnownFile | SeenFile) -> RelPath:
    return file.path


def accept_root(db: Connection) -> None:
    """Let the next look take whatever lies at the root's path for the library."""
    with writing(db):
        db.execute("DELETE FROM meta WHERE key = ?", (ROOT_KEY,))


def remembered_root(db: Connection) -> RootKey | None:
    """Return what is known of the root, if anything."""
    told = get_meta(db, ROOT_KEY)
    return None if told is None else RootKey.from_json(json.loads(told))
