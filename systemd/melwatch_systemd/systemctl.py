"""`systemctl` and its kin, for the machine's systemd or the person's own."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from melwatch.config.instance import Scope
from melwatch.errors import ConfigError, DegradedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FACTS = (
    "ActiveState", "SubState", "Result", "StatusText", "NRestarts", "UnitFileState", "StateChangeTimestamp",
)  # fmt: skip
_LAST_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemctl:
    """One systemd that answers."""

    scope: Scope
    environment: Mapping[str, str]

    @classmethod
    def of(cls, scope: Scope) -> Systemctl:
        """Return the systemd of a scope; raises `ConfigError` where there is none."""
        if not Path("/run/systemd/system").is_dir():
            raise ConfigError("systemd does not run this machine", "`melwatch run` does the same in the foreground.")
        control = cls(scope=scope, environment=_with_runtime_folder(os.environ))
        if scope is Scope.USER and control.try_call("show-environment").returncode != 0:
            raise ConfigError(
                "There is no systemd of yours to talk to",
                "Log in as yourself, not by su or sudo; or have the administrator `loginctl enable-linger` you first.",
            )
        return control

    @property
    def command(self) -> tuple[str, ...]:
        """What is typed."""
        return ("systemctl", "--user") if self.scope is Scope.USER else ("systemctl",)

    def journal(self, unit: str) -> str:
        """Return what to type to read what a service has said."""
        return f"journalctl {'--user ' if self.scope is Scope.USER else ''}-u {unit}"

    def call(self, *words: str) -> str:
        """Tell systemd something; return what it says."""
        done = self.try_call(*words)
        if done.returncode != 0:
            raise DegradedError(f"`{' '.join([*self.command, *words])}` failed: {done.stderr.strip()}")
        return done.stdout

    def try_call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Tell systemd something that may fail."""
        return self._run(*self.command, *words)

    def restart(self, unit: str, *, verb: str = "restart") -> None:
        """Start a service, whatever became of it before, and wait until it is ready."""
        self.try_call("reset-failed", unit)
        began_s = int(time.time())
        done = self.try_call(verb, unit)
        if done.returncode == 0:
            return
        lines = "".join(f"\n  {line}" for line in self._own_words(unit, began_s))
        raise DegradedError(
            f"{unit} does not start ({self.facts(unit)['Result']}):{lines}", f"`{self.journal(unit)}` tells more."
        )

    def _own_words(self, unit: str, since_s: int) -> list[str]:
        """Return the last that a service itself has written, apart from what systemd writes of it."""
        field = "_SYSTEMD_USER_UNIT" if self.scope is Scope.USER else "_SYSTEMD_UNIT"
        told = self._run(
            "journalctl", *self.command[1:], f"{field}={unit}",
            f"--since=@{since_s}", f"--lines={_LAST_LINES}", "--output=cat", "--no-pager", "--quiet",
        )  # fmt: skip
        return told.stdout.splitlines()

    def facts(self, unit: str) -> dict[str, str]:
        """Return what systemd knows of a service."""
        told = self.call("show", unit, *(f"--property={name}" for name in _FACTS))
        return dict.fromkeys(_FACTS, "") | {
            name: value for name, _, value in (line.partition("=") for line in told.splitlines())
        }

    def complaints(self, file: Path) -> str:
        """Return what systemd finds wrong with a unit file; "" for nothing."""
        scope = ("--user",) if self.scope is Scope.USER else ()
        done = self._run("systemd-analyze", *scope, "verify", str(file))
        # Other units, which it looks at as well, may have faults of their own; and an older systemd
        # goes without what it does not know.
        return "; ".join(
            line
            for line in done.stderr.splitlines()
            if file.name in line and "Unknown key name" not in line and "Unknown lvalue" not in line
        )

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=dict(self.environment), check=False
        )


def is_lingering() -> bool:
    """Whether the person's services run while they are not logged in."""
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=False).stdout.strip()
    try:
        done = subprocess.run(
            ["loginctl", "show-user", user, "--property=Linger", "--value"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return False
    return done.stdout.strip() == "yes"


def _with_runtime_folder(environment: Mapping[str, str]) -> dict[str, str]:
    """Let a person who came by cron or ssh, without a session's variables, reach their own systemd."""
    found = {**environment, "LC_ALL": "C.UTF-8"}
    if "XDG_RUNTIME_DIR" not in found:
        user = subprocess.run(["id", "-u"], capture_output=True, text=True, check=False).stdout.strip()
        found["XDG_RUNTIME_DIR"] = f"/run/user/{user}"
    return found
