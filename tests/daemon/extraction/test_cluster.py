"""A cluster that cannot be used: what is said of it, and how soon."""

from __future__ import annotations

import os
import socket
import time
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

import errands
from clusters import dask_cluster
from errands import cannot, fail, forget_once, nothing, perform
from melwatch.errors import DegradedError
from melwatch.extraction import cluster
from melwatch.extraction.cluster import Cluster, Errand
from melwatch.spectrogram.workers import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clusters import Dask

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def errand(welcome: Callable[[], str] = nothing, performed: Callable[..., int] = perform) -> Errand[int, int, int]:
    return Errand(welcome=welcome, perform=performed, dismiss=nothing)


def opened(address: str, what: Errand[int, int, int]) -> Cluster[int, int, int]:
    return Cluster(address=address, errand=what, timeout_s=lambda _: 60.0)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A cluster with one worker."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as made:
        path = os.pathsep.join((str(Path(errands.__file__).parent), os.environ.get("PYTHONPATH", "")))
        made.add("only", nanny=False, environment={"PYTHONPATH": path})
        yield made


def test_work_comes_back(dask: Dask) -> None:
    """Each task has its result, whatever the order, and no more are asked for than are handed out."""
    asked: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(20):
            asked.append(number)
            yield number

    with opened(dask.address, errand()) as workers:
        done = []
        for each in workers.map(abs, tasks()):
            done.append(each)
            assert len(asked) <= len(done) + 2 + 1
    assert sorted(done, key=lambda each: each.task) == [Done(number, number) for number in range(20)]


def test_a_worker_that_has_forgotten_makes_ready_again(dask: Dask, tmp_path: Path) -> None:
    """As one that is begun anew at the same address; no task is lost by it."""
    with opened(dask.address, errand(performed=partial(forget_once, tmp_path / "mark"))) as workers:
        done = list(workers.map(abs, range(5)))
    assert sorted(each.task for each in done) == list(range(5))


def test_a_bug_is_raised_here(dask: Dask) -> None:
    """It is no matter of the cluster's."""
    with opened(dask.address, errand()) as workers, pytest.raises(ZeroDivisionError):
        list(workers.map(fail, [1]))


def test_nothing_more_is_begun_once_halted(dask: Dask) -> None:
    """What is at hand is finished."""
    halt = Event()
    with opened(dask.address, errand()) as workers:
        done = 0
        for _ in workers.map(abs, range(1000), halt):
            done += 1
            halt.set()
    assert done < 10


@pytest.mark.parametrize("is_welcome", [True, False])
def test_workers_of_which_none_can_work_are_told_of(
    dask: Dask, monkeypatch: pytest.MonkeyPatch, *, is_welcome: bool
) -> None:
    """With what each of them says."""
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1.0)
    what = errand(performed=cannot) if is_welcome else errand(welcome=partial(str, "its disk is full"))
    with opened(dask.address, what) as workers, pytest.raises(DegradedError, match="its disk is full") as caught:
        list(workers.map(abs, range(5)))
    assert "None of the workers" in caught.value.what


def test_a_scheduler_without_workers_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, since they may be on their way."""
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1.0)
    with (
        dask_cluster(tmp_path) as dask,
        opened(dask.address, errand()) as workers,
        pytest.raises(DegradedError, match="has no workers"),
    ):
        list(workers.map(abs, range(5)))


def test_a_worker_that_lacks_what_travels_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it lacks, as where melwatch is not installed there."""
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1.0)
    with dask_cluster(tmp_path) as dask:
        dask.add("bare", nanny=False)
        with opened(dask.address, errand()) as workers, pytest.raises(DegradedError, match="No module named 'errands'"):
            list(workers.map(abs, range(5)))


def test_no_scheduler_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of Dask's own words is left on the terminal."""
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    began_s = time.monotonic()
    with pytest.raises(DegradedError, match="cannot be reached"), opened(address, errand()):
        pass
    assert time.monotonic() - began_s < 20
