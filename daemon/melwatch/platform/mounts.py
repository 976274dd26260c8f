"""What kind of file system a path lies on, told without touching the path: a dead share would hang."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

REMOTE_TYPES = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse", "gfs2", "glusterfs", "lustre", "ncpfs", "network",
    "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
})  # fmt: skip
"""File systems that others may change without the system here being told."""

LOSSY_TYPES = frozenset({"exfat", "msdos", "vfat"})
"""File systems without a journal: after a power cut even what was not being written may be damaged."""

_MOUNTS = Path("/proc/self/mountinfo")
_READ_ONLY_VOLUME = 0x0008_0000
_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file system as it is mounted: its type, "network" where Windows tells no more, and what it forbids."""

    kind: str
    is_read_only: bool = False


def is_remote(file_system: str | None) -> bool:
    """Whether changes on such a file system may go unreported; FUSE counts, but for local disks (`fuseblk`)."""
    return file_system is not None and (file_system in REMOTE_TYPES or file_system.startswith("fuse."))


def file_system(path: bytes) -> str | None:
    """Return the type of the file system that an absolute path lies on, or `None` if that is not known.

    Links are not followed. On Windows only "network" is told from the rest.
    """
    if sys.platform == "win32":
        return "network" if _is_network_drive(path) else None
    mount = mount_of(path)
    return None if mount is None else mount.kind


def mount_of(path: bytes) -> Mount | None:
    """Return all that is known of the file system that an absolute path lies on; links are not followed.

    On Windows this asks the disk itself.
    """
    if sys.platform == "win32":
        import pywintypes
        import win32api

        if _is_network_drive(path):
            return Mount(kind="network")
        try:
            *_, flags, kind = win32api.GetVolumeInformation(os.path.splitdrive(os.fsdecode(path))[0] + "\\")
        except pywintypes.error:
            return None
        return Mount(kind=str(kind).lower(), is_read_only=bool(flags & _READ_ONLY_VOLUME))
    try:
        table = _MOUNTS.read_bytes()
    except OSError:  # there is none on this system
        return None
    return _mount_at(table, path)


def _is_network_drive(path: bytes) -> bool:
    if sys.platform == "win32":
        import win32file

        drive = os.path.splitdrive(os.fsdecode(path))[0]
        return bool(win32file.GetDriveType(drive + "\\") == win32file.DRIVE_REMOTE)
    return False


def _mount_at(table: bytes, path: bytes) -> Mount | None:
    """Find the innermost mount that holds a path; of several on one point the last one covers the others."""
    longest, found = -1, None
    for line in table.splitlines():
        head, _, tail = line.partition(b" - ")  # see proc(5): optional fields end at the dash
        fields, source = head.split(b" "), tail.split(b" ")
        point = _ESCAPE.sub(lambda octal: bytes([int(octal[1], 8)]), fields[4])
        if len(point) >= longest and (path == point or path.startswith(point.rstrip(b"/") + b"/")):
            options = (*fields[5].split(b","), *source[-1].split(b","))
            longest, found = len(point), Mount(kind=source[0].decode(), is_read_only=b"ro" in options)
    return found
