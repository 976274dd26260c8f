"""Imports point down only."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES = ("library", "manifest", "spectrogram", "dataset")
VALUES = (
    "audio", "config", "edition", "errors", "logfile", "names", "platform", "progress", "track", "version",
)  # fmt: skip
FLOORS = (
    VALUES,
    STAGES,
    ("news",),
    ("report",),
    ("extraction", "maintenance"),
    ("publishing",),
    ("passes",),
    ("adoption", "assemble", "pull"),
    ("daemon",),
    ("census", "status"),
)
"""The engine's rooms, from the ground up."""
HEAVY = {"torch", "transformers", "datasets", "pyarrow", "numpy", "dask", "distributed"}


def package_folder(name: str) -> Path:
    """Return where an installed package lies."""
    spec = util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def modules() -> dict[str, ast.Module]:
    """Parse every module of melwatch, by its full name."""
    parsed = {}
    for package in ("melwatch", "melwatch_service", "melwatch_systemd", "melwatch_winservice"):
        folder = package_folder(package)
        for file in folder.rglob("*.py"):
            parts = (package, *file.relative_to(folder).with_suffix("").parts)
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            parsed[name] = ast.parse(file.read_text(encoding="utf-8"))
    return parsed


MODULES = modules()


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield what a piece of code imports when it runs: blocks for the type checker are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                yield whole if whole in MODULES else module
        else:
            yield from imports(node)


def imported_by(module: str) -> set[str]:
    """Return everything that a new interpreter has imported after importing a module."""
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def room(module: str) -> str:
    """Return which part of the engine a module is in."""
    return module.split(".")[1]


@pytest.mark.parametrize("stage", STAGES)
def test_stages_do_not_import_one_another(stage: str) -> None:
    """What a stage needs of melwatch are its own modules and the values that everyone may use."""
    for name, tree in MODULES.items():
        if name.startswith(f"melwatch.{stage}"):
            for imported in imports(tree):
                if imported.startswith("melwatch"):
                    assert room(imported) in {stage, *VALUES}, f"{name} imports {imported}"


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_rooms_import_from_below(floor: int) -> None:
    """Each room knows what is below it, and nothing above; beside it, only the values know one another."""
    below = {each for rooms in FLOORS[:floor] for each in rooms}
    for name, tree in MODULES.items():
        if name.startswith("melwatch.") and room(name) in FLOORS[floor]:
            allowed = below | ({*VALUES} if floor == 0 else {room(name)})
            if room(name) == "assemble":
                allowed.add("adoption")
            for imported in imports(tree):
                if imported.startswith("melwatch."):
                    assert room(imported) in allowed, f"{name} imports {imported}"


def test_every_room_has_its_floor() -> None:
    """A new one has to find its place among the others."""
    known = {each for rooms in FLOORS for each in rooms}
    assert {room(name) for name in MODULES if name.startswith("melwatch.")} == known


def test_the_engine_does_not_know_the_door() -> None:
    """Nothing in the engine imports the command line."""
    for name, tree in MODULES.items():
        if name.startswith("melwatch."):
            assert not any(imported.startswith("melwatch_") for imported in imports(tree)), name


def test_the_commands_import_nothing_heavy() -> None:
    """Starting any command imports neither Arrow nor datasets, torch, transformers, NumPy."""
    assert not imported_by("melwatch_service.commands") & HEAVY


def test_the_page_imports_nothing_heavy() -> None:
    """Serving the page costs the daemon a web server, and none of what draws pictures or reads shards."""
    found = imported_by("melwatch_service.page.app") | imported_by("melwatch_service.page.connections")
    assert not found & (HEAVY | {"matplotlib", "soundfile", "scipy"})


def test_nothing_imports_dask_before_it_is_used() -> None:
    """Neither the daemon nor what a worker of the cluster runs pays for it twice."""
    for module in (
        "melwatch.daemon.wiring",
        "melwatch.extraction.delivery",
        "melwatch.extraction.station",
        "melwatch_service.doctor.checks",
    ):
        assert not imported_by(module) & {"dask", "distributed", "tornado"}, module


def test_the_daemon_imports_the_page_only_to_serve_it() -> None:
    """With the page off nothing of a web server is in its memory."""
    assert not imported_by("melwatch.daemon.wiring") & {"starlette", "uvicorn", "jinja2", "prometheus_client"}


def test_importing_melwatch_imports_nothing_heavy() -> None:
    """`import melwatch` costs next to nothing."""
    assert not imported_by("melwatch") & HEAVY


def test_workers_import_neither_torch_nor_arrow() -> None:
    """What runs in each worker needs NumPy, but none of the large libraries."""
    assert not imported_by("melwatch.spectrogram.extract") & (HEAVY - {"numpy"})


def test_the_faces_know_the_engine_alone() -> None:
    """What belongs to one service manager imports neither the door nor the other one."""
    for face, other in (("melwatch_systemd", "melwatch_winservice"), ("melwatch_winservice", "melwatch_systemd")):
        for name, tree in MODULES.items():
            if name.startswith(face):
                found = {imported for imported in imports(tree) if imported.startswith((other, "melwatch_service"))}
                assert not found, name


def test_only_few_modules_ask_which_system_they_are_on() -> None:
    """`sys.platform` and `os.name` appear in the modules about the system itself, and in the face of Windows."""
    about_it = {
        "melwatch.platform.system",
        "melwatch.platform.filesystem",
        "melwatch.platform.mounts",
        "melwatch.platform.windows",
    }
    for name, tree in MODULES.items():
        if name in about_it or name.startswith("melwatch_winservice"):
            continue
        asked = [
            node for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.platform", "os.name"}
        ]  # fmt: skip
        assert not asked, name
