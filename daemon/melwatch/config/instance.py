"""Installed services by name: where the configuration of each lies, and which one is meant when nobody says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from melwatch.errors import ConfigError
from melwatch.platform import system

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from melwatch.config.sections import Config
    from melwatch.errors import ConfigProblem

DEFAULT_NAME = "melwatch"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")


class Scope(StrEnum):
    """Whose a service is."""

    USER = "user"
    """One person's, without administrator rights."""
    SYSTEM = "system"
    """The machine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One configuration by name, whether a service runs with it or not; raises `ConfigError` for an odd name."""

    name: str = DEFAULT_NAME
    scope: Scope = Scope.USER

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            hint = "Use letters, digits, - and _, beginning and ending with a letter or digit."
            raise ConfigError(f"{self.name!r} cannot be the name of a service", hint)

    @property
    def config_file(self) -> Path:
        """Where its configuration lies."""
        return system.config_folder(for_all=self.scope is Scope.SYSTEM) / f"{self.name}.toml"

    @property
    def state_folder(self) -> Path | None:
        """Where a service of the machine keeps what it knows; None for a person's, whose default is good."""
        return system.machine_state_folder() / self.name if self.scope is Scope.SYSTEM else None

    @property
    def service_name(self) -> str:
        """What the service manager knows it by."""
        return self.name if self.name == DEFAULT_NAME else f"{DEFAULT_NAME}-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What a service manager has on record of a service, for the self-check."""

    account: str | None
    """Whom it runs as; None for the person whose it is."""
    groups: Sequence[str] = ()
    """What that account counts among besides its own groups."""
    program: Path
    """The Python that is started."""
    is_current: bool
    """Whether it is what this melwatch would register now."""
    ends_with_session: bool = False
    problems: Sequence[ConfigProblem] = ()
    """Settings under which it cannot work."""


class Manager(Protocol):
    """What a service manager can be told; each returns lines for the person, and raises `MelwatchError`.

    The module `manager` of `system.SERVICE_PACKAGE` has a function `open_manager()` that returns one.
    """

    def install(self, instance: Instance, config: Config, *, account: str | None) -> Sequence[str]:
        """Register the service, have it start with the machine or the person's session, and start it.

        A `ConfigError` means that nothing was registered.
        """

    def uninstall(self, instance: Instance) -> Sequence[str]:
        """Stop and unregister it; music, dataset and state stay."""

    def start(self, instance: Instance) -> Sequence[str]:
        """Start it, and wait until it runs."""

    def stop(self, instance: Instance) -> Sequence[str]:
        """Stop it, and wait until it has ended."""

    def upgrade(self, instance: Instance, config: Config) -> Sequence[str]:
        """Bring what is registered in step with the installed melwatch, and start that."""

    def status(self, instance: Instance) -> Sequence[str]:
        """Tell what the manager thinks of it."""

    def registered(self, instance: Instance, config: Config) -> Registered | None:
        """Return what is on record of it; None where it is not registered."""


@runtime_checkable
class Lingering(Protocol):
    """A manager that can keep a person's services running while they are not logged in."""

    def linger(self) -> Sequence[str]:
        """From now on, run this person's services from the machine's start on."""


def find_instance(name: str | None) -> Instance | None:
    """Return the configuration that is meant: by name, or the default one, or the only one there is.

    A person's own wins over the machine's. Raises `ConfigError` where several could be meant, or
    none has the name.
    """
    known = installed_instances()
    if name is not None:
        found = next((instance for instance in known if instance.name == name), None)
        if found is None:
            names = ", ".join(sorted({instance.name for instance in known})) or "none"
            raise ConfigError(f"There is no configuration named {name!r}", f"Known are: {names}.")
        return found
    default = next((instance for instance in known if instance.name == DEFAULT_NAME), None)
    if default is not None or not known:
        return default
    if len(known) > 1:
        names = ", ".join(instance.name for instance in known)
        raise ConfigError(f"Several configurations could be meant: {names}", "Choose one with --name.")
    return known[0]


def installed_instances() -> list[Instance]:
    """Return every configuration in the person's folder and the machine's, in this order."""
    return [
        Instance(name=file.stem, scope=scope)
        for scope in Scope
        for file in sorted(system.config_folder(for_all=scope is Scope.SYSTEM).glob("*.toml"))
        if _NAME.fullmatch(file.stem)
    ]
