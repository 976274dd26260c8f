"""What kind of file system a path lies on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from melwatch.platform import mounts

if TYPE_CHECKING:
    from pathlib import Path

TABLE = rb"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /proc rw - proc proc rw
23 21 0:30 / /mnt/music rw,relatime shared:5 master:2 - nfs4 nas:/music rw
24 21 0:31 / /mnt/my\040music\011\134 rw - cifs //nas/music rw
25 23 8:2 / /mnt/music/local rw - fuseblk /dev/sdb1 rw
26 21 0:32 / /mnt/twice rw - ext4 /dev/sdc1 rw
27 26 0:33 / /mnt/twice rw - fuse.sshfs host: rw
28 21 0:34 / /mnt/R?tro rw - vfat /dev/sdd1 rw
29 21 8:3 / /mnt/disc rw - iso9660 /dev/sr0 ro,utf8
31 21 8:4 / /mnt/writable rw - ext4 /dev/sda4 rw,errors=remount-ro
30 21 8:1 / /mnt/bound ro,noatime - ext4 /dev/sda1 rw,errors=remount-ro
""".replace(b"?", b"\xe9")

not_windows = pytest.mark.skipif(sys.platform == "win32", reason="the table of mounts is a file of Linux")


@not_windows
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", "ext4"),
        (b"/home/me/Music", "ext4"),
        (b"/mnt/music", "nfs4"),
        (b"/mnt/music/Rock", "nfs4"),
        (b"/mnt/music2", "ext4"),
        (b"/mnt/music/local/Rock", "fuseblk"),
        (b"/mnt/my music\t\\/Rock", "cifs"),
        (b"/mnt/twice/Rock", "fuse.sshfs"),
        (b"/mnt/R\xe9tro/a", "vfat"),
    ],
)
def test_the_innermost_mount_counts(
    path: bytes, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest mount point that holds the path tells its file system; the last of several on one point does."""
    (tmp_path / "mountinfo").write_bytes(TABLE)
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mountinfo")
    assert mounts.file_system(path) == expected


@not_windows
def test_without_a_table_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no table of mounts, the type is `None`."""
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "none")
    assert mounts.file_system(b"/") is None


@pytest.mark.skipif(sys.platform != "linux", reason="the table of mounts is a file of Linux")
def test_the_table_of_this_system_is_understood() -> None:
    """Where /proc is mounted, it lies on the file system proc."""
    assert mounts.file_system(b"/proc/self") == "proc"


@pytest.mark.skipif(sys.platform != "win32", reason="asks Windows")
def test_a_local_disk_of_windows_is_not_remote(tmp_path: Path) -> None:
    """A temporary folder lies on no share."""
    assert mounts.file_system(os.fsencode(tmp_path)) is None


@pytest.mark.parametrize(
    ("file_system", "expected"),
    [
        ("nfs", True),
        ("cifs", True),
        ("9p", True),
        ("fuse", True),
        ("fuse.sshfs", True),
        ("network", True),
        ("fuseblk", False),
        ("ext4", False),
        ("overlay", False),
        (None, False),
    ],
)
def test_shares_and_fuse_are_remote(file_system: str | None, expected: bool) -> None:  # noqa: FBT001
    """Shares and FUSE may change without notice; local disks, among them NTFS by FUSE, do not."""
    assert mounts.is_remote(file_system) is expected


@not_windows
def test_what_is_mounted_read_only_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the mount says so or the file system itself; an option that only resembles it does not."""
    (tmp_path / "mountinfo").write_bytes(TABLE)
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mountinfo")
    for path, is_read_only in ((b"/mnt/disc/a", True), (b"/mnt/bound/a", True), (b"/mnt/writable", False)):
        found = mounts.mount_of(path)
        assert found is not None
        assert found.is_read_only is is_read_only
