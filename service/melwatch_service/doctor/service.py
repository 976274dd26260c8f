"""The installed service: what it starts, as whom, and whether that account may do its work."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from melwatch.config.instance import installed_instances
from melwatch.platform import system
from melwatch_service.doctor.case import existing
from melwatch_service.doctor.finding import ok, problem, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from melwatch.config.instance import Instance, Manager, Registered
    from melwatch.config.sections import Config
    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

_UPGRADE = "`melwatch service upgrade`, by the melwatch that is to run, sets that right."


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An account by its numbers."""

    name: str
    number: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Who may do what with a file or folder, by its permission bits."""

    path: str
    owner: int
    group: int
    mode: int
    has_access_list: bool = False


def look_at_service(case: Case) -> Iterator[Finding]:
    """What is registered with this configuration."""
    config = case.config.get()
    file = case.find_file()
    instance = next((found for found in installed_instances() if found.config_file == file), None)
    registered = None if instance is None else _manager().registered(instance, config)
    if instance is None or registered is None:
        yield ok("service.registered", "No service is installed with this configuration")
        return
    yield from judge_registered(instance, registered, program_exists=os.access(registered.program, os.X_OK))
    if registered.account is not None:
        yield from _look_at_rights(registered.account, registered.groups, registered.program, config, case.state)


def judge_registered(instance: Instance, registered: Registered, *, program_exists: bool) -> Iterator[Finding]:
    """Judge whether the service will start, and stay."""
    whose = f"as {registered.account}" if registered.account else "as you"
    facts = {
        "name": instance.name, "scope": str(instance.scope), "account": registered.account,
        "program": str(registered.program),
    }  # fmt: skip
    yield ok("service.registered", f"{instance.service_name} is installed and runs {whose}", **facts)
    if not program_exists:
        words = (
            f"{registered.program}, which it starts, is not there or may not be run: Python or its environment moved"
        )
        hint = f"systemd tells of it as 203/EXEC, Windows as error 1053 or 2. {_UPGRADE}"
        yield problem("service.program", words, hint, **facts)
    elif not registered.is_current:
        words = f"It is not registered as this melwatch would do it (it starts {registered.program})"
        yield warning("service.program", words, _UPGRADE, running=sys.executable, **facts)
    else:
        yield ok("service.program", f"It starts {registered.program}, as this melwatch has it", **facts)
    if registered.ends_with_session:
        hint = "`loginctl enable-linger` lets it run from the machine's start on."
        yield warning("service.lingering", "It ends when you log out", hint, **facts)
    for fault in registered.problems:
        yield problem("service.drives", f"{fault.key}: {fault.what}", fault.hint, key=fault.key)


def _look_at_rights(
    account: str, groups: Sequence[str], program: Path, config: Config, state: Path
) -> Iterator[Finding]:
    numbers = system.account_numbers(account, groups)
    if numbers is None:
        yield unchecked(
            "service.rights", f"What {account} may do cannot be told here", "`melwatch service status` tells."
        )
        return
    person = Person(name=account, number=numbers[0], groups=numbers[1])
    wishes = (
        (program.resolve(), "run", stat.S_IXOTH),
        (config.library.root, "read", stat.S_IROTH | stat.S_IXOTH),
        (config.dataset.path, "write to", stat.S_IWOTH | stat.S_IXOTH),
        (state, "write to", stat.S_IWOTH | stat.S_IXOTH),
    )
    for path, what, wanted in wishes:
        if path == state and not path.exists():  # the service manager makes it
            continue
        place = existing(path)
        above = [_rights(folder) for folder in reversed(place.parents)]
        yield judge_rights(person, [*above, _rights(place)], what, wanted)


def judge_rights(person: Person, way: Sequence[Rights], what: str, wanted: int) -> Finding:
    """Judge whether an account may go along a way of folders and do something at its end.

    `wanted` are permission bits as they stand for everybody else.
    """
    end = way[-1]
    facts = {"account": person.name, "path": end.path}
    barred = next((place for place in way[:-1] if not may(person, place, stat.S_IXOTH)), None)
    if barred is None and not may(person, end, wanted):
        barred = end
    if barred is None:
        return ok("service.rights", f"{person.name} may {what} {end.path}", **facts)
    if barred.has_access_list:
        words = f"Whether {person.name} may {what} {end.path} is for the access list of {barred.path} to say"
        return unchecked("service.rights", words, f"getfacl {barred.path}", **facts)
    words = f"{person.name}, as whom the service runs, may not {what} {end.path}"
    through = f" (it may not enter {barred.path})" if barred is not end else ""
    hint = "Change the permissions, or install the service with another --account."
    return problem("service.rights", f"{words}{through}", hint, **facts)


def may(person: Person, place: Rights, wanted: int) -> bool:
    """Whether permission bits let an account do something: only those of the first class it is in count."""
    if person.number == 0:
        return True
    if person.number == place.owner:
        wanted <<= 6
    elif place.group in person.groups:
        wanted <<= 3
    return place.mode & wanted == wanted


def _rights(path: Path) -> Rights:
    facts = os.stat(path)
    return Rights(
        path=str(path),
        owner=facts.st_uid,
        group=facts.st_gid,
        mode=facts.st_mode,
        has_access_list=system.has_access_list(path),
    )


def _manager() -> Manager:
    manager: Manager = import_module(f"{system.SERVICE_PACKAGE}.manager").open_manager()
    return manager
