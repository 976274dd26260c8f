"""The file systems that music, dataset and state lie on, and whether files can be replaced there safely."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Literal

from melwatch.platform import mounts, system
from melwatch.platform.disk import remove, replacing
from melwatch_service.doctor.case import existing
from melwatch_service.doctor.finding import ok, problem, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from melwatch.platform.mounts import Mount
    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

_FAT = frozenset({"exfat", "fat", "fat32", "msdos", "vfat"})
_PASSING = frozenset({"ramfs", "tmpfs"})
_SLOW_S = 0.5
_PROBES = 3
_NAMES = {"library": "The music", "dataset": "The dataset", "state": "The state folder"}


def look_at_file_system(case: Case, name: str) -> Iterator[Finding]:
    """What `library`, `dataset` or `state` lies on."""
    place = existing(_path(case, name))
    mount = mounts.mount_of(os.path.realpath(os.fsencode(place)))
    watch = case.config.get().watch.mode
    yield judge_file_system(name, mount, watch=watch, ignores_case=_ignores_case(place))


def judge_file_system(
    name: str,
    mount: Mount | None,
    *,
    watch: Literal["auto", "events", "poll"] = "auto",
    ignores_case: bool | None = None,
) -> Finding:
    """Judge the file system of `library`, `dataset` or `state`: the worst of what there is to say comes first."""
    check, place = f"{name}.file_system", _NAMES[name]
    if mount is None:
        return unchecked(check, f"{place} lies on a file system that cannot be told")
    facts = {"kind": mount.kind, "read_only": mount.is_read_only, "ignores_case": ignores_case}
    if mount.is_read_only and name != "library":
        hint = "Mount it for writing, or choose another folder."
        return problem(check, f"{place} lies on {mount.kind} that is mounted read-only", hint, **facts)
    if mounts.is_remote(mount.kind):
        return _judge_remote(check, mount.kind, watch, facts)
    if mount.kind in _FAT:
        return warning(check, f"{place} lies on {mount.kind}{_ABOUT_FAT[name]}", _FAT_HINTS[name], **facts)
    if mount.kind in _PASSING and name != "library":
        hint = "Choose a folder on a disk, unless that is meant."
        return warning(
            check, f"{place} lies on {mount.kind}, in memory: it is gone when the machine stops", hint, **facts
        )
    case = ", where upper and lower case are the same" if ignores_case else ""
    return ok(check, f"{place} lies on {mount.kind}{case}", **facts)


_ABOUT_FAT = {
    "library": ", which notes times to 2 s only: a change within that time may be seen late",
    "dataset": ", which has no journal, and no file above 4 GB unless it is exFAT: a crash may cost files",
    "state": ", which has no journal: a crash may damage the manifest",
}
_FAT_HINTS = {
    "library": "Nothing to do; the hourly look at everything finds what was missed.",
    "dataset": "Choose a folder on NTFS, ext4, XFS, Btrfs or APFS; or eject the disk before it is unplugged.",
    "state": "Name a folder on another disk with --state, or as dataset.state.",
}


def _judge_remote(check: str, kind: str, watch: str, facts: dict[str, object]) -> Finding:
    if check.startswith("state"):
        words = f"The state folder lies on {kind}, where SQLite's write-ahead log is not safe"
        return problem(
            check, words, "Name a folder on a disk of this machine with --state, or as dataset.state.", **facts
        )
    if check.startswith("dataset"):
        words = f"The dataset lies on {kind}: publishing takes longer, and others may see files in another order"
        return warning(check, words, "Have melwatch run on the machine whose disk it is, if that can be.", **facts)
    if watch == "poll":
        return ok(check, f"The music lies on {kind}, and is polled as the configuration says", **facts)
    words = f"The music lies on {kind}: what others change there is not told, so that it is seen at the hourly look"
    hint = 'Set schedule.rescan = "10m" for sooner; watch.mode = "poll" says that this is meant.'
    return warning(check, words, hint, **facts)


def look_at_writing(case: Case, name: str) -> Iterator[Finding]:
    """Write, sync, replace and remove a file in dataset or state, as a publish does."""
    yield probe(name, _path(case, name))


def _path(case: Case, name: str) -> Path:
    config = case.config.get()
    return {"library": lambda: config.library.root, "dataset": lambda: config.dataset.path}.get(
        name, lambda: case.state
    )()


def probe(name: str, path: Path) -> Finding:
    """Try it in a folder, or where the folder would be made."""
    check, folder = f"{name}.writing", existing(path)
    file = folder / f".doctor.{os.getpid()}.melwatch-tmp"  # swept away like any other, should we be killed
    if not folder.is_dir():
        return problem(check, f"{folder} is not a folder", "Move that file aside, or choose another folder.")
    slowest_s = 0.0
    try:
        for number in range(_PROBES):
            began_s = time.monotonic()
            content = str(number).encode() * 4096
            with replacing(file) as out:
                out.write(content)
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            if file.read_bytes() != content:
                return problem(check, f"{folder} gave back other bytes than were written", "Check the disk, soon.")
    except OSError as error:
        return judge_refusal(name, folder, error)
    finally:
        _forget(file)
    return judge_writing(name, folder, slowest_s, is_there=folder == path)


def judge_refusal(name: str, folder: Path, error: OSError) -> Finding:
    """Judge why a file could not be written."""
    words = f"{folder} cannot be written to: {error.strerror or error}"
    if system.is_disk_full(error):
        hint = "Free some space on its disk."
    elif isinstance(error, PermissionError):
        hint = "Let this account write there, or run melwatch as the one who may."
    else:
        hint = "Mount it for writing, or choose another folder."
    return problem(f"{name}.writing", words, hint, folder=str(folder), errno=error.errno)


def judge_writing(name: str, folder: Path, slowest_s: float, *, is_there: bool) -> Finding:
    """Judge how long it took to write one small file safely."""
    facts = {"folder": str(folder), "slowest_ms": round(slowest_s * 1000, 1)}
    where = folder if is_there else f"{folder}, where the {name} folder will be made,"
    words = f"A file in {where} is written, synced and replaced in {slowest_s * 1000:,.0f} ms"
    if slowest_s > _SLOW_S:
        hint = "The disk is slow or busy; publishing will be, too."
        return warning(f"{name}.writing", words, hint, **facts)
    return ok(f"{name}.writing", words, **facts)


def _forget(file: Path) -> None:
    try:
        remove(file)
    except OSError:  # what could not be written cannot be removed
        return


def _ignores_case(folder: Path) -> bool | None:
    """Whether another spelling of something in a folder leads to the same; None where nothing is there to try."""
    try:
        with os.scandir(folder) as entries:
            name = next((entry.name for entry in entries if entry.name.swapcase() != entry.name), None)
        return None if name is None else os.path.samefile(folder / name, folder / name.swapcase())
    except FileNotFoundError:
        return False
    except OSError:
        return None
