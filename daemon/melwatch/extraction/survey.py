"""A look at the workers of a Dask cluster without having them work: for the self-check, in a process that ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from melwatch.extraction import station
from melwatch.extraction.cluster import Call, connect, first_line, send

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWER_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """One worker: how much it may do at once, why it would not be used, if so, and what is installed there."""

    address: str
    threads: int
    why: str
    packages: Mapping[str, str]


def survey(address: str, offer: Mapping[str, Any]) -> list[Surveyed]:
    """Ask every worker; raises `DegradedError` where the scheduler cannot be reached."""
    with connect(address) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        asked = {worker: send(client, Call(partial(station.describe, offer)), worker) for worker in workers}
        until_s = time.monotonic() + _ANSWER_S
        return [_surveyed(worker, workers[worker]["nthreads"], asked[worker], until_s) for worker in sorted(workers)]


def _surveyed(address: str, threads: int, future: Any, until_s: float) -> Surveyed:  # noqa: ANN401  of Dask
    try:
        why, packages = future.result(timeout=max(0.1, until_s - time.monotonic()))
    except TimeoutError:
        why, packages = "it does not answer", {}
    except Exception as error:  # noqa: BLE001  whatever keeps melwatch from working there
        why, packages = f"melwatch cannot work there: {first_line(error)}", {}
    return Surveyed(address=address, threads=threads, why=why, packages=packages)
