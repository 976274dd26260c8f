"""What kind of file system a path lies on, told without touching the path: a dead share would hang."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

REMOTE_TYPES = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse", "gfs2", "glusterfs", "lustre", "ncpfs", "network",
    "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
})  # fmt: skip
"""File systems that others may change without the system here being told."""

LOSSY_TYPES = frozenset({"exfat", "msdos", "vfat"})
"""File systems without a journal: after a power cut even what was not being written may be damaged."""

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def is_remote(file_system: str | None) -> bool:
    """Whether changes on such a file system may go unreported; FUSE counts, but for local disks (`fuseblk`)."""
    return file_system is not None and (file_system in REMOTE_TYPES or file_system.startswith("fuse."))


def file_system(path: bytes) -> str | None:
    """Return the type of the file system that an absolute path lies on, or `None` if that is not known.

    Links are not followed. On Windows only "network" is told from the rest.
    """
    if sys.platform == "win32":
        import win32file

        drive = os.path.splitdrive(os.fsdecode(path))[0]
        return "network" if win32file.GetDriveType(drive + "\\") == win32file.DRIVE_REMOTE else None
    try:
        table = _MOUNTS.read_bytes()
    except OSError:  # there is none on this system
        return None
    return _type_at(table, path)


def _type_at(table: bytes, path: bytes) -> str | None:
    """Find the innermost mount that holds a path; of several on one point the last one covers the others."""
    longest, found = -1, None
    for line in table.splitlines():
        head, _, tail = line.partition(b" - ")  # see proc(5): optional fields end at the dash
        point = _ESCAPE.sub(lambda octal: bytes([int(octal[1], 8)]), head.split(b" ")[4])
        if len(point) >= longest and (path == point or path.startswith(point.rstrip(b"/") + b"/")):
            longest, found = len(point), tail.split(b" ")[0].decode()
    return found
