"""A little fuzzing with every run of the tests; `fuzz.py` does it for as long as one likes."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from checks import CHECKS
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import build
from walking import reference_runs

from building import tone

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = {"walk": 250, "bounds": 400, "identity": 200, "tags": 300, "decode": 100}

# Programs that found something: the pieces are explained in `shapes.py`.
FINDINGS = {
    "more tags at the end than are taken off": (
        "bounds", b"\x00\x00\x90\x00\x0b\x00" + b"\x07\x00" + bytes(12) + b"\x0e\x48",
    ),
    "a header that overlaps what resembles one": ("walk", b"\xff" + b"\xff\xfb\x9c" + tone(300.0, 0.5)[:4000]),
}  # fmt: skip


@pytest.mark.parametrize("target", CHECKS)
def test_no_file_breaks_what_each_parser_promises(target: str) -> None:
    """Files of every shape, drawn at random."""
    check: Callable[[bytes], None] = CHECKS[target]

    @given(st.binary(max_size=160))
    @settings(max_examples=EXAMPLES[target], deadline=None, database=None)
    def hold(program: bytes) -> None:
        check(program)

    hold()


@pytest.mark.parametrize("found", FINDINGS)
def test_what_was_found_once_is_not_found_again(found: str) -> None:
    """Each as small as it could be made."""
    target, program = FINDINGS[found]
    CHECKS[target](program)


def test_the_language_gets_everywhere() -> None:
    """Random programs build runs of frames, several of them, tags on either side, and files that are neither."""
    choice = random.Random(1)  # noqa: S311
    built = [build(choice.randbytes(choice.randrange(1, 120))) for _ in range(400)]
    runs = [len(reference_runs(data)) for data in built]

    assert min(runs) == 0
    assert sum(number > 1 for number in runs) > 40
    for mark in (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"LYRICS200", b"Info", b"VBRI"):
        assert sum(mark in data for data in built) > 10


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minute_of_fuzzing_finds_nothing(tmp_path: Path) -> None:
    """Every target, led by coverage where that engine is installed, and the real workers."""
    program = Path(__file__).with_name("fuzz.py")
    done = subprocess.run(
        [sys.executable, program, "--minutes", "0.25", "--out", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("clean") == len(CHECKS) + 1
