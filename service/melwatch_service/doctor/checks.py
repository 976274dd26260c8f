"""All checks in their order, and the care that one that fails is a finding like any other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from melwatch.errors import MelwatchError
from melwatch_service.doctor import cluster, known, library, machine, places, service, settings, software, songs, space
from melwatch_service.doctor.case import LateError, within
from melwatch_service.doctor.finding import NotCheckedError, NotConfiguredError, problem, unchecked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

    Check: TypeAlias = tuple[str, Callable[[Case], Iterable[Finding]], float]
    """Its name, what it does, and after how many seconds it is given up."""

_QUICK_S, _LONG_S = 60.0, 600.0

CHECKS: Sequence[Check] = (
    ("settings.file", settings.look_at_settings, _QUICK_S),
    ("software.python", software.look_at_python, _QUICK_S),
    ("software.packages", software.look_at_packages, _QUICK_S),
    ("software.sqlite", software.look_at_sqlite, _QUICK_S),
    ("machine.descriptors", machine.look_at_descriptors, _QUICK_S),
    ("machine.clock", known.look_at_clock, _QUICK_S),
    ("library.root", library.look_at_root, _QUICK_S),
    ("library.genres", library.look_at_genres, _LONG_S),
    ("library.watching", library.look_at_watching, _LONG_S),
    ("library.long_paths", library.look_at_paths, _LONG_S),
    ("library.file_system", partial(places.look_at_file_system, name="library"), _QUICK_S),
    ("dataset.current", known.look_at_dataset, _QUICK_S),
    ("dataset.shards", known.look_at_shards, _QUICK_S),
    ("dataset.file_system", partial(places.look_at_file_system, name="dataset"), _QUICK_S),
    ("dataset.writing", partial(places.look_at_writing, name="dataset"), _QUICK_S),
    ("state.manifest", known.look_at_manifest, _LONG_S),
    ("state.lock", known.look_at_lock, _QUICK_S),
    ("state.file_system", partial(places.look_at_file_system, name="state"), _QUICK_S),
    ("state.writing", partial(places.look_at_writing, name="state"), _QUICK_S),
    ("space.disks", space.look_at_disks, _LONG_S),
    ("space.memory", space.look_at_memory, _QUICK_S),
    ("service.registered", service.look_at_service, _QUICK_S),
    ("cluster.scheduler", cluster.look_at_cluster, _QUICK_S),
    ("songs.workers", songs.look_at_songs, _LONG_S),
)

SUBJECTS = {
    "settings": "Configuration",
    "software": "Software",
    "machine": "Machine",
    "library": "Music",
    "dataset": "Dataset",
    "state": "State",
    "space": "Space",
    "service": "Service",
    "cluster": "Cluster",
    "songs": "Songs",
}


def examine(case: Case, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """Yield what each check finds, as soon as it does."""
    for name, look, limit_s in checks:
        yield from _careful(name, look, limit_s, case)


def _careful(name: str, look: Callable[[Case], Iterable[Finding]], limit_s: float, case: Case) -> list[Finding]:
    found: list[Finding] = []

    def work() -> None:
        for finding in look(case):  # what was found before a failure counts
            found.append(finding)  # noqa: PERF402

    try:
        within(limit_s, work)
    except NotConfiguredError:
        return [*found]
    except NotCheckedError as reason:
        return [*found, unchecked(name, f"{reason}: this is not checked")]
    except Exception as error:  # noqa: BLE001  a check that fails is told of, and the others go on
        return [*found, _failed(name, error)]
    return found


def _failed(name: str, error: Exception) -> Finding:
    match error:
        case LateError():
            words, hint = str(error), "Is a disk or a share dead or asleep?"
        case MelwatchError():
            words, hint = error.what, error.hint
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            words, hint = f"{place}{error.strerror or error}", "Can this account look there? Is the disk in order?"
        case _:
            words, hint = f"{type(error).__name__}: {error}", "Please report this: `melwatch doctor` is at fault."
    return problem(name, f"This could not be checked: {words}", hint)
