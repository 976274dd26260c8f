"""The folders of a soak: disks that can be filled and taken away, where the rights allow that.

With root rights each soak lives in a mount namespace of its own, so that nothing stays mounted
whatever ends it. Without them the same folders are plain ones, and what needs a disk is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

PRIVATE = "SOAK_HAS_MOUNTS"
"""Set in the environment of a soak that may mount."""

DATASET_MB, STATE_MB = 64, 32
_WITHOUT_RIGHTS = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)


def enter_private_mounts() -> None:
    """Begin this program anew where it may mount without anybody seeing it; go on as it is where that is refused."""
    if PRIVATE in os.environ or sys.platform != "linux":
        return
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if shutil.which("unshare") and _succeeds(*unshare, "true"):
        os.environ[PRIVATE] = "1"
        os.execvp("unshare", [*unshare, sys.executable, *sys.argv])  # noqa: S606  ourselves


class Place:
    """Where music, dataset and state lie, and what can be done to their disks."""

    def __init__(self, folder: Path, chance: Random) -> None:
        self.folder = folder
        self.may_mount = PRIVATE in os.environ
        self.disk, self.other, self.music = folder / "music disk", folder / "other disk", folder / "music"
        self.dataset_disk, self.state_disk = folder / "dataset disk", folder / "state disk"
        self.kinds = {"dataset": chance.choice(("ext4", "tmpfs")), "state": chance.choice(("ext4", "tmpfs"))}
        for made in (self.disk, self.other, self.music, self.dataset_disk, self.state_disk):
            made.mkdir(parents=True)
        if self.may_mount:
            self._mount_disk("dataset", self.dataset_disk, DATASET_MB)
            self._mount_disk("state", self.state_disk, STATE_MB)
        self.connect(self.disk)

    @property
    def dataset(self) -> Path:
        """The dataset folder."""
        return self.dataset_disk / "dataset"

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.state_disk / "state"

    def connect(self, disk: Path) -> None:
        """Have the music, or another disk, at the music root."""
        if self.may_mount:
            _run("mount", "--bind", str(disk), str(self.music))
        else:
            self.music.rmdir()
            disk.rename(self.music)

    def disconnect(self, disk: Path) -> None:
        """Leave the mount point empty."""
        if self.may_mount:
            _run("umount", "--lazy", str(self.music))
        else:
            self.music.rename(disk)
            self.music.mkdir()

    def library(self) -> Path:
        """Where the music can be changed, connected or not."""
        return self.disk if self.disk.exists() else self.music

    def disconnect_dataset(self) -> None:
        """Take the disk of the dataset away."""
        _run("umount", "--lazy", str(self.dataset_disk))

    def connect_dataset(self) -> None:
        """Bring it back."""
        _run("mount", "--bind", str(self.folder / "dataset mount"), str(self.dataset_disk))

    def set_read_only(self, *, read_only: bool) -> bool:
        """Remount the disk of the dataset; return whether that was possible, as it is not while it is written to."""
        mode = "ro" if read_only else "rw"
        return _succeeds("mount", "-o", f"remount,{mode}", str(self.folder / "dataset mount"))

    def fill(self, disk: Path, spare_bytes: int) -> None:
        """Fill a disk up to a few bytes."""
        with (disk / "filler").open("wb") as file:
            free = shutil.disk_usage(disk).free
            for size in range(max(0, free - spare_bytes), 0, -65536):
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError:
                    continue
                return

    def free(self, disk: Path) -> None:
        """Make room again."""
        (disk / "filler").unlink()

    def command(self, command: list[str]) -> list[str]:
        """Return a command line by which root, too, may not read what it has forbidden itself."""
        may_all = sys.platform != "win32" and os.getuid() == 0
        return [*_WITHOUT_RIGHTS, *command] if may_all and _succeeds(*_WITHOUT_RIGHTS, "true") else command

    def keep(self) -> Path:
        """Copy what a broken soak leaves to where it outlasts the mounts."""
        kept = self.folder / "kept"
        for name, source in (("dataset", self.dataset), ("state", self.state)):
            if source.exists():
                shutil.copytree(source, kept / name, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        return kept

    def _mount_disk(self, name: str, at: Path, size_mb: int) -> None:
        mount = self.folder / f"{name} mount"
        mount.mkdir()
        self._make_disk(name, mount, size_mb)
        _run("mount", "--bind", str(mount), str(at))

    def _make_disk(self, name: str, at: Path, size_mb: int) -> None:
        if self.kinds[name] == "tmpfs":
            _run("mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(at))
            return
        image = self.folder / f"{name}.img"
        with image.open("wb") as file:
            file.truncate(size_mb * 2**20)
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(at))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
