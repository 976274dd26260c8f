"""From an edition to the dataset on disk: shards, the version, its check, its installation.

Runs in a child process of its own, since it needs Arrow. After a crash anywhere in here the next
pass either finds a whole version and installs it, or an unfinished one and writes it anew.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from melwatch.dataset import arrow, card, layout, tables
from melwatch.dataset.audio import refuse_foreign, write_audio
from melwatch.dataset.fingerprint import Prints, prints
from melwatch.dataset.install import install
from melwatch.dataset.layout import FROM_VERSION, DatasetFolder
from melwatch.dataset.provenance import provenance
from melwatch.dataset.shards import write_shards
from melwatch.dataset.soundness import digest_of
from melwatch.edition import Published, Split
from melwatch.errors import StoreError
from melwatch.platform import filesystem
from melwatch.platform.disk import make_folder, replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from melwatch.dataset.shards import Shard
    from melwatch.edition import Edition
    from melwatch.track import AudioId


def publish(path: Path, edition: Edition, digests: Prints | None = None, *, may_begin: bool = True) -> Published:
    """Write an edition, whose digests may be known already, as a new version, check it, and make it the current one.

    Without `may_begin` the dataset must be there: where its disk is gone nothing is begun in its place.
    Raises `StoreError` where the result is not what the edition says, and `DegradedError` where the
    disk is full; then nothing has become visible to readers.
    """
    folder = DatasetFolder(path)
    if edition.music_root is not None:
        refuse_foreign(folder)
    if may_begin:
        make_folder(folder.library)
    for split in Split:
        make_folder(folder.library / split, parents=False)
    shards = write_shards(folder, edition)
    written = sum(shard.facts.bytes for shard in shards if shard.is_new)
    digests = digests or prints(edition)
    written += _write_version(folder, edition, shards, digests)
    _check(folder, edition, shards)
    written += _seal_version(folder, edition, digests)
    written += install(folder, edition.number)
    return Published(
        shards=tuple(shard.facts for shard in shards),
        places=tuple(place for shard in shards for place in shard.new_places()),
        bytes_written=written,
    )


def _write_version(folder: DatasetFolder, edition: Edition, shards: Sequence[Shard], digests: Prints) -> int:
    """Write `versions/N/`, all but its `current.json`; return the bytes written."""
    home = folder.version(edition.number)
    if home.exists():
        shutil.rmtree(home)
    make_folder(folder.versions, parents=False)
    home.mkdir()
    for split in Split:
        (home / split).mkdir()
    files = _tables(edition, shards) | _descriptions(edition, shards, digests) | write_audio(folder, edition)
    made = provenance(edition) | {
        "shards": {shard.facts.path: shard.facts.bytes for shard in shards},
        "files": {name: digest_of(content) for name, content in sorted(files.items())},
    }
    files[layout.PROVENANCE] = layout.described_json(made)
    for name in files:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
    return sum(replace_file(home / name, content) for name, content in files.items())


def _seal_version(folder: DatasetFolder, edition: Edition, digests: Prints) -> int:
    """Write the version's `current.json`, which makes it whole."""
    content = layout.sealed_json(
        dataset_id=edition.dataset_id,
        version=edition.number,
        fingerprint=digests.rows,
        content=digests.content,
        recipe=edition.recipe,
        complete=edition.pending == 0,
        pending=edition.pending,
        published_at=edition.published_at,
    )
    written = replace_file(folder.version(edition.number) / layout.CURRENT, content)
    filesystem.sync_folder(folder.versions)
    return written


def _tables(edition: Edition, shards: Sequence[Shard]) -> dict[str, bytes]:
    return {
        layout.TRACKS: tables.tracks_parquet(shards),
        layout.LEDGER: tables.ledger_parquet(edition.class_names, edition.ledger, edition.epoch),
    }


def _descriptions(edition: Edition, shards: Sequence[Shard], digests: Prints) -> dict[str, bytes]:
    names = {split: [shard.facts.name for shard in shards if shard.facts.split == split] for split in Split}
    sizes = {split: sum(shard.facts.bytes for shard in shards if shard.facts.split == split) for split in Split}
    info = layout.info_json(arrow.features(edition.form))
    files = {
        layout.CARD: card.card(edition, names, sizes, FROM_VERSION),
        layout.GENRES: layout.genres_json(list(edition.class_names)),
        layout.DATASET_DICT: layout.dataset_dict_json(list(Split)),
    }
    for split in Split:
        digest = digests.splits[split]
        files[f"{split}/{layout.STATE}"] = layout.state_json(names[split], digest, split, f"../{FROM_VERSION}{split}/")
        files[f"{split}/{layout.INFO}"] = info
    return files


def _check(folder: DatasetFolder, edition: Edition, shards: Sequence[Shard]) -> None:
    """Open the new version from disk and hold it against the edition; raises `StoreError`."""
    _check_tracks(edition)
    expected = arrow.schema(edition.form)
    for shard in shards:
        path = folder.shard(shard.facts.path)
        if shard.is_new:
            labels = [track.label for track in shard.tracks for _ in range(track.windows)]
            arrow.check_shard(path, expected, labels)
        elif path.stat().st_size != shard.facts.bytes:
            raise StoreError(f"The shard {path} has changed its size", "Run `melwatch verify`.")
    if layout.shards_of_version(folder, edition.number) != {shard.facts.path for shard in shards}:
        raise StoreError(f"Version {edition.number} does not name its shards")


def _check_tracks(edition: Edition) -> None:
    split_of: dict[AudioId, Split] = {}
    for track in edition.tracks:
        if split_of.setdefault(track.audio_id, track.split) is not track.split:
            raise StoreError(f"Song {track.audio_id} would be in two splits")
        if not 0 <= track.label < len(edition.class_names):
            raise StoreError(f"Class id {track.label} of {track.shown_path} is out of range")
