"""Which files stand still: by both clocks, by what is known of their writers, and in the end by patience."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.library.settle import SOONEST_LOOK_S, Settling
from melwatch.track import FileStamp, RelPath, SeenFile

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from melwatch.library.settle import Verdict

quick = settings(max_examples=100)

NOON_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
SETTLE_S = 10.0
LONGEST_WAIT_S = 60.0
START_S = 1000.0
A, B, C = RelPath(b"Rock/a.mp3"), RelPath(b"Rock/b.mp3"), RelPath(b"Jazz/c.mp3")


def at_ns(now_s: float) -> int:
    """Return what a wall clock that never jumps shows."""
    return NOON_NS + int((now_s - START_S) * SECOND_NS)


def stamp(written_s: float = START_S, *, size: int = 100, inode: int = 7) -> FileStamp:
    return FileStamp(size=size, mtime_ns=at_ns(written_s), changed_ns=at_ns(written_s), inode=inode)


OLD = stamp(START_S - 3600)


def file(path: RelPath = A, of: FileStamp | None = None) -> SeenFile:
    return SeenFile(path=path, stamp=of or stamp())


def look(
    settling: Settling,
    now_s: float,
    *files: SeenFile,
    closed: Collection[RelPath] = (),
    busy: Collection[RelPath] = (),
    known_stamps: Collection[tuple[int, int, int]] = (),
) -> Verdict:
    return settling.sort(files, now_s=now_s, now_ns=at_ns(now_s), closed=closed, busy=busy, known_stamps=known_stamps)


def settled_at(verdict: Verdict) -> list[RelPath]:
    return [entry.path for entry in verdict.settled]


def why(verdict: Verdict) -> str:
    (entry,) = verdict.unsettled
    return entry.what


@pytest.fixture
def settling() -> Settling:
    return Settling(SETTLE_S, LONGEST_WAIT_S)


# Standing still.


def test_a_new_file_is_settled_once_it_stood_still_long_enough(settling: Settling) -> None:
    """Not a moment before `settle_s`, and at that moment."""
    first = look(settling, START_S, file())

    assert first.look_again_in_s == SETTLE_S
    assert not look(settling, START_S + SETTLE_S - 0.1, file()).settled
    assert settled_at(look(settling, START_S + SETTLE_S, file())) == [A]


def test_a_growing_file_is_never_settled(settling: Settling) -> None:
    """However long a slow copy takes, it waits, and its age tells since when."""
    for second in range(0, 600, 5):
        now_s = START_S + second
        verdict = look(settling, now_s, file(of=stamp(now_s, size=100 + second)))
        assert not verdict.settled

    assert why(verdict) == "It is still growing"
    assert verdict.unsettled[0].age_s == 595


def test_a_file_that_was_there_long_before_is_settled_at_first_sight(settling: Settling) -> None:
    """A daemon that starts on a library need not wait for it."""
    verdict = look(settling, START_S, file(of=OLD))

    assert settled_at(verdict) == [A]
    assert verdict.look_again_in_s is None


def test_a_copy_with_the_times_of_its_model_is_not_taken_for_an_old_file(settling: Settling) -> None:
    """Both times must be old: the system's own cannot be set back."""
    copied = stamp(START_S)._replace(mtime_ns=OLD.mtime_ns)

    assert not look(settling, START_S, file(of=copied)).settled


def test_a_file_seen_to_change_is_not_old_whatever_its_times_say(settling: Settling) -> None:
    """The clock of a file server may be an hour behind ours."""
    look(settling, START_S, file(), file(B, OLD), busy={A, B})
    grown = file(B, OLD._replace(size=200))

    assert not look(settling, START_S + 1, grown).settled
    assert settled_at(look(settling, START_S + 1 + SETTLE_S, grown)) == [B]


@pytest.mark.parametrize("which", ["mtime_ns", "changed_ns"])
def test_a_time_in_the_future_only_costs_the_wait(settling: Settling, which: str) -> None:
    """A file from next year is settled when it stood still."""
    later = OLD._replace(**{which: at_ns(START_S + 365 * 86_400)})

    assert look(settling, START_S, file(of=later)).look_again_in_s == SETTLE_S
    assert settled_at(look(settling, START_S + SETTLE_S, file(of=later))) == [A]


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
def test_a_wall_clock_that_jumps_only_costs_the_wait(settling: Settling, jump_s: int) -> None:
    """A file written a moment before the clock jumped by a day is still a file written a moment ago."""
    look(settling, START_S)
    jumped = at_ns(START_S + 2) + jump_s * SECOND_NS
    first = settling.sort([file(of=stamp(START_S + 1))], now_s=START_S + 2, now_ns=jumped)

    assert not first.settled
    second = settling.sort([file(of=stamp(START_S + 1))], now_s=START_S + 12, now_ns=jumped + 10 * SECOND_NS)
    assert settled_at(second) == [A]


