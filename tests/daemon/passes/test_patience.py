"""Which files are waited for."""

from __future__ import annotations

import pytest

from melwatch.library.settle import Settling
from melwatch.passes.patience import Patience
from melwatch.track import FileStamp, RelPath, SeenFile

A = RelPath(b"Rock/a.mp3")


@pytest.fixture
def patience() -> Patience:
    return Patience(settling=Settling(10.0), gone_s=30.0)


def file(size: int = 1) -> SeenFile:
    return SeenFile(path=A, stamp=FileStamp(size=size, mtime_ns=1, changed_ns=1, inode=1))


def test_a_file_that_cannot_be_read_is_tried_ever_more_rarely(patience: Patience) -> None:
    """Five seconds, then twice as long each time, at most five minutes; asking does not put it off."""
    waits_s, now_s = [], 0.0
    for _ in range(9):
        assert patience.worth_reading([file()], now_s) == ((file(),), None)
        wait_s = patience.note_read([file()], {A}, now_s)
        assert wait_s is not None
        assert patience.worth_reading([file()], now_s + wait_s - 1) == ((), 1.0)
        waits_s.append(wait_s)
        now_s += wait_s
    assert waits_s == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_file_that_has_changed_is_tried_at_once(patience: Patience) -> None:
    """Another stamp may mean other permissions; the waiting begins anew."""
    for now_s in (0.0, 5.0):
        patience.note_read([file()], {A}, now_s)
    assert patience.worth_reading([file(2)], 6.0) == ((file(2),), None)
    assert patience.note_read([file(2)], {A}, 6.0) == 5.0


def test_a_file_that_was_read_is_forgotten(patience: Patience) -> None:
    """What could be read at last is not waited for any more."""
    patience.note_read([file()], {A}, 0.0)
    assert patience.note_read([file()], set(), 5.0) is None
    assert not patience.refused


def test_what_is_there_again_is_missing_no_more(patience: Patience) -> None:
    """A track that vanishes a second time has as long to come back as the first time."""
    assert patience.recently_missing({A}, 0.0, may_move=False) == (frozenset({A}), 30.0)
    assert patience.awaited == {A}
    assert patience.recently_missing([], 20.0, may_move=False) == (frozenset(), 0.0)
    assert patience.awaited == frozenset()
    assert patience.recently_missing({A}, 100.0, may_move=False) == (frozenset({A}), 30.0)


def test_what_is_out_of_sight_is_looked_for_ever_more_rarely(patience: Patience) -> None:
    """The same places are looked for after 5, 10, 20 s; others begin anew, and none are not looked for."""
    waits_s = [patience.note_sight([A]) for _ in range(3)]
    assert waits_s == [5, 10, 20]
    assert patience.note_sight([A, RelPath(b"Jazz/")]) == 5
    assert patience.note_sight([]) is None


def test_a_person_who_asks_has_everything_tried(patience: Patience) -> None:
    """What was refused is read again at once on request."""
    patience.note_read([file()], {A}, 0.0)
    patience.forget_refusals()
    assert patience.worth_reading([file()], 1.0) == ((file(),), None)


def test_files_that_are_gone_are_forgotten(patience: Patience) -> None:
    """Only files of the last look are remembered."""
    patience.note_read([file()], {A}, 0.0)
    patience.worth_reading([], 1.0)
    assert not patience.refused
