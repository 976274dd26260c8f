"""The tables about what was published, and the reports of passes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from melwatch.manifest import epochs
from melwatch.manifest import ledger as class_ledger
from melwatch.manifest.database import get_meta, set_meta, writing, writing_for_good

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from melwatch.edition import Held, HeldLedger, Holdings, Published, ShardFacts

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


def take_over(db: sqlite3.Connection, holdings: Holdings) -> None:
    """Note what versions on disk hold that are not on record yet: after a crash, or for a new manifest.

    What the newest ledger says of classes and splits is later than anything on record, so it holds.
    """
    with writing(db):
        if holdings.ledger is not None:
            at = next((held.said["published_at"] for held in holdings.versions if held.said), "")
            _take_over_ledger(db, holdings.ledger, at)
        for held in reversed(holdings.versions):
            if held.said:
                _insert_version(db, _record_of(held))
            db.execute("INSERT OR IGNORE INTO recipe VALUES (?, ?)", (held.recipe, held.recipe_json))
            _insert_shards(db, held.shards)
            _take_over_songs(db, held)
        for held in holdings.versions[:1]:
            _take_over_tracks(db, held)


def _take_over_ledger(db: sqlite3.Connection, ledger: HeldLedger, at: str) -> None:
    names = class_ledger.class_names(db)
    class_ledger.save_classes(db, [*ledger.class_names, *names[len(ledger.class_names) :]])
    epoch, lasting = ledger.epoch, epochs.current_epoch(db)
    if epoch is not None and (lasting is None or lasting.name != epoch.name):
        if lasting is not None:
            epochs.forget_splits(db)
            if epochs.asked(db) == epoch.name:
                epochs.take_asked(db)
        epochs.begin_epoch(db, epoch.name, epoch.group_by, at)
    class_ledger.save_placements(db, ledger.splits)


def _record_of(held: Held) -> VersionRecord:
    said = held.said
    return VersionRecord(
        number=held.number,
        fingerprint=said["fingerprint"],
        content=said["content"],
        recipe=said["recipe"],
        tracks=held.tracks,
        complete=said["complete"],
        pending=said["pending"],
        published_at=said["published_at"],
    )


def _take_over_songs(db: sqlite3.Connection, held: Held) -> None:
    """Note where the spectrograms of songs are, whatever was known of that."""
    on_disk = {shard.path for shard in held.shards}
    db.executemany(
        """INSERT INTO spectrogram VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET shard = excluded.shard, first_row = excluded.first_row,
               windows = excluded.windows, checksum = excluded.checksum""",
        (
            (
                song.audio_id, held.recipe, song.windows, song.checksum,
                song.sound.duration_s, song.sound.promised_s, song.sound.method, song.shard, song.first_row,
            )
            for song in held.songs
            if song.shard in on_disk
        ),
    )  # fmt: skip
    db.executemany(  # a manifest from a backup may know of failures that were mended since
        "DELETE FROM failure WHERE audio_id = ? AND recipe = ?",
        ((song.audio_id, held.recipe) for song in held.songs if song.shard in on_disk),
    )


def _take_over_tracks(db: sqlite3.Connection, held: Held) -> None:
    """Note the files that stand for songs, in their order, so that none counts as new, nor as gone unasked.

    Their stamps are nobody's, so that each is read again.
    """
    for song in held.songs:
        if song.path is not None:
            db.execute(
                """INSERT INTO track (path, ordinal, size, mtime_ns, changed_ns, inode, audio_id, title, artist, album)
                   SELECT :path,
                          CASE WHEN :ordinal IS NULL OR EXISTS (SELECT 1 FROM track WHERE ordinal = :ordinal)
                               THEN (SELECT coalesce(max(ordinal), 0) + 1 FROM track) ELSE :ordinal END,
                          0, '0', '0', '0', :audio_id, :title, :artist, :album
                   WHERE NOT EXISTS (SELECT 1 FROM track WHERE path = :path)""",
                {
                    "path": song.path, "ordinal": song.ordinal, "audio_id": song.audio_id,
                    "title": song.tags.title, "artist": song.tags.artist, "album": song.tags.album,
                },
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
        """INSERT INTO shard VALUES (?, ?)
           ON CONFLICT DO UPDATE SET bytes = excluded.bytes WHERE bytes <> excluded.bytes""",
        ((shard.path, shard.bytes) for shard in shards),
    )


def forget_versions(db: sqlite3.Connection, kept: Sequence[int]) -> None:
    """Take versions off the record that are about to be removed; only then do they count as half removed."""
    with writing_for_good(db):
        numbers = [row[0] for row in db.execute("SELECT number FROM version")]
        db.executemany("DELETE FROM version WHERE number = ?", ((n,) for n in numbers if n not in kept))


def shard_sizes(db: sqlite3.Connection) -> dict[str, int]:
    """Return the size in bytes of each shard on record, by `split/name`."""
    return {row["path"]: row["bytes"] for row in db.execute("SELECT * FROM shard")}


def audio_in_shards(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return (audio_id, recipe) of all that lies in shards."""
    return {*map(tuple, db.execute("SELECT audio_id, recipe FROM spectrogram WHERE shard NOTNULL"))}


def needed_shards(db: sqlite3.Connection, recipes: Collection[str]) -> set[str]:
    """Return the shards that hold work on songs of the library by these recipes."""
    rows = db.execute(
        f"""SELECT shard FROM (SELECT DISTINCT shard FROM spectrogram WHERE shard NOTNULL) AS held
            WHERE EXISTS (SELECT 1 FROM spectrogram JOIN track USING (audio_id)
                          WHERE spectrogram.shard = held.shard AND recipe IN ({", ".join("?" for _ in recipes)}))""",  # noqa: S608
        [*recipes],
    )
    return {row["shard"] for row in rows}


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
    return next(iter(last_passes(db, 1)), None)


def last_passes(db: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """Return the reports of the last passes, newest first."""
    return [
        {
            "number": row["number"],
            "started_at": row["started_at"],
            "seconds": row["seconds"],
            **json.loads(row["report"]),
        }
        for row in db.execute("SELECT * FROM pass ORDER BY number DESC LIMIT ?", (limit,))
    ]
