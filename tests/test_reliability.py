"""The page about reliability names tests that exist, for every scenario."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
NAMED = re.compile(r"`(tests/[\w./-]+\.py)(?:::(\w+))?`")
WITHOUT_A_TEST: set[int] = set()


def rows() -> dict[int, str]:
    """Return the rows of the table of scenarios by number, in the order of the page."""
    found = re.findall(r"^\| (\d+) \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(found) == len({number for number, _ in found})
    return {int(number): row for number, row in found}


def functions(file: Path) -> set[str]:
    """Return the names of the functions at the top of a file."""
    return {node.name for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.FunctionDef)}


def test_every_scenario_has_its_row() -> None:
    """They are numbered from 1 to 55, each with what happens and a test that shows it."""
    assert list(rows()) == list(range(1, 56))
    assert {number for number, row in rows().items() if not NAMED.search(row)} <= WITHOUT_A_TEST


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(PAGE.read_text(encoding="utf-8")))))
def test_what_the_page_names_exists(file: str, name: str) -> None:
    """No test that it points to has been renamed or removed."""
    assert (ROOT / file).is_file()
    assert not name or name in functions(ROOT / file)