# What is known of the writer.


def test_a_closed_file_waits_a_second(settling: Settling) -> None:
    """Its writer is through; the second is for one that opens it again at once."""
    first = look(settling, START_S, file(), closed={A})

    assert not first.settled
    assert first.look_again_in_s == 1
    assert settled_at(look(settling, START_S + 1, file())) == [A]


def test_a_file_that_changes_after_it_was_closed_waits_again(settling: Settling) -> None:
    """Closed once is not closed for good."""
    look(settling, START_S, file(), closed={A})
    changed = file(of=stamp(START_S + 0.5, size=200))

    assert look(settling, START_S + 1, changed).look_again_in_s == SETTLE_S
    assert not look(settling, START_S + 2, changed).settled


def test_a_short_settle_time_holds_for_closed_files_too() -> None:
    """No file waits longer for having been closed."""
    hasty = Settling(0.5)

    look(hasty, START_S, file(), closed={A})
    assert settled_at(look(hasty, START_S + 0.5, file(), closed={A})) == [A]


def test_a_renamed_file_is_settled_at_once(settling: Settling) -> None:
    """A rename moves the time of change alone; size, time and inode are those of a known file."""
    moved = file(B, OLD._replace(changed_ns=at_ns(START_S)))

    verdict = look(settling, START_S, moved, known_stamps={(OLD.size, OLD.mtime_ns, OLD.inode)})
    assert settled_at(verdict) == [B]


def test_a_file_open_for_writing_waits_whatever_else_holds(settling: Settling) -> None:
    """Old, known and closed, and yet somebody is at it."""
    known = {(OLD.size, OLD.mtime_ns, OLD.inode)}
    verdict = look(settling, START_S, file(of=OLD), closed={A}, busy={A}, known_stamps=known)

    assert why(verdict) == "It is open for writing"
    assert settled_at(look(settling, START_S + 1, file(of=OLD))) == [A]


def test_a_file_open_for_hours_is_looked_at_ever_more_rarely(settling: Settling) -> None:
    """A recording of six hours costs about one look a minute."""
    now_s, looks = START_S, 0
    while now_s < START_S + 6 * 3600:
        verdict = look(settling, now_s, file(of=stamp(now_s, size=looks + 1)), busy={A})
        assert verdict.look_again_in_s is not None
        now_s += verdict.look_again_in_s
        looks += 1

    assert looks < 6 * 60 + 10


# Patience.


def test_a_file_whose_time_alone_changes_is_taken_in_the_end(settling: Settling) -> None:
    """Some programs touch a file again and again: its size and inode count."""
    for second in range(0, 60, 5):
        verdict = look(settling, START_S + second, file(of=stamp(START_S + second)))
        assert not verdict.settled

    assert why(verdict) == "Its time still changes"
    assert settled_at(look(settling, START_S + 60, file(of=stamp(START_S + 60)))) == [A]


def test_patience_begins_anew_when_the_size_changes(settling: Settling) -> None:
    """A file that grew for a minute is not taken for one that is only touched."""
    look(settling, START_S, file())
    look(settling, START_S + 55, file(of=stamp(START_S + 55, size=200)))

    assert not look(settling, START_S + 61, file(of=stamp(START_S + 61, size=200))).settled


def test_an_empty_file_is_settled_in_the_end(settling: Settling) -> None:
    """It waits for its content; if none comes, it is recorded as what it is."""
    first = look(settling, START_S, file(of=stamp(size=0)), closed={A})

    assert first.look_again_in_s == LONGEST_WAIT_S
    assert why(first) == "It is still empty"
    assert not look(settling, START_S + 59, file(of=stamp(size=0)), closed={A}).settled
    assert settled_at(look(settling, START_S + 60, file(of=stamp(size=0)))) == [A]


