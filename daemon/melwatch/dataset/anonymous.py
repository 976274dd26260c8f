"""A version without names: its rows tell the digest of a song's sound where they told a file. Needs Arrow.

Titles, artists, albums and paths below the music root stand in `tracks.parquet` and `ledger.parquet` alone, which
no export holds.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pyarrow as pa

from melwatch.dataset import layout, tables
from melwatch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from melwatch.dataset.layout import DatasetFolder

PATHS = "paths"


def songs_by_shard(folder: DatasetFolder, number: int) -> Mapping[str, list[str]]:
    """Return the song of each row, by shard (`split/name`)."""
    songs: dict[str, list[str]] = {}
    rows = tables.read_tracks(folder.version(number) / layout.TRACKS)
    for row in sorted(rows, key=lambda row: (row["split"], row["shard"], row["first_row"])):
        listed = songs.setdefault(f"{row['split']}/{row['shard']}", [])
        listed += [row["audio_id"]] * row["windows"]
    return songs


def renamed(batches: Iterable[pa.RecordBatch], songs: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a shard with songs in the place of paths; all other columns are the same memory.

    Raises `StoreError` where a shard has other rows than are told of it.
    """
    done = 0
    for batch in batches:
        ids = songs[done : done + batch.num_rows]
        done += batch.num_rows
        if len(ids) != batch.num_rows:
            break
        place = batch.schema.get_field_index(PATHS)
        yield batch.set_column(place, batch.schema.field(place), pa.array(ids, pa.string()))
    if done != len(songs):
        raise StoreError(f"A shard has other rows than {layout.TRACKS} tells", "Run `melwatch verify`.")


def fingerprint(of_version: str) -> str:
    """Return the fingerprint of a split without names, which is other content than with them."""
    return hashlib.sha256(f"melwatch without names:{of_version}".encode()).hexdigest()[:32]
