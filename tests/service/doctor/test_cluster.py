"""What the self-check says of a Dask cluster."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from building import library, songs
from clusters import dask_cluster, on
from melwatch.extraction.survey import Surveyed
from melwatch_service.doctor.cluster import judge_packages, judge_scheduler, judge_workers
from melwatch_service.doctor.finding import Level
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "tcp://scheduler:8786"
HERE = {"melwatch": "1.0", "numpy": "2.0"}


def worker(name: str, why: str = "", **packages: str) -> Surveyed:
    """Return a worker as it was found."""
    return Surveyed(address=f"tcp://{name}", threads=4, why=why, packages=HERE | packages)


def test_a_cluster_is_as_good_as_its_workers() -> None:
    """Without any that can be used it is of no use."""
    assert judge_scheduler(ADDRESS, []).level is Level.PROBLEM
    assert judge_scheduler(ADDRESS, [worker("a", "it is old")]).level is Level.PROBLEM
    found = judge_scheduler(ADDRESS, [worker("a", "it is old"), worker("b")])
    assert found.level is Level.OK
    assert "2 workers, of which 1 can be used, for 4 songs at once" in found.what


def test_each_worker_that_cannot_be_used_is_told() -> None:
    """With the reason."""
    (found,) = judge_workers([worker("a", "it is old"), worker("b")])
    assert (found.level, found.what) == (Level.WARNING, "The worker tcp://a is not used: it is old")


def test_workers_with_other_packages_are_told() -> None:
    """Of those that are used; the numbers may come out otherwise there."""
    assert [found.level for found in judge_packages([worker("a")], HERE)] == [Level.OK]
    assert not list(judge_packages([worker("a", "it is old", numpy="1.0")], HERE))
    (found,) = judge_packages([worker("a", numpy="1.0"), worker("b")], HERE)
    assert (found.level, found.what) == (Level.WARNING, "The worker tcp://a has numpy 1.0 (2.0 here)")


def examined(rig: Rig, expect: int) -> dict[str, dict[str, Any]]:
    """Return what `doctor` finds of the cluster, by check."""
    findings = json.loads(rig.run("doctor", "--json", expect=expect))
    return {found["check"]: found for found in findings if found["check"].startswith("cluster.")}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform == "win32", reason="starts a cluster as other tests do")
def test_a_real_cluster_is_looked_at(tmp_path: Path) -> None:
    """A worker that sees no music is named; with the scheduler gone that is told instead."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(6)})
    with dask_cluster(tmp_path / "dask") as dask:
        rig.environment.update(on(dask))
        dask.add("good", threads=3)
        blind = {"MELWATCH_WORKER_PATHS": json.dumps({str(rig.music): str(tmp_path / "nothing")})}
        dask.add("blind", environment=blind)
        found = examined(rig, expect=0)
    assert found["cluster.scheduler"]["facts"] | {"address": ""} == {
        "address": "",
        "workers": 2,
        "fit": 1,
        "threads": 3,
    }
    assert "does not see the music root" in found["cluster.worker"]["what"]
    assert found["cluster.packages"]["level"] == "ok"
    found = examined(rig, expect=1)
    assert list(found) == ["cluster.scheduler"]
    assert "cannot be reached" in found["cluster.scheduler"]["what"]
