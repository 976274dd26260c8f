"""Limits of the machine that are the same for every configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.platform import system
from melwatch_service.doctor.finding import ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

_NEEDED, _COMFORTABLE = 128, 1024


def look_at_descriptors(case: Case) -> Iterator[Finding]:
    """How many files may be open at once."""
    del case
    limit = system.descriptor_limit()
    if limit is not None:
        yield judge_descriptors(limit)


def judge_descriptors(limit: int) -> Finding:
    """Judge the limit against what workers, watcher and reading a dataset take."""
    words, hint = f"{limit:,} files may be open at once", f"ulimit -n {_COMFORTABLE}; for a service: LimitNOFILE="
    if limit < _NEEDED:
        return problem("machine.descriptors", f"Only {words}", hint, limit=limit)
    if limit < _COMFORTABLE:
        return warning("machine.descriptors", f"Only {words}", hint, limit=limit)
    return ok("machine.descriptors", words, limit=limit)
