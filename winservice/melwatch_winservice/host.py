"""melwatch as a Windows service: what the control manager is told, and what it tells.

The manager waits 30 s for a process to report, so nothing large is imported before that.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import servicemanager
import win32service

from melwatch_winservice import eventlog, places
from melwatch_winservice.pending import Pending

if TYPE_CHECKING:
    from melwatch.daemon.runner import Runner

_BUG = 70
_SERVICE_SPECIFIC_ERROR = 1066
_ACCEPTED = win32service.SERVICE_ACCEPT_STOP | win32service.SERVICE_ACCEPT_SHUTDOWN
_STOPPING = {win32service.SERVICE_CONTROL_STOP, win32service.SERVICE_CONTROL_SHUTDOWN}


def main(name: str) -> None:
    """Serve the instance of this name until the service control manager says stop; faults go to the log file."""
    give_outputs()
    try:
        servicemanager.Initialize(places.service_name(name), servicemanager.__file__)
        servicemanager.PrepareToHostSingle(_serving(name))
        servicemanager.StartServiceCtrlDispatcher()  # type: ignore[no-untyped-call]
    except BaseException:
        places.note_fault(places.log_file(name), traceback.format_exc())
        raise


def give_outputs() -> None:
    """Give a process without a console outputs that lead nowhere, so that nobody stumbles over their absence."""
    for output in ("stdout", "stderr"):
        if getattr(sys, output) is None:
            setattr(sys, output, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  for as long as it lives


def _serving(name: str) -> type[_Service]:
    """Return a class that pywin32 can make a service of."""
    return type("NamedService", (_Service,), {"instance_name": name})


class _Service:
    """One service for as long as its process lives: its control manager calls `SvcRun`, and `_on_control` meanwhile."""

    instance_name: str

    def __init__(self, arguments: list[str]) -> None:
        self.handle: Any = servicemanager.RegisterServiceCtrlHandler(arguments[0], self._on_control, True)  # noqa: FBT003  as pywin32 has it
        self.pending = Pending(self._report)
        self.lock = threading.Lock()
        self.runner: Runner | None = None
        self.is_stopping = False
        self.said = (0, 0, 0, 0, 0, 0, 0)

    def SvcRun(self) -> None:  # noqa: N802  pywin32 calls it by this name
        """Run the daemon; report how it ended."""
        self.pending.begin(win32service.SERVICE_START_PENDING)
        code = self._run()
        self.pending.end()
        if code:
            self._report(win32service.SERVICE_STOPPED, code=code)
        else:
            eventlog.stopped(places.service_name(self.instance_name))
            self._report(win32service.SERVICE_STOPPED)

    def _run(self) -> int:
        from melwatch.errors import MelwatchError

        try:
            is_clean = self._run_daemon()
        except MelwatchError as error:
            self._fail(f"{error.what}. {error.hint}".rstrip())
            return error.exit_code
        except BaseException:  # noqa: BLE001  the boundary of this process
            self._fail("melwatch has ended over a bug in it", traceback.format_exc())
            return _BUG
        if not is_clean:
            self.pending.end()
            self._report(win32service.SERVICE_STOPPED)
            os._exit(0)  # a pass that is still at work may be ended anywhere; the next start goes on from there
        return 0

    def _run_daemon(self) -> bool:
        from melwatch.config.instance import Instance, Scope
        from melwatch_winservice.daemon import opened

        with opened(Instance(name=self.instance_name, scope=Scope.SYSTEM), _Face(self), datetime.now(UTC)) as runner:
            with self.lock:
                self.runner = runner
                if self.is_stopping:
                    runner.stop()
            return runner.run()

    def _fail(self, what: str, trace: str = "") -> None:
        places.note_fault(places.log_file(self.instance_name), f"{what}\n{trace}".rstrip())
        eventlog.failed(f"{what} (see {places.log_file(self.instance_name)})")

    def running(self) -> None:
        """Report that lock and manifest are there and work begins."""
        if not self.is_stopping:
            self.pending.end()
            self._report(win32service.SERVICE_RUNNING)
            eventlog.started(places.service_name(self.instance_name))

    def _on_control(self, control: int, _event: int, _data: object) -> None:
        if control in _STOPPING:
            with self.lock:
                self.is_stopping = True
                self.pending.begin(win32service.SERVICE_STOP_PENDING)
                if self.runner is not None:
                    self.runner.stop()
        elif control == win32service.SERVICE_CONTROL_INTERROGATE:
            self._say(self.said)

    def _report(self, state: int, *, checkpoint: int = 0, wait_ms: int = 0, code: int = 0) -> None:
        accepted = _ACCEPTED if state in {win32service.SERVICE_RUNNING, win32service.SERVICE_START_PENDING} else 0
        exit_code = _SERVICE_SPECIFIC_ERROR if code else 0
        kind = win32service.SERVICE_WIN32_OWN_PROCESS
        self.said = (kind, state, accepted, exit_code, code, checkpoint, wait_ms)
        self._say(self.said)

    def _say(self, status: tuple[int, int, int, int, int, int, int]) -> None:
        win32service.SetServiceStatus(self.handle, status)


class _Face:
    """The daemon as the service control manager sees it."""

    is_watched = False

    def __init__(self, service: _Service) -> None:
        self._service = service

    def ready(self) -> None:
        """Report that it runs."""
        self._service.running()

    def progress(self, sentence: str) -> None:
        """Say nothing: a service has no such words."""

    def stopping(self) -> None:
        """Say nothing: that it stops is reported when it is told to."""
