"""systemd as the manager of melwatch's services: units are written, checked, enabled and started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from melwatch.config.instance import DEFAULT_NAME, Instance, Registered, Scope
from melwatch.errors import ConfigError
from melwatch.platform import system
from melwatch.platform.disk import replace_file
from melwatch_systemd.account import Account, account_in, choose_account, make_folder, require_able
from melwatch_systemd.systemctl import Systemctl, is_lingering
from melwatch_systemd.unit import Places, own_changes, program_in, system_unit, unit_name, user_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melwatch.config.sections import Config


def open_manager() -> Systemd:
    """Return the manager of this system; see `melwatch.config.instance.Manager`."""
    return Systemd()


class Systemd:
    """The machine's systemd, and that of the person who types."""

    def install(self, instance: Instance, config: Config, *, account: str | None) -> Sequence[str]:
        """Write the unit and a file for changes of one's own, have it checked, enable and start it."""
        control = _allowed(instance)
        runs_as = None
        if instance.scope is Scope.SYSTEM:
            runs_as = choose_account(account, config.dataset.path, os.environ)
        self._register(control, instance, config, runs_as)
        control.call("enable", unit_name(instance))
        control.restart(unit_name(instance))
        return [
            _installed_words(instance, runs_as),
            *_how_to_see(control, instance),
            *([] if runs_as else _about_lingering()),
        ]

    def uninstall(self, instance: Instance) -> Sequence[str]:
        """Stop it, and remove the unit, the changes to it and its cache."""
        control, unit = _allowed(instance), unit_name(instance)
        file = _require_installed(instance)
        control.call("disable", "--now", unit)
        if instance.scope is Scope.SYSTEM:
            control.try_call("clean", "--what=cache", "--what=runtime", unit)
            with suppress(OSError):  # another service has its own there
                Path("/var/cache/melwatch").rmdir()
        file.unlink()
        shutil.rmtree(_own_folder(file), ignore_errors=True)
        control.call("daemon-reload")
        control.try_call("reset-failed", unit)
        return [f"{unit} is gone. Music, dataset and what melwatch knows of them are where they were."]

    def start(self, instance: Instance) -> Sequence[str]:
        """Start it; it is ready when this returns."""
        _require_installed(instance)
        control = _allowed(instance)
        control.restart(unit_name(instance), verb="start")
        return [f"{unit_name(instance)} runs.", *_how_to_see(control, instance)]

    def stop(self, instance: Instance) -> Sequence[str]:
        """Stop it; it has ended when this returns."""
        _require_installed(instance)
        _allowed(instance).call("stop", unit_name(instance))
        return [f"{unit_name(instance)} has stopped."]

    def upgrade(self, instance: Instance, config: Config) -> Sequence[str]:
        """Write the unit anew, for the same account, and restart it."""
        control, file = _allowed(instance), _require_installed(instance)
        runs_as = account_in(file.read_text(encoding="utf-8")) if instance.scope is Scope.SYSTEM else None
        self._register(control, instance, config, runs_as)
        control.restart(unit_name(instance))
        return [f"{unit_name(instance)} runs as this melwatch has it.", *_how_to_see(control, instance)]

    def status(self, instance: Instance) -> Sequence[str]:
        """Tell what systemd thinks of it."""
        _require_installed(instance)
        control = Systemctl.of(instance.scope)
        facts = control.facts(unit_name(instance))
        since = f" since {facts['StateChangeTimestamp']}" if facts["StateChangeTimestamp"] else ""
        lines = [
            f"Service  {unit_name(instance)}: {facts['ActiveState']} ({facts['SubState']}){since}",
            f"         {facts['UnitFileState']}; restarted {facts['NRestarts']} times",
        ]
        if facts["StatusText"]:
            lines.append(f"Says     {facts['StatusText']}")
        if facts["ActiveState"] == "failed":
            lines.append(f"Failed   {facts['Result']}; `{control.journal(unit_name(instance))}` tells more")
        return lines

    def registered(self, instance: Instance, config: Config) -> Registered | None:
        """Read the installed unit, and compare it with what would be written now."""
        file = unit_file(instance)
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        account = account_in(text) if instance.scope is Scope.SYSTEM else None
        return Registered(
            account=account.user if account is not None else None,
            groups=(account.group, account.own_group) if account is not None else (),
            program=program_in(text),
            is_current=text == _unit(instance, config, account),
            ends_with_session=account is None and not is_lingering(),
        )

    def linger(self) -> Sequence[str]:
        """Have the person's services run from the machine's start on."""
        Systemctl.of(Scope.USER)
        done = subprocess.run(["loginctl", "enable-linger"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ["Your services run from the machine's start on, also while you are not logged in."]
        return [
            f"Lingering is not allowed to you ({done.stderr.strip()}): `sudo loginctl enable-linger $USER` does it."
        ]

    def _register(self, control: Systemctl, instance: Instance, config: Config, account: Account | None) -> None:
        """Write the unit, check it, and have systemd read it; after a `ConfigError` all is as before."""
        if account is not None:
            require_able(
                account,
                python=_places(instance, config).python,
                dataset=config.dataset.path,
                music=config.library.root,
                config_file=instance.config_file,
            )
        text = _unit(instance, config, account)
        file = unit_file(instance)
        before = file.read_text(encoding="utf-8") if file.exists() else None
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode())
        complaints = control.complaints(file)
        if complaints:
            if before is None:
                file.unlink()
            else:
                replace_file(file, before.encode())
            raise ConfigError(f"systemd does not accept the unit: {complaints}", "It takes systemd 247 or newer.")
        if account is not None:
            make_folder(config.dataset.path, account)
        own = _own_folder(file) / "local.conf"
        if not own.exists():
            own.parent.mkdir(exist_ok=True)
            replace_file(own, own_changes(instance).encode())
        control.call("daemon-reload")


def _installed_words(instance: Instance, account: Account | None) -> str:
    whose = f" as {account.user}" if account is not None else ""
    when = "the machine" if account is not None else "your session"
    return f"{unit_name(instance)} runs{whose}, and starts with {when} from now on."


def _unit(instance: Instance, config: Config, account: Account | None) -> str:
    places = _places(instance, config)
    return user_unit(instance, places) if account is None else system_unit(instance, places, account)


def unit_file(instance: Instance) -> Path:
    """Return where the unit of a service lies."""
    if instance.scope is Scope.SYSTEM:
        return Path("/etc/systemd/system") / unit_name(instance)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "systemd" / "user" / unit_name(instance)


def _own_folder(file: Path) -> Path:
    return file.with_name(f"{file.name}.d")


def _places(instance: Instance, config: Config) -> Places:
    writable = [config.dataset.path]
    if config.dataset.state not in {None, instance.state_folder}:
        writable.append(config.dataset.state)
    if config.log.file is not None:
        writable.append(config.log.file.parent)
    model = Path(config.spectrogram.model)  # a name, or a folder
    return Places(
        python=Path(sys.executable),
        config_file=instance.config_file,
        writable=writable,
        readable=[config.library.root, *_python_folders(), *([model] if model.is_dir() else [])],
    )


def _python_folders() -> list[Path]:
    """Where Python and what is installed for it lie."""
    return [Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("purelib")), Path(__file__)]


