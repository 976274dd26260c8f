"""Whom a service runs as, and what that account is let at."""

from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ntsecuritycon
import pywintypes
import win32api
import win32security

from melwatch.errors import ConfigError, DegradedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOCAL_SYSTEM = "LocalSystem"
_KNOWN = {
    "localsystem": LOCAL_SYSTEM,
    "system": LOCAL_SYSTEM,
    "localservice": "NT AUTHORITY\\LocalService",
    "networkservice": "NT AUTHORITY\\NetworkService",
}
_TRUSTED = frozenset({
    "S-1-5-18", "S-1-5-32-544", "S-1-3-0", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
})  # fmt: skip
"""The system, administrators, whoever creates something, and the Windows installer."""
_CHANGING = (
    ntsecuritycon.FILE_WRITE_DATA | ntsecuritycon.FILE_APPEND_DATA | ntsecuritycon.DELETE
    | ntsecuritycon.WRITE_DAC | ntsecuritycon.WRITE_OWNER | ntsecuritycon.GENERIC_WRITE | ntsecuritycon.GENERIC_ALL
)  # fmt: skip
_MODIFY = (
    ntsecuritycon.FILE_GENERIC_READ
    | ntsecuritycon.FILE_GENERIC_WRITE
    | ntsecuritycon.FILE_GENERIC_EXECUTE
    | (ntsecuritycon.DELETE | ntsecuritycon.FILE_DELETE_CHILD)
)
_READ = ntsecuritycon.FILE_GENERIC_READ | ntsecuritycon.FILE_GENERIC_EXECUTE
_ALL_BELOW = ntsecuritycon.CONTAINER_INHERIT_ACE | ntsecuritycon.OBJECT_INHERIT_ACE


def choose_account(asked: str | None, service: str) -> str:
    r"""Return the account for a service: by default `NT SERVICE\<its name>`, which has no password and no rights."""
    if asked is None or asked.lower() == f"nt service\\{service}".lower():
        return f"NT SERVICE\\{service}"
    known = _KNOWN.get(asked.lower().removeprefix("nt authority\\").replace(" ", ""))
    if known is None:
        raise ConfigError(
            f"{asked} has a password, and melwatch does not ask for passwords",
            "Install without --account; then set the account in services.msc, `Log On`, where Windows checks it.",
        )
    return known


def require_reachable(account: str) -> None:
    """Refuse an environment in a person's profile, which a service's own account may not read."""
    if not account.lower().startswith(("nt service\\", "nt authority\\")):
        return
    profiles = Path(win32api.ExpandEnvironmentStrings("%PUBLIC%")).parent
    for place in {Path(sys.prefix), Path(sys.base_prefix)}:
        if profiles in place.parents:
            raise ConfigError(
                f"{place} lies in a person's profile, where {account} may not read",
                "Install Python and melwatch for all, for instance in C:\\Program Files; or use --user.",
            )


def warn_of(account: str) -> list[str]:
    """Say what is dangerous about an account: the system itself running what others may write."""
    writers = list(_writers(Path(sys.prefix))) if account == LOCAL_SYSTEM else []
    if not writers:
        return []
    return [f"Beware: {', '.join(writers)} may change {sys.prefix}, and so what runs here with all rights."]


def may_write(folders: Iterable[Path], service: str) -> None:
    """Make folders where they are missing, and let the service and whoever installs it write in them."""
    for folder in folders:
        _grant(folder, [(service_sid(service), _MODIFY), (_own_sid(), _MODIFY)])


def protect(folder: Path) -> None:
    """Let everybody read a folder of the machine and only administrators write in it."""
    all_rights = ntsecuritycon.FILE_ALL_ACCESS
    rights = (("S-1-5-18", all_rights), ("S-1-5-32-544", all_rights), ("S-1-5-32-545", _READ))
    _grant(folder, [(win32security.ConvertStringSidToSid(sid), right) for sid, right in rights], alone=True)


def service_sid(service: str) -> Any:  # noqa: ANN401  a PySID
    """Return the identity of a service, which follows from its name (see "Service SID" in MS-DTYP)."""
    words = struct.unpack("<5I", hashlib.sha1(service.upper().encode("utf-16-le"), usedforsecurity=False).digest())
    return win32security.ConvertStringSidToSid("S-1-5-80-" + "-".join(map(str, words)))


def _own_sid() -> Any:  # noqa: ANN401  a PySID
    token = win32security.OpenProcessToken(win32api.GetCurrentProcess(), win32security.TOKEN_QUERY)
    return win32security.GetTokenInformation(token, win32security.TokenUser)[0]


def _grant(folder: Path, rights: Iterable[tuple[Any, int]], *, alone: bool = False) -> None:
    """Add rights to a folder and all below it, or let them stand alone."""
    kind, what = win32security.SE_FILE_OBJECT, win32security.DACL_SECURITY_INFORMATION
    try:
        folder.mkdir(parents=True, exist_ok=True)
        had = win32security.GetNamedSecurityInfo(str(folder), kind, what).GetSecurityDescriptorDacl()
        allowed = win32security.ACL() if alone or had is None else had
        for sid, right in rights:
            allowed.AddAccessAllowedAceEx(win32security.ACL_REVISION_DS, _ALL_BELOW, right, sid)
        if alone:
            what |= win32security.PROTECTED_DACL_SECURITY_INFORMATION
        win32security.SetNamedSecurityInfo(str(folder), kind, what, None, None, allowed, None)
    except (OSError, pywintypes.error) as error:
        raise DegradedError(f"The rights of {folder} cannot be set: {error}", "Set them by hand.") from error


def _writers(folder: Path) -> Iterator[str]:
    """Yield who may change a folder, but for those who may do everything anyhow."""
    found = win32security.GetNamedSecurityInfo(
        str(folder), win32security.SE_FILE_OBJECT, win32security.DACL_SECURITY_INFORMATION
    ).GetSecurityDescriptorDacl()
    for number in range(found.GetAceCount() if found else 0):
        (kind, _), mask, sid, *_ = found.GetAce(number)
        text = win32security.ConvertSidToStringSid(sid)
        if kind == ntsecuritycon.ACCESS_ALLOWED_ACE_TYPE and mask & _CHANGING and text not in _TRUSTED:
            yield _name_of(sid, text)


def _name_of(sid: Any, text: str) -> str:  # noqa: ANN401  a PySID
    try:
        name, domain, _ = win32security.LookupAccountSid(None, sid)
    except pywintypes.error:
        return text
    return f"{domain}\\{name}" if domain else name
