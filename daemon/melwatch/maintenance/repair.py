"""Putting right what `verify` finds and a pass alone does not: what is damaged is set aside, then made anew.

`mend` comes before a pass, which makes anew what is missing, and `retire` after it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from melwatch.dataset import install, layout, soundness
from melwatch.errors import DegradedError, MelwatchError, StoreError
from melwatch.maintenance import aside, spooled, verify
from melwatch.maintenance.mending import Plan
from melwatch.maintenance.recover import recover, sealing, unsealed
from melwatch.manifest import tracks
from melwatch.manifest.backups import all_backups
from melwatch.manifest.database import FILE_NAME, open_manifest, read_manifest
from melwatch.manifest.health import State, examine
from melwatch.manifest.home import is_claimed, noted_in
from melwatch.platform import filesystem
from melwatch.platform.disk import put_in_place, replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.manifest.backups import Backup
    from melwatch.passes.workshop import Workshop
    from melwatch.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One repair, by whoever holds the lock; with `is_rehearsal` it only says what it would do."""

    shop: Workshop
    now: datetime
    progress: Progress
    is_rehearsal: bool = False
    said: list[str] = field(default_factory=list)
    rotten: list[str] = field(default_factory=list)
    """Shards that held other bytes than were written, or could not be read, before a pass."""

    def mend(self) -> list[str]:
        """Set aside what is damaged and bring back what copies allow; return a sentence for each thing done.

        All is found out before anything is done, so that a rehearsal says the same. Raises `StoreError` where the
        manifest is not ours, or a newer melwatch's, `DegradedError` where a disk is full; then nothing is done.
        """
        is_there = self.shop.folder.library.exists()
        plan = self._plan()
        self.said.extend(plan.said)
        if self.said and not self.is_rehearsal:
            plan.require_space(self.shop.state.path)
            plan.carry_out()
            with open_manifest(self.shop.state.path) as db:
                recover(db, self.shop.state.spool, self.shop.folder, self.now, may_begin=not is_there)
                tracks.forget_shards(db, self.rotten)
        return self.said

    def require_room(self) -> None:
        """Raise `DegradedError` where a disk is so full that not even the lock could be taken."""
        try:
            Plan(now=self.now).require_space(self.shop.state.path)
        except DegradedError as full:
            try:
                plan = self._plan()
            except (OSError, MelwatchError):  # SQLite needs space to read
                raise full from None
            if plan.said:
                plan.require_space(self.shop.state.path)

    def _plan(self) -> Plan:
        plan = Plan(now=self.now)
        self.rotten.clear()
        with self._manifest(plan) as db:
            self._state_folder(plan)
            self._spool(plan, db)
            for paths in verify.damaged_shards(self.shop.folder, self.progress):
                self.rotten.extend(paths)
            self._versions(plan, db)
        self._shards(plan)
        return plan

    def retire(self) -> list[str]:
        """Set aside the versions that cannot be opened even after a pass; return a sentence for each."""
        plan, folder = Plan(now=self.now), self.shop.folder
        rotten = [path for path in self.rotten if not _is_whole(folder, path)]
        for number in folder.version_numbers():
            if not folder.is_complete(number):
                continue
            if faults := soundness.faults(folder, number):
                reason = f"{_listed(faults)} is damaged"
            else:
                lost = _lost_shards(folder, number, rotten)
                reason = f"{len(lost)} of its shards are lost" if lost else ""
            if reason:
                sentence = f"Version {number} cannot be opened any more ({reason}) and is set aside."
                plan.do(sentence, partial(self._move_folder, folder.version(number)))
            elif lost := soundness.damaged_audio_shards(folder, number):
                what = f"Version {number} lacks {len(lost)} audio shards; what describes them is set aside."
                plan.do(what, partial(self._move_folder, folder.version(number) / layout.AUDIO))
        plan.carry_out()
        self.said.extend(plan.said)
        return plan.said

    @contextmanager
    def _manifest(self, plan: Plan) -> Iterator[Connection | None]:
        """Give the record to plan by: the manifest, or the newest sound backup, which takes the place of a damaged one.

        None where there is neither.
        """
        file = self.shop.state.path / FILE_NAME
        health = examine(file, is_thorough=True)
        if health.state is State.SOUND:
            with read_manifest(self.shop.state.path) as db:
                yield db
            return
        if health.state in (State.NEWER, State.FOREIGN):
            hint = "Upgrade melwatch." if health.state is State.NEWER else "Name another state folder with --state."
            raise StoreError(f"{health.what}; nothing was touched", hint)
        parts, backup = _parts(file), _best_backup(self.shop.state.path)
        target = file.with_name(f"{file.name}{aside.SUFFIX}-{aside.stamp(self.now)}")
        plan.say(f"{health.what}." + (f" It is set aside as {target.name}." if parts else ""))
        if backup is None:
            plan.do("It is rebuilt from the dataset and the music.", lambda: _rename(parts, file, target))
            yield None
            return
        plan.needs.append((self.shop.state.path, layout.size_of(backup.path) or 0))
        sentence = f"The backup of {backup.taken_at:%Y-%m-%d %H:%M} UTC takes its place."
        plan.do(sentence, lambda: _put_back(backup, parts, file, target))
        with _opened(backup) as db:
            yield db

    def _state_folder(self, plan: Plan) -> None:
        file = noted_in(self.shop.state)
        if not is_claimed(self.shop.state, self.shop.folder.path):
            plan.set_aside(f"{file} is missing or damaged and is written anew.", self.shop.state.path, file)

    def _versions(self, plan: Plan, db: Connection | None) -> None:
        """Put back what is damaged in the versions from copies, and say what will become of the rest."""
        folder, newest, mended = self.shop.folder, 0, self._seals(plan, db)
        for number in folder.version_numbers():
            home = folder.version(number)
            if home / layout.CURRENT not in mended and not soundness.was_complete(folder, number):
                continue
            faults = [name for name in soundness.faults(folder, number) if home / name not in mended]
            copies = soundness.copies(folder, number) if faults else {}
            copies = {name: content for name, content in copies.items() if name in faults}
            mended |= {home / name: content for name, content in copies.items()}
            if copies:
                plan.needs.append((folder.path, sum(map(len, copies.values()))))
                sentence = f"In version {number} {_listed(copies)} is put back from a copy."
                plan.do(sentence, partial(self._restore, home, copies))
            if left := [name for name in faults if name not in copies]:
                plan.say(f"Of version {number} {_listed(left)} is damaged, and there is no copy; it will be set aside.")
                continue
            newest = number
            if lost := _lost_shards(folder, number, self.rotten):
                plan.say(f"Version {number} lacks {len(lost)} shards; unless a pass makes them, it will be set aside.")

        def read(file: Path) -> bytes:
            return mended[file] if file in mended else file.read_bytes()

        for path in install.differences(folder, newest, read) if newest else []:
            plan.set_aside(f"{path} is missing or damaged and is written anew.", folder.path, path)

    def _seals(self, plan: Plan, db: Connection | None) -> dict[Path, bytes]:
        """Write once more what says that a version is complete, as far as the record tells it; return that, by file."""
        sealed = {}
        for number in unsealed(db, self.shop.folder) if db is not None else ():
            assert db is not None  # noqa: S101  or there would be none
            file, content = self.shop.folder.version(number) / layout.CURRENT, sealing(db, self.shop.folder, number)
            if content is not None:
                sealed[file] = content
                plan.needs.append((file, len(content)))
                sentence = f"{file} is missing or damaged and is written anew."
                plan.do(sentence, partial(self._restore, file.parent, {file.name: content}))
        return sealed

    def _restore(self, home: Path, contents: Mapping[str, bytes]) -> None:
        keep = partial(aside.keep_copy, self.shop.folder.path, now=self.now)
        for name, content in contents.items():
            soundness.put_back(home / name, content, keep)

    def _shards(self, plan: Plan) -> None:
        """Set copies of damaged shards aside; they are taken off the record, so that a pass writes them anew.

        They themselves stay until then: a dataset with a bad bit still opens.
        """
        folder = self.shop.folder
        for path in self.rotten:
            sentence = f"The shard {path} is damaged; a copy is set aside, and it is made anew."
            plan.set_aside(sentence, folder.path, folder.shard(path))
        numbers = folder.version_numbers()
        for path in sorted({path for number in numbers for path in soundness.damaged_audio_shards(folder, number)}):
            sentence = f"The audio shard {path} is damaged or missing."
            plan.set_aside(sentence, folder.path, folder.audio.shard(path))
        sizes = {path: size for number in numbers for path, size in soundness.shards_of(folder, number).items()}
        for path in sorted(sizes):
            if not folder.shard(path).exists():
                plan.say(f"The shard {path} is missing.")
        places = (self.shop.state.path, folder.path)
        for path, size in sizes.items():  # what is made anew lies in the spool before it is in the dataset
            if path in self.rotten or layout.size_of(folder.shard(path)) is None:
                plan.needs.extend((place, size or layout.size_of(folder.shard(path)) or 0) for place in places)

    def _spool(self, plan: Plan, db: Connection | None) -> None:
        """Set damaged files of the spool aside; their songs are extracted again."""
        state = self.shop.state
        if db is None:
            return
        damaged = {*spooled.lost(db, state.spool), *spooled.damaged(db, state.spool, self.progress)}
        for key in sorted(damaged):
            file = spooled.file_of(state.spool, key)
            sentence = f"{file} is damaged or missing; its song is extracted again."
            plan.set_aside(sentence, state.path, file)
        if damaged:
            plan.steps.append(partial(self._forget_spectrograms, damaged))

    def _forget_spectrograms(self, keys: Iterable[tuple[str, str]]) -> None:
        with open_manifest(self.shop.state.path) as db:
            tracks.forget_spectrograms(db, keys)

    def _move_folder(self, folder: Path) -> None:
        """Move what is in a folder to where damaged files are kept, what makes a version complete first."""
        files = [path for path in folder.rglob("*") if path.is_file()]
        for file in sorted(files, key=lambda path: path.name != layout.CURRENT):
            aside.move(self.shop.folder.path, file, now=self.now)
        shutil.rmtree(folder)


