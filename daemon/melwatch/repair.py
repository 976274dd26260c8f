"""Putting right what `verify` finds and a pass alone does not: what is damaged is set aside, then made anew.

`mend` comes before a pass, which makes anew what is missing, and `retire` after it.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from melwatch import aside, filesystem, spooled, verify
from melwatch.dataset import install, layout, soundness
from melwatch.disk import put_in_place, replacing
from melwatch.errors import StoreError
from melwatch.manifest import tracks
from melwatch.manifest.backups import all_backups
from melwatch.manifest.database import FILE_NAME, open_manifest, read_manifest
from melwatch.manifest.health import State, examine
from melwatch.manifest.home import is_claimed, noted_in
from melwatch.mending import Plan
from melwatch.recover import recover, sealing, unsealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from sqlite3 import Connection

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.manifest.backups import Backup
    from melwatch.progress import Progress
    from melwatch.workshop import Workshop


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
        manifest is not ours, or a newer melwatch's; then nothing is done.
        """
        plan = Plan(now=self.now)
        is_there = self.shop.folder.library.exists()
        with self._manifest(plan) as db:
            self._state_folder(plan)
            self._spool(plan, db)
            for paths in verify.damaged_shards(self.shop.folder, self.progress):
                self.rotten.extend(paths)
            self._versions(plan, db)
        self._shards(plan)
        self.said.extend(plan.said)
        if self.said and not self.is_rehearsal:
            plan.carry_out()
            with open_manifest(self.shop.state.path) as db:
                recover(db, self.shop.state.spool, self.shop.folder, self.now, may_begin=not is_there)
                tracks.forget_shards(db, self.rotten)
        return self.said

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
        if parts := _parts(file):
            target = file.with_name(f"{file.name}{aside.SUFFIX}-{aside.stamp(self.now)}")
            plan.do(f"{health.what}. It is set aside as {target.name}.", lambda: _rename(parts, file, target))
        else:
            plan.say(f"{health.what}.")
        backup = _best_backup(self.shop.state.path)
        if backup is None:
            plan.say("It is rebuilt from the dataset and the music.")
            yield None
            return
        plan.do(f"The backup of {backup.taken_at:%Y-%m-%d %H:%M} UTC takes its place.", lambda: _put_back(backup, file))
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
        named = sorted({path for number in numbers for path in soundness.shards_of(folder, number)})
        for path in named:
            if not folder.shard(path).exists():
                plan.say(f"The shard {path} is missing.")

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


def _put_back(backup: Backup, file: Path) -> None:
    with replacing(file) as target, backup.path.open("rb") as source:
        shutil.copyfileobj(source, target)


@contextmanager
def _opened(backup: Backup) -> Iterator[Connection]:
    """Open a backup as the manifest that it will be, its tables those of today, and leave it as it is."""
    with tempfile.TemporaryDirectory(prefix="melwatch-") as place:
        shutil.copyfile(backup.path, Path(place) / FILE_NAME)
        with open_manifest(Path(place)) as db:
            yield db
