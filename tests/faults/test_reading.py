"""Music that cannot be read for now is not gone, and a clock that jumps is not time that passes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from building import tone
from daemons import running
from faults.interposer import FOREVER, Action, Call
from faults.scenarios import SMALL, Bench, changes, ending_of, record
from faults.steps import ROLES
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faults.scenarios import Recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TEN_YEARS_NS = 10 * 365 * 24 * 3600 * 10**9


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A dataset in step with its library."""
    bench = Bench(tmp_path_factory.mktemp("imported"))
    with bench.warm:
        bench.sync()
        yield bench


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ENOENT])
@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (Call.OPEN, ROLES["song"]),
        (Call.READ, ROLES["song"]),
        (Call.STAT, ROLES["song"]),
        (Call.OPEN, ROLES["genre"]),
        (Call.LIST, ROLES["genre"]),
        (Call.OPEN, ROLES["music"]),
        (Call.LIST, ROLES["music"]),
        (Call.STAT, ROLES["music"]),
    ],
)
def test_what_cannot_be_read_is_not_gone(call: Call, pattern: str, error: int, imported: Bench) -> None:
    """Whatever of the library is out of reach, the dataset stays as it is, and nothing is extracted again."""
    before = imported.read()
    for song in imported.music.rglob("*.mp3"):
        song.touch()  # so that it is read again
    imported.interposer.strike(Action.FAIL, call, pattern, error=error, times=FOREVER)
    ran = imported.run("sync")
    assert imported.interposer.struck
    imported.interposer.calm()
    assert ran.code in {0, 1}, ran
    assert "Traceback" not in ran.err
    assert imported.read() == before
    imported.sync()
    assert imported.extracted() == 0
    assert imported.read() == before


def test_a_song_that_has_moved_and_cannot_be_read_is_not_gone(tmp_path: Path) -> None:
    """The old path's rows stay until the new path can be read; then they are those of the new path."""
    bench = Bench(tmp_path)
    with bench.warm:
        bench.sync()
        before = bench.read()
        (bench.music / "Rock" / "02.mp3").rename(bench.music / "Jazz" / "02.mp3")
        bench.interposer.strike(Action.FAIL, Call.READ, r"/music/Jazz/02\.mp3$", error=errno.EIO, times=FOREVER)
        assert bench.run("sync").code == 0
        assert bench.interposer.struck
        bench.interposer.calm()
        assert bench.read() == before
        bench.sync()
        assert bench.extracted() == 0
        assert bench.read() != before


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """A library in which much has changed, and what a pass makes of it."""
    recorded = record(tmp_path_factory.mktemp("changed"), changes)
    recorded.bench.environment |= {"MELWATCH_DATASET__KEEP_VERSIONS": "3", "MELWATCH_DATASET__KEEP_HOURS": "168"}
    with recorded.bench.warm:
        yield recorded


@pytest.mark.parametrize("shift_ns", [-TEN_YEARS_NS, TEN_YEARS_NS])
@pytest.mark.parametrize(
    ("call", "role"),
    [(Call.STAT, "state"), (Call.CREATE, "spool file"), (Call.CREATE, "shard"), (Call.REPLACE, "current.json")],
)
def test_a_clock_that_jumps_changes_nothing(call: Call, role: str, shift_ns: int, changed: Recorded) -> None:
    """Years ahead or back, within a pass and between passes: same rows, nothing made twice, no version too few."""
    bench = changed.bench
    bench.put(changed.before)
    bench.interposer.strike(Action.SHIFT_CLOCK, call, ROLES[role], shift_ns=shift_ns)
    try:
        bench.sync()
        assert bench.interposer.control.clock_offset_ns == shift_ns
        bench.sync()
        assert bench.extracted() == 0
    finally:
        bench.interposer.control.clock_offset_ns = 0
        bench.interposer.calm()
    bench.sync()
    assert bench.extracted() == 0
    after = ending_of(bench)
    assert (after.seen, after.fingerprint) == (changed.ending.seen, changed.ending.fingerprint)
    assert len(list((bench.dataset / "music_lib" / "versions").iterdir())) == 2


@pytest.mark.parametrize(
    ("call", "role", "error"),
    [
        (Call.WRITE, "shard", errno.ENOSPC),
        (Call.REPLACE, "current.json", errno.EIO),
        (Call.LIST, "spool", errno.ESTALE),
        (Call.CREATE, "spool file", errno.EROFS),
    ],
)
def test_the_daemon_waits_for_a_disk_to_recover(call: Call, role: str, error: int, tmp_path: Path) -> None:
    """It says what is wrong, readers keep what they have, and it goes on by itself when the fault is over."""
    bench = Bench(tmp_path)
    with bench.warm:
        bench.sync()
        before = bench.read()
        rig = Rig(bench.music, bench.dataset, bench.state, SMALL | bench.interposer.environment)
        with running(rig) as daemon:
            bench.interposer.strike(Action.FAIL, call, ROLES[role], error=error, times=FOREVER)
            (bench.music / "Rock" / "new.mp3").write_bytes(tone(500))
            daemon.wait_for(lambda: bench.interposer.struck > 0)
            daemon.wait_for_state("degraded")
            assert bench.read().loaded == before.loaded
            bench.interposer.calm()
            daemon.wait_for(lambda: "Rock/new.mp3" in daemon.songs())
        assert "Traceback" not in daemon.log()