def _is_whole(folder: DatasetFolder, path: str) -> bool:
    """Whether a shard is there and as it was written."""
    try:
        return soundness.is_whole_shard(folder, path)
    except OSError:
        return False


def _lost_shards(folder: DatasetFolder, number: int, rotten: Sequence[str]) -> list[str]:
    """Return the shards of a version that are missing, of another size than when written, or rotten."""
    sizes = soundness.shards_of(folder, number)
    found = {path: layout.size_of(folder.shard(path)) for path in sizes}
    return [
        path for path, size in sizes.items() if found[path] is None or size not in (None, found[path]) or path in rotten
    ]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _parts(file: Path) -> list[Path]:
    """Return the files that make up a manifest, as far as they are there."""
    return [path for end in ("", "-wal", "-shm") if (path := Path(f"{file}{end}")).exists()]


def _rename(parts: list[Path], file: Path, target: Path) -> None:
    """Rename a manifest with its log, so that SQLite still finds both together."""
    for part in parts:
        put_in_place(part, target.with_name(part.name.replace(file.name, target.name, 1)))
    filesystem.sync_folder(file.parent)


def _best_backup(state: Path) -> Backup | None:
    """Return the sound backup that knows the newest version, of several the one taken last."""
    found = []
    for backup in all_backups(state):
        health = examine(backup.path, is_thorough=True)
        if health.state is State.SOUND:
            found.append((health.version, backup.taken_at, backup))
    return max(found, key=lambda entry: entry[:2])[2] if found else None


def _put_back(backup: Backup, parts: list[Path], file: Path, target: Path) -> None:
    """Put a backup in a manifest's place; that one goes once all of the other is on the disk."""
    with replacing(file) as content, backup.path.open("rb") as source:
        shutil.copyfileobj(source, content)
        content.flush()
        os.fsync(content.fileno())
        _rename(parts, file, target)


@contextmanager
def _opened(backup: Backup) -> Iterator[Connection]:
    """Open a backup as the manifest that it will be, its tables those of today, and leave it as it is."""
    with tempfile.TemporaryDirectory(prefix="melwatch-") as place:
        shutil.copyfile(backup.path, Path(place) / FILE_NAME)
        with open_manifest(Path(place)) as db:
            yield db
