"""Imports point down only."""

from __future__ import annotations

import ast
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES = ("library", "manifest", "spectrogram", "dataset")
VALUES = {
    "melwatch.errors", "melwatch.track", "melwatch.edition", "melwatch.names", "melwatch.config", "melwatch.system",
    "melwatch.disk", "melwatch.mpeg", "melwatch.source", "melwatch.tag_bounds", "melwatch.audiofile",
    "melwatch.version",
}  # fmt: skip
HEAVY = {"torch", "transformers", "datasets", "pyarrow"}


def package_folder(name: str) -> Path:
    """Return where an installed package lies."""
    spec = util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def modules() -> dict[str, ast.Module]:
    """Parse every module of melwatch, by its full name."""
    parsed = {}
    for package in ("melwatch", "melwatch_service"):
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


def at_import(name: str, seen: set[str]) -> set[str]:
    """Return every top-level package that importing a module brings in, through melwatch's own modules."""
    found = set()
    body = [node for node in MODULES[name].body if not isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    for imported in imports(ast.Module(body=body, type_ignores=[])):
        if imported in MODULES:
            if imported not in seen:
                seen.add(imported)
                found |= at_import(imported, seen)
        else:
            found.add(imported.split(".")[0])
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_stages_do_not_import_one_another(stage: str) -> None:
    """What a stage needs of melwatch are its own modules and the values that everyone may use."""
    for name, tree in MODULES.items():
        if name.startswith(f"melwatch.{stage}"):
            for imported in imports(tree):
                if imported.startswith("melwatch"):
                    assert imported.startswith(f"melwatch.{stage}") or imported in VALUES, f"{name} imports {imported}"


@pytest.mark.parametrize("value", sorted(VALUES))
def test_values_import_only_values(value: str) -> None:
    """The values know nothing of the stages."""
    for imported in imports(MODULES[value]):
        assert not imported.startswith("melwatch") or imported in VALUES, f"{value} imports {imported}"


def test_the_engine_does_not_know_the_door() -> None:
    """Nothing in the engine imports the command line."""
    for name, tree in MODULES.items():
        if name.startswith("melwatch."):
            assert not any(imported.startswith("melwatch_") for imported in imports(tree)), name


def test_nothing_heavy_is_imported_by_the_commands() -> None:
    """Starting any command imports neither Arrow nor datasets, torch, transformers."""
    assert not at_import("melwatch_service.commands", set()) & HEAVY


def test_importing_melwatch_imports_nothing_heavy() -> None:
    """`import melwatch` costs next to nothing."""
    assert not at_import("melwatch", set()) & {*HEAVY, "numpy"}


def test_only_one_module_asks_which_system_it_is_on() -> None:
    """`sys.platform` and `os.name` appear in `melwatch.system` alone."""
    for name, tree in MODULES.items():
        if name == "melwatch.system":
            continue
        asked = [
            node for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.platform", "os.name"}
        ]  # fmt: skip
        assert not asked, name