def test_a_file_that_has_been_empty_for_long_holds_nobody_up(settling: Settling) -> None:
    """By its own times it was empty for an hour."""
    assert settled_at(look(settling, START_S, file(of=OLD._replace(size=0)))) == [A]


def test_the_longest_wait_is_never_shorter_than_the_settle_time() -> None:
    """Who asks for two minutes of stillness gets them."""
    patient = Settling(120, longest_wait_s=60)

    look(patient, START_S, file())
    assert not look(patient, START_S + 119, file()).settled
    assert settled_at(look(patient, START_S + 120, file())) == [A]


@pytest.mark.parametrize(
    ("then", "what"),
    [
        (stamp(START_S + 1, size=101), "It is still growing"),
        (stamp(START_S + 1, size=99), "It is still changing"),
        (stamp(START_S + 1, inode=8), "It is still changing"),
        (stamp(START_S + 1), "Its time still changes"),
        (stamp(), "It was written only just now"),
        (stamp(START_S + 1, size=0), "It is still empty"),
    ],
)
def test_each_file_that_waits_says_why(settling: Settling, then: FileStamp, what: str) -> None:
    """The sentence follows from the last change that was seen."""
    look(settling, START_S, file())

    assert why(look(settling, START_S + 1, file(of=then))) == what


# What is remembered.


def test_files_of_other_folders_are_remembered(settling: Settling) -> None:
    """A look at one folder takes nothing from what waits elsewhere, and says when to look there."""
    look(settling, START_S, file(A), file(C))
    verdict = look(settling, START_S + 4, file(B))

    assert tuple(sorted(settling._waiting)) == (C, A, B)
    assert verdict.look_again_in_s == SETTLE_S - 4
    assert settled_at(look(settling, START_S + SETTLE_S, file(A), file(C))) == [C, A]
    assert tuple(sorted(settling._waiting)) == (B,)


def test_files_that_are_due_but_not_looked_at_cause_no_busy_loop(settling: Settling) -> None:
    """Looking elsewhere each time that is asked for comes to a look a minute."""
    look(settling, START_S, file(A))
    now_s, looks = START_S, 0
    while now_s < START_S + 3600:
        verdict = look(settling, now_s)
        assert verdict.look_again_in_s is not None
        now_s += verdict.look_again_in_s
        looks += 1

    assert looks < 60 + 20


def test_what_is_forgotten_waits_anew(settling: Settling) -> None:
    """A file that went and came again is a new file; retaining the unknown is no error."""
    look(settling, START_S, file(A), file(B), file(C))
    settling.retain({B, C, RelPath(b"never/seen.mp3")})
    assert tuple(sorted(settling._waiting)) == (C, B)
    settling.retain({B})
    assert tuple(sorted(settling._waiting)) == (B,)

    assert settled_at(look(settling, START_S + SETTLE_S, file(A, stamp(START_S + 5)), file(B))) == [B]


def test_nothing_waits_where_nothing_was_seen(settling: Settling) -> None:
    """No candidates, no verdict on any, no reason to look again."""
    verdict = look(settling, START_S)

    assert (verdict.settled, verdict.unsettled, verdict.look_again_in_s) == ((), (), None)


# For all histories.


@dataclass
class History:
    """A file as it truly is, on a wall clock that may jump."""

    now_s: float = START_S
    wall_ns: int = NOON_NS
    size: int = 50
    inode: int = 7
    written_ns: int = NOON_NS
    changed_s: float = START_S
    body_changed_s: float = START_S
    stamp: FileStamp = field(init=False)

    def __post_init__(self) -> None:
        self._restamp()

    def go_on(self, wait_s: float, jump_s: int, change: str) -> None:
        """Let time pass, then have the file change."""
        self.now_s += wait_s
        self.wall_ns += int(wait_s * SECOND_NS) + jump_s * SECOND_NS
        if change != "none":
            self.changed_s = self.now_s
            self.written_ns = self.wall_ns
        if change in {"grow", "replace"}:
            self.body_changed_s = self.now_s
            self.size += change == "grow"
            self.inode += change == "replace"
        self._restamp()

    def _restamp(self) -> None:
        self.stamp = FileStamp(size=self.size, mtime_ns=self.written_ns, changed_ns=self.written_ns, inode=self.inode)


