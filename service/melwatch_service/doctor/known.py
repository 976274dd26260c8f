"""What melwatch knows already: dataset, manifest, lock, and whether the clock agrees with them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from melwatch.dataset.layout import read_current, shards_of_version
from melwatch.errors import MelwatchError
from melwatch.manifest.database import FILE_NAME
from melwatch.manifest.health import State, examine
from melwatch.manifest.lock import holder, holder_pid
from melwatch.platform import system
from melwatch_service.doctor.finding import NotCheckedError, ok, problem, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.manifest.health import Health
    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

_SAFE_SHARE = 0.5
_FIRST_YEAR = 2025
_HINTS = {
    State.DAMAGED: "`melwatch repair` makes it anew from music and dataset.",
    State.NEWER: "Upgrade melwatch.",
    State.FOREIGN: "Name another state folder with --state.",
}


def look_at_dataset(case: Case) -> Iterator[Finding]:
    """Whether what is published is ours and can be opened."""
    try:
        case.workshop.attempt()
        current = read_current(case.folder)
    except NotCheckedError:
        raise
    except MelwatchError as error:
        yield problem("dataset.current", error.what, error.hint or "`melwatch verify` tells more.")
        return
    if current is None:
        yield ok("dataset.current", f"Nothing is published in {case.folder.path} yet")
    else:
        words = f"Version {current['version']} is published in {case.folder.path}"
        yield ok("dataset.current", words, version=current["version"], fingerprint=current["fingerprint"])


def look_at_shards(case: Case) -> Iterator[Finding]:
    """How many files a program maps that opens the versions that are kept."""
    limit = system.kernel_limit("vm/max_map_count")
    if limit is not None:
        yield judge_shards(len(_shards(case.folder)), limit)


def judge_shards(shards: int, limit: int) -> Finding:
    """Judge the number of shards against the memory maps that Linux allows a process."""
    facts = {"shards": shards, "max_map_count": limit}
    words = f"{shards:,} shards in all versions, of {limit:,} memory maps that a program may have"
    hint = f"sudo sysctl vm.max_map_count={max(1_048_576, 4 * shards)}; or lower dataset.keep_versions"
    if shards >= limit:
        return problem("dataset.shards", words, hint, **facts)
    if shards > _SAFE_SHARE * limit:
        return warning("dataset.shards", words, hint, **facts)
    return ok("dataset.shards", words, **facts)


def look_at_manifest(case: Case) -> Iterator[Finding]:
    """Whether the manifest can be read and is sound."""
    state = case.state
    file = state / FILE_NAME
    if not os.access(state, os.X_OK) and os.path.lexists(state):
        yield unchecked("state.manifest", f"{state} belongs to {system.owner_of(state)}, who alone may look", _AS_OWNER)
        return
    if not file.exists():
        yield ok("state.manifest", f"Nothing is known yet: there is no {file}")
        return
    if not os.access(file, os.R_OK):
        yield unchecked("state.manifest", f"{file} belongs to {system.owner_of(file)}, who alone may look", _AS_OWNER)
        return
    try:
        health = examine(file)
    except MelwatchError as error:
        if not os.access(state, os.W_OK):
            yield unchecked("state.manifest", f"{file} cannot be read by this account while others use it", _AS_OWNER)
            return
        yield problem("state.manifest", error.what, error.hint)
        return
    yield judge_manifest(health, str(file), file.stat().st_size)


_AS_OWNER = "Run `melwatch doctor` as that account."


def judge_manifest(health: Health, file: str, size: int) -> Finding:
    """Judge what SQLite says of the file."""
    facts = {"file": file, "bytes": size, "state": health.state}
    if health.state in _HINTS:
        return problem("state.manifest", health.what, _HINTS[health.state], **facts)
    if health.state is State.MISSING:
        return ok("state.manifest", f"Nothing is known yet: {file} is empty", **facts)
    return ok("state.manifest", f"{file} is sound ({size / 1e6:,.1f} MB)", **facts)


def look_at_lock(case: Case) -> Iterator[Finding]:
    """Who is at work, which is no fault."""
    state = case.state
    pid = holder_pid(state)
    if pid is None:
        yield ok("state.lock", "No melwatch is at work on it now")
    else:
        yield ok("state.lock", f"melwatch is at work on it: {holder(state / 'lock')}", pid=pid)


def look_at_clock(case: Case) -> Iterator[Finding]:
    """Whether the clock is behind what has been published."""
    try:
        current = read_current(case.folder)
    except (NotCheckedError, MelwatchError):
        current = None
    yield judge_clock(case.now, current.get("published_at") if current else None)


def judge_clock(now: datetime, published_at: str | None) -> Finding:
    """Judge the clock by the last publish, and by when melwatch was written."""
    facts = {"now": now.isoformat(timespec="seconds"), "published_at": published_at}
    hint = "Set the clock, and have it kept by NTP (`timedatectl set-ntp true`). Versions are kept by their age."
    if published_at is not None and now < datetime.fromisoformat(published_at):
        words = f"The clock says {facts['now']}, which is before the last publish at {published_at}"
        return problem("machine.clock", words, hint, **facts)
    if now < datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC):
        return problem("machine.clock", f"The clock says {facts['now']}", hint, **facts)
    return ok("machine.clock", f"The clock says {facts['now']}", **facts)


def _shards(folder: DatasetFolder) -> set[str]:
    found: set[str] = set()
    for number in folder.version_numbers():
        try:
            found |= shards_of_version(folder, number)
        except MelwatchError:  # `verify` tells of it
            continue
    return found
