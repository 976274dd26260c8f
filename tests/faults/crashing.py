"""What must hold after a crash: of the disk as it is found, and of what the next pass makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.recording import Crash
from faults.scenarios import ending_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.scenarios import Recorded
    from faults.states import State
    from faults.warm import Seen

_NOTHING_YET = ("ConfigError: Nothing is published", "FileNotFoundError: ")


def complaints(recorded: Recorded, state: State) -> list[str]:
    """Return all that is wrong after a crash."""
    bench = recorded.bench
    bench.put(state.tree)
    is_over = any(name == "end" for _, _, name in state.crashes)
    crashes = {crash for crash, _, _ in state.crashes}
    return [f"{state}: {wrong}" for wrong in _complaints(recorded, crashes, is_over=is_over)]


def _complaints(recorded: Recorded, crashes: set[Crash], *, is_over: bool) -> Iterator[str]:
    bench, end = recorded.bench, recorded.ending
    seen = bench.read()
    yield from unreadable(recorded, seen)
    if is_over and seen != end.seen:
        yield "what had been published is not there"
    held, safe = bench.recorded(), bench.recorded(only_in_shards=True)
    ran = bench.run("sync")
    if ran.code:
        yield f"the next pass ends with {ran.code}: {ran.err}"
        return
    extracted, wanted = bench.extracted(), end.recorded
    is_killed = bool(crashes & {Crash.KILLED, Crash.TORN})
    most = len(wanted - held) if is_killed else len(wanted - safe)
    if extracted > most:
        yield f"{extracted} songs are extracted again, of which at most {most} had to be"
    after = ending_of(bench)
    for what in ("seen", "fingerprint", "recorded", "files", "genres"):
        ours, theirs = getattr(after, what), getattr(end, what)
        if ours != theirs:
            yield f"{what} differs: {ours} instead of {theirs}"


def losses(recorded: Recorded, seen: Seen) -> Iterator[str]:
    """Say what a reader misses or finds too much when songs could not be read: what was there before stays."""
    before, after, now = (rows_of(each) for each in (recorded.seen_before, recorded.ending.seen, seen))
    if (before & after) - now:
        yield f"{len((before & after) - now)} rows are lost"
    if now - (before | after):
        yield f"{len(now - (before | after))} rows are wrong"


def rows_of(seen: Seen) -> set[str]:
    """Return what a reader finds, whatever its split."""
    return set() if isinstance(seen.loaded, str) else {row for rows in seen.loaded.values() for row in rows}


def unreadable(recorded: Recorded, seen: Seen) -> Iterator[str]:
    """Say what a reader finds that is neither the old version nor the new."""
    known = [version for version in (recorded.seen_before, recorded.ending.seen) if not isinstance(version.loaded, str)]
    is_first = isinstance(recorded.seen_before.loaded, str)
    if isinstance(seen.loaded, str):
        if not (is_first and seen.loaded.startswith(_NOTHING_YET)):
            yield f"melwatch.load raises {seen.loaded}"
    elif seen.loaded not in [version.loaded for version in known]:
        yield "melwatch.load gives neither the old version nor the new"
    if isinstance(seen.opened, str):
        if not (is_first and seen.opened.startswith(_NOTHING_YET)):
            yield f"load_from_disk raises {seen.opened}"
        return
    for split, rows in seen.opened.items():
        if rows not in [version.opened[split] for version in known if not isinstance(version.opened, str)]:
            yield f"load_from_disk gives neither the old nor the new {split}"
