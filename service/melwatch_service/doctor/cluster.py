"""The Dask cluster, where one is configured: whether it can be reached, and its workers be used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from melwatch.errors import DegradedError
from melwatch.extraction.ingest import Setup
from melwatch.extraction.landmarks import pick
from melwatch.extraction.station import make_offer, own_packages
from melwatch.platform.child import run_in_child
from melwatch_service.doctor.finding import NotCheckedError, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from melwatch.extraction.survey import Surveyed
    from melwatch.track import SeenFile
    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding


def look_at_cluster(case: Case) -> Iterator[Finding]:
    """Ask the scheduler for its workers, and each of them what it sees and has."""
    address = case.config.get().workers.dask
    if case.config.get().workers.engine != "dask" or address is None:
        return
    survey_module: Any = import_module("melwatch.extraction.survey")
    try:
        surveyed = run_in_child(survey_module.survey, address, _offer(case))
    except DegradedError as error:
        yield problem("cluster.scheduler", error.what, error.hint, address=address)
        return
    yield judge_scheduler(address, surveyed)
    yield from judge_workers(surveyed)
    yield from judge_packages(surveyed, own_packages())


def judge_scheduler(address: str, workers: Sequence[Surveyed]) -> Finding:
    """Judge how many workers there are that can be used."""
    fit = [worker for worker in workers if not worker.why]
    threads = sum(worker.threads for worker in fit)
    facts = {"address": address, "workers": len(workers), "fit": len(fit), "threads": threads}
    if not workers:
        words = f"The Dask scheduler {address} has no workers"
        return problem("cluster.scheduler", words, f"Start some with `dask worker {address}`.", **facts)
    words = f"The Dask scheduler {address} has {len(workers)} workers, of which {len(fit)} can be used"
    if not fit:
        return problem("cluster.scheduler", words, "Mend what is told of each of them.", **facts)
    return ok("cluster.scheduler", f"{words}, for {threads} songs at once", **facts)


def judge_workers(workers: Sequence[Surveyed]) -> Iterator[Finding]:
    """Tell of each worker that cannot be used."""
    for worker in workers:
        if worker.why:
            words = f"The worker {worker.address} is not used: {worker.why}"
            yield warning("cluster.worker", words, "Mend that there: see docs/cluster.md.", address=worker.address)


def judge_packages(workers: Sequence[Surveyed], here: Mapping[str, str]) -> Iterator[Finding]:
    """Tell of each worker that is used and may round otherwise than others."""
    fit = [worker for worker in workers if not worker.why]
    odd = 0
    for worker in fit:
        differing = [
            f"{name} {found} ({here.get(name)} here)"
            for name, found in worker.packages.items()
            if found != here.get(name)
        ]
        odd += bool(differing)
        if differing:
            words = f"The worker {worker.address} has {', '.join(differing)}"
            hint = "Install the versions of constraints.txt on all of them, so that equal songs give equal numbers."
            yield warning("cluster.packages", words, hint, address=worker.address, packages=dict(worker.packages))
    if fit and not odd:
        yield ok("cluster.packages", "melwatch and what numbers depend on are the same on all workers as here", **here)


def _offer(case: Case) -> dict[str, Any]:
    """Return what a pass would offer the workers."""
    shop = case.workshop.get()
    setup = Setup(
        root=shop.root,
        spool=shop.state.spool,
        recipe=shop.recipe,
        ready=frozenset(),
        memory_mb=shop.config.workers.memory_mb,
    )
    return make_offer("doctor", setup, pick(_seen(case)))


def _seen(case: Case) -> Sequence[SeenFile]:
    try:
        return case.library.get().scan.seen
    except NotCheckedError:  # told of by another check; the workers are asked for the rest
        return ()
