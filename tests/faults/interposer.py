"""The seam between melwatch and the operating system: the C library, with `interposer.c` in between.

SQLite, Arrow, libsndfile and Python pass through it alike, in every process, and melwatch knows nothing of it.
"""

from __future__ import annotations

import ctypes
import mmap
import shutil
import subprocess
import sys
from enum import IntEnum
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCE = Path(__file__).with_name("interposer.c")
IGNORED = r"-shm$"
"""What SQLite keeps in memory, in the guise of a file."""


class Call(IntEnum):
    """What is asked of the system; as in `interposer.c`."""

    OPEN = 0
    CREATE = 1
    TRUNCATE = 2
    WRITE = 3
    SYNC = 4
    CLOSE = 5
    REPLACE = 6
    LINK = 7
    REMOVE = 8
    MKDIR = 9
    RMDIR = 10
    CHMOD = 11
    UTIMES = 12
    READ = 13
    STAT = 14
    LIST = 15
    SPACE = 16

    @property
    def verb(self) -> str:
        """The first word of a step's name."""
        return self.name.lower()


class Action(IntEnum):
    """What becomes of a call; as in `interposer.c`."""

    NOTHING = 0
    FAIL = 1
    CUT_SHORT = 2
    KILL = 3
    KILL_HALFWAY = 4
    SHIFT_CLOCK = 5


LOOKING = frozenset({Call.OPEN, Call.CLOSE, Call.READ, Call.STAT, Call.LIST, Call.SPACE})
"""Calls that change nothing, or nothing more."""

ANY, FOREVER = -1, -1


class _Control(ctypes.Structure):
    _fields_ = (
        ("lock", ctypes.c_char * 128),
        ("clock_offset_ns", ctypes.c_int64),
        ("shift_ns", ctypes.c_int64),
        ("generation", ctypes.c_int64),
        ("is_ready", ctypes.c_int32),
        ("is_recording", ctypes.c_int32),
        ("call", ctypes.c_int32),
        ("action", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("skip", ctypes.c_int32),
        ("times", ctypes.c_int32),
        ("struck", ctypes.c_int32),
        ("is_syncing", ctypes.c_int32),
        ("padding", ctypes.c_int32),
        ("pattern", ctypes.c_char * 1024),
        ("ignored", ctypes.c_char * 256),
        ("roots", ctypes.c_char * 1024 * 4),
        ("log", ctypes.c_char * 1024),
    )


class Interposer:
    """What the processes that it is preloaded into are to do, shared by them all; set it while they rest."""

    def __init__(self, place: Path, roots: Sequence[Path]) -> None:
        self.library = built()
        self.file = place / "faults.control"
        self.log = place / "faults.log"
        self.file.write_bytes(bytes(ctypes.sizeof(_Control)))
        with self.file.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self.control = _Control.from_buffer(self._memory)
        self.control.ignored = IGNORED.encode()
        self.control.log = bytes(self.log)
        for slot, root in zip(self.control.roots, roots, strict=False):
            slot.value = bytes(root)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be under it."""
        return {"LD_PRELOAD": str(self.library), "MELWATCH_TEST_FAULTS": str(self.file)}

    def strike(
        self,
        action: Action,
        call: int = ANY,
        pattern: str = "",
        *,
        error: int = 0,
        skip: int = 0,
        times: int = 1,
        shift_ns: int = 0,
    ) -> None:
        """Have a call on a path that matches an extended regular expression go wrong."""
        self.calm()
        control = self.control
        control.call, control.pattern, control.error = call, pattern.encode(), error
        control.skip, control.times, control.shift_ns = skip, times, shift_ns
        control.generation += 1
        control.action = action

    def calm(self) -> None:
        """Let everything through from now on."""
        self.control.action = Action.NOTHING
        self.control.struck = 0

    @property
    def struck(self) -> int:
        """How often something has gone wrong since `strike`."""
        return int(self.control.struck)


@cache
def built() -> Path:
    """Return the shared library; skips the test where it cannot be built."""
    if sys.platform != "linux":
        pytest.skip("stands between a program and the C library of Linux")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler: cc or gcc")
    library = Path(mkdtemp(prefix="melwatch-faults-")) / "interposer.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(_SOURCE), "-ldl"]
    done = subprocess.run([*command, "-lpthread"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library
