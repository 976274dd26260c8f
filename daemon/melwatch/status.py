"""What can be told about a dataset and its tracks from the manifest, without touching the music."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from melwatch.daemon.live import read_live, to_confirm
from melwatch.daemon.page import page_address
from melwatch.dataset.representation import representation
from melwatch.edition import Split
from melwatch.library.rules import SENTENCES, Reason
from melwatch.manifest import shown, tracks, versions
from melwatch.manifest.database import FILE_NAME, read_manifest
from melwatch.manifest.lock import holder_pid
from melwatch.names import native
from melwatch.passes import renewal
from melwatch.passes.spelling import is_same_file
from melwatch.platform import filesystem
from melwatch.publishing import publication
from melwatch.publishing.compose import CHANGING, DUPLICATE, FATES, PENDING
from melwatch.publishing.showing import tally
from melwatch.track import RelPath

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from sqlite3 import Connection

    from melwatch.passes.renewal import RecipeChange
    from melwatch.passes.workshop import Workshop
    from melwatch.publishing.compose import Composition
    from melwatch.track import TrackRecord

_PASSES_TOLD = 8
_OF_A_PASS = ("started_at", "seconds", "extracted", "reused", "failed", "vanished", "version", "is_published")


def overview(shop: Workshop, db: Connection) -> dict[str, Any]:
    """Return the fields of `status --json`, worked out from all that is known."""
    change = renewal.find_change(shop, db)
    shop = renewal.in_force(shop, change)
    records = list(tracks.track_records(db, shop.recipe.id))
    composition = publication.compose_version(shop, db, records)
    ready, failed = sum(record.location is not None for record in records), sum(map(is_failure, records))
    counts = {"ready": ready, "pending": composition.pending, "failed": failed}
    return _overview(shop, db, change, counts, composition.genres, composition.waiting, _splits_of(composition))


def overview_on_record(shop: Workshop, db: Connection) -> dict[str, Any]:
    """Return the same as the last pass worked it out, and what has been extracted since: quick at any size."""
    change = renewal.find_change(shop, db)
    known = tally(db)
    counts = {"ready": known.ready, "pending": known.pending, "failed": known.failed}
    return _overview(renewal.in_force(shop, change), db, change, counts, known.genres, known.waiting, known.splits)


def _overview(
    shop: Workshop,
    db: Connection,
    change: RecipeChange | None,
    counts: dict[str, int],
    genres: dict[str, int],
    waiting: dict[str, int],
    splits: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    shares = representation(genres)
    current = versions.newest_version(db)
    passes = versions.last_passes(db, _PASSES_TOLD)
    last = passes[0] if passes else {}
    live = running(shop, db) or _at_rest(change, last.get("held"))
    return {
        **_live_fields(live),
        "page": page_address(db, live.get("pid")),
        "recipe_change": change.to_json() if change is not None else None,
        "held_deletions": shown.count_gone(db),
        "version": current.number if current else None,
        "fingerprint": current.fingerprint if current else None,
        "published_at": current.published_at if current else None,
        "next_publish_at": live.get("next_publish_at"),
        "complete": current.complete if current else None,
        "music": os.fsencode(shop.config.library.root).decode("utf-8", "backslashreplace"),
        "dataset": os.fsencode(shop.folder.path).decode("utf-8", "backslashreplace"),
        "tracks": {**counts, "excluded": shown.count_left_out(db)},
        "genres": genres,
        "splits": {
            genre: {str(split): splits.get(genre, {}).get(str(split), 0) for split in Split} for genre in genres
        },
        "waiting": waiting,
        "under_represented": shares.under,
        "over_represented": shares.over,
        "last_pass": {
            key: last.get(key) for key in ("started_at", "extracted", "reused", "failed", "seconds", "found", "balance")
        },
        "passes": [{key: done.get(key) for key in _OF_A_PASS} for done in passes],
    }


def _splits_of(composition: Composition) -> dict[str, Counter[str]]:
    """Return the number of tracks by genre and split."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for track in composition.tracks:
        counts[track.genre][str(track.split)] += 1
    return counts


def live_fields(shop: Workshop, db: Connection) -> dict[str, Any]:
    """Return those fields of `status --json` that a running daemon tells by itself; none where none is running."""
    live = running(shop, db)
    return {} if live is None else _live_fields(live)


def _live_fields(live: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "state": live.get("state", "idle"),
        "sentence": live.get("sentence", ""),
        "pid": live.get("pid"),
        "watching": live.get("watching"),
        "event_overflows": live.get("overflows", 0),
        "progress": live.get("progress"),
        "unsettled": live.get("unsettled", []),
        "unsettled_files": live.get("unsettled_files", 0),
    }


