"""What the page and its API tell, as JSON values: from the manifest, a few rows at a time."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from melwatch import status
from melwatch.daemon.control import pause_of
from melwatch.dataset import history
from melwatch.dataset.representation import representation
from melwatch.manifest import shown, tracks, versions
from melwatch.manifest.shown import Wanted
from melwatch.names import display
from melwatch.passes import renewal
from melwatch.publishing.compose import DUPLICATE, IN_DATASET
from melwatch.publishing.showing import READY, UNDER_WAY, tally
from melwatch.publishing.showing import SENTENCES as FATES
from melwatch_service.needs import needs
from melwatch_service.page.space import dataset_space
from melwatch_service.tell import sentence_of

if TYPE_CHECKING:
    from sqlite3 import Connection, Row

    from melwatch.passes.workshop import Workshop
    from melwatch.publishing.showing import Tally
    from melwatch.track import TrackRecord

PER_PAGE = 50
RECENT = 12
MOST_VERSIONS = 50
STATES = ("in_dataset", "waiting", "duplicate", "pending", "failed")
"""What the list of tracks can be narrowed down to."""


def overview(shop: Workshop, db: Connection, now: datetime) -> dict[str, Any]:
    """Return how things stand: `status --json`, and what else a person wants to see at once."""
    facts = status.overview_on_record(shop, db)
    return {
        "status": facts,
        "needs": needed(facts),
        "paused": pause_of(db, now),
        "space": space(shop),
        "activity": activity(db),
    }


def needed(facts: dict[str, Any]) -> list[dict[str, str]]:
    """Return what needs a person: what it is, what they can do, and by which action of the page, if by one."""
    return [
        {
            "what": f"{need.what}.",
            "hint": need.hint,
            "action": "problems" if need.command == "failures" else need.command,
        }
        for need in needs(facts)
    ]


def space(shop: Workshop) -> dict[str, Any]:
    """Return sizes in bytes: free space, the dataset, and apart from it what readers cached in its folder."""
    try:
        free: int | None = shutil.disk_usage(shop.folder.path).free
    except OSError:  # nothing is published yet, or its disk is gone
        free = None
    found = dataset_space(shop.folder)
    return {"free_bytes": free, "dataset_bytes": found.own_bytes, "reader_cache_bytes": found.cache_bytes}


def activity(db: Connection, limit: int = RECENT) -> list[dict[str, Any]]:
    """Return the last passes that did something, newest first."""
    return [
        {
            "pass": row["number"], "started_at": row["started_at"], "seconds": round(row["seconds"], 1),
            "extracted": row["extracted"] or 0, "failed": row["failed"] or 0, "vanished": row["vanished"] or 0,
            "published": row["version"] if row["is_published"] else None,
        }
        for row in shown.recent_passes(db, limit)
    ]  # fmt: skip


def genres(shop: Workshop, db: Connection) -> dict[str, Any]:
    """Return songs per genre, how each compares with the others, and its shares of the splits."""
    known = tally(db)
    shares = representation(known.genres)
    marks = dict.fromkeys(shares.under, "under") | dict.fromkeys(shares.over, "over")
    rows = [
        {
            "genre": name, "tracks": number, "mark": marks.get(name, "usual"),
            "splits": {split: known.splits[name].get(split, 0) for split in shop.config.splits.shares},
        }
        for name, number in known.genres.items()
    ] + [
        {"genre": name, "tracks": number, "mark": "waiting", "splits": {}}
        for name, number in known.waiting.items()
    ]  # fmt: skip
    return {
        "genres": sorted(rows, key=lambda row: (-row["tracks"], row["genre"])),
        "under_below": shares.low,
        "over_above": shares.high,
        "min_tracks_per_genre": shop.config.library.min_tracks_per_genre,
        "shares": shop.config.splits.shares,
    }


def fates_of(state: str, known: Tally) -> tuple[str, ...] | None:
    """Return the words of the manifest that a state of the list stands for; None for any."""
    settled = {"in_dataset": (IN_DATASET,), "duplicate": (DUPLICATE,), "pending": UNDER_WAY}
    if state == "waiting":
        return tuple(fate for fate in READY if fate not in {IN_DATASET, DUPLICATE})
    if state == "failed":
        return tuple(fate for fate in known.fates if fate not in READY and fate not in UNDER_WAY)
    return settled.get(state)


def track_list(
    db: Connection, *, text: str = "", genre: str = "", split: str = "", state: str = "", page: int = 1
) -> dict[str, Any]:
    """Return one page of the tracks that fit, in path order."""
    known = tally(db)
    wanted = Wanted(text=text, genre=genre, split=split, fates=fates_of(state, known))
    total, rows = shown.find(db, wanted, skip=(page - 1) * PER_PAGE, limit=PER_PAGE)
    pages = max(1, -(-total // PER_PAGE))
    if page > pages:
        return track_list(db, text=text, genre=genre, split=split, state=state, page=pages)
    return {
        "tracks": [_listed(row) for row in rows],
        "total": total,
        "page": page,
        "pages": pages,
        "known_genres": sorted({*known.genres, *known.waiting}),
    }


def _listed(row: Row) -> dict[str, Any]:
    return {
        "id": row["ordinal"], "path": display(row["path"]), "genre": row["genre"], "split": row["split"],
        "state": state_of(row["fate"]), "reason": row["fate"],
        "title": row["title"], "artist": row["artist"], "album": row["album"],
    }  # fmt: skip


def state_of(fate: str) -> str:
    """Return the state of the list that a word of the manifest belongs to."""
    if fate in {IN_DATASET, DUPLICATE}:
        return fate
    return "waiting" if fate in READY else "pending" if fate in UNDER_WAY else "failed"


def record_of(shop: Workshop, db: Connection, ordinal: int) -> TrackRecord | None:
    """Return all that is known of a track; None where there is none of that number."""
    path = shown.path_of(db, ordinal)
    if path is None:
        return None
    recipe = renewal.workshop_in_force(shop, db).recipe.id
    return next(iter(tracks.track_records(db, recipe, path)), None)


def track(shop: Workshop, db: Connection, ordinal: int) -> dict[str, Any] | None:
    """Return what there is to tell of one track."""
    record = record_of(shop, db, ordinal)
    if record is None:
        return None
    seen = shown.one(db, record.path)
    fate = seen.fate if seen is not None else "pending"
    sound, trouble = record.sound, record.trouble
    alike = shown.same_sound(db, record.audio_id) if record.audio_id else []
    recipe = renewal.workshop_in_force(shop, db).recipe
    return {
        "id": ordinal,
        "path": display(record.path),
        "genre": seen.genre if seen is not None else None,
        "split": seen.split if seen is not None else None,
        "class": seen.label if seen is not None else None,
        "state": state_of(fate),
        "reason": fate,
        "sentence": FATES.get(fate) or (f"{trouble.what} {trouble.hint}".strip() if trouble else fate),
        "trouble": {"what": trouble.what, "hint": trouble.hint} if trouble is not None else None,
        "title": record.tags.title,
        "artist": record.tags.artist,
        "album": record.tags.album,
        "audio_id": record.audio_id,
        "duration_s": round(sound.duration_s, 3) if sound is not None else None,
        "promised_s": round(sound.promised_s, 3) if sound is not None else None,
        "partial": sound.is_partial if sound is not None else None,
        "decoded_by": sound.method if sound is not None else None,
        "windows_start_s": list(recipe.starts_s(sound.duration_s)) if sound is not None else [],
        "window_s": recipe.windows.length_s,
        "recipe": recipe.id,
        "shard": record.location.shard if record.location is not None else None,
        "same_sound": [
            {"id": row["ordinal"], "path": display(row["path"]), "state": state_of(row["fate"])}
            for row in alike
            if row["path"] != record.path
        ],
        "history": _history(db, record),
    }


def _history(db: Connection, record: TrackRecord) -> list[dict[str, str]]:
    """Return what has happened to a track, as far as it is on record, newest first."""
    read_ns = shown.read_at_ns(db, record.path)
    found = [{"at": _at(read_ns), "what": "The file was read last."}] if read_ns else []
    if record.audio_id is not None:
        failure = shown.failure_of(db, record.audio_id)
        if failure is not None:
            tries = f" ({failure['tries']:,} times in all)" if failure["tries"] > 1 else ""
            found.append({"at": failure["at"], "what": f"Working on it failed{tries}."})
        found += [
            {
                "at": move["moved_at"],
                "what": f"It was moved from {move['source']} to {move['target']} ({move['cause']}).",
            }
            for move in shown.moves(db, record.audio_id)
        ]
    if record.replaced is not None:
        found.append({"at": "", "what": "It holds another sound than the file had that was here before."})
    return sorted(found, key=lambda event: event["at"], reverse=True)


def _at(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns / 1e9, UTC).isoformat(timespec="seconds")


def problems(shop: Workshop, db: Connection, *, kind: str = "failed", page: int = 1) -> dict[str, Any]:
    """Return what is not as it should be: one page of a kind, and how many there are of each."""
    facts = status.running(shop, db) or {}
    known = tally(db)
    by_reason = shown.count_left_out_by_reason(db)
    failed = Wanted(fates=fates_of("failed", known))
    duplicates = Wanted(fates=(DUPLICATE,))
    counts = {
        "failed": known.failed,
        "unsettled": int(facts.get("unsettled_files", 0)),
        "duplicates": known.fates.get(DUPLICATE, 0),
        "left_out": sum(number for reason, number in by_reason.items() if reason != "not_audio"),
    }
    skip = (page - 1) * PER_PAGE
    rows: list[dict[str, Any]]
    match kind:
        case "failed":
            rows = [_failed(shop, db, row) for row in shown.find(db, failed, skip=skip, limit=PER_PAGE)[1]]
        case "duplicates":
            rows = [_duplicate(db, row) for row in shown.find(db, duplicates, skip=skip, limit=PER_PAGE)[1]]
        case "left_out":
            rows = [
                {"path": display(row["path"]), "reason": row["reason"], "what": sentence_of(row["reason"])}
                for row in shown.left_out(db, skip=skip, limit=PER_PAGE)
            ]
        case _:
            rows = [
                {"path": file["path"], "reason": "unsettled", "what": file["what"], "age_s": file["age_s"]}
                for file in islice(facts.get("unsettled", []), skip, skip + PER_PAGE)
            ]
    pages = max(1, -(-counts[kind] // PER_PAGE))
    return {"kind": kind, "counts": counts, "rows": rows, "page": min(page, pages), "pages": pages}


def _failed(shop: Workshop, db: Connection, row: Row) -> dict[str, Any]:
    record = record_of(shop, db, row["ordinal"])
    trouble = record.trouble if record is not None else None
    return _listed(row) | {
        "what": trouble.what.partition("\n")[0] if trouble is not None else row["fate"],
        "hint": trouble.hint if trouble is not None else "",
    }


def _duplicate(db: Connection, row: Row) -> dict[str, Any]:
    alike = shown.same_sound(db, row["audio_id"])
    first = next((other for other in alike if other["fate"] == IN_DATASET), None)
    return _listed(row) | {
        "what": "sounds exactly like another file of its genre, which stands for both",
        "of": {"id": first["ordinal"], "path": display(first["path"])} if first is not None else None,
    }


def version_list(shop: Workshop) -> dict[str, Any]:
    """Return the versions on disk, newest first, but not more than a page can show."""
    numbers = [number for number in shop.folder.version_numbers() if shop.folder.is_complete(number)]
    newest = numbers[::-1][:MOST_VERSIONS]
    return {"versions": [history.describe(shop.folder, number) for number in newest], "total": len(numbers)}


def newest_version(db: Connection) -> int | None:
    """Return the number of the version published last."""
    found = versions.newest_version(db)
    return None if found is None else found.number