def _require_installed(instance: Instance) -> Path:
    file = unit_file(instance)
    if not file.exists():
        what = f"There is no service {unit_name(instance)} of {_whose(instance)}"
        raise ConfigError(what, "`melwatch service install` makes one; --user, --system and --name say which.")
    return file


def _whose(instance: Instance) -> str:
    return "the machine's" if instance.scope is Scope.SYSTEM else "yours"


def _allowed(instance: Instance) -> Systemctl:
    """Return systemd where the person may tell it what to do; raises `ConfigError` where not."""
    is_root = system.is_administrator()
    if instance.scope is Scope.SYSTEM and not is_root:
        raise ConfigError("A service of the machine is for its administrator", "Use sudo, or leave out --system.")
    if instance.scope is Scope.USER and is_root and "SUDO_USER" in os.environ:
        raise ConfigError("A service of your own is yours, not root's", "Leave out sudo.")
    return Systemctl.of(instance.scope)


def _how_to_see(control: Systemctl, instance: Instance) -> list[str]:
    unit = unit_name(instance)
    named = "" if instance.name == DEFAULT_NAME else f" --name {instance.name}"
    return [
        f"  {' '.join(control.command)} status {unit}",
        f"  {control.journal(unit)} -f",
        f"  melwatch status{named}",
    ]


def _about_lingering() -> list[str]:
    if is_lingering():
        return []
    return ["It ends when you log out. `loginctl enable-linger` lets it run from the machine's start on."]
