"""The Parquet files of a version: its tracks, and the ledger of everything ever placed."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from melwatch.edition import Epoch, HeldLedger, Split
from melwatch.track import AudioId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from melwatch.edition import DatasetTrack, Place

_TRACKS = pa.schema(
    [
        ("path", pa.string()),
        ("genre", pa.string()),
        ("label", pa.int64()),
        ("split", pa.string()),
        ("title", pa.string()),
        ("artist", pa.string()),
        ("album", pa.string()),
        ("duration_s", pa.float64()),
        ("audio_id", pa.string()),
        ("shard", pa.string()),
        ("first_row", pa.int64()),
        ("row", pa.int64()),
        ("windows", pa.int64()),
        ("checksum", pa.string()),
        ("promised_s", pa.float64()),
        ("method", pa.string()),
        ("ordinal", pa.int64()),
        ("relative_path", pa.binary()),
    ]
)
_LEDGER = pa.schema([("kind", pa.string()), ("key", pa.string()), ("value", pa.string())])


def tracks_parquet(tracks: Iterable[DatasetTrack], places: Mapping[tuple[str, AudioId], Place]) -> bytes:
    """Return `tracks.parquet`: one row a track, in row order; `places` is keyed by path shown and song.

    `first_row` counts within the shard, `row` within the split. `relative_path` is below the music root, as on
    disk, `ordinal` the place in the order of all rows.
    """
    rows = []
    filled: Counter[str] = Counter()
    for track in tracks:
        place = places[track.shown_path, track.audio_id]
        rows.append(
            {
                "path": track.shown_path, "genre": track.genre, "label": track.label, "split": str(track.split),
                "title": track.tags.title, "artist": track.tags.artist, "album": track.tags.album,
                "duration_s": track.sound.duration_s, "audio_id": track.audio_id,
                "shard": place.shard.split("/")[1], "first_row": place.first_row,
                "row": filled[track.split],
                "windows": track.windows, "checksum": track.checksum,
                "promised_s": track.sound.promised_s, "method": track.sound.method,
                "ordinal": track.ordinal, "relative_path": track.path,
            }
        )  # fmt: skip
        filled[track.split] += track.windows
    return _parquet(pa.Table.from_pylist(rows, schema=_TRACKS))


def read_tracks(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a `tracks.parquet`, in row order."""
    return list(pq.read_table(path).to_pylist())


def read_tracks_outside(path: Path, shards: Collection[str]) -> tuple[int, list[dict[str, Any]]]:
    """Return how many rows a `tracks.parquet` has, and those in other shards than these (`split/name`)."""
    table = pq.read_table(path)
    if shards:
        names = pc.binary_join_element_wise(table["split"], table["shard"], "/")
        table, rows = table.filter(pc.invert(pc.is_in(names, pa.array(sorted(shards), pa.string())))), table.num_rows
        return rows, list(table.to_pylist())
    return table.num_rows, list(table.to_pylist())


def ledger_parquet(class_names: Sequence[str], ledger: Mapping[AudioId, Split], epoch: Epoch | None = None) -> bytes:
    """Return `ledger.parquet`: class ids by genre and splits by song, of everything ever placed, and their epoch."""
    classes = [{"kind": "class", "key": name, "value": str(number)} for number, name in enumerate(class_names)]
    splits = [{"kind": "split", "key": song, "value": str(split)} for song, split in sorted(ledger.items())]
    epochs = [{"kind": "epoch", "key": epoch.name, "value": epoch.group_by}] if epoch is not None else []
    return _parquet(pa.Table.from_pylist(classes + splits + epochs, schema=_LEDGER))


def read_ledger(path: Path) -> HeldLedger:
    """Return what a `ledger.parquet` says."""
    rows = pq.read_table(path).to_pylist()
    classes = {int(row["value"]): row["key"] for row in rows if row["kind"] == "class"}
    splits = {AudioId(row["key"]): Split(row["value"]) for row in rows if row["kind"] == "split"}
    epochs = [Epoch(name=row["key"], group_by=row["value"]) for row in rows if row["kind"] == "epoch"]
    return HeldLedger(
        class_names=tuple(classes[number] for number in sorted(classes)),
        splits=splits,
        epoch=epochs[0] if epochs else None,
    )


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
