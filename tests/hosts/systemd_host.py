"""A machine of its own with a real systemd, made of namespaces, for tests of what only systemd can show."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_HERE = Path(__file__).parent
_COMMANDS = ("unshare", "nsenter", "setpriv", "ip", "systemctl", "systemd-analyze", "dbus-daemon", "useradd")
_PACKAGES = ("melwatch", "melwatch_service", "melwatch_systemd", "melwatch_winservice")
SHARE = Path("/srv/share")
"""The folder that the machine has in common with the tests."""


def why_not() -> str:
    """Say why there can be no such machine here; "" where there can."""
    if sys.platform != "linux":
        return "systemd is of Linux"
    if os.geteuid() != 0:
        return "booting a systemd takes root"
    missing = [name for name in _COMMANDS if shutil.which(name) is None]
    if missing or not Path("/lib/systemd/systemd").exists():
        return f"a systemd to boot is not installed: {', '.join(missing) or 'systemd'}"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "sh", "-euc", _TRIAL],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"namespaces or overlays are not allowed here: {tried.stderr.strip()}" if tried.returncode else ""


_TRIAL = """
mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r /mnt/c
mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w overlay /mnt/r
mount -t cgroup2 cgroup2 /mnt/c && mkdir /mnt/c/melwatch-trial && rmdir /mnt/c/melwatch-trial
"""


class SystemdHost:
    """A booted machine; what is written in it is forgotten, but for what lies in `share`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.share = folder / "share"
        self.share.mkdir()
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self) -> None:
        """Start it, and wait until it has started all it starts."""
        packages = self.folder / "packages"
        for name in _PACKAGES:
            spec = util.find_spec(name)
            assert spec is not None
            assert spec.origin is not None
            shutil.copytree(Path(spec.origin).parent, packages / name, ignore=shutil.ignore_patterns("__pycache__"))
        wishes = {
            "HOST": str(self.folder),
            "SHARE": str(self.share),
            "SETUP": str(_HERE / "setup.sh"),
            "PACKAGES": str(packages),
            "BASE": os.path.realpath(sys.executable),
            "LIBRARIES": "\n".join(path for path in sys.path if path.endswith("-packages") and Path(path).is_dir()),
            "PYTHON": f"python{sys.version_info.major}.{sys.version_info.minor}",
        }
        log = (self.folder / "boot.log").open("wb")
        command = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]
        with log:
            self._supervisor = subprocess.Popen(
                [*command, str(_HERE / "boot.sh")],
                env={**os.environ, **wishes}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.wait_for((self.folder / "init").exists, self._log)
        self._init = int((self.folder / "init").read_text(encoding="utf-8"))
        self.wait_for(lambda: self.run("systemctl", "is-system-running", expect=None).strip() == "running", self._log)

    def shut_down(self) -> None:
        """End it, and all that runs in it."""
        if self._init:
            os.kill(self._init, 9)
        if self._supervisor is not None:
            self._supervisor.wait(30)

    def run(
        self, *command: str, user: str = "root", expect: int | None = 0, timeout_s: float = 60, **variables: str
    ) -> str:
        """Run a command there as a user; return what it says, errors included."""
        home = {"root": "/root", "media": "/var/lib/media"}.get(user, f"/home/{user}")
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"HOME": home, "USER": user, "PATH": path, "LANG": "C.UTF-8", **variables}
        done = subprocess.run(
            ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C", "--",
             "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups",
             "env", "-i", "-C", home, *(f"{key}={value}" for key, value in environment.items()), *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s, check=False,
        )  # fmt: skip
        output = done.stdout.decode("utf-8", "backslashreplace")
        assert expect is None or done.returncode == expect, f"{command} ended with {done.returncode}:\n{output}"
        return output

    def sudo(self, *command: str, by: str, **others: int) -> str:
        """Run a command as root on behalf of somebody, as sudo does."""
        return self.run(*command, SUDO_USER=by, expect=others.get("expect", 0))

    def wait_for(
        self, condition: Callable[[], object], explain: Callable[[], object] = str, timeout_s: float = 60
    ) -> None:
        """Wait until something holds; `explain` says more where it never does."""
        until_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < until_s, explain()
            assert self._supervisor is not None
            assert self._supervisor.poll() is None, self._log()
            time.sleep(0.1)

    def _log(self) -> str:
        return (self.folder / "boot.log").read_text(encoding="utf-8", errors="replace")
