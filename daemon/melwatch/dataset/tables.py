"""The Parquet files of a version: its tracks, and the ledger of everything ever placed."""

from __future__ import annotations

import io
from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from melwatch.edition import Epoch, HeldLedger, Split
from melwatch.track import AudioId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from melwatch.dataset.shards import Shard
    from melwatch.edition import ShardFacts

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
_AT_ONCE = 8192
_LEDGER = pa.schema([("kind", pa.string()), ("key", pa.string()), ("value", pa.string())])


def tracks_parquet(shards: Sequence[Shard]) -> bytes:
    """Return `tracks.parquet`: one row a track, in row order, each with its place.

    `first_row` counts within the shard, `row` within the split. `relative_path` is below the music root, as on
    disk, `ordinal` the place in the order of all rows.
    """
    tracks = [track for shard in shards for track in shard.tracks]
    columns: dict[str, Sequence[object]] = {
        "path": [track.shown_path for track in tracks],
        "genre": [track.genre for track in tracks],
        "label": [track.label for track in tracks],
        "split": _of_each_track(shards, lambda facts: facts.split),
        "title": [track.tags.title for track in tracks],
        "artist": [track.tags.artist for track in tracks],
        "album": [track.tags.album for track in tracks],
        "duration_s": [track.sound.duration_s for track in tracks],
        "audio_id": [track.audio_id for track in tracks],
        "shard": _of_each_track(shards, lambda facts: facts.name),
        "first_row": [row for shard in shards for row in shard.first_rows()],
        "row": list(_rows_in_split(shards)),
        "windows": [track.windows for track in tracks],
        "checksum": [track.checksum for track in tracks],
        "promised_s": [track.sound.promised_s for track in tracks],
        "method": [track.sound.method for track in tracks],
        "ordinal": [track.ordinal for track in tracks],
        "relative_path": [track.path for track in tracks],
    }
    return _parquet(pa.Table.from_pydict(columns, schema=_TRACKS))


def _of_each_track(shards: Iterable[Shard], fact: Callable[[ShardFacts], str]) -> list[str]:
    return [told for shard in shards for told in repeat(fact(shard.facts), len(shard.tracks))]


def _rows_in_split(shards: Iterable[Shard]) -> Iterator[int]:
    """Yield where in its split each track begins."""
    filled: Counter[str] = Counter()
    for shard in shards:
        before = filled[shard.facts.split]
        yield from (before + row for row in shard.first_rows())
        filled[shard.facts.split] += shard.rows


def read_places(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield split, shard, path, audio_id, label and checksum of the rows of a `tracks.parquet`, in row order."""
    names = ["split", "shard", "path", "audio_id", "label", "checksum"]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_AT_ONCE, columns=names):
            yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)


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
    songs = sorted(ledger)
    epochs = [epoch] if epoch is not None else []
    columns = {
        "kind": ["class"] * len(class_names) + ["split"] * len(songs) + ["epoch"] * len(epochs),
        "key": [*class_names, *songs, *(epoch.name for epoch in epochs)],
        "value": [
            *map(str, range(len(class_names))),
            *(str(ledger[song]) for song in songs),
            *(epoch.group_by for epoch in epochs),
        ],
    }
    return _parquet(pa.Table.from_pydict(columns, schema=_LEDGER))


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
