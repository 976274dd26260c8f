"""Checking manifest, spool and dataset against one another: what is wrong, and which command puts it right."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.dataset import install, layout, soundness
from melwatch.errors import StoreError
from melwatch.maintenance import spooled
from melwatch.maintenance.recover import unsealed
from melwatch.manifest import tracks, versions
from melwatch.manifest.database import FILE_NAME, read_manifest
from melwatch.manifest.health import State, examine
from melwatch.manifest.home import is_claimed, noted_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from sqlite3 import Connection

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.passes.workshop import Workshop
    from melwatch.progress import Progress

SYNC = "`melwatch sync` puts it right"
REPAIR = "`melwatch repair` puts it right"
_GC = "`melwatch gc` removes it"
_HINTS = {
    State.NEWER: "Upgrade melwatch",
    State.FOREIGN: "Name another state folder with --state",
    State.DAMAGED: REPAIR,
    State.MISSING: f"{REPAIR}, from a backup if there is one",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong, and what to do about it."""

    what: str
    hint: str

    def __str__(self) -> str:
        """Say both."""
        return f"{self.what}. {self.hint}."


def verify(shop: Workshop, *, is_thorough: bool = False) -> list[Finding]:
    """Return what is wrong, as far as that shows without reading spectrograms; writes nothing."""
    health = examine(shop.state.path / FILE_NAME, is_thorough=is_thorough)
    if health.state is not State.SOUND:
        return [Finding(what=health.what, hint=_HINTS[health.state]), *_dataset(shop.folder, {})]
    with read_manifest(shop.state.path) as db:
        findings = [*_state(shop, db), *_dataset(shop.folder, versions.shard_sizes(db), unsealed(db, shop.folder))]
        findings += _against_record(shop.folder, db)
    return findings


def verify_data(shop: Workshop, db: Connection | None, progress: Progress) -> list[Finding]:
    """Read every byte of shards and spool; what is damaged is taken off the record, so that a pass replaces it.

    What cannot be read stays on record: it may be well, and its disk not.
    """
    newest = _newest(shop.folder)
    referred = soundness.shards_of(shop.folder, newest) if newest else {}
    damaged, unreadable = damaged_shards(shop.folder, progress)
    findings = [Finding(what=f"The shard {shop.folder.shard(path)} cannot be read", hint=REPAIR) for path in unreadable]
    findings += [
        Finding(
            what=f"The shard {shop.folder.shard(path)} is damaged: its bytes have another digest than its name says",
            hint=SYNC if path in referred and db is not None else REPAIR,
        )
        for path in damaged
    ]
    if db is not None:
        tracks.forget_shards(db, damaged)
        rotten = spooled.damaged(db, shop.state.spool, progress)
        tracks.forget_spectrograms(db, rotten)
        files = [spooled.file_of(shop.state.spool, key) for key in rotten]
        findings += [Finding(what=f"{file} is damaged: its numbers have changed", hint=SYNC) for file in files]
    return findings


def damaged_shards(folder: DatasetFolder, progress: Progress) -> tuple[list[str], list[str]]:
    """Return the shards of all versions, `split/name`, that hold other bytes than were written, and the unreadable.

    Those that are not there, or no longer, are neither.
    """
    shards = {path for number in folder.version_numbers() for path in soundness.shards_of(folder, number)}
    there = sorted(path for path in shards if folder.shard(path).exists())
    damaged, unreadable = [], []
    if there:
        progress.begin("Reading shards", len(there), "shards")
        for path in there:
            try:
                if not soundness.is_whole_shard(folder, path):
                    damaged.append(path)
            except FileNotFoundError:
                pass  # collected meanwhile, or gone with its disk
            except OSError:
                unreadable.append(path)
            progress.advance()
        progress.end()
    return damaged, unreadable


def _newest(folder: DatasetFolder) -> int:
    """Return the newest version on disk that was written to its end; 0 for none."""
    return max((number for number in folder.version_numbers() if soundness.was_complete(folder, number)), default=0)


def _state(shop: Workshop, db: Connection) -> Iterator[Finding]:
    if not is_claimed(shop.state, shop.folder.path):
        yield Finding(what=f"{noted_in(shop.state)} does not say which dataset is served", hint=SYNC)
    for key in spooled.lost(db, shop.state.spool):
        yield Finding(what=f"{spooled.file_of(shop.state.spool, key)} is missing or cut short", hint=SYNC)


def _dataset(folder: DatasetFolder, on_record: dict[str, int], lost_seals: Sequence[int] = ()) -> Iterator[Finding]:
    """Yield what is wrong with the versions, their shards, and the files that readers open."""
    newest = _newest(folder)
    for number in folder.version_numbers():
        if number not in lost_seals and not soundness.was_complete(folder, number):
            yield Finding(what=f"Version {number} is unfinished", hint=_GC)
            continue
        for name in soundness.faults(folder, number):
            yield Finding(what=f"{folder.version(number) / name} is missing or damaged", hint=REPAIR)
    if newest and not soundness.faults(folder, newest):
        for path in install.differences(folder, newest):
            yield Finding(what=f"{path} does not say what version {newest} does", hint=SYNC)
    yield from _shards(folder, newest, on_record)


def _shards(folder: DatasetFolder, newest: int, on_record: dict[str, int]) -> Iterator[Finding]:
    """Yield the shards that are missing or have another size than when they were written."""
    sizes: dict[str, int | None] = {}
    users: dict[str, list[int]] = defaultdict(list)
    audio: dict[str, list[int]] = defaultdict(list)
    for number in folder.version_numbers():
        if not soundness.was_complete(folder, number):
            continue
        for path, size in soundness.shards_of(folder, number).items():
            sizes[path] = size
            users[path].append(number)
        for path in soundness.damaged_audio_shards(folder, number):
            audio[path].append(number)
    for path, size in sorted((sizes | on_record).items()):
        found = layout.size_of(folder.shard(path))
        what = f"The shard {folder.shard(path)}{_of_versions(users[path])}"
        hint = SYNC if path in on_record or newest in users[path] else REPAIR
        if found is None:
            yield Finding(what=f"{what} is missing", hint=hint)
        elif size is not None and found != size:
            yield Finding(what=f"{what} has {found:,} bytes instead of {size:,}", hint=hint)
    for path, numbers in sorted(audio.items()):
        what = f"The audio shard {folder.audio.shard(path)}{_of_versions(numbers)} is missing or damaged"
        yield Finding(what=what, hint=SYNC if newest in numbers else REPAIR)


def _of_versions(numbers: list[int]) -> str:
    return f" (versions {', '.join(map(str, numbers))})" if numbers else ""


def _against_record(folder: DatasetFolder, db: Connection) -> Iterator[Finding]:
    """Yield where the manifest and what is published do not agree."""
    known = versions.newest_version(db)
    try:
        said = layout.read_current(folder)
    except StoreError:
        return  # named above
    if known is not None and said is None:
        what = f"Version {known.number} is on record, but nothing is published in {folder.path}"
        yield Finding(what=what, hint=SYNC)
    elif said is not None and (known is None or said["version"] != known.number):
        of_record = f"version {known.number}" if known is not None else "none"
        yield Finding(what=f"{folder.current} names version {said['version']}; the manifest has {of_record}", hint=SYNC)
