"""`melwatch service`: install the daemon with the service manager of this system, whichever that is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melwatch import status
from melwatch.assemble import open_for_reading, open_workshop
from melwatch.config.instance import DEFAULT_NAME, Instance, Lingering, Scope, find_instance
from melwatch.config.settings import load_config
from melwatch.errors import ConfigError, MelwatchError
from melwatch.platform import system
from melwatch_service import installed
from melwatch_service.commands.app import Dataset, Music, app
from melwatch_service.commands.looking import status_lines
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melwatch.config.instance import Manager
    from melwatch.config.sections import Config

service = typer.Typer(
    name="service",
    help="Have the system run melwatch: start it with the machine or the session, and restart it after a crash.",
    no_args_is_help=True,
)
app.add_typer(service)

_Scope = Annotated[
    bool | None,
    typer.Option(
        "--system/--user",
        help="A service of the machine (needs an administrator), or of the person who types this (the default).",
        show_default=False,
    ),
]
_Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Tells several services apart, each with a library of its own."),
]

_ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Take a copy of this configuration file for the service."),
]


@service.command()
def install(
    *,
    for_machine: _Scope = None,
    name: _Name = None,
    music: Music = None,
    dataset: Dataset = None,
    config: _ConfigFile = None,
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="NAME", help="Whom a service of the machine runs as."),
    ] = None,
    linger: Annotated[
        bool, typer.Option("--linger", help="Run the person's service while they are not logged in, too.")
    ] = False,
) -> None:
    """Write a configuration where there is none, register the service, and start it.

    Example: melwatch service install --music ~/Music --dataset ~/datasets/music
    """
    instance = Instance(name=name or DEFAULT_NAME, scope=Scope.SYSTEM if for_machine else Scope.USER)
    manager = _manager()
    if linger and not isinstance(manager, Lingering):
        raise ConfigError("--linger is not known on this system", "Leave it out.")
    if account is not None and instance.scope is Scope.USER:
        raise ConfigError("A person's own service runs as that person", "--account goes with --system.")
    if linger and instance.scope is Scope.SYSTEM:
        raise ConfigError("A service of the machine needs nobody to be logged in", "--linger goes with --user.")
    has_written = installed.write_config(instance, music=music, dataset=dataset, copy_of=config)
    try:
        settings = _settings(instance)
        lines = [*manager.install(instance, settings, account=account)]
    except ConfigError:
        if has_written:
            installed.remove_config(instance)
        raise
    if linger and isinstance(manager, Lingering):
        lines += manager.linger()
    if has_written:
        lines.append(f"Configuration: {instance.config_file}")
    if not settings.library.root.is_dir():
        lines.append(f"There is no folder {settings.library.root} yet; the service waits for it.")
    tell([*lines, f"`melwatch status{_called(instance)}` tells how far it is."])


@service.command()
def uninstall(*, for_machine: _Scope = None, name: _Name = None) -> None:
    """Stop the service and unregister it; music, dataset and what is known of them stay."""
    instance = _instance(name, for_machine=for_machine)
    lines = [*_manager().uninstall(instance)]
    if installed.is_untouched(instance):
        installed.remove_config(instance)
    elif instance.config_file.exists():
        lines.append(f"{instance.config_file} is not as it was installed; it stays.")
    tell(lines)


@service.command()
def start(*, for_machine: _Scope = None, name: _Name = None) -> None:
    """Start the service."""
    tell(_manager().start(_instance(name, for_machine=for_machine)))


@service.command()
def stop(*, for_machine: _Scope = None, name: _Name = None) -> None:
    """Stop the service until it is started again, or the machine is."""
    tell(_manager().stop(_instance(name, for_machine=for_machine)))


@service.command()
def upgrade(*, for_machine: _Scope = None, name: _Name = None) -> None:
    """Bring an installed service in step with this melwatch, and restart it; your own changes stay."""
    instance = _instance(name, for_machine=for_machine)
    tell(_manager().upgrade(instance, _settings(instance)))


@service.command("status")
def service_status(*, for_machine: _Scope = None, name: _Name = None) -> None:
    """Tell what the system's service manager thinks of the service, and what melwatch does."""
    instance = _instance(name, for_machine=for_machine)
    tell(_manager().status(instance))
    tell(["", *_own_words(instance)])


def _own_words(instance: Instance) -> Sequence[str]:
    """What melwatch itself says; that it cannot tell is no reason to hide what the manager says."""
    try:
        shop = open_workshop(_settings(instance))
        with open_for_reading(shop) as db:
            return status_lines(status.overview(shop, db))
    except MelwatchError as error:
        return [f"{error.what}. {error.hint}".rstrip()]
    except OSError as error:
        return [f"{error.filename}: {error.strerror}"]


def _manager() -> Manager:
    manager: Manager = import_module(f"{system.SERVICE_PACKAGE}.manager").open_manager()
    return manager


def _instance(name: str | None, *, for_machine: bool | None) -> Instance:
    """Return the service that is meant: in the scope that is named, or else the one there is."""
    if for_machine is None:
        return find_instance(name) or Instance()
    return Instance(name=name or DEFAULT_NAME, scope=Scope.SYSTEM if for_machine else Scope.USER)


def _settings(instance: Instance) -> Config:
    return load_config(instance.config_file)


def _called(instance: Instance) -> str:
    return "" if instance.name == DEFAULT_NAME else f" --name {instance.name}"