def _at_rest(change: RecipeChange | None, held: str | None) -> dict[str, Any]:
    """Say how things stand while no daemon runs; `held` is why deletions wait for a person, if they do."""
    waits = change.sentence() if change is not None and not change.is_accepted else None
    if waits is not None or held is not None:
        goes_on = f" {change.sentence()}." if change is not None and change.is_accepted else ""
        return {"state": "needs_confirmation", "sentence": to_confirm(waits, held) + goes_on}
    if change is None:
        return {}
    if change.is_too_lossy:
        return {"state": "degraded", "sentence": f"{change.sentence()}."}
    return {"sentence": f"{change.sentence()}; `melwatch sync` goes on."}


def running(shop: Workshop, db: Connection) -> dict[str, Any] | None:
    """Return what the running daemon says of itself; None where none is running."""
    live = read_live(db)
    return live if live is not None and live["pid"] == holder_pid(shop.state.path) else None


def is_daemon_running(shop: Workshop) -> bool:
    """Whether a daemon is at work on the dataset, as far as its lock and its own word tell."""
    if not (shop.state.path / FILE_NAME).exists():
        return False
    with read_manifest(shop.state.path) as db:
        return running(shop, db) is not None


def is_failure(record: TrackRecord) -> bool:
    """Whether a track is left out because something is wrong with it, not for the moment only."""
    return record.location is None and record.trouble is not None and record.trouble.reason not in {CHANGING, PENDING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why a file is, or is not, in the dataset."""

    path: bytes
    reason: str
    sentence: str
    details: dict[str, Any]


def why(shop: Workshop, db: Connection, path: Path) -> Answer:
    """Say which rule, state or error applies to a file or folder."""
    relative = relative_path(shop, path)
    if relative is None:
        return Answer(
            path=os.fsencode(path), reason="outside", sentence="does not lie below the music root", details={}
        )
    shop = renewal.workshop_in_force(shop, db)
    records = list(tracks.track_records(db, shop.recipe.id))
    composition = publication.compose_version(shop, db, records)
    for record in records:
        if record.path == relative:
            return _about_track(record, composition)
    for record in records:
        if is_same_file(shop.root, record.path, relative):
            return _about_track(record, composition)
    return _about_other(shop, db, relative)


def relative_path(shop: Workshop, path: Path) -> RelPath | None:
    """Return a path below the root, joined by `/`; a relative one may also be meant from the root."""
    whole = os.fsencode(os.path.abspath(path))
    root = shop.root.rstrip(os.sep.encode()) + os.sep.encode()
    if not os.path.normcase(whole).startswith(os.path.normcase(root)):
        if path.is_absolute():
            return None
        whole = os.path.join(shop.root, os.fsencode(path))
    return RelPath(whole[len(root) :].replace(os.sep.encode(), b"/"))


def _about_track(record: TrackRecord, composition: Composition) -> Answer:
    fate = composition.fates[record.path]
    details: dict[str, Any] = {"audio_id": record.audio_id}
    if record.sound is not None:
        details |= {
            "duration_s": round(record.sound.duration_s, 3),
            "partial": record.sound.is_partial,
            "decoded by": record.sound.method,
        }
    for track in composition.tracks:
        if record.audio_id == track.audio_id and (fate == DUPLICATE) == (track.path != record.path):
            details |= {"genre": track.genre, "class": track.label, "split": str(track.split)}
            if fate == DUPLICATE:
                details["stands for both"] = track.shown_path
    if record.trouble is not None and record.location is not None:
        details |= {"trouble": f"{record.trouble.what} {record.trouble.hint}".strip()}
    elif record.trouble is not None:
        details |= {"tried again": "on retry or change" if record.is_quarantined else "at the next pass"}
        return Answer(
            path=record.path,
            reason=record.trouble.reason,
            sentence=f"{record.trouble.what} {record.trouble.hint}".strip(),
            details=details,
        )
    return Answer(path=record.path, reason=fate, sentence=FATES[fate], details=details)


def _about_other(shop: Workshop, db: Connection, path: RelPath) -> Answer:
    """Answer for what is not a track: from what the last scan noted, or from the rules alone."""
    place = filesystem.openable(native(shop.root, path))
    noted = tracks.left_out(db)
    parts = path.rstrip(b"/").split(b"/")
    above = [RelPath(b"/".join(parts[:count]) + b"/") for count in range(1, len(parts) + 1)]
    for place in (path, *above):
        if place in noted:
            reason = Reason(noted[place])
            return Answer(path=path, reason=reason, sentence=SENTENCES[reason], details={})
    if os.path.isdir(place):
        return Answer(path=path, reason="folder", sentence="is a folder; ask about a file in it", details={})
    reasons = [shop.rules.about_folder(folder[:-1]) for folder in above[:-1]]
    verdict = next((reason for reason in reasons if reason), None) or shop.rules.about_file(path)
    if verdict is not None:
        return Answer(path=path, reason=verdict, sentence=SENTENCES[verdict], details={})
    if os.path.lexists(place):
        return Answer(path=path, reason="unseen", sentence="is new: no pass has seen it yet", details={})
    return Answer(path=path, reason="missing", sentence="does not exist, and is not on record", details={})
