"""The Windows event log: that the service has started, stopped or failed. Everything else is in the log file."""

from __future__ import annotations

from contextlib import suppress

import pywintypes
import servicemanager
import win32evtlogutil


def register(service: str) -> None:
    """Let the event log show messages of a service as sentences."""
    win32evtlogutil.AddSourceToRegistry(service, servicemanager.__file__, "Application")


def unregister(service: str) -> None:
    """Take that back."""
    with suppress(pywintypes.error, OSError):
        win32evtlogutil.RemoveSourceFromRegistry(service, "Application")


def started(service: str) -> None:
    """Note that the service has started."""
    _write(servicemanager.EVENTLOG_INFORMATION_TYPE, servicemanager.PYS_SERVICE_STARTED, service)


def stopped(service: str) -> None:
    """Note that the service has stopped as it was told to."""
    _write(servicemanager.EVENTLOG_INFORMATION_TYPE, servicemanager.PYS_SERVICE_STOPPED, service)


def failed(words: str) -> None:
    """Note why the service ended by itself."""
    with suppress(pywintypes.error):  # a full event log ends nothing
        servicemanager.LogErrorMsg(words)


def _write(kind: int, message: int, service: str) -> None:
    with suppress(pywintypes.error):
        servicemanager.LogMsg(kind, message, (service, ""))
