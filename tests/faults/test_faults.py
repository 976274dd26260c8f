"""The system may refuse anything: melwatch says so in a sentence, loses nothing, and goes on when it is over.

The steps are all that a watched pass asked of the system, whether it changes something or only looks.
`MELWATCH_TEST_EVERYTHING=1` has each fail in every way, once and from then on; otherwise each fails in one.
"""

from __future__ import annotations

import errno
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pytest

from faults.crashing import losses, rows_of, unreadable
from faults.interposer import FOREVER, Action, Call, built
from faults.scenarios import another_recipe, changes, ending_of, first_import, looks, record
from faults.steps import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from faults.scenarios import Recorded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

EVERYTHING = bool(os.environ.get("MELWATCH_TEST_EVERYTHING"))
SHORT = 0
"""Instead of an error: only half of what was to be written is."""

_FULL, _BROKEN, _STALE = errno.ENOSPC, errno.EIO, errno.ESTALE
_READ_ONLY, _DENIED, _TOO_MANY = errno.EROFS, errno.EACCES, errno.EMFILE
WAYS: dict[Call, tuple[int, ...]] = {
    Call.CREATE: (_FULL, _DENIED, _READ_ONLY, _TOO_MANY, _BROKEN, _STALE),
    Call.WRITE: (_FULL, SHORT, _BROKEN, _STALE),
    Call.TRUNCATE: (_FULL, _BROKEN, _READ_ONLY),
    Call.SYNC: (_BROKEN, _FULL, _STALE),
    Call.CLOSE: (_FULL, _BROKEN, _STALE),
    Call.REPLACE: (_READ_ONLY, _FULL, _BROKEN, _DENIED, _STALE),
    Call.REMOVE: (_BROKEN, _DENIED, _READ_ONLY, _STALE),
    Call.MKDIR: (_FULL, _READ_ONLY, _DENIED),
    Call.RMDIR: (_DENIED, _BROKEN),
    Call.CHMOD: (_DENIED, _READ_ONLY),
    Call.OPEN: (_TOO_MANY, _BROKEN, _DENIED, _STALE),
    Call.READ: (_BROKEN, _STALE),
    Call.STAT: (_STALE, _BROKEN, _DENIED),
    Call.LIST: (_BROKEN, _STALE),
    Call.SPACE: (_BROKEN, _STALE),
}

REFUSALS = frozenset({errno.EACCES, errno.EROFS})
"""What a wrong path meets too, so that melwatch may take it for one (exit code 2)."""


@dataclass(frozen=True)
class Fault:
    """A step that fails in some way, from some time on: the first time, or half-way through all such steps."""

    name: str
    call: Call
    role: str
    error: int
    times: int
    skip: int = 0

    def __str__(self) -> str:
        """Name it."""
        how = errno.errorcode.get(self.error, "short")
        when = "from then on" if self.times == FOREVER else "once"
        return f"{self.name}: {how} {when}, after {self.skip}"


def faults_at(name: str, count: int, number: int) -> Iterator[Fault]:
    """Yield the ways in which a step is to fail."""
    verb, role = name.split(" ", 1)
    call = Call[verb.upper()]
    every = [*product(WAYS[call], (FOREVER, 1), (0, count // 2) if count > 1 else (0,))]
    for error, times, skip in every if EVERYTHING else [every[number % len(every)]]:
        yield Fault(name, call, role, error, times, skip)


def complaints(recorded: Recorded, fault: Fault) -> Iterator[str]:
    """Say all that is wrong with a pass that meets a fault, and with the one after it."""
    bench = recorded.bench
    bench.put(recorded.before)
    action = Action.FAIL if fault.error != SHORT else Action.CUT_SHORT
    bench.interposer.strike(
        action, fault.call, ROLES[fault.role], error=fault.error, times=fault.times, skip=fault.skip
    )
    ran = bench.run("sync")
    is_met = bench.interposer.struck > 0
    bench.interposer.calm()
    if not is_met and fault.skip == 0:
        yield "is not met"
    if ran.code not in ({0, 1, 2, 4} if fault.error in REFUSALS else {0, 1, 4}):
        yield f"ends with {ran.code}: {ran.err}"
    if "Traceback" in ran.err:
        yield f"shows a traceback: {ran.err}"
    sentences = re.findall(r"^melwatch: .+", ran.err, re.MULTILINE)
    if len(sentences) != (1 if ran.code else 0):
        yield f"ends with {ran.code} and says {ran.err!r}"
    judge = losses if fault.role in {"music", "genre", "song"} else unreadable
    yield from judge(recorded, bench.read())
    again = bench.run("sync")
    if again.code:
        yield f"is over, and the next pass ends with {again.code}: {again.err}"
        return
    after, end = ending_of(bench), recorded.ending
    if judge is losses:  # songs that come a pass later may get another place and another split
        if rows_of(after.seen) != rows_of(end.seen):
            yield "is over, and the rows differ"
        return
    for what in ("seen", "fingerprint", "recorded", "files", "genres"):
        if getattr(after, what) != getattr(end, what):
            yield f"is over, and {what} differs: {getattr(after, what)} instead of {getattr(end, what)}"


@dataclass(frozen=True)
class Tried:
    """The faults that were tried in one scenario, and what was wrong."""

    steps: Sequence[str]
    faults: Sequence[Fault]
    complaints: Sequence[str]


@pytest.fixture(scope="module")
def trying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Tried]]]:
    """Try each step where it is met first, in two scenarios side by side."""
    built()  # skips where it cannot be
    places = {name: tmp_path_factory.mktemp(name) for name in ("changes", "first", "recipe")}
    recorded = {"changes": record(places["changes"], changes), "first": record(places["first"], first_import)}
    recorded["recipe"] = record(places["recipe"], another_recipe)
    steps = {name: looks(each.bench, each.before) for name, each in recorded.items()}
    steps["first"] = type(steps["first"])({k: n for k, n in steps["first"].items() if k not in steps["changes"]})
    steps["recipe"] = type(steps["recipe"])(
        {k: n for k, n in steps["recipe"].items() if k not in steps["changes"] and k not in steps["first"]}
    )

    def try_out(name: str) -> Tried:
        with recorded[name].bench.warm:
            faults = [
                fault
                for number, (step, count) in enumerate(sorted(steps[name].items()))
                for fault in faults_at(step, count, number)
            ]
            wrong = [f"{fault} {wrong}" for fault in faults for wrong in complaints(recorded[name], fault)]
            return Tried(sorted(steps[name]), faults, wrong)

    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(try_out, name) for name in recorded}


def test_every_role_is_played(trying: Mapping[str, Future[Tried]]) -> None:
    """What steps.py lists, a pass really asks for."""
    roles = {step.split(" ", 1)[1] for tried in trying.values() for step in tried.result().steps}
    assert roles == ROLES.keys()


@pytest.mark.parametrize("scenario", ["changes", "first", "recipe"])
def test_whatever_the_system_refuses_is_said_and_costs_nothing(
    scenario: str, trying: Mapping[str, Future[Tried]]
) -> None:
    """The pass ends as the contract says, readers find one version, and the next pass ends as if nothing had been."""
    tried = trying[scenario].result()
    print(f"{scenario}: {len(tried.steps)} steps, {len(tried.faults)} faults")
    assert not tried.complaints, "\n".join(tried.complaints[:40])
