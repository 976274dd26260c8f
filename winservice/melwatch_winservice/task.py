"""A task that runs at a person's logon: what those have instead of a service who are no administrators."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import unescape

import win32api
import win32event
import win32security
from pywintypes import error as WindowsError  # noqa: N812  an exception by its nature

from melwatch.errors import ConfigError, DegradedError
from melwatch_winservice.session import log_file, stop_event_name
from melwatch_winservice.task_xml import task_xml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melwatch.config.instance import Instance

_GLANCE_S, _PATIENCE_S = 0.2, 15.0


class Task:
    """The task of one instance, by way of `schtasks`."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.name = f"\\{instance.service_name}"

    def install(self) -> Sequence[str]:
        """Register it for this person's logons, and start it now."""
        self._register()
        self._call("/Run", "/TN", self.name)
        return [
            f"{self.instance.service_name} runs now, and whenever you log on.",
            f"It logs to {log_file(self.instance.name)} unless [log] names a file.",
        ]

    def uninstall(self) -> Sequence[str]:
        """Stop it and take it off the record."""
        self._query()
        self._end()
        self._call("/Delete", "/TN", self.name, "/F")
        log_file(self.instance.name).unlink(missing_ok=True)
        return [f"{self.instance.service_name} is gone. Music, dataset and what melwatch knows of them stay."]

    def start(self) -> Sequence[str]:
        """Start it."""
        self._call("/Run", "/TN", self.name)
        return [f"{self.instance.service_name} is started."]

    def stop(self) -> Sequence[str]:
        """Ask it to stop, and wait until it has; where it does not, end it."""
        self._query()
        self._end()
        return [f"{self.instance.service_name} has stopped."]

    def upgrade(self) -> Sequence[str]:
        """Register it anew and restart it."""
        self._end()
        self._register()
        self._call("/Run", "/TN", self.name)
        return [f"{self.instance.service_name} runs as this melwatch has it."]

    def status(self) -> Sequence[str]:
        """Tell what the task scheduler thinks of it."""
        return [f"Task     {self.instance.service_name}", *self._query()]

    def program(self) -> Path | None:
        """Return what the task starts; None where there is no task."""
        try:
            told = "\n".join(self._call("/Query", "/TN", self.name, "/XML"))
        except DegradedError:
            return None
        found = re.search(r"<Command>(.*?)</Command>", told)
        return Path(unescape(found[1])) if found else None

    def own_program(self) -> Path:
        """Return what the task starts if this melwatch registers it: Python without a window."""
        return Path(sys.executable).with_name("pythonw.exe")

    def _query(self) -> list[str]:
        return self._call("/Query", "/TN", self.name, "/FO", "LIST")

    def _register(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "task.xml"
            text = task_xml(
                user_id=_own_sid(),
                command=str(self.own_program()),
                arguments=f"-P -m melwatch_winservice.session {self.instance.name}",
            )
            file.write_text(text, encoding="utf-16")
            self._call("/Create", "/TN", self.name, "/XML", str(file), "/F")

    def _end(self) -> None:
        """Have it stop by itself; the task scheduler can only cut it off."""
        name = stop_event_name(self.instance.name)
        until_s = time.monotonic() + _PATIENCE_S
        while _ask_to_stop(name) and time.monotonic() < until_s:
            time.sleep(_GLANCE_S)
        if _ask_to_stop(name):
            self._call("/End", "/TN", self.name)

    def _call(self, *arguments: str) -> list[str]:
        done = subprocess.run(["schtasks", *arguments], capture_output=True, check=False)  # noqa: S603, S607  Windows' own
        said = done.stdout.decode("oem", "replace").strip()
        if done.returncode:
            complaint = done.stderr.decode("oem", "replace").strip() or said
            if "/Create" in arguments:
                raise ConfigError(
                    f"Windows refuses the task {self.name}: {complaint}", "Is the task scheduler allowed?"
                )
            raise DegradedError(
                f"The task scheduler refuses: {complaint}", "`melwatch service install` makes the task."
            )
        return said.splitlines()


def _ask_to_stop(name: str) -> bool:
    """Set the event that the running daemon waits for; return whether there is one."""
    try:
        event = win32event.OpenEvent(win32event.EVENT_MODIFY_STATE, False, name)  # noqa: FBT003  as pywin32 has it
    except WindowsError:
        return False
    win32event.SetEvent(event)
    return True


def _own_sid() -> str:
    token = win32security.OpenProcessToken(win32api.GetCurrentProcess(), win32security.TOKEN_QUERY)
    return str(
        win32security.ConvertSidToStringSid(win32security.GetTokenInformation(token, win32security.TokenUser)[0])
    )
