"""When to look and when to publish, by the clock alone."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.daemon.agenda import HINT_DELAY_S, Agenda

QUIET_S, MAX_WAIT_S = 30.0, 900.0
START_S = 1000.0

quick = settings(max_examples=100)
moments = st.integers(0, 2000).map(lambda tenths: START_S + tenths / 10)


def agenda(*, is_timed: bool = False) -> Agenda:
    """Return an agenda whose first look is over and found nothing new."""
    fresh = Agenda(quiet_s=QUIET_S, max_wait_s=MAX_WAIT_S, is_timed=is_timed)
    look(fresh, START_S, is_unpublished=False)
    return fresh


NEWS = (f"digest {number}" for number in count())


def look(
    on: Agenda,
    now_s: float,
    *,
    is_unpublished: bool = True,
    is_publishing: bool = False,
    took_s: float = 0.0,
    again_in_s: float | None = None,
) -> None:
    """Look at the library at some moment; by default something new is there."""
    on.begin_look(is_publishing=is_publishing)
    on.looked(now_s, took_s=took_s, again_in_s=again_in_s, unpublished=next(NEWS) if is_unpublished else None)


# Looking.


def test_the_first_look_is_due_at_once() -> None:
    """What changed while nobody watched is found at the start."""
    fresh = Agenda(quiet_s=QUIET_S, max_wait_s=MAX_WAIT_S)

    assert fresh.is_look_due(0.0)
    assert fresh.seconds_left(START_S) == 0
    assert not fresh.is_publish_due(START_S)


def test_nothing_is_due_while_nothing_happens() -> None:
    """After a look without news there is no reason to wake up by oneself."""
    idle = agenda()

    assert idle.seconds_left(START_S) is None
    assert not idle.is_look_due(START_S + 1e9)
    assert not idle.is_publish_due(START_S + 1e9)


def test_a_hint_asks_for_a_look_a_moment_later() -> None:
    """The events of one copy become one look."""
    idle = agenda()
    idle.hint(START_S + 5)

    assert not idle.is_look_due(START_S + 5 + HINT_DELAY_S - 0.01)
    assert idle.is_look_due(START_S + 5 + HINT_DELAY_S)
    assert idle.seconds_left(START_S + 5) == HINT_DELAY_S


@quick
@given(hints=st.lists(moments, min_size=1, max_size=20))
def test_hints_do_not_put_a_look_off(hints: list[float]) -> None:
    """However events pour in, the look comes when the first asked for it."""
    idle = agenda()
    for now_s in sorted(hints):
        idle.hint(now_s)

    assert idle.look_at_s == min(hints) + HINT_DELAY_S


def test_a_hint_during_the_rest_after_a_look_waits() -> None:
    """A look that took 3 s is followed by 30 s without one, whatever happens."""
    busy = agenda()
    look(busy, START_S, took_s=3.0)
    busy.hint(START_S + 1)

    assert not busy.is_look_due(START_S + 29.9)
    assert busy.is_look_due(START_S + 30)


@quick
@given(took_s=st.floats(0.01, 100))
def test_looking_takes_a_tenth_of_the_time_at_most(took_s: float) -> None:
    """Endless events, answered as soon as it is due, leave nine tenths of the time for other things."""
    busy, now_s = agenda(), START_S
    for _ in range(20):
        look(busy, now_s + took_s, took_s=took_s)
        ended_s = now_s + took_s
        busy.hint(ended_s)
        left_s = busy.seconds_left(ended_s)
        assert left_s is not None
        assert busy.look_at_s is not None
        assert busy.look_at_s - ended_s >= 9 * took_s
        now_s = busy.look_at_s


def test_a_look_that_is_asked_for_comes_at_once() -> None:
    """Neither the rest after a look nor a hint that waits holds it up."""
    busy = agenda()
    look(busy, START_S, took_s=3.0)
    busy.hint(START_S + 1)
    busy.look_now(START_S + 2)

    assert busy.is_look_due(START_S + 2)
    assert busy.seconds_left(START_S + 2) == 0


def test_asking_for_a_look_puts_none_off() -> None:
    """A look that was due already stays due."""
    late = agenda()
    late.look_now(START_S + 1)
    late.look_now(START_S + 5)

    assert late.look_at_s == START_S + 1


def test_a_hint_while_looking_asks_for_another_look() -> None:
    """What comes in after the look has begun may have escaped it."""
    looking = agenda()
    looking.look_now(START_S + 1)
    looking.begin_look()
    assert not looking.is_look_due(START_S + 1)
    looking.hint(START_S + 2)
    looking.looked(START_S + 3, took_s=2.0, again_in_s=None, unpublished=None)

    assert looking.is_look_due(START_S + 2 + HINT_DELAY_S)


def test_files_still_being_written_are_looked_for_when_they_may_be_done() -> None:
    """A look says itself when the next is worth it, whether or not it found anything to publish."""
    for is_unpublished in (True, False):
        waiting = agenda()
        look(waiting, START_S, again_in_s=10.0, is_unpublished=is_unpublished, took_s=5.0)

        assert not waiting.is_look_due(START_S + 9.9)
        assert waiting.is_look_due(START_S + 10)


# Publishing.


def test_what_changed_is_published_after_quiet() -> None:
    """Not a moment before `quiet_s` without a change, and at that moment."""
    changed = agenda()
    look(changed, START_S)

    assert changed.seconds_left(START_S) == QUIET_S
    assert not changed.is_publish_due(START_S + QUIET_S - 0.1)
    assert changed.is_publish_due(START_S + QUIET_S)


@pytest.mark.parametrize("by", ["hint", "look"])
def test_every_change_begins_the_quiet_anew(by: str) -> None:
    """A hint counts as much as what a look finds, since a copy that goes on is no quiet."""
    changed = agenda()
    look(changed, START_S)
    if by == "hint":
        changed.hint(START_S + 20)
        changed.begin_look()
    else:
        look(changed, START_S + 20)

    assert not changed.is_publish_due(START_S + 20 + QUIET_S - 0.1)
    assert changed.is_publish_due(START_S + 20 + QUIET_S)


def test_changes_that_go_on_do_not_put_publishing_off_for_ever() -> None:
    """At the latest `max_wait_s` after the first change there is a version."""
    changed, now_s = agenda(), START_S
    while not changed.is_publish_due(now_s):
        look(changed, now_s)
        now_s += 1

    assert now_s == START_S + MAX_WAIT_S


@quick
@given(changes=st.lists(moments, min_size=1, max_size=50))
def test_publishing_is_due_after_quiet_or_after_the_longest_wait(changes: list[float]) -> None:
    """The earlier of both counts, and `seconds_left` tells it."""
    changed = agenda()
    for now_s in sorted(changes):
        look(changed, now_s)
    now_s = max(changes)
    due_s = min(now_s + QUIET_S, min(changes) + MAX_WAIT_S)

    assert changed.seconds_left(now_s) == pytest.approx(max(0.0, due_s - now_s), abs=1e-6)
    assert changed.is_publish_due(due_s)
    assert now_s > due_s - 0.01 or not changed.is_publish_due(due_s - 0.01)


def test_hints_alone_set_no_publishing_off() -> None:
    """Only a look tells whether the dataset would differ."""
    idle = agenda()
    idle.hint(START_S)
    idle.begin_look()

    assert idle.seconds_left(START_S) is None
    assert not idle.is_publish_due(START_S + 2 * MAX_WAIT_S)


def test_a_change_that_was_undone_needs_no_version() -> None:
    """A look that finds the dataset as it is published ends the wait, and the next change begins a new one."""
    changed = agenda()
    look(changed, START_S)
    look(changed, START_S + 10, is_unpublished=False)
    assert not changed.is_publish_due(START_S + 2 * MAX_WAIT_S)
    look(changed, START_S + MAX_WAIT_S - 1)

    assert not changed.is_publish_due(START_S + MAX_WAIT_S)


def test_a_version_ends_the_wait() -> None:
    """Once all is published nothing is due, whatever was asked before, and the next change waits in full."""
    changed = agenda()
    look(changed, START_S)
    changed.is_publish_asked = True
    look(changed, START_S, is_unpublished=False, is_publishing=True)

    assert changed.seconds_left(START_S) is None
    assert not changed.is_publish_due(START_S + 2 * MAX_WAIT_S)
    look(changed, START_S + MAX_WAIT_S)
    assert changed.seconds_left(START_S + MAX_WAIT_S) == QUIET_S


def test_publishing_on_request_waits_for_nothing() -> None:
    """It is due at once, also where publishing has set times, until it is done."""
    for is_timed in (True, False):
        asked = agenda(is_timed=is_timed)
        asked.is_publish_asked = True

        assert asked.is_publish_due(START_S)
        look(asked, START_S, is_unpublished=False)
        assert asked.is_publish_due(START_S)
        look(asked, START_S, is_unpublished=False, is_publishing=True)
        assert not asked.is_publish_due(START_S)


def test_what_is_asked_while_publishing_is_done_by_the_next_pass() -> None:
    """A pass that had begun may not have seen what the person wants to see published."""
    asked = agenda()
    asked.begin_look(is_publishing=True)
    asked.is_publish_asked = True
    asked.looked(START_S, took_s=0.0, again_in_s=None, unpublished=None)
    assert asked.is_publish_due(START_S)


def test_a_look_that_finds_nothing_new_does_not_put_publishing_off() -> None:
    """Quiet is that nothing changes, not that nobody looks."""
    changed = agenda()
    for passed_s in range(int(QUIET_S) + 1):
        changed.begin_look()
        changed.looked(START_S + passed_s, took_s=0.0, again_in_s=None, unpublished="the same")
    assert changed.is_publish_due(START_S + QUIET_S)


def test_a_look_at_everything_does_not_keep_parts_from_being_looked_at() -> None:
    """Each kind of look is followed by a rest from its kind."""
    for at_everything in (True, False):
        resting = agenda()
        resting.begin_look()
        resting.looked(START_S, took_s=3.0, again_in_s=None, unpublished=None, at_everything=at_everything)
        resting.hint(START_S, at_everything=not at_everything)
        assert resting.look_at_s == START_S + HINT_DELAY_S
        resting.begin_look()
        resting.hint(START_S, at_everything=at_everything)
        assert resting.look_at_s == START_S + 30


def test_where_publishing_has_set_times_changes_do_not_set_it_off() -> None:
    """Neither quiet nor the longest wait counts, nor does a pass that goes on for long."""
    timed = agenda(is_timed=True)
    look(timed, START_S)

    assert timed.seconds_left(START_S) is None
    assert not timed.is_publish_due(START_S + 2 * MAX_WAIT_S)
    assert not timed.is_look_overdue(START_S + 2 * MAX_WAIT_S, START_S)


def test_a_pass_of_hours_is_interrupted_to_look_again() -> None:
    """After `max_wait_s` of one extraction the library is looked at again."""
    long = agenda()

    assert not long.is_look_overdue(START_S + MAX_WAIT_S - 0.1, START_S)
    assert long.is_look_overdue(START_S + MAX_WAIT_S, START_S)


def test_the_sooner_of_look_and_publishing_is_waited_for() -> None:
    """`seconds_left` never lets one sleep past either, and is never negative."""
    both = agenda()
    look(both, START_S, again_in_s=10.0)
    assert both.seconds_left(START_S) == 10
    look(both, START_S, again_in_s=50.0)
    assert both.seconds_left(START_S) == QUIET_S
    assert both.seconds_left(START_S + 2 * MAX_WAIT_S) == 0


steps = st.lists(
    st.tuples(
        st.floats(0, 100),
        st.sampled_from(["hint", "look now", "look", "look in vain", "look again", "published", "nothing"]),
    ),
    max_size=30,
)


@quick
@given(steps=steps, is_timed=st.booleans())
def test_nothing_becomes_due_unnoticed(steps: list[tuple[float, str]], is_timed: bool) -> None:  # noqa: FBT001  hypothesis
    """Whatever happens, `seconds_left` is zero exactly while something is due."""
    of, now_s = agenda(is_timed=is_timed), START_S
    for passed_s, step in steps:
        now_s += passed_s
        match step:
            case "hint":
                of.hint(now_s)
            case "look now":
                of.look_now(now_s)
            case "look":
                look(of, now_s)
            case "look in vain":
                look(of, now_s, is_unpublished=False)
            case "look again":
                look(of, now_s, again_in_s=7.0, took_s=2.0)
            case "published":
                look(of, now_s, is_unpublished=False)
        is_due = of.is_look_due(now_s) or of.is_publish_due(now_s)
        left_s = of.seconds_left(now_s)

        assert (left_s == 0) == is_due
        if left_s:
            # A hair later, since a sum of floats may fall a rounding short.
            then_s = now_s + left_s + 1e-6
            assert of.is_look_due(then_s) or of.is_publish_due(then_s)