waits = st.integers(1, 60).map(lambda quarters: quarters / 4)
jumps = st.sampled_from([0, 0, 0, -86_400, -3600, 3600, 86_400])
changes = st.sampled_from(["none", "none", "grow", "touch", "replace"])
steps = st.lists(st.tuples(waits, jumps, changes, st.booleans()), max_size=30)


@quick
@given(steps=steps)
def test_no_file_is_settled_before_it_stood_still(steps: Sequence[tuple[float, int, str, bool]]) -> None:
    """Whatever it does and the wall clock shows: quiet for `settle_s`, or only touched for the longest wait."""
    settling, history = Settling(SETTLE_S, LONGEST_WAIT_S), History()
    for wait_s, jump_s, change, is_looked_at in [(1.0, 0, "none", True), *steps]:
        history.go_on(wait_s, jump_s, change)
        candidates = [SeenFile(path=A, stamp=history.stamp)] if is_looked_at else []
        verdict = settling.sort(candidates, now_s=history.now_s, now_ns=history.wall_ns)
        if verdict.settled:
            is_quiet = history.now_s - history.changed_s >= SETTLE_S
            assert is_quiet or history.now_s - history.body_changed_s >= LONGEST_WAIT_S


@quick
@given(steps=steps)
def test_a_file_left_alone_is_settled_after_the_wait(steps: Sequence[tuple[float, int, str, bool]]) -> None:
    """Whatever went before, jumps of the clock included, a look and one more after `settle_s` are enough."""
    settling, history = Settling(SETTLE_S, LONGEST_WAIT_S), History()
    for wait_s, jump_s, change, is_looked_at in steps:
        history.go_on(wait_s, jump_s, change)
        candidates = [SeenFile(path=A, stamp=history.stamp)] if is_looked_at else []
        settling.sort(candidates, now_s=history.now_s, now_ns=history.wall_ns)
    left_alone = [SeenFile(path=A, stamp=history.stamp)]
    first = settling.sort(left_alone, now_s=history.now_s, now_ns=history.wall_ns)
    then_s = history.now_s + SETTLE_S

    later = settling.sort(left_alone, now_s=then_s, now_ns=history.wall_ns + int(SETTLE_S * SECOND_NS))
    assert first.settled or later.settled


ages_s = st.floats(-100, 100, allow_nan=False)
some_files = st.dictionaries(
    st.sampled_from([A, B, C, RelPath(b"Jazz/d.mp3"), RelPath(b"Pop/\xff.mp3")]),
    st.builds(lambda age_s, size: stamp(START_S - age_s, size=size), ages_s, st.sampled_from([0, 1, 100])),
)


@quick
@given(files=some_files, closed=st.sets(st.sampled_from([A, B, C])), start_s=st.floats(1, 1e7))
def test_each_promised_look_settles_a_file(
    files: dict[RelPath, FileStamp], closed: set[RelPath], start_s: float
) -> None:
    """Files that stand still are settled at the times announced, the last by the longest wait."""
    settling = Settling(SETTLE_S, LONGEST_WAIT_S)
    waiting = [file(path, of) for path, of in files.items()]
    now_s = start_s
    while waiting:
        wall_ns = NOON_NS + int((now_s - start_s) * SECOND_NS)
        verdict = settling.sort(waiting, now_s=now_s, now_ns=wall_ns, closed=closed)
        assert verdict.settled or now_s == start_s
        waiting = [entry for entry in waiting if entry not in verdict.settled]
        assert bool(waiting) is (verdict.look_again_in_s is not None)
        now_s += verdict.look_again_in_s or 0

    assert now_s < start_s + LONGEST_WAIT_S + SOONEST_LOOK_S + 0.01
    assert not tuple(sorted(settling._waiting))


@quick
@given(files=some_files, later=some_files, data=st.data())
def test_the_order_of_candidates_does_not_matter(
    files: dict[RelPath, FileStamp], later: dict[RelPath, FileStamp], data: st.DataObject
) -> None:
    """The verdicts, in path order, are the same for every order in which files are given."""
    ordered, shuffled = Settling(SETTLE_S), Settling(SETTLE_S)
    for now_s, found in ((START_S, files), (START_S + 5, later), (START_S + 12, files | later)):
        candidates = [file(path, of) for path, of in found.items()]
        verdict = look(ordered, now_s, *candidates)
        assert verdict == look(shuffled, now_s, *data.draw(st.permutations(candidates)))
        assert settled_at(verdict) == sorted(settled_at(verdict))
