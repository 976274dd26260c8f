"""What differs between operating systems, under one name each: places, processes, signals; files are apart."""

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.context import BaseContext

SERVICE_PACKAGE = "melwatch_winservice" if sys.platform == "win32" else "melwatch_systemd"
"""The package that knows this system's service manager."""

_KERNEL = Path("/proc/sys")
_ONE_THREAD_EACH = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Workers are as many as cores, so each computes on its own."""

_PASSING = {errno.EIO, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What a disk, a network or a busy machine may get over."""


def config_folder(*, for_all: bool) -> Path:
    """Return where configurations lie: the person's own, or the machine's, for all."""
    if not for_all:
        return platformdirs.user_config_path("melwatch", appauthor=False)
    if sys.platform == "win32":
        return platformdirs.site_config_path("melwatch", appauthor=False)
    return Path("/etc/melwatch")


def machine_state_folder() -> Path:
    """Return where services of the machine keep what they know, each in a folder of its own name."""
    if sys.platform == "win32":
        return platformdirs.site_data_path("melwatch", appauthor=False) / "state"
    return Path("/var/lib/melwatch")


def owner_of(path: Path) -> str:
    """Return the name of the account that a file belongs to, or its number; "" where the system has no such thing."""
    if sys.platform == "win32":
        return ""
    try:
        return path.owner()
    except KeyError:
        return str(path.stat().st_uid)


def account_numbers(user: str, groups: Sequence[str] = ()) -> tuple[int, frozenset[int]] | None:
    """Return the number of an account and of its groups, further ones by name included.

    None where there is no such account, or the system has no such numbers.
    """
    if sys.platform == "win32":
        return None
    import grp
    import pwd

    try:
        known = pwd.getpwnam(user)
        more = {grp.getgrnam(group).gr_gid for group in groups}
    except KeyError:
        return None
    return known.pw_uid, frozenset({*os.getgrouplist(user, known.pw_gid), *more})


def has_access_list(path: Path) -> bool:
    """Whether more than permission bits decides who may use a file."""
    if sys.platform == "linux":
        with suppress(OSError):
            return "system.posix_acl_access" in os.listxattr(path)
        return False
    return sys.platform == "win32"


def kernel_limit(name: str) -> int | None:
    """Return a number that Linux is set to, as `vm/max_map_count`; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        return int((_KERNEL / name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def descriptor_limit() -> int | None:
    """Return how many files this process may have open; None where that is no concern."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def are_long_paths_enabled() -> bool | None:
    """Whether programs may use paths beyond 260 characters; None where that is no question."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
                return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
        except OSError:
            return False
    return None


def is_administrator() -> bool:
    """Whether this process may change the machine."""
    if sys.platform == "win32":
        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    return os.geteuid() == 0


def try_lock(handle: int, *, is_shared: bool = False) -> bool:
    """Take the lock of an open file without waiting, with others who share it or alone; it ends with the process.

    Windows has none that is shared here, so that there one excludes the other.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            # A byte far beyond the content, so that others may read who holds the lock.
            os.lseek(handle, 1 << 30, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def child_context() -> BaseContext:
    """Return how child processes are made: forked from a clean server, or anew where there is no fork."""
    return multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")


def start_child_server(modules: Sequence[str]) -> None:
    """Start the server that children are forked from, with these modules imported; it does not wait for it."""
    for variable in _ONE_THREAD_EACH:
        os.environ.setdefault(variable, "1")
    if sys.platform != "win32":
        from multiprocessing import forkserver

        try:
            os.getcwd()
        except FileNotFoundError:  # a folder that was deleted: children would fail to go there
            os.chdir(os.sep)
        forkserver.set_forkserver_preload(list(modules))
        forkserver.ensure_running()


def stop_child_server() -> None:
    """End the server that children are forked from, and its helper; the next child starts them anew.

    Not while there are children: the helper lasts as long as they do, and would be waited for.
    """
    if sys.platform != "win32" and not multiprocessing.active_children():
        from multiprocessing import forkserver, resource_tracker

        # Named as private, yet this is how Python's own tests stop them; an idle daemon needs neither.
        for helper in (forkserver._forkserver, resource_tracker._resource_tracker):  # noqa: SLF001
            stop = getattr(helper, "_stop", None)
            if stop is not None:
                stop()


def let_nobody_else_write() -> None:
    """Whatever the umask is, have nothing that is made from now on writable for everybody."""
    os.umask(os.umask(0o077) | 0o002)


def lower_priority() -> None:
    """Let everything else on the machine go first, as far as the system allows."""
    import psutil

    process = psutil.Process()
    try:
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(10)
            if sys.platform == "linux":
                process.ionice(psutil.IOPRIO_CLASS_BE, 7)
    except (psutil.Error, OSError):
        pass


def limit_memory(megabytes: int) -> None:
    """Let this process fail, not the machine, when it asks for more memory than that."""
    limit = megabytes * 1024 * 1024
    if sys.platform == "win32":
        from melwatch.platform import windows

        windows.limit_memory(limit)
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def is_on_battery() -> bool:
    """Whether the machine runs on battery, where the system tells."""
    import psutil

    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return battery is not None and battery.power_plugged is False


def keep_freed_memory() -> None:
    """Have this process keep memory that it frees, for the next song: to get it anew costs page faults."""
    if sys.platform == "linux":
        mmap_threshold, trim_threshold, all_there_is = -3, -1, 1 << 30
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc
        if mallopt is not None:
            mallopt(mmap_threshold, all_there_is)
            mallopt(trim_threshold, all_there_is)


def return_freed_memory() -> None:
    """Hand memory that this process has freed back to the system, where its allocator would keep it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
        if trim is not None:
            trim(0)


def die_with_parent() -> None:
    """Have the system end this process, a child forked from the server, when the one that asked for it ends.

    The server ends with the process that started it, but not while a child holds the pipe by which
    it is told: a hung child would keep the server, and the server the child.
    """
    if sys.platform == "linux":
        from multiprocessing import forkserver

        set_parent_death_signal, sigkill = 1, 9
        ctypes.CDLL(None).prctl(set_parent_death_signal, sigkill)
        server = forkserver._forkserver  # noqa: SLF001  as in stop_child_server
        held = getattr(server, "_forkserver_alive_fd", None)
        if held is not None:
            server._forkserver_alive_fd = None  # type: ignore[attr-defined]  # noqa: SLF001
            os.close(held)
    elif sys.platform == "win32":
        from melwatch.platform import windows

        windows.end_with_parent()


def handle_signals(*, stop: Callable[[], None], rescan: Callable[[], None]) -> None:
    """Have the system's wishes called: to stop (SIGTERM, Ctrl-C), and to look again (SIGHUP)."""
    stopping = [signal.SIGTERM, signal.SIGINT]
    if sys.platform == "win32":
        stopping.append(signal.SIGBREAK)
    else:
        signal.signal(signal.SIGHUP, lambda *_: rescan())
    for number in stopping:
        signal.signal(number, lambda *_: stop())


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def is_passing(error: OSError) -> bool:
    """Whether an operation failed for a state of the disk that may pass, rather than for what was asked."""
    if sys.platform == "win32":
        from melwatch.platform import windows

        return is_disk_full(error) or error.winerror in windows.PASSING
    return is_disk_full(error) or error.errno in _PASSING


def is_disk_full(error: BaseException) -> bool:
    """Whether an operation failed for want of space."""
    return isinstance(error, OSError) and (
        error.errno in {errno.ENOSPC, errno.EDQUOT} or getattr(error, "winerror", None) in {39, 112}
    )
