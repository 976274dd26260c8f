"""Putting right what `verify` finds and a pass alone does not: what is damaged is set aside, then made anew.

`mend` comes before a pass, which makes anew what is missing, and `retire` after it.
"""

from __future__ import annotations

import shutil
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
from melwatch.recover import newest_whole, recover, seal, unsealed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

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

        Raises `StoreError` where the manifest is not ours, or a newer melwatch's; then nothing is done.
        """
        is_there = self.shop.folder.library.exists()
        self._manifest()
        self._state_folder()
        self._spool()
        for paths in verify.damaged_shards(self.shop.folder, self.progress):
            self.rotten.extend(paths)
        self._versions()
        self._shards(may_begin=not is_there)
        return self.said

    def retire(self) -> list[str]:
        """Set aside the versions that cannot be opened even after a pass; return a sentence for each."""
        before, folder = len(self.said), self.shop.folder
        rotten = [path for path in self.rotten if not _is_whole(folder, path)]
        for number in folder.version_numbers():
            if not folder.is_complete(number):
                continue
            if reason := _why_useless(folder, number, [], rotten):
                self._retire(number, reason)
            elif lost := soundness.damaged_audio_shards(folder, number):
                what = f"Version {number} lacks {len(lost)} audio shards; what describes them is set aside."
                self._do(what, partial(self._move_folder, folder.version(number) / layout.AUDIO))
        return self.said[before:]

    def _do(self, sentence: str, action: Callable[[], object]) -> None:
        self.said.append(sentence)
        if not self.is_rehearsal:
            action()

    def _manifest(self) -> None:
        """Set a damaged manifest aside, and put the newest sound backup in its place, if there is one."""
        file = self.shop.state.path / FILE_NAME
        health = examine(file, is_thorough=True)
        if health.state is State.SOUND:
            return
        if health.state in (State.NEWER, State.FOREIGN):
            hint = "Upgrade melwatch." if health.state is State.NEWER else "Name another state folder with --state."
            raise StoreError(f"{health.what}; nothing was touched", hint)
        if parts := _parts(file):
            target = file.with_name(f"{file.name}{aside.SUFFIX}-{aside.stamp(self.now)}")
            self._do(f"{health.what}. It is set aside as {target.name}.", lambda: _rename(parts, file, target))
        else:
            self.said.append(f"{health.what}.")
        backup = _best_backup(self.shop.state.path)
        if backup is not None:
            taken = f"{backup.taken_at:%Y-%m-%d %H:%M} UTC"
            self._do(f"The backup of {taken} takes its place.", lambda: _put_back(backup, file))
        else:
            self.said.append("It is rebuilt from the dataset and the music.")

    def _state_folder(self) -> None:
        file = noted_in(self.shop.state)
        if not is_claimed(self.shop.state, self.shop.folder.path):
            self._do(f"{file} is missing or damaged and is written anew.", partial(self._keep, file))

    def _versions(self) -> None:
        """Put back what is damaged in the versions from copies, and say what will become of the rest."""
        folder = self.shop.folder
        self._seals()
        for number in folder.version_numbers():
            if not soundness.was_complete(folder, number):
                continue
            faults = soundness.faults(folder, number)
            restored = soundness.restore(folder, number, self._keep, is_rehearsal=self.is_rehearsal)
            if restored:
                self.said.append(f"In version {number} {_listed(restored)} is put back from a copy.")
            if self.is_rehearsal and (reason := _why_useless(folder, number, restored, self.rotten)):
                self._retire(number, reason)
            elif left := [name for name in faults if name not in restored]:
                self.said.append(f"Of version {number} {_listed(left)} is damaged, and there is no copy.")
        newest = _newest_whole(folder) if self.is_rehearsal else newest_whole(folder, self.now)
        for path in install.differences(folder, newest) if newest else []:
            self._do(f"{path} is missing or damaged and is written anew.", partial(self._keep, path))

    def _seals(self) -> None:
        """Write once more what says that a version is complete, as far as the manifest tells it."""
        if examine(self.shop.state.path / FILE_NAME).state is not State.SOUND:
            return
        with read_manifest(self.shop.state.path) as db:
            for number in unsealed(db, self.shop.folder):
                file = self.shop.folder.version(number) / layout.CURRENT
                sentence = f"{file} is missing or damaged and is written anew."
                self._do(sentence, partial(seal, db, self.shop.folder, number, self.now))

    def _shards(self, *, may_begin: bool) -> None:
        """Set copies of damaged shards aside, and take them off the record, so that a pass writes them anew.

        They themselves stay until then: a dataset with a bad bit still opens.
        """
        folder = self.shop.folder
        for path in self.rotten:
            sentence = f"The shard {path} is damaged; a copy is set aside, and it is made anew."
            self._do(sentence, partial(self._keep, folder.shard(path)))
        numbers = folder.version_numbers()
        for path in sorted({path for number in numbers for path in soundness.damaged_audio_shards(folder, number)}):
            self._do(f"The audio shard {path} is damaged or missing.", partial(self._keep, folder.audio.shard(path)))
        named = sorted({path for number in numbers for path in soundness.shards_of(folder, number)})
        self.said.extend(f"The shard {path} is missing." for path in named if not folder.shard(path).exists())
        if self.said and not self.is_rehearsal:
            with open_manifest(self.shop.state.path) as db:
                recover(db, self.shop.state.spool, folder, self.now, may_begin=may_begin)
                tracks.forget_shards(db, self.rotten)

    def _spool(self) -> None:
        """Set damaged files of the spool aside; their songs are extracted again."""
        if examine(self.shop.state.path / FILE_NAME).state is not State.SOUND:
            return
        with read_manifest(self.shop.state.path) as db:
            damaged = {*spooled.lost(db, self.shop.state.spool)}
            damaged |= {*spooled.damaged(db, self.shop.state.spool, self.progress)}
        for key in sorted(damaged):
            file = spooled.file_of(self.shop.state.spool, key)
            self._do(f"{file} is damaged or missing; its song is extracted again.", partial(self._keep, file))
        if damaged and not self.is_rehearsal:
            with open_manifest(self.shop.state.path) as db:
                tracks.forget_spectrograms(db, damaged)

    def _retire(self, number: int, reason: str) -> None:
        sentence = f"Version {number} cannot be opened any more ({reason}) and is set aside."
        self._do(sentence, partial(self._move_folder, self.shop.folder.version(number)))

    def _keep(self, file: Path) -> None:
        """Copy a file to where damaged ones are kept."""
        home = self.shop.folder.path if file.is_relative_to(self.shop.folder.path) else self.shop.state.path
        aside.keep_copy(home, file, now=self.now)

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


def _newest_whole(folder: DatasetFolder) -> int:
    """Return the newest version whose files are as they were written, as things are; 0 for none."""
    return next((n for n in reversed(folder.version_numbers()) if not soundness.faults(folder, n)), 0)


def _why_useless(folder: DatasetFolder, number: int, restored: list[str], rotten: list[str]) -> str:
    """Say why a version cannot be opened as it was, apart from what was restored; empty where it can."""
    faults = [name for name in soundness.faults(folder, number) if name not in restored]
    if faults:
        return f"{_listed(faults)} is damaged"
    lost = [
        path
        for path, size in soundness.shards_of(folder, number).items()
        if layout.size_of(folder.shard(path)) is None
        or size not in (None, layout.size_of(folder.shard(path)))
        or path in rotten
    ]
    return f"{len(lost)} of its shards are lost" if lost else ""


def _listed(names: list[str]) -> str:
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
