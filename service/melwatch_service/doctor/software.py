"""Python, the packages beside melwatch, and SQLite."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from melwatch.manifest.health import OLDEST_SQLITE, sqlite_version
from melwatch.version import __version__
from melwatch_service.doctor.finding import ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

NEEDED = {
    "apscheduler": "3.11", "av": "14", "datasets": "2.14", "fsspec": "2023.1", "huggingface_hub": "0.20",
    "jinja2": "3.1", "matplotlib": "3.8", "mutagen": "1.47",
    "numpy": "1.26", "pathspec": "1", "pebble": "5.1", "platformdirs": "4", "prometheus-client": "0.20",
    "psutil": "5.9", "pyarrow": "15", "pydantic": "2.7", "rich": "13", "scipy": "1.11", "soundfile": "0.13",
    "soxr": "0.5", "starlette": "0.45", "typer": "0.15", "uvicorn": "0.34", "watchdog": "7.1", "xxhash": "3.4",
}  # fmt: skip
"""The oldest that will do; as in pyproject.toml."""
OPTIONAL = {"torch": "2.2", "transformers": "4.40"}
"""What `sync` and `run` work without."""

_OLDEST_PYTHON = (3, 11)
_WITHOUT = "only the default model's parameters are known, and the numbers are not checked against the original"


def look_at_python(case: Case) -> Iterator[Finding]:
    """The interpreter."""
    del case  # the same for every configuration
    yield judge_python(sys.version_info[:3], sys.executable, platform.platform())


def judge_python(version: tuple[int, ...], executable: str, system: str) -> Finding:
    """Judge the interpreter."""
    words = f"melwatch {__version__} with Python {_dotted(version)} on {system}"
    facts = {"melwatch": __version__, "python": _dotted(version), "executable": executable, "system": system}
    if version < _OLDEST_PYTHON:
        return problem("software.python", words, f"Install Python {_dotted(_OLDEST_PYTHON)} or newer.", **facts)
    return ok("software.python", words, **facts)


def look_at_packages(case: Case) -> Iterator[Finding]:
    """The packages that melwatch stands on."""
    del case
    yield from judge_packages({name: _installed(name) for name in (*NEEDED, *OPTIONAL)})


def judge_packages(installed: Mapping[str, str | None]) -> Iterator[Finding]:
    """Judge packages by the versions found, None for one that is missing."""
    facts = dict(installed)
    bad = [words for name in NEEDED if (words := _complaint(name, installed[name], NEEDED[name]))]
    if bad:
        hint = "Install melwatch anew: pip install -c constraints.txt ."
        yield problem("software.packages", f"{_list(bad)}", hint, **facts)
    else:
        yield ok("software.packages", f"All {len(NEEDED)} packages are there and new enough", **facts)
    odd = [words for name in OPTIONAL if (words := _complaint(name, installed[name], OPTIONAL[name]))]
    if odd:
        yield warning("software.models", f"{_list(odd)}: {_WITHOUT}", f"pip install {' '.join(OPTIONAL)}", **facts)


def look_at_sqlite(case: Case) -> Iterator[Finding]:
    """The library that keeps the manifest."""
    del case
    yield judge_sqlite(sqlite_version())


def judge_sqlite(version: tuple[int, ...]) -> Finding:
    """Judge whether it knows the SQL that the manifest uses."""
    words, facts = f"SQLite {_dotted(version)}", {"version": _dotted(version)}
    if version < OLDEST_SQLITE:
        hint = f"Use a Python that brings SQLite {_dotted(OLDEST_SQLITE)} or newer, as those of python.org do."
        return problem("software.sqlite", f"{words} is too old for the manifest", hint, **facts)
    return ok("software.sqlite", words, **facts)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _complaint(name: str, found: str | None, needed: str) -> str:
    if found is None:
        return f"{name} is not installed"
    return f"{name} {found} is older than {needed}" if _numbers(found) < _numbers(needed) else ""


def _numbers(version: str) -> tuple[int, ...]:
    """Return what of a version counts here: its numbers up to anything else."""
    release = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in release[0].split(".")) if release else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _list(words: list[str]) -> str:
    return ", ".join(words)
