"""What a pass has to do, by comparing the known and the seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.passes.plan import SETTLED_AFTER_NS, is_under, make_plan
from melwatch.track import FileStamp, KnownFile, RelPath, SeenFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from melwatch.passes.plan import Plan

quick = settings(max_examples=60)

NOON_NS = 1_700_000_000_000_000_000
HOUR_NS = 3_600_000_000_000
MINUTE_NS = 60_000_000_000
STAMP = FileStamp(size=100, mtime_ns=NOON_NS, changed_ns=NOON_NS, inode=7)


def known(
    path: bytes, stamp: FileStamp = STAMP, *, read_ns: int = NOON_NS + HOUR_NS, is_done: bool = True
) -> KnownFile:
    return KnownFile(path=RelPath(path), stamp=stamp, read_ns=read_ns, is_done=is_done)


def seen(path: bytes, stamp: FileStamp = STAMP) -> SeenFile:
    return SeenFile(path=RelPath(path), stamp=stamp)


def fate(plan: Plan) -> str:
    """Return the one list that a plan about one file put it in."""
    lists = {
        "added": plan.added, "changed": plan.changed, "unfinished": plan.unfinished, "vanished": plan.vanished,
        "unverified": plan.unverified, "unchanged": range(plan.unchanged),
    }  # fmt: skip
    (name,) = [name for name, entries in lists.items() if len(entries)]
    return name


paths = st.sampled_from([b"a", b"a-b", b"a/b", b"a/c/d", b"ab", b"b/a", b"b/\xff", b"c"]).map(RelPath)
stamps = st.sampled_from([STAMP, STAMP._replace(size=101), STAMP._replace(changed_ns=NOON_NS + MINUTE_NS)])
places = st.sampled_from([b"a/", b"a/c/", b"b/", b"c", b"a"]).map(RelPath)


@st.composite
def libraries(
    draw: st.DrawFn,
) -> tuple[dict[RelPath, KnownFile], dict[RelPath, SeenFile], list[RelPath]]:
    """Draw what is known, what is seen and what could not be looked at."""
    before = draw(st.dictionaries(paths, st.tuples(stamps, st.booleans())))
    now = draw(st.dictionaries(paths, stamps))
    return (
        {path: known(path, stamp, is_done=is_done) for path, (stamp, is_done) in sorted(before.items())},
        {path: seen(path, stamp) for path, stamp in sorted(now.items())},
        draw(st.lists(places, max_size=2)),
    )


def planned(before: Mapping[RelPath, KnownFile], now: Mapping[RelPath, SeenFile], blind: Sequence[RelPath]) -> Plan:
    return make_plan(before.values(), now.values(), blind)


@quick
@given(library=libraries())
def test_every_path_is_in_exactly_one_list(
    library: tuple[dict[RelPath, KnownFile], dict[RelPath, SeenFile], list[RelPath]],
) -> None:
    """Whatever is known and seen, each path has one fate, and the right one."""
    before, now, blind = library
    plan = planned(*library)

    gone = before.keys() - now.keys()
    assert {file.path for file in plan.added} == now.keys() - before.keys()
    assert set(plan.unverified) == {path for path in gone if is_under(path, blind)}
    assert set(plan.vanished) == gone - set(plan.unverified)
    both = before.keys() & now.keys()
    changed = {path for path in both if before[path].stamp != now[path].stamp}
    assert {file.path for file in plan.changed} == changed
    assert {file.path for file in plan.unfinished} == {path for path in both - changed if not before[path].is_done}
    listed = [*plan.added, *plan.changed, *plan.unfinished, *plan.vanished, *plan.unverified]
    assert len(listed) + plan.unchanged == len(before.keys() | now.keys())


@quick
@given(library=libraries())
def test_lists_come_in_path_order(
    library: tuple[dict[RelPath, KnownFile], dict[RelPath, SeenFile], list[RelPath]],
) -> None:
    """Every list of a plan, and all that is to be read, is sorted by the bytes of its paths."""
    plan = planned(*library)

    for files in (plan.added, plan.changed, plan.unfinished, plan.to_read):
        assert [file.path for file in files] == sorted(file.path for file in files)
    for gone in (plan.vanished, plan.unverified):
        assert list(gone) == sorted(gone)
    assert set(plan.to_read) == {*plan.added, *plan.changed, *plan.unfinished}


@quick
@given(library=libraries())
def test_what_was_read_as_planned_needs_nothing_more(
    library: tuple[dict[RelPath, KnownFile], dict[RelPath, SeenFile], list[RelPath]],
) -> None:
    """Once a plan is carried out, the same library gives a plan in which nothing is to be read."""
    _, now, blind = library
    after = {path: known(path, file.stamp, read_ns=NOON_NS + 2 * HOUR_NS) for path, file in now.items()}

    again = planned(after, now, blind)

    assert (again.to_read, again.vanished, again.unchanged) == ((), (), len(now))


@pytest.mark.parametrize(
    "now",
    [
        STAMP._replace(size=99),
        STAMP._replace(mtime_ns=NOON_NS + 1),
        STAMP._replace(mtime_ns=NOON_NS - HOUR_NS),
        STAMP._replace(changed_ns=NOON_NS + 1),
        STAMP._replace(inode=8),
    ],
    ids=["size", "touched", "older", "changed only", "another inode"],
)
@pytest.mark.parametrize("is_done", [False, True])
def test_any_difference_of_stamps_is_a_change(now: FileStamp, *, is_done: bool) -> None:
    """A file is read again where `stat` says anything new, also where its modification time was set back."""
    assert fate(make_plan([known(b"a", is_done=is_done)], [seen(b"a", now)])) == "changed"


@pytest.mark.parametrize(
    ("read_after_ns", "expected"),
    [
        (-SETTLED_AFTER_NS - 1, "unchanged"),
        (-SETTLED_AFTER_NS, "changed"),
        (0, "changed"),
        (SETTLED_AFTER_NS, "changed"),
        (SETTLED_AFTER_NS + 1, "unchanged"),
    ],
)
def test_a_file_read_while_its_clock_stood_still_is_read_once_more(read_after_ns: int, expected: str) -> None:
    """Within one tick of the file system's clock a second change would leave no trace."""
    before = known(b"a", read_ns=NOON_NS + read_after_ns)

    assert fate(make_plan([before], [seen(b"a")])) == expected


