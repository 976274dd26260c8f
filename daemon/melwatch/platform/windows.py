"""What only Windows is asked: files that others have open, long names, jobs. Imported nowhere else."""

from __future__ import annotations

import ctypes
import msvcrt
import multiprocessing.connection
import os
import stat
import struct
import sys
from contextlib import suppress
from ctypes import wintypes
from threading import Thread
from typing import Any, cast

import pywintypes
import win32api
import win32con
import win32file
import win32job

assert sys.platform == "win32"  # noqa: S101  the type checker leaves the rest out elsewhere

_ACCESS_DENIED, _SHARING_VIOLATION, _LOCK_VIOLATION = 5, 32, 33
IN_USE = frozenset({_ACCESS_DENIED, _SHARING_VIOLATION, _LOCK_VIOLATION})
"""What Windows answers while others have a file open. "Access denied" may also mean just that."""

PASSING = frozenset({19, 21, 23, _SHARING_VIOLATION, _LOCK_VIOLATION, 53, 55, 59, 64, 67, 121, 170, 1117, 1231, 1232})
"""Write-protected, not ready, bad sectors, in use, a network that is away, busy, I/O errors."""

_SHARE_DELETE = win32con.FILE_SHARE_READ | win32con.FILE_SHARE_DELETE
_SHARE_ALL = _SHARE_DELETE | win32con.FILE_SHARE_WRITE

_RENAME_INFO_EX = 22  # FileRenameInfoEx, since Windows 10 1709
_REPLACE_IF_EXISTS, _POSIX_SEMANTICS = 1, 2
_NOT_KNOWN_HERE = frozenset({1, 50, 87, 124})
"""How older systems, and file systems like FAT or a network's, refuse such a rename."""


def verbatim(path: str) -> str:
    r"""Return an absolute path in the form that is taken as it is: as long as need be, `CON` or `a.` a name like any.

    See "Naming Files, Paths, and Namespaces" in Microsoft's documentation.
    """
    if path.startswith(("\\\\?\\", "\\\\.\\")):
        return path
    path = path.replace("/", "\\")
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path


def open_to_read(path: str) -> int:
    """Open a file that its owner may rename, write or delete meanwhile; return a descriptor."""
    return msvcrt.open_osfhandle(_open(path, win32con.GENERIC_READ, _SHARE_ALL).Detach(), os.O_RDONLY | os.O_BINARY)


def has_writer(path: str) -> bool:
    """Whether somebody has a file open for writing: then it cannot be opened by one who would not allow that."""
    try:
        _open(path, win32con.GENERIC_READ, _SHARE_DELETE).Close()
    except OSError as error:
        return error.winerror in {_SHARING_VIOLATION, _LOCK_VIOLATION}
    return False


def replace(source: str, target: str) -> None:
    """Put a file in the place of another, also while a reader that allows it has that open."""
    handle = _open(source, win32con.DELETE | win32con.SYNCHRONIZE, _SHARE_ALL)
    try:
        code = _rename(int(handle), target)
    finally:
        handle.Close()
    if code in _NOT_KNOWN_HERE:
        os.replace(source, target)
    elif code:
        raise OSError(None, ctypes.FormatError(code).strip(), source, code, target)


def _rename(handle: int, target: str) -> int:
    """Rename an open file as POSIX would; return 0 or the error's number."""
    name = target.encode("utf-16-le", "surrogatepass")
    # FILE_RENAME_INFO: flags, no folder that the name would be relative to, the name's length, the name.
    told = struct.pack("<I4xQI", _REPLACE_IF_EXISTS | _POSIX_SEMANTICS, 0, len(name)) + name + b"\0\0"
    set_information = ctypes.WinDLL("kernel32", use_last_error=True).SetFileInformationByHandle
    set_information.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_char_p, wintypes.DWORD]
    return 0 if set_information(handle, _RENAME_INFO_EX, told, len(told)) else ctypes.get_last_error()


def is_junction(entry: os.DirEntry[bytes]) -> bool:
    """Whether an entry leads to another folder, or to another volume's."""
    return entry.stat(follow_symlinks=False).st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT


def end_with_parent() -> None:
    """End this process, a child made by `multiprocessing`, when the one that made it has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(process: int) -> None:
    multiprocessing.connection.wait([process])
    os._exit(1)


def limit_memory(n_bytes: int) -> None:
    """Let this process get no more memory than that; where the system will not see to it, there is no limit."""
    with suppress(pywintypes.error):
        jobs: Any = win32job  # its stubs say that no job comes of it
        job = jobs.CreateJobObject(None, "")
        told = jobs.QueryInformationJobObject(job, jobs.JobObjectExtendedLimitInformation)
        told["BasicLimitInformation"]["LimitFlags"] |= jobs.JOB_OBJECT_LIMIT_PROCESS_MEMORY
        limits = told | {"ProcessMemoryLimit": n_bytes}
        jobs.SetInformationJobObject(job, jobs.JobObjectExtendedLimitInformation, limits)
        jobs.AssignProcessToJobObject(job, win32api.GetCurrentProcess())


def _open(path: str, access: int, share: int) -> Any:  # noqa: ANN401  a handle, of which the stubs say int
    try:
        return win32file.CreateFileW(path, access, share, cast("Any", None), win32con.OPEN_EXISTING, 0, None)
    except pywintypes.error as error:
        raise OSError(None, error.strerror, path, error.winerror) from None
