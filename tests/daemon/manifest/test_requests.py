"""What people ask of the daemon, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.manifest.database import open_manifest, read_manifest
from melwatch.manifest.requests import Ask, answer, answer_to, ask, waiting, withdraw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from sqlite3 import Connection

NOON = "2024-05-01T12:00:00+00:00"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    """Open an empty manifest."""
    with open_manifest(tmp_path) as connection:
        yield connection


def numbers(db: Connection) -> list[int]:
    return [request.number for request in waiting(db)]


def test_nobody_has_asked_at_first(db: Connection) -> None:
    """A new manifest holds no request, and no number has an answer."""
    assert waiting(db) == []
    assert answer_to(db, 1) is None


@pytest.mark.parametrize("kind", list(Ask))
def test_a_request_comes_as_it_was_made(db: Connection, kind: Ask) -> None:
    """Kind and argument reach the daemon, under the number that the asker knows."""
    number = ask(db, kind, "Käse\n\x00", NOON)
    (request,) = waiting(db)

    assert (request.number, request.kind, request.argument) == (number, kind, "Käse\n\x00")
    assert isinstance(request.kind, Ask)


def test_a_request_crosses_from_one_process_to_another(tmp_path: Path) -> None:
    """The asker writes, the daemon answers, and both see it, each through a connection of its own."""
    with open_manifest(tmp_path) as daemon, open_manifest(tmp_path) as asker:
        number = ask(asker, Ask.RESCAN, "", NOON)
        (request,) = waiting(daemon)
        answer(daemon, request, "The library is looked at.")

        assert answer_to(asker, number) == "The library is looked at."
        with read_manifest(tmp_path) as reader:
            assert answer_to(reader, number) == "The library is looked at."


def test_an_answer_takes_the_request(db: Connection) -> None:
    """Until then there is none, and afterwards nobody takes the request again; an empty answer is one too."""
    first, second = ask(db, Ask.PAUSE, "60", NOON), ask(db, Ask.RESUME, "", NOON)
    assert answer_to(db, first) is None
    answer(db, waiting(db)[0], "Paused.")
    assert (answer_to(db, first), answer_to(db, second)) == ("Paused.", None)
    assert numbers(db) == [second]
    answer(db, waiting(db)[0], "")

    assert answer_to(db, second) == ""
    assert waiting(db) == []


def test_requests_are_taken_in_the_order_in_which_they_were_made(db: Connection) -> None:
    """Pause and then resume is not resume and then pause, whatever time of day the askers saw."""
    kinds = [Ask.PAUSE, Ask.RESUME, Ask.PUBLISH, Ask.PAUSE, Ask.RESCAN]
    made = [ask(db, kind, "", f"2024-05-0{9 - number}") for number, kind in enumerate(kinds)]

    assert [request.kind for request in waiting(db)] == kinds
    assert numbers(db) == made == sorted(made)


def test_a_request_that_nobody_took_can_be_withdrawn(db: Connection) -> None:
    """The daemon never sees it, and other requests stay."""
    first, second = ask(db, Ask.PAUSE, "", NOON), ask(db, Ask.RESCAN, "", NOON)
    withdraw(db, first)

    assert numbers(db) == [second]
    assert answer_to(db, first) is None


def test_what_was_answered_cannot_be_withdrawn(db: Connection) -> None:
    """Whoever withdraws too late still learns what came of it; an unknown number is no error."""
    number = ask(db, Ask.PAUSE, "", NOON)
    answer(db, waiting(db)[0], "Paused.")
    withdraw(db, number)
    withdraw(db, 999)

    assert answer_to(db, number) == "Paused."


def test_the_number_of_a_withdrawn_request_is_not_given_again(db: Connection) -> None:
    """No asker ever reads the answer to somebody else's request."""
    first = ask(db, Ask.PAUSE, "", NOON)
    withdraw(db, first)

    assert ask(db, Ask.PAUSE, "", NOON) > first


def test_a_request_withdrawn_while_it_is_answered_does_no_harm(db: Connection) -> None:
    """The daemon may have taken it a moment before it was gone."""
    number = ask(db, Ask.PAUSE, "", NOON)
    (request,) = waiting(db)
    withdraw(db, number)
    answer(db, request, "Paused.")

    assert answer_to(db, number) is None
    assert waiting(db) == []


def test_the_last_hundred_answers_are_kept(db: Connection) -> None:
    """Requests do not pile up over the years."""
    made = [ask(db, Ask.RESCAN, "", NOON) for _ in range(250)]
    for request in waiting(db):
        answer(db, request, "yes")

    assert [number for number in made if answer_to(db, number)] == made[-100:]
    assert db.execute("SELECT count(*) FROM request").fetchone()[0] == 100


def test_an_old_request_that_waits_is_kept(db: Connection) -> None:
    """However many others are answered meanwhile, nobody is forgotten."""
    first = ask(db, Ask.RETRY, "", NOON)
    for _ in range(150):
        ask(db, Ask.RESCAN, "", NOON)
    for request in waiting(db)[1:]:
        answer(db, request, "yes")

    assert numbers(db) == [first]


@settings(max_examples=20)
@given(steps=st.lists(st.sampled_from(["ask", "answer", "withdraw"]), max_size=40))
def test_no_request_is_taken_twice_or_lost(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Each waits until it is answered or withdrawn, whatever happens to the others."""
    expected: list[int] = []
    answered: list[int] = []
    with open_manifest(tmp_path_factory.mktemp("state")) as db:
        for step in steps:
            if step == "ask":
                expected.append(ask(db, Ask.RESCAN, "", NOON))
            elif step == "answer" and expected:
                answered.append(expected.pop(0))
                answer(db, waiting(db)[0], "yes")
            elif expected:
                withdraw(db, expected.pop())

            assert numbers(db) == expected
            assert all(answer_to(db, number) == "yes" for number in answered)
