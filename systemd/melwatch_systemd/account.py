"""Whom a service of the machine runs as, and whom it lets see what it knows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.errors import ConfigError
from melwatch.platform import system

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account, and the group that may read what the service knows and make requests."""

    user: str
    group: str
    own_group: str

    @property
    def is_shared(self) -> bool:
        """Whether that group is another one than the account's own."""
        return self.group != self.own_group


def choose_account(named: str | None, dataset: Path, environment: Mapping[str, str]) -> Account:
    """Return the account that is named, or else the owner of the dataset, or who will be its owner.

    With it goes the group of the person who installs by `sudo`, so that they can talk to the service.
    """
    installer = environment.get("SUDO_USER")
    to_be = installer if installer and not dataset.exists() else system.owner_of(_existing(dataset))
    user = named or to_be
    own_group = _group_of(user)
    if named is None and user == "root":
        raise ConfigError(
            f"The service would run as root, to whom {_existing(dataset)} belongs",
            "Name another account with --account, or give the dataset's folder to one.",
        )
    group = _group_of(installer) if installer and installer not in {user, "root"} else own_group
    return Account(user=user, group=group, own_group=own_group)


def account_in(unit: str) -> Account:
    """Read back whom an installed unit runs as."""
    found = dict(re.findall(r"^(User|Group|SupplementaryGroups)=(.+)$", unit, re.MULTILINE))
    try:
        return Account(user=found["User"], group=found["Group"], own_group=found["SupplementaryGroups"])
    except KeyError as error:
        hint = "`melwatch service install` writes the unit anew."
        raise ConfigError(f"The installed unit does not say {error} any more", hint) from None


def make_folder(folder: Path, account: Account) -> None:
    """Create a folder for an account, and those above it that are missing."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir()
        shutil.chown(place, account.user, account.own_group)


def require_able(account: Account, *, python: Path, dataset: Path, music: Path, config_file: Path) -> None:
    """See to it that the account can do what the service does; raises `ConfigError` where it cannot."""
    if not _can(account, [str(python), "-P", "-c", "import melwatch_service.cli, melwatch_systemd"]):
        hint = f"Install melwatch where everybody can read it, for example in /opt. (It runs with {python}.)"
        raise ConfigError(f"The account {account.user} cannot run this melwatch", hint)
    for path, flag, what in ((config_file, "-r", "read"), (dataset, "-w", "write to"), (music, "-r", "read")):
        if path.exists() and not _can(account, ["test", flag, str(path)]):
            hint = "Change the permissions, or name another account with --account."
            raise ConfigError(f"The account {account.user} cannot {what} {path}", hint)


def _can(account: Account, command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command, user=account.user, group=account.group, extra_groups=_groups_of(account), cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)}, capture_output=True, check=False,
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0


def _groups_of(account: Account) -> list[str | int]:
    return [account.own_group, *(int(number) for number in _id("-G", account.user).split())]


def _group_of(user: str) -> str:
    return _id("-gn", user)


def _id(option: str, user: str) -> str:
    done = subprocess.run(["id", option, "--", user], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigError(f"There is no account {user!r} on this machine")
    return done.stdout.strip()


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
