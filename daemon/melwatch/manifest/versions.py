"""The tables about what was published, and the reports of passes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from melwatch.manifest import epochs, ledger
from melwatch.manifest.database import get_meta, set_meta, writing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from melwatch.edition import Held, Published, ShardFacts

_TOTALS = "totals"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One published version."""

    number: int
    fingerprint: str
    content: str
    recipe: str
    tracks: int
    complete: bool
    pending: int
    published_at: str


def newest_version(db: sqlite3.Connection) -> VersionRecord | None:
    """Return the version published last, if any."""
    versions = all_versions(db, limit=1)
    return versions[0] if versions else None


def all_versions(db: sqlite3.Connection, limit: int = -1) -> list[VersionRecord]:
    """Return the versions on record, newest first."""
    rows = db.execute("SELECT * FROM version ORDER BY number DESC LIMIT ?", (limit,))
    return [VersionRecord(**{**dict(row), "complete": bool(row["complete"])}) for row in rows]


def record_published(db: sqlite3.Connection, version: VersionRecord, published: Published) -> None:
    """Note a version, its new shards, and that the work they hold has left the spool."""
    with writing(db):
        _insert_version(db, version)
        _insert_shards(db, published.shards)
        db.executemany(
            "UPDATE spectrogram SET shard = ?, first_row = ? WHERE audio_id = ? AND recipe = ?",
            ((place.shard, place.first_row, place.audio_id, version.recipe) for place in published.places),
        )


def take_over(db: sqlite3.Connection, held: Held) -> None:
    """Note what a version on disk holds that is not on record yet: after a crash, or for a new manifest."""
    said = held.said
    version = VersionRecord(
        number=held.number,
        fingerprint=said["fingerprint"],
        content=said["content"],
        recipe=said["recipe"],
        tracks=len(held.songs),
        complete=said["complete"],
        pending=said["pending"],
        published_at=said["published_at"],
    )
    with writing(db):
        names = [*ledger.class_names(db)]
        ledger.save_classes(db, [*names, *held.class_names[len(names) :]])
        db.executemany("INSERT OR IGNORE INTO placement VALUES (?, ?)", held.ledger.items())
        if held.epoch is not None and epochs.current_epoch(db) is None:
            epochs.begin_epoch(db, held.epoch.name, held.epoch.group_by, version.published_at)
        _insert_version(db, version)
        if "recipe" in held.provenance:
            text = json.dumps(held.provenance["recipe"], sort_keys=True, separators=(",", ":"))
            db.execute("INSERT OR IGNORE INTO recipe VALUES (?, ?)", (version.recipe, text))
        _insert_shards(db, held.shards)
        on_disk = {shard.path for shard in held.shards}
        db.executemany(
            """INSERT INTO spectrogram VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET shard = excluded.shard, first_row = excluded.first_row""",
            (
                (
                    song.audio_id, version.recipe, song.windows, song.checksum,
                    song.sound.duration_s, song.sound.promised_s, song.sound.method, song.shard, song.first_row,
                )
                for song in held.songs
                if song.shard in on_disk
            ),
        )  # fmt: skip


def _insert_version(db: sqlite3.Connection, version: VersionRecord) -> None:
    db.execute(
        "INSERT OR REPLACE INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            version.number, version.fingerprint, version.content, version.recipe,
            version.tracks, version.complete, version.pending, version.published_at,
        ),
    )  # fmt: skip


def _insert_shards(db: sqlite3.Connection, shards: Iterable[ShardFacts]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO shard VALUES (?, ?)",
        ((shard.path, shard.bytes) for shard in shards),
    )


def forget_versions(db: sqlite3.Connection, kept: Sequence[int]) -> None:
    """Take versions off the record that are no longer on disk."""
    with writing(db):
        numbers = [row[0] for row in db.execute("SELECT number FROM version")]
        db.executemany("DELETE FROM version WHERE number = ?", ((n,) for n in numbers if n not in kept))


def shard_sizes(db: sqlite3.Connection) -> dict[str, int]:
    """Return the size in bytes of each shard on record, by `split/name`."""
    return {row["path"]: row["bytes"] for row in db.execute("SELECT * FROM shard")}


def needed_shards(db: sqlite3.Connection, recipes: Collection[str]) -> set[str]:
    """Return the shards that hold work on songs of the library by these recipes."""
    rows = db.execute("SELECT DISTINCT shard, recipe FROM spectrogram JOIN track USING (audio_id) WHERE shard NOTNULL")
    return {row["shard"] for row in rows if row["recipe"] in recipes}


def record_pass(db: sqlite3.Connection, started_at: str, seconds: float, report: dict[str, Any]) -> None:
    """Note how a pass went; the last thousand are kept."""
    with writing(db):
        db.execute(
            "INSERT INTO pass (started_at, seconds, report) VALUES (?, ?, ?)",
            (started_at, seconds, json.dumps(report)),
        )
        total = {name: number + report.get(name, 0) for name, number in totals(db).items()}
        set_meta(db, _TOTALS, json.dumps(total))
        db.execute("DELETE FROM pass WHERE number <= (SELECT max(number) FROM pass) - 1000")


def totals(db: sqlite3.Connection) -> dict[str, int]:
    """Return how many songs were extracted, and how many failed, since the manifest was made."""
    told: dict[str, int] = json.loads(get_meta(db, _TOTALS) or "{}")
    return {"extracted": 0, "failed": 0} | told


def last_pass(db: sqlite3.Connection) -> dict[str, Any] | None:
    """Return the report of the last pass, with its `number`, `started_at` and `seconds`."""
    row = db.execute("SELECT * FROM pass ORDER BY number DESC LIMIT 1").fetchone()
    if row is None:
        return None
    return {
        "number": row["number"],
        "started_at": row["started_at"],
        "seconds": row["seconds"],
        **json.loads(row["report"]),
    }
