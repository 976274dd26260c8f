"""Which worker of a cluster gets the next task, and what is known of it."""

from __future__ import annotations

import pytest

from melwatch.spectrogram.posts import AGAIN_S, Post, Standing, next_post


def post(name: str, *, tasks: int = 0, threads: int = 1, standing: Standing = Standing.FIT) -> Post[str]:
    """Return a worker that has so many tasks."""
    made: Post[str] = Post(address=name, threads=threads, standing=standing)
    for number in range(tasks):
        made.give(f"{name} {number}", f"task {number}", 100.0)
    return made


@pytest.mark.parametrize(
    ("posts", "chosen"),
    [
        ([], None),
        ([post("new", standing=Standing.NEW)], None),
        ([post("refused", standing=Standing.REFUSED)], None),
        ([post("full", tasks=2)], None),
        ([post("full", tasks=2), post("half", tasks=1)], "half"),
        ([post("one of one", tasks=1), post("one of four", tasks=1, threads=4)], "one of four"),
        ([post("seven of four", tasks=7, threads=4)], "seven of four"),
        ([post("eight of four", tasks=8, threads=4)], None),
    ],
)
def test_the_next_task_goes_where_least_is_to_do(posts: list[Post[str]], chosen: str | None) -> None:
    """Only workers that are ready get any, and at most two for each thread."""
    found = next_post(posts)
    assert (found and found.address) == chosen


def test_a_welcome_is_no_task() -> None:
    """Nobody waits for a worker that only makes ready; one that is given up makes ready again."""
    worker = post("new", standing=Standing.NEW)
    assert worker.is_due(0.0)
    worker.welcome("welcome", 0.0, 10.0)
    assert (worker.is_busy, worker.is_due(5.0), worker.is_late(9.0), worker.is_late(11.0)) == (
        False,
        False,
        False,
        True,
    )
    assert worker.give_up() == (["welcome"], [])
    assert worker.is_due(5.0)


def test_a_worker_that_is_refused_is_asked_again_after_a_while() -> None:
    """Its music may be mounted by then."""
    worker = post("blind", tasks=1)
    worker.refuse("it does not see the music", 5.0)
    assert (worker.why, worker.is_due(5.0), worker.is_due(5.0 + AGAIN_S)) == ("it does not see the music", False, True)


def test_a_worker_that_has_forgotten_is_welcomed_once() -> None:
    """However many of its tasks come back with that."""
    worker = post("forgetful", tasks=2)
    worker.refuse("", 0.0)
    assert worker.is_due(0.0)
    worker.welcome("welcome", 0.0, 10.0)
    worker.refuse("", 1.0)
    assert worker.standing is Standing.WELCOMED


def test_what_is_given_up_is_known() -> None:
    """The tasks of a worker that is lost are done elsewhere."""
    worker = post("lost", tasks=2)
    assert worker.has("lost 1")
    assert worker.end("lost 0") == "task 0"
    assert worker.give_up() == (["lost 1"], ["task 1"])
    assert not worker.is_busy
