"""The shards of an edition: which can stay, which are written, and from where their rows come."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from melwatch.dataset import arrow, layout, soundness, tables
from melwatch.dataset.packing import Segment, pack, shard_target
from melwatch.edition import Place, ShardFacts, Split
from melwatch.errors import SpectrogramLostError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.edition import DatasetTrack, Edition

BATCH_BYTES = 16 << 20
"""How large a record batch becomes, unless a track alone is larger; each writer holds one in memory."""

WRITERS = 3
"""Some copy while others wait for the disk."""

Key: TypeAlias = int
"""Which of an edition's tracks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A shard of an edition and the tracks it holds, in row order."""

    facts: ShardFacts
    tracks: tuple[DatasetTrack, ...]
    is_new: bool

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(track.windows for track in self.tracks)

    def first_rows(self) -> Iterator[int]:
        """Yield where in the shard each track begins."""
        row = 0
        for track in self.tracks:
            yield row
            row += track.windows

    def new_places(self) -> Iterator[Place]:
        """Yield where those tracks begin that were somewhere else before."""
        path = self.facts.path
        for track, row in zip(self.tracks, self.first_rows(), strict=True):
            if track.first_row != row or track.shard != path:
                yield Place(audio_id=track.audio_id, shard=path, first_row=row)


@dataclass(frozen=True, slots=True)
class _Job:
    split: Split
    segment: Segment[Key]
    tracks: tuple[DatasetTrack, ...]


def write_shards(folder: DatasetFolder, edition: Edition) -> list[Shard]:
    """Write what no shard holds yet; return all shards of the edition, split by split, in row order.

    Raises `SpectrogramLostError` where a song's spectrograms are not what the manifest says.
    """
    schema = arrow.schema(edition.form)

    def make(job: _Job) -> Shard:
        if job.segment.name is not None:
            size = folder.shard(job.segment.name).stat().st_size
            facts = ShardFacts(path=job.segment.name, bytes=size)
        else:
            facts = arrow.write_shard(folder, job.split, schema, _batches(folder, edition, job.tracks, schema))
        return Shard(facts=facts, tracks=job.tracks, is_new=job.segment.name is None)

    shards: list[Shard] = []
    lost: list[str] = []
    with ThreadPoolExecutor(WRITERS) as pool:
        for future in [pool.submit(make, job) for job in _jobs(folder, edition)]:
            try:
                shards.append(future.result())
            except SpectrogramLostError as error:
                lost += error.audio_ids
    if lost:
        raise SpectrogramLostError(lost)
    return shards


def _jobs(folder: DatasetFolder, edition: Edition) -> Iterator[_Job]:
    existing = _existing(folder, edition)
    for split in Split:
        keys = [key for key, track in enumerate(edition.tracks) if track.split is split]
        keys.sort(key=lambda key: edition.tracks[key].ordinal)
        # An empty split is one shard without rows: `load_from_disk` needs a file.
        for segment in pack(existing[split], keys, shard_target(len(keys)), is_thrifty=True) or [Segment(())]:
            yield _Job(split, segment, tuple(edition.tracks[key] for key in segment.keys))


def _existing(folder: DatasetFolder, edition: Edition) -> dict[Split, dict[str, list[Key]]]:
    """Return what the shards hold of the newest version whose rows have this edition's form.

    A row that the edition does not have as it is there stands as a key of its own.
    """
    existing: dict[Split, dict[str, list[Key]]] = {split: {} for split in Split}
    number = _alike(folder, edition)
    if number is None:
        return existing
    at = {track.shown_path: key for key, track in enumerate(edition.tracks)}
    rows = tables.read_places(folder.version(number) / layout.TRACKS)
    for (split, shard), places in groupby(enumerate(rows, start=1), key=lambda place: place[1][:2]):
        keys = existing[Split(split)].setdefault(f"{split}/{shard}", [])
        for other, (_, _, path, audio_id, label, checksum) in places:
            key = at.get(path)
            track = edition.tracks[key] if key is not None else None
            is_so = track is not None and (track.audio_id, track.label, track.checksum) == (audio_id, label, checksum)
            keys.append(key if is_so and key is not None else -other)
    return {
        split: {path: keys for path, keys in shards.items() if path in edition.sound_shards}
        for split, shards in existing.items()
    }


def _alike(folder: DatasetFolder, edition: Edition) -> int | None:
    """Return the newest version by the same recipe and with the same columns, if any is kept."""
    for number in reversed(folder.version_numbers()):
        if number < edition.number and folder.is_complete(number):
            if soundness.faults(folder, number):
                continue
            said = layout.read_provenance(folder, number)
            if (said.get("recipe_id"), said.get("columns")) == (edition.recipe, list(edition.columns)):
                return number
    return None


def _batches(
    folder: DatasetFolder, edition: Edition, tracks: Sequence[DatasetTrack], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    readers: dict[str, arrow.ShardReader] = {}
    lost: list[str] = []
    gathered: list[memoryview] = []
    first = 0
    for number, track in enumerate(tracks, start=1):
        size = edition.form.bytes_of(track.windows)
        block = _block(folder, track, readers)[:size]
        if len(block) != size or arrow.checksum(block) != track.checksum:
            lost.append(track.audio_id)
        elif not lost:
            gathered.append(block)
            if number == len(tracks) or sum(map(len, gathered)) + size > BATCH_BYTES:
                yield arrow.batch_of(gathered, tracks[first:number], edition.form, schema)
                gathered, first = [], number
    if lost:
        raise SpectrogramLostError(lost)


def _block(folder: DatasetFolder, track: DatasetTrack, readers: dict[str, arrow.ShardReader]) -> memoryview:
    """Return a track's spectrograms from the spool or from whichever shard has them; empty where they are gone."""
    try:
        if track.shard is None:
            return arrow.map_file(Path(track.source or ""))
        if track.shard not in readers:
            readers[track.shard] = arrow.ShardReader(folder.shard(track.shard))
        return readers[track.shard].block(track.first_row or 0, track.windows)
    except (OSError, StoreError):
        return memoryview(b"")
