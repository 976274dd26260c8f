"""From facts to the text of unit files; what the directives are to be lies in the templates beside this module."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from melwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from melwatch.config.instance import Instance
    from melwatch_systemd.account import Account

_HOMES = ("/home", "/root", "/run/user")
"""What `ProtectHome=` is about."""
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108  what PrivateTmp= is about


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things lie that a service needs."""

    python: Path
    config_file: Path
    writable: Sequence[Path]
    """The dataset, and what else it writes to that systemd does not make for it."""
    readable: Sequence[Path]
    """The music, and what Python needs."""


def unit_name(instance: Instance) -> str:
    """Return what systemd knows a service by."""
    return f"{instance.service_name}.service"


def system_unit(instance: Instance, places: Places, account: Account) -> str:
    """Return the unit of a service of the machine, shut in as far as its work allows."""
    needed = [places.python, places.config_file, *places.writable, *places.readable]
    in_temporary = _below(needed, _TEMPORARY)
    # A folder that is not there must not keep the service from starting: melwatch says so itself.
    writable = [f"ReadWritePaths={quoted(f'-{path}')}" for path in places.writable]
    return _template("system.service").format(
        unit=unit_name(instance),
        name=instance.name,
        command=command_line(places),
        user=account.user,
        group=account.group,
        own_group=account.own_group,
        umask="0002" if account.is_shared else "0022",
        state_mode="0770" if account.is_shared else "0750",
        protect_home="read-only" if _below(needed, _HOMES) else "yes",
        private_tmp="no" if in_temporary else "yes",
        writable="\n".join([*writable, *(f"ReadWritePaths={folder}" for folder in _TEMPORARY if in_temporary)]),
    )


def user_unit(instance: Instance, places: Places) -> str:
    """Return the unit of a person's own service."""
    return _template("user.service").format(unit=unit_name(instance), name=instance.name, command=command_line(places))


def own_changes(instance: Instance) -> str:
    """Return what the file for the person's own changes holds at first: nothing but advice."""
    return _template(f"{instance.scope}-local.conf").format(unit=unit_name(instance))


def command_line(places: Places) -> str:
    """Return what `ExecStart=` says.

    The colon keeps systemd from putting variables where a path has a dollar sign. `-P` keeps
    modules that happen to lie in the working folder from being taken for Python's own.
    """
    python = str(places.python)
    # The path of a program may not hold these, whatever the quoting; that of an argument may.
    through = ["/usr/bin/env"] if set(python) & set("'\"\\") else []
    words = [*through, python, "-P", "-m", "melwatch_service", "run", "--config", str(places.config_file)]
    return ":" + " ".join(quoted(word) for word in words)


def program_in(unit: str) -> Path:
    """Return the program that a unit starts, as `command_line` wrote it; raises `ConfigError` where none is named."""
    found = re.search(r"^ExecStart=[-:@+!]*(.+)$", unit, re.MULTILINE)
    words = shlex.split(found[1].replace("%%", "%")) if found else []
    if words[:1] == ["/usr/bin/env"]:
        words = words[1:]
    if not words:
        raise ConfigError(
            "The installed unit does not say what it starts", "`melwatch service upgrade` writes it anew."
        )
    return Path(words[0])


def quoted(text: str) -> str:
    """Return a word as unit files have it; see systemd.syntax(7), and systemd.unit(5) for the percent sign.

    Raises `ConfigError` for what no unit file can hold.
    """
    if not text.isprintable():
        hint = "Its name has characters that cannot be written, or that are not UTF-8. Rename it, or choose another."
        raise ConfigError(f"systemd cannot be told of the path {text!r}", hint)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _below(paths: Iterable[Path], folders: Iterable[str]) -> bool:
    """Whether any of the paths, or what it leads to, lies in one of the folders."""
    both = [place for path in paths for place in (path, path.resolve())]
    return any(place.is_relative_to(folder) for place in both for folder in folders)


def _template(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
