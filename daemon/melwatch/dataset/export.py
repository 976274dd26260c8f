"""A version as a folder of its own, as `DatasetDict.save_to_disk` would have written it. Needs Arrow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from melwatch.dataset import anonymous, layout, soundness
from melwatch.dataset.pins import require_version
from melwatch.dataset.storage import Megabytes
from melwatch.dataset.workplace import workplace
from melwatch.edition import Split
from melwatch.errors import ConfigError, DegradedError, StoreError
from melwatch.platform.disk import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.dataset.storage import Storage
    from melwatch.progress import Progress

FILE_BYTES = 500_000_000
"""What `save_to_disk` puts into one file."""
MARK = ".melwatch-export.json"
"""Lies beside an export far away and says what belongs to it, so that one that broke off can go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """An Arrow file of an export: its name, and whose rows go into it."""

    folder: DatasetFolder
    name: str
    shards: tuple[Path, ...]
    metadata: dict[bytes, bytes]
    songs: Mapping[str, list[str]] | None
    """What takes the place of paths, by shard; None where they stay."""

    def write(self, sink: object) -> None:
        """Write the rows of the shards, with the class names of the version, a track at a time.

        Raises `StoreError` where the bytes of a shard are not those that were written.
        """
        self._write(sink, soundness.require_whole_shard)

    def size(self) -> int:
        """Return the bytes that `write` writes, without reading a spectrogram."""
        sink = pa.MockOutputStream()
        self._write(sink, None)
        return int(sink.size())

    def _write(self, sink: object, require_whole: Callable[[DatasetFolder, str], None] | None) -> None:
        try:
            with pa.memory_map(str(self.shards[0])) as first:
                schema = pa.ipc.open_stream(first).schema.with_metadata(self.metadata)
            with pa.ipc.new_stream(sink, schema) as writer:
                for shard in self.shards:
                    if require_whole is not None:
                        require_whole(self.folder, f"{shard.parent.name}/{shard.name}")
                    with pa.memory_map(str(shard)) as source:
                        for batch in self._batches(shard, pa.ipc.open_stream(source)):
                            writer.write_batch(batch.replace_schema_metadata(self.metadata))
        except FileNotFoundError as error:
            what = f"The version has been removed while it was copied ({error})"
            raise DegradedError(what, "`melwatch pin N` keeps a version as long as you like.") from None

    def _batches(self, shard: Path, batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        if self.songs is None:
            return batches
        return anonymous.renamed(batches, self.songs.get(f"{shard.parent.name}/{shard.name}", []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """All that an export consists of; `said` are the small files by name, the one that makes it whole last."""

    data: tuple[DataFile, ...]
    said: Mapping[str, bytes]
    mark: Mapping[str, Any]


def export(
    folder: DatasetFolder,
    number: int,
    target: Path,
    file_bytes: int = FILE_BYTES,
    *,
    with_metadata: bool = False,
    progress: Progress | None = None,
) -> int:
    """Copy a version, all rows in order, to a folder that does not exist yet or is empty; return the bytes written.

    The copy needs neither melwatch nor the dataset, and appears as a whole. Without metadata the column
    `paths` tells the digest of a song's sound. Raises `ConfigError` where there is no such version or
    something is in the way.
    """
    require_version(folder, number)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} exists already", "Name a folder that does not exist yet.")
    copy = _plan(folder, number, file_bytes, with_metadata=with_metadata)
    target.parent.mkdir(parents=True, exist_ok=True)
    with workplace(target) as beside:
        for split in Split:
            (beside / split).mkdir(parents=True)
        written = sum(_written(beside, copy, progress))
        if target.exists():
            target.rmdir()
        beside.replace(target)
    return written


def _written(beside: Path, copy: Copy, progress: Progress | None) -> Iterator[int]:
    """Write a copy to a local folder; yield the bytes of each file."""
    if progress is not None:
        progress.begin("Writing", len(copy.data), "files")
    for data in copy.data:
        with (beside / data.name).open("wb") as file:
            data.write(file)
        yield (beside / data.name).stat().st_size
        if progress is not None:
            progress.advance()
    if progress is not None:
        progress.end()
    for name, content in copy.said.items():
        yield replace_file(beside / name, content)


def upload(
    folder: DatasetFolder,
    number: int,
    target: Storage,
    file_bytes: int = FILE_BYTES,
    *,
    with_metadata: bool = False,
    progress: Progress,
) -> int:
    """Copy a version to a place that has no renaming of folders; return the bytes sent, 0 where all was there.

    `dataset_dict.json` comes last, so that nobody takes a half for the whole. One that broke off goes on: files that
    are there, as long as they should be, are not sent again. Raises `ConfigError` where there is anything else.
    """
    require_version(folder, number)
    copy = _plan(folder, number, file_bytes, with_metadata=with_metadata)
    sizes = {data.name: data.size() for data in copy.data}
    mark = json.dumps({**copy.mark, "files": sizes}, indent=2, sort_keys=True).encode()
    found = target.read(MARK)
    if found is None and not target.is_empty():
        raise ConfigError(f"{target.shown} holds something that is no export of melwatch's", "Name another place.")
    if found not in {None, mark}:
        raise ConfigError(f"{target.shown} holds another export", "Name another place, or remove that one first.")
    missing = [data for data in copy.data if found is None or target.size(data.name) != sizes[data.name]]
    said = {name: content for name, content in copy.said.items() if found is None or target.read(name) != content}
    if found is None:
        target.write(MARK, mark)
    _send(target, missing, sizes, progress)
    for name, content in said.items():
        target.write(name, content)
    return sum(sizes[data.name] for data in missing) + sum(map(len, said.values()))


def _send(target: Storage, missing: Sequence[DataFile], sizes: Mapping[str, int], progress: Progress) -> None:
    if not missing:
        return
    count = Megabytes(progress, "Sending", sum(sizes[data.name] for data in missing))
    for data in missing:
        with target.writing(data.name, sizes[data.name], count) as sink:
            data.write(sink)
    count.end()


def _plan(folder: DatasetFolder, number: int, file_bytes: int, *, with_metadata: bool) -> Copy:
    """Settle what goes where: raises `StoreError` where a shard is missing, or what tells of it is damaged."""
    soundness.require_sound(folder, number, () if with_metadata else (layout.TRACKS,))
    songs = None if with_metadata else anonymous.songs_by_shard(folder, number)
    data: list[DataFile] = []
    said: dict[str, bytes] = {}
    prints: dict[str, str] = {}
    for split in Split:
        home = folder.version(number) / split
        state, info = layout.read_json(home / layout.STATE), layout.read_json(home / layout.INFO)
        groups = list(_grouped([home / file["filename"] for file in state["_data_files"]], file_bytes))
        names = [f"data-{position:05d}-of-{len(groups):05d}.arrow" for position in range(len(groups))]
        metadata = layout.huggingface_metadata(info["features"])
        data += [
            DataFile(folder=folder, name=f"{split}/{name}", shards=tuple(group), metadata=metadata, songs=songs)
            for name, group in zip(names, groups, strict=True)
        ]
        print_ = state["_fingerprint"]
        prints[split] = print_ if with_metadata else anonymous.fingerprint(print_)
        said[f"{split}/{layout.INFO}"] = (home / layout.INFO).read_bytes()
        said[f"{split}/{layout.STATE}"] = layout.state_json(names, prints[split], split, "")
    said[layout.DATASET_DICT] = layout.dataset_dict_json(list(Split))
    mark = {"melwatch_export": 1, "version": number, "with_metadata": with_metadata, "fingerprints": prints}
    return Copy(data=tuple(data), said=said, mark=mark)


def _grouped(shards: Sequence[Path], file_bytes: int) -> Iterator[list[Path]]:
    """Divide shards, in order, among files of about that size."""
    group: list[Path] = []
    size = 0
    for shard in shards:
        found = layout.size_of(shard)
        if found is None:
            raise StoreError(f"The shard {shard} is missing", "`melwatch verify` tells what else is.")
        if group and size + found > file_bytes:
            yield group
            group, size = [], 0
        group.append(shard)
        size += found
    yield group
