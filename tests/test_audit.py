"""The audit of dependencies: a known flaw fails it, and silence is told from good news."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[1] / ".ci" / "audit"

pytestmark = pytest.mark.skipif(not AUDIT.exists(), reason="needs the checkout, not only its tests")

FLAW = {"id": "PYSEC-1", "fix_versions": ["2"], "aliases": [], "description": ""}
SOUND = {"name": "good", "version": "1", "vulns": []}
FLAWED = {"name": "bad", "version": "1", "vulns": [FLAW]}
UNKNOWN = {"name": "odd", "skip_reason": "not found"}


def audit(place: Path, known: list[dict[str, object]] | None) -> tuple[int, str]:
    """Run the audit with a pip-audit that knows this, or, with None, reaches nobody."""
    said = "raise OSError" if known is None else f"print({json.dumps({'dependencies': known})!r})"
    (place / "pip_audit.py").write_text(said, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, AUDIT],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(place)},
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("known", "code", "words"),
    [
        ([SOUND], 0, "asked about 1 packages: 0 known"),
        ([SOUND, FLAWED], 1, "VULNERABLE: bad 1: PYSEC-1, mended in 2"),
        ([SOUND, UNKNOWN], 0, "It does not know: odd"),
        ([UNKNOWN, UNKNOWN], 0, "NOT AUDITED"),
        (None, 0, "NOT AUDITED"),
    ],
)
def test_an_audit_says_what_it_knows(
    tmp_path: Path, known: list[dict[str, object]] | None, code: int, words: str
) -> None:
    """A mirror that knows of no package at all has not been asked."""
    status, said = audit(tmp_path, known)
    assert status == code
    assert words in said
