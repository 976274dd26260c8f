"""Rows as Arrow: the schema that `datasets` expects, and shards written and read without it.

Shards are Arrow IPC streams whose record batches hold whole tracks, so that a track can be copied from
shard to shard without touching its numbers. A batch holds several: opening a dataset takes time for each.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import xxhash

from melwatch.dataset.layout import huggingface_metadata
from melwatch.edition import COLUMN_DTYPES, ShardFacts
from melwatch.errors import StoreError
from melwatch.platform import filesystem
from melwatch.platform.disk import put_in_place, remove, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.edition import DatasetTrack, RowForm, Split

_NUMBERS = {"float32": pa.float32(), "float16": pa.float16()}


def features(form: RowForm) -> dict[str, Any]:
    """Return the columns as `datasets` writes them down in `dataset_info.json`."""
    optional = {name: {"dtype": COLUMN_DTYPES[name], "_type": "Value"} for name in form.columns}
    return {
        "input_values": {"shape": list(form.shape), "dtype": form.dtype, "_type": "Array2D"},
        "labels": {"names": list(form.class_names), "_type": "ClassLabel"},
        "paths": {"dtype": "string", "_type": "Value"},
        **optional,
    }


def schema(form: RowForm) -> pa.Schema:
    """Return the Arrow schema that `datasets.Features(...).arrow_schema` would be."""
    extension = {
        "ARROW:extension:name": "datasets.features.features.Array2DExtensionType",
        "ARROW:extension:metadata": json.dumps((list(form.shape), form.dtype)),
    }
    fields = [
        pa.field("input_values", pa.list_(pa.list_(_NUMBERS[form.dtype])), metadata=extension),
        pa.field("labels", pa.int64()),
        pa.field("paths", pa.string()),
        *(pa.field(name, pa.type_for_alias(COLUMN_DTYPES[name])) for name in form.columns),
    ]
    return pa.schema(fields, metadata=huggingface_metadata(features(form)))


def batch_of(
    blocks: Sequence[memoryview], tracks: Sequence[DatasetTrack], form: RowForm, layout: pa.Schema
) -> pa.RecordBatch:
    """Return tracks' rows around their spectrograms, each (windows, frames, bins) of the form's dtype.

    Those of a single track are not copied.
    """
    frames, bins = form.shape
    rows = sum(track.windows for track in tracks)
    numbers = pa.py_buffer(blocks[0] if len(blocks) == 1 else b"".join(blocks))
    values = pa.Array.from_buffers(_NUMBERS[form.dtype], rows * frames * bins, [None, numbers])
    lines = pa.ListArray.from_arrays(_offsets(rows * frames, bins), values)
    spectrograms = pa.ListArray.from_arrays(_offsets(rows, frames), lines)
    others: dict[str, list[object]] = {name: [] for name in ("labels", "paths", "track_id", "window", "start_s")}
    for track in tracks:
        others["labels"] += [track.label] * track.windows
        others["paths"] += [track.shown_path] * track.windows
        others["track_id"] += [track.audio_id] * track.windows
        others["window"] += range(track.windows)
        others["start_s"] += track.starts_s
    columns = [pa.array(others[name], layout.field(name).type) for name in layout.names[1:]]
    return pa.RecordBatch.from_arrays([spectrograms, *columns], schema=layout)


def _offsets(count: int, step: int) -> pa.Array:
    return pa.array(np.arange(0, (count + 1) * step, step, dtype=np.int32))


def write_shard(
    folder: DatasetFolder, split: Split, layout: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> ShardFacts:
    """Write an immutable shard, named by the XXH3-128 of its bytes, synced before it has its name."""
    beside = temporary_beside(folder.shard(f"{split}/{os.urandom(8).hex()}"))
    try:
        with beside.open("xb", buffering=0) as file:
            sink = _HashingFile(file)
            with pa.ipc.new_stream(sink, layout) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            os.fsync(file.fileno())
        path = f"{split}/{sink.digest.hexdigest()}.arrow"
        put_in_place(beside, folder.shard(path))
    except BaseException:
        remove(beside)
        raise
    filesystem.sync_folder(beside.parent)
    return ShardFacts(path=path, bytes=sink.written)


class _HashingFile:
    """A file for Arrow to write to, which digests what passes through."""

    closed = False

    def __init__(self, file: Any) -> None:  # noqa: ANN401  a raw binary file
        self.file = file
        self.digest = xxhash.xxh3_128()
        self.written = 0

    def write(self, data: Any) -> int:  # noqa: ANN401  anything with a buffer
        view = memoryview(data).cast("B")
        self.digest.update(view)
        done = 0
        while done < len(view):
            done += self.file.write(view[done:])
        self.written += done
        return done

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Left to the owner of the file."""


def map_file(path: Path) -> memoryview:
    """Return a file's bytes, mapped into memory; raises `OSError` where it cannot be read."""
    with pa.memory_map(str(path)) as file:
        return memoryview(file.read_buffer())


def check_shard(path: Path, expected: pa.Schema, labels: Sequence[int]) -> None:
    """Open a shard as readers will; raises `StoreError` where schema, rows or labels are not as expected."""
    reader = ShardReader(path)
    found = [label for batch in reader.batches for label in batch.column("labels").to_pylist()]
    if not reader.schema.equals(expected, check_metadata=True):
        raise StoreError(f"The shard {path} has another schema than it should")
    if found != list(labels):
        raise StoreError(f"The shard {path} has other rows than it should")


class ShardReader:
    """An open shard, mapped into memory, from which tracks are taken as they were written."""

    def __init__(self, path: Path) -> None:
        try:
            with pa.memory_map(str(path)) as source:
                stream = pa.ipc.open_stream(source)
                self.schema: pa.Schema = stream.schema
                self.batches: list[pa.RecordBatch] = list(stream)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"The shard {path} cannot be read: {error}", "Run `melwatch verify`.") from None
        self.path = path

    def block(self, first_row: int, rows: int) -> memoryview:
        """Return a track's spectrograms, the bytes of (rows, frames, bins) numbers."""
        for batch, start in self._starts():
            if start <= first_row and first_row + rows <= start + batch.num_rows:
                return block_of(batch.slice(first_row - start, rows))
        raise StoreError(f"The shard {self.path} has no track at row {first_row}", "Run `melwatch verify`.")

    def _starts(self) -> Iterator[tuple[pa.RecordBatch, int]]:
        start = 0
        for batch in self.batches:
            yield batch, start
            start += batch.num_rows


def block_of(batch: pa.RecordBatch) -> memoryview:
    """Return the bytes of a batch's spectrograms, without copying them."""
    values = batch.column("input_values").flatten().flatten()
    size = values.type.bit_width // 8
    return memoryview(values.buffers()[1])[values.offset * size : (values.offset + len(values)) * size]


def checksum(block: memoryview | bytes) -> str:
    """Return the XXH3-128 of spectrogram bytes, as workers note it."""
    return xxhash.xxh3_128(block).hexdigest()
