"""Windows as the manager of melwatch's services: services of the machine, and tasks at a person's logon."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import win32service

from melwatch.config.instance import Instance, Registered, Scope
from melwatch.errors import ConfigError
from melwatch_winservice import eventlog, places
from melwatch_winservice.account import choose_account, may_write, protect, require_reachable, warn_of
from melwatch_winservice.control import STATES, Service, command_line, ended_words, program_of
from melwatch_winservice.drives import require_lasting
from melwatch_winservice.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from melwatch.config.sections import Config
    from melwatch.errors import ConfigProblem


def open_manager() -> Windows:
    """Return the manager of this system; see `melwatch.config.instance.Manager`."""
    return Windows()


class Windows:
    """The service control manager, and the task scheduler for those who are no administrators."""

    def install(self, instance: Instance, config: Config, *, account: str | None) -> Sequence[str]:
        """Register it and start it."""
        if instance.scope is Scope.USER:
            return Task(instance).install()
        service = Service(instance.service_name)
        runs_as = choose_account(account, service.name)
        require_reachable(runs_as)
        _require_lasting(config)
        service.register(command_line(instance.name), runs_as)
        _prepare(instance, config)
        service.start()
        return [
            f"{service.name} is a service now, runs as {runs_as} and starts with Windows.",
            *warn_of(runs_as),
            f'If it may not read the music: icacls "{config.library.root}" /grant "{runs_as}:(OI)(CI)RX"',
            f"It logs to {_log(instance, config)}.",
        ]

    def uninstall(self, instance: Instance) -> Sequence[str]:
        """Stop it and take it off the record, with its own log."""
        if instance.scope is Scope.USER:
            return Task(instance).uninstall()
        service = Service(instance.service_name)
        service.stop()
        service.remove()
        eventlog.unregister(service.name)
        _remove_log(instance)
        return [f"{service.name} is gone. Music, dataset and what melwatch knows of them are where they were."]

    def start(self, instance: Instance) -> Sequence[str]:
        """Start it; it is ready when this returns."""
        if instance.scope is Scope.USER:
            return Task(instance).start()
        Service(instance.service_name).start()
        return [f"{instance.service_name} runs."]

    def stop(self, instance: Instance) -> Sequence[str]:
        """Stop it; it has ended when this returns."""
        if instance.scope is Scope.USER:
            return Task(instance).stop()
        Service(instance.service_name).stop()
        return [f"{instance.service_name} has stopped."]

    def upgrade(self, instance: Instance, config: Config) -> Sequence[str]:
        """Register it anew, for the same account, and restart it."""
        if instance.scope is Scope.USER:
            return Task(instance).upgrade()
        service = Service(instance.service_name)
        _require_lasting(config)
        service.stop()
        service.configure(command_line(instance.name))
        _prepare(instance, config)
        service.start()
        return [f"{service.name} runs as this melwatch has it."]

    def status(self, instance: Instance) -> Sequence[str]:
        """Tell what Windows thinks of it."""
        if instance.scope is Scope.USER:
            return Task(instance).status()
        facts = Service(instance.service_name).facts()
        how = "starts with Windows" if facts.starts_by_itself else "is started by hand"
        process = f", process {facts.pid}" if facts.pid else ""
        lines = [
            f"Service  {instance.service_name}: {STATES.get(facts.state, facts.state)}{process}",
            f"         {how}; runs as {facts.account}",
        ]
        if facts.state == win32service.SERVICE_STOPPED and facts.exit_code:
            lines.append(f"Failed   {ended_words(facts)}; {places.log_file(instance.name)} tells more")
        return lines

    def registered(self, instance: Instance, config: Config) -> Registered | None:
        """Ask the service control manager, or the task scheduler."""
        if instance.scope is Scope.USER:
            task = Task(instance)
            program = task.program()
            if program is None:
                return None
            return Registered(account=None, program=program, is_current=program == task.own_program())
        try:
            facts = Service(instance.service_name).facts()
        except ConfigError:
            return None
        return Registered(
            account=facts.account,
            program=program_of(facts.command),
            is_current=facts.command == command_line(instance.name),
            problems=_passing_drives(config),
        )


def _passing_drives(config: Config) -> Sequence[ConfigProblem]:
    try:
        _require_lasting(config)
    except ConfigError as error:
        return error.problems
    return ()


def _require_lasting(config: Config) -> None:
    folders = {"library.root": config.library.root, "dataset.path": config.dataset.path}
    if config.dataset.state is not None:
        folders["dataset.state"] = config.dataset.state
    require_lasting(folders)


def _prepare(instance: Instance, config: Config) -> None:
    """Have the service's folders there, and let it write in them."""
    if config.dataset.state is None:
        raise ConfigError("The configuration does not say where the service keeps what it knows", "Set dataset.state.")
    protect(places.machine_folder())
    may_write((config.dataset.path, config.dataset.state, _log(instance, config).parent), instance.service_name)
    eventlog.register(instance.service_name)


def _log(instance: Instance, config: Config) -> Path:
    return config.log.file or places.log_file(instance.name)


def _remove_log(instance: Instance) -> None:
    log = places.log_file(instance.name)
    with suppress(OSError):
        for file in log.parent.glob(f"{log.name}*"):
            file.unlink()
        log.parent.rmdir()
