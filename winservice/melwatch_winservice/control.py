"""The service control manager's calls, for one service: register, configure, start, stop, ask, remove."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pywintypes
import win32service

from melwatch.errors import ConfigError, DegradedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ACCESS_DENIED, _DOES_NOT_EXIST, _EXISTS, _NOT_ACTIVE, _ALREADY_RUNNING = 5, 1060, 1073, 1062, 1056
_MARKED_FOR_DELETION, _SERVICE_SPECIFIC_ERROR, _LOGON_FAILED = 1072, 1066, 1069
_NEVER_STARTED = 1077
_NO_SUCH_LEVEL = 124  # what Wine says of settings that it does not have

_calls: Any = win32service
"""Its stubs ask for what may be None, and know a status as a tuple only."""

_DESCRIPTION = "Keeps a dataset of log-mel spectrograms in step with a music library."
_RESTART_AFTER_MS = (10_000, 60_000, 300_000)
_FORGET_FAILURES_AFTER_S = 86_400
_GLANCE_S, _PATIENCE_S = 0.2, 60.0

STATES = {
    win32service.SERVICE_STOPPED: "stopped",
    win32service.SERVICE_START_PENDING: "starting",
    win32service.SERVICE_STOP_PENDING: "stopping",
    win32service.SERVICE_RUNNING: "running",
    win32service.SERVICE_PAUSED: "paused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the service control manager says of a service."""

    state: int
    pid: int
    exit_code: int
    starts_by_itself: bool
    account: str
    command: str


class Service:
    """One service by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def register(self, command: str, account: str) -> None:
        """Put it on record, to start with Windows and again after failures; one that is there is changed."""
        with _explained(self.name), _manager(win32service.SC_MANAGER_CREATE_SERVICE) as manager:
            try:
                win32service.CloseServiceHandle(
                    _calls.CreateService(
                        manager, self.name, self.name, win32service.SERVICE_ALL_ACCESS,
                        win32service.SERVICE_WIN32_OWN_PROCESS, win32service.SERVICE_AUTO_START,
                        win32service.SERVICE_ERROR_NORMAL, command, None, 0, None, account, None,
                    )
                )  # fmt: skip
            except pywintypes.error as error:
                if error.winerror != _EXISTS:
                    raise
                self.configure(command)
            else:
                self.configure()

    def configure(self, command: str | None = None) -> None:
        """Bring everything but the account in step with this melwatch."""
        with self._opened(win32service.SERVICE_ALL_ACCESS) as service:
            same = win32service.SERVICE_NO_CHANGE
            _calls.ChangeServiceConfig(
                service, same, win32service.SERVICE_AUTO_START, same, command, None, 0, None, None, None, self.name
            )
            for level, value in _EXTRAS.items():
                try:
                    win32service.ChangeServiceConfig2(service, level, value)
                except pywintypes.error as error:
                    if error.winerror != _NO_SUCH_LEVEL:
                        raise

    def start(self) -> None:
        """Start it, and wait until it says that it runs."""
        with self._opened(win32service.SERVICE_START | win32service.SERVICE_QUERY_STATUS) as service:
            try:
                win32service.StartService(service, None)
            except pywintypes.error as error:
                if error.winerror != _ALREADY_RUNNING:
                    raise
            self._wait(lambda state: state != win32service.SERVICE_START_PENDING)
            facts = self.facts()
        if facts.state != win32service.SERVICE_RUNNING:
            raise DegradedError(f"The service {self.name} has not started: {ended_words(facts)}", "Its log tells more.")

    def stop(self) -> None:
        """Stop it, and wait until it has ended."""
        with self._opened(win32service.SERVICE_STOP | win32service.SERVICE_QUERY_STATUS) as service:
            try:
                win32service.ControlService(service, win32service.SERVICE_CONTROL_STOP)
            except pywintypes.error as error:
                if error.winerror != _NOT_ACTIVE:
                    raise
            self._wait(lambda state: state == win32service.SERVICE_STOPPED)

    def remove(self) -> None:
        """Take it off the record."""
        with self._opened(win32service.SERVICE_ALL_ACCESS) as service:
            win32service.DeleteService(service)

    def facts(self) -> Facts:
        """Ask how it is; raises `ConfigError` where there is no such service."""
        with self._opened(win32service.SERVICE_QUERY_STATUS | win32service.SERVICE_QUERY_CONFIG) as service:
            status = _calls.QueryServiceStatusEx(service)
            config = win32service.QueryServiceConfig(service)
        code = status["Win32ExitCode"]
        specific = code == _SERVICE_SPECIFIC_ERROR
        return Facts(
            state=status["CurrentState"],
            pid=status["ProcessId"],
            exit_code=0 if code == _NEVER_STARTED else status["ServiceSpecificExitCode"] if specific else code,
            starts_by_itself=config[1] == win32service.SERVICE_AUTO_START,
            account=config[7],
            command=config[3],
        )

    def _wait(self, is_there: Callable[[int], bool]) -> None:
        """Wait for a state, for as long as what is under way says that it goes on."""
        until_s, checkpoint = time.monotonic() + _PATIENCE_S, -1
        with self._opened(win32service.SERVICE_QUERY_STATUS) as service:
            while not is_there((status := _calls.QueryServiceStatusEx(service))["CurrentState"]):
                if status["CheckPoint"] != checkpoint:
                    until_s, checkpoint = time.monotonic() + _PATIENCE_S, status["CheckPoint"]
                if time.monotonic() > until_s:
                    state = STATES.get(status["CurrentState"], "in no known state")
                    raise DegradedError(f"The service {self.name} is still {state}", "Its log tells more.")
                time.sleep(_GLANCE_S)

    @contextmanager
    def _opened(self, access: int) -> Iterator[Any]:
        with _explained(self.name), _manager(win32service.SC_MANAGER_CONNECT) as manager:
            service: Any = win32service.OpenService(manager, self.name, access)
            try:
                yield service
            finally:
                win32service.CloseServiceHandle(service)


def ended_words(facts: Facts) -> str:
    """Say how a service that does not run has ended."""
    return f"it is {STATES.get(facts.state, 'in no known state')}, its last exit code is {facts.exit_code}"


def command_line(name: str) -> str:
    """Return what the service control manager starts: this environment's Python, apart from what users may set."""
    return f'"{sys.executable}" -I -m melwatch_winservice {name}'


