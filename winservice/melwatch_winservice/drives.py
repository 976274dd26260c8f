"""Drive letters that exist in one logon session only, and which a service therefore never sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pywintypes
import win32file
import win32wnet

from melwatch.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_UNIVERSAL_NAME = 1
_SUBSTITUTED = "\\??\\"


def require_lasting(folders: Mapping[str, Path]) -> None:
    """Refuse folders, by their settings' keys, on mapped or substituted drives; raises `ConfigError`."""
    problems = [
        ConfigProblem(key=key, what=f"{folder} is {kind}, which services do not see", hint=f"Write '{really}' instead")
        for key, folder in folders.items()
        if (found := _elsewhere(folder)) is not None
        for kind, really in [found]
    ]
    if problems:
        raise ConfigError("A service cannot reach its folders", problems=problems)


def _elsewhere(folder: Path) -> tuple[str, str] | None:
    """Return what kind of passing drive a folder lies on, and its lasting name."""
    drive = folder.drive
    if not drive or drive.startswith("\\\\"):
        return None
    device = _device(drive)
    if device.startswith(_SUBSTITUTED):
        return "on a substituted drive", device.removeprefix(_SUBSTITUTED) + str(folder)[len(drive) :]
    if win32file.GetDriveType(drive + "\\") == win32file.DRIVE_REMOTE:
        return "on a mapped network drive", _universal(str(folder))
    return None


def _device(drive: str) -> str:
    try:
        return str(win32file.QueryDosDevice(drive)).split("\0", 1)[0]
    except pywintypes.error:
        return ""


def _universal(path: str) -> str:
    try:
        return str(win32wnet.WNetGetUniversalName(path, _UNIVERSAL_NAME))
    except pywintypes.error:
        return "\\\\server\\share\\..."
