"""A pass may end anywhere, by a kill or by a power cut: readers and the next pass find old or new, never half.

One pass of each scenario is watched. From its log come the disks that every kind of crash would leave
before, within and after everything that the pass asked of the system; nobody lists steps by hand.
`MELWATCH_TEST_EVERYTHING=1` tries every such disk, and a change of the recipe; otherwise it is one for every
kind of crash at every step.
"""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from faults.crashing import complaints, unreadable
from faults.interposer import Action, Call, built
from faults.recording import Crash
from faults.scenarios import SCENARIOS, SMALL, Bench, ending_of, first_import, record
from faults.states import State, States, selection
from faults.steps import ROLES, role_of
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from faults.scenarios import Recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

EVERYTHING = bool(os.environ.get("MELWATCH_TEST_EVERYTHING"))
CHOSEN = [name for name in SCENARIOS if EVERYTHING or name != "another recipe"]


@dataclass(frozen=True)
class Tried:
    """A scenario, the states that crashes in it leave, those that were tried, and what was wrong with them."""

    recorded: Recorded
    states: list[State]
    chosen: list[State]
    complaints: list[str]
    is_complete: bool
    """Whether what the log says of the disk is what the disk was in the end."""


@pytest.fixture(scope="module")
def trying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Tried]]]:
    """Try all scenarios, two at a time."""
    built()  # skips where it cannot be

    def try_out(name: str) -> Tried:
        place = tmp_path_factory.mktemp(name.replace(" ", "-"))
        recorded = record(place, SCENARIOS[name])
        with recorded.bench.warm:
            states = States(place).of(recorded.begun, recorded.operations)
            is_complete = recorded.begun.tree() == recorded.after
            chosen = states if EVERYTHING else selection(states)
            wrong = [complaint for state in chosen for complaint in complaints(recorded, state)]
            return Tried(recorded, states, chosen, wrong, is_complete)

    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(try_out, name) for name in CHOSEN}


@pytest.mark.parametrize("scenario", CHOSEN)
def test_a_crash_anywhere_leaves_the_old_or_the_new_and_costs_nothing(
    scenario: str, trying: Mapping[str, Future[Tried]]
) -> None:
    """Readers find one version, and the next pass ends like one that was left alone, with nothing done twice."""
    tried = trying[scenario].result()
    crashes = sum(len(state.crashes) for state in tried.states)
    print(
        f"{scenario}: {len(tried.recorded.steps)} steps, {len(tried.recorded.operations)} operations, "
        f"{crashes} crashes, {len(tried.states)} different disks, {len(tried.chosen)} tried"
    )
    assert not tried.complaints, "\n".join(tried.complaints[:20])


@pytest.mark.parametrize("scenario", CHOSEN)
def test_nothing_that_reaches_the_disk_escapes_the_log(scenario: str, trying: Mapping[str, Future[Tried]]) -> None:
    """What the log says of the disk is what the disk was, byte for byte; every kind of crash is tried at every step."""
    tried = trying[scenario].result()
    assert tried.is_complete
    met = {(crash, name) for state in tried.chosen for crash, _, name in state.crashes}
    for step in tried.recorded.steps:
        assert {crash for crash, name in met if name == step} >= set(Crash) - {Crash.TORN}, step
    written = {name for name in tried.recorded.steps if name.startswith("write ")}
    assert {name for crash, name in met if crash is Crash.TORN} == written


def test_a_file_that_nobody_has_named_is_noticed() -> None:
    """A new file that melwatch writes needs a name before the tests pass."""
    with pytest.raises(AssertionError, match="needs one role"):
        role_of("/disk/dataset/music_lib/new.json")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A first import that nothing disturbs."""
    recorded = record(tmp_path_factory.mktemp("calm"), first_import)
    recorded.bench.warm.stop()
    return recorded


KILLS = [
    (Action.KILL_HALFWAY, Call.WRITE, "manifest wal", 40),
    (Action.KILL, Call.REPLACE, "spool file", 5),
    (Action.KILL_HALFWAY, Call.WRITE, "shard", 20),
    (Action.KILL, Call.REPLACE, "version current.json", 0),
    (Action.KILL, Call.REPLACE, "validate/state.json", 0),
    (Action.KILL, Call.REPLACE, "current.json", 0),
    (Action.KILL, Call.REMOVE, "spool file", 3),
]


@pytest.mark.parametrize(("action", "call", "role", "skip"), KILLS, ids=[f"{c.verb} {r}" for _, c, r, _ in KILLS])
def test_really_killed(action: Action, call: Call, role: str, skip: int, calm: Recorded, tmp_path: Path) -> None:
    """What holds for disks that were worked out holds for a process that is killed, with all its children."""
    bench = Bench(tmp_path, music=calm.bench.music)
    bench.interposer.strike(action, call, ROLES[role], skip=skip)
    rig = Rig(bench.music, bench.dataset, bench.state)
    environment = {**os.environ, **bench.interposer.environment, **SMALL}
    process = subprocess.Popen(
        rig.command("sync"), env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    bench.interposer.calm()
    with bench.warm:
        assert not list(unreadable(calm, bench.read()))
        whole = {tuple(file.name.split(".")) for file in (bench.state / "spool").glob("[!.]*")}
        held = bench.recorded() | whole
        bench.sync()
        assert bench.extracted() == len(calm.ending.recorded - held)
        assert ending_of(bench) == calm.ending