def program_of(command: str) -> Path:
    """Return the program that a command line starts."""
    quoted, _, _ = command.removeprefix('"').partition('"' if command.startswith('"') else " ")
    return Path(quoted)


_EXTRAS: dict[int, Any] = {
    win32service.SERVICE_CONFIG_DESCRIPTION: _DESCRIPTION,
    win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO: True,
    win32service.SERVICE_CONFIG_FAILURE_ACTIONS: {
        "ResetPeriod": _FORGET_FAILURES_AFTER_S,
        "RebootMsg": "",
        "Command": "",
        # The last one holds for all failures to come: then it stays as it is, and is seen to have failed.
        "Actions": [*((win32service.SC_ACTION_RESTART, after_ms) for after_ms in _RESTART_AFTER_MS), (0, 0)],
    },
    # Without it, Windows restarts only what crashes, not what reports an error and ends.
    win32service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG: True,
    win32service.SERVICE_CONFIG_SERVICE_SID_INFO: win32service.SERVICE_SID_TYPE_UNRESTRICTED,
}


@contextmanager
def _manager(access: int) -> Iterator[Any]:
    manager: Any = win32service.OpenSCManager(None, None, access)
    try:
        yield manager
    finally:
        win32service.CloseServiceHandle(manager)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Say in words what the service control manager refuses."""
    try:
        yield
    except pywintypes.error as error:
        match error.winerror:
            case code if code == _ACCESS_DENIED:
                what = f"The service {name} is the machine's, and Windows lets only administrators change it"
                hint = "Use a terminal opened with `Run as administrator`; --user is for a task of your own."
            case code if code == _DOES_NOT_EXIST:
                what, hint = f"There is no service {name}", "`melwatch service install --system` makes one."
            case code if code == _MARKED_FOR_DELETION:
                what, hint = f"The service {name} is still being removed", "Close services.msc, then try again."
            case code if code == _LOGON_FAILED:
                what, hint = f"The service {name} may not log on as its account", "Set it in services.msc, `Log On`."
            case _:
                raise DegradedError(f"Windows refuses to work on the service {name}: {error.strerror}") from error
        raise ConfigError(what, hint) from None