def test_a_file_that_was_never_done_is_unfinished() -> None:
    """A file on record without its work, as after a crash or for a new recipe, is to be read."""
    plan = make_plan([known(b"a", read_ns=0, is_done=False)], [seen(b"a")])

    assert plan.unfinished == (seen(b"a"),)
    assert plan.to_read == (seen(b"a"),)


@pytest.mark.parametrize(
    ("path", "place", "is_kept"),
    [
        (b"Rock/a.mp3", b"Rock/", True),
        (b"Rock/CD 1/a.mp3", b"Rock/", True),
        (b"Rock/CD 1/a.mp3", b"Rock/CD 1/", True),
        (b"Rock/a.mp3", b"Rock/a.mp3", True),
        (b"Rocky/a.mp3", b"Rock/", False),
        (b"Rock/CD 10/a.mp3", b"Rock/CD 1/", False),
        (b"Rock/a.mp3.mp3", b"Rock/a.mp3", False),
        (b"Rock/a.mp3", b"rock/", False),
        (b"Jazz/a.mp3", b"Rock/", False),
    ],
)
def test_what_could_not_be_looked_at_has_not_vanished(path: bytes, place: bytes, *, is_kept: bool) -> None:
    """Deletion needs proof: below an unreadable folder, and nowhere else, what is known stays."""
    plan = make_plan([known(path)], [], [RelPath(place)])

    assert fate(plan) == ("unverified" if is_kept else "vanished")


@pytest.mark.parametrize(("place", "is_kept"), [(b"Rock/", True), (b"Rock/a.mp3", False)])
def test_of_a_link_that_was_never_read_nothing_stays(place: bytes, *, is_kept: bool) -> None:
    """A new file that turns into a broken link is one, and does not wait for ever; below a lost folder it waits."""
    plan = make_plan([known(b"Rock/a.mp3", read_ns=0, is_done=False)], [], [RelPath(place)])

    assert fate(plan) == ("unverified" if is_kept else "vanished")


def test_nothing_known_and_nothing_seen_is_nothing_to_do() -> None:
    """An empty library has an empty plan."""
    plan = make_plan([], [], [RelPath(b"Rock/")])

    assert (plan.to_read, plan.vanished, plan.unverified, plan.unchanged) == ((), (), (), 0)
