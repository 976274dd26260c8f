"""Work in a process of its own: its answers, its faults, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from melwatch.errors import SpectrogramLostError
from melwatch.platform.child import ChildDiedError, run_in_child

if TYPE_CHECKING:
    from pathlib import Path


def test_an_answer_comes_back() -> None:
    """The result of a function is what the child returns."""
    assert run_in_child(divmod, 7, 3) == (2, 1)


def test_a_fault_comes_back() -> None:
    """An exception in the child is raised in the parent."""
    with pytest.raises(ZeroDivisionError):
        run_in_child(divmod, 7, 0)


def test_our_own_faults_survive_the_trip() -> None:
    """An error of melwatch's keeps what it carries."""
    with pytest.raises(SpectrogramLostError) as raised:
        run_in_child(_lose, ("a", "b"))
    assert raised.value.audio_ids == ("a", "b")


def _lose(songs: tuple[str, ...]) -> None:
    raise SpectrogramLostError(songs)


def test_a_child_that_dies_is_told() -> None:
    """Where no answer comes, the parent does not wait for it."""
    with pytest.raises(ChildDiedError):
        run_in_child(os._exit, 3)


class Unwelcome:
    """An answer that is not taken in."""

    def __init__(self, fault: type[Exception]) -> None:
        self.fault = fault

    def __reduce__(self) -> tuple[object, ...]:
        return _fail, (self.fault,)


def _fail(fault: type[Exception]) -> None:
    raise fault


def _give_back(fault: type[Exception]) -> Unwelcome:
    return Unwelcome(fault)


@pytest.mark.parametrize("fault", [MemoryError, SystemError])
def test_an_answer_that_there_is_no_memory_for_is_told(fault: type[Exception]) -> None:
    """Python says the one or the other; it may pass, and is no bug."""
    with pytest.raises(ChildDiedError, match="could not be taken in"):
        run_in_child(_give_back, fault)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_work_does_not_outlive_whoever_waits_for_it(tmp_path: Path, by: signal.Signals) -> None:
    """When the parent is killed or interrupted, the child stops writing."""
    program = tmp_path / "program.py"
    program.write_text(
        "import signal, time\n"
        "from melwatch.platform.child import run_in_child\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it\n"
        "def work(file):\n"
        "    while True:\n"
        "        open(file, 'a').write('x')\n"
        "        time.sleep(0.01)\n"
        "if __name__ == '__main__':\n"
        f"    run_in_child(work, {str(tmp_path / 'file')!r})\n",
        encoding="utf-8",
    )
    parent = subprocess.Popen([sys.executable, program], stderr=subprocess.DEVNULL)
    while not (tmp_path / "file").exists():
        time.sleep(0.05)
    parent.send_signal(by)
    parent.wait(30)
    sizes = [-1, (tmp_path / "file").stat().st_size]
    while sizes[-1] != sizes[-2]:
        time.sleep(0.5)
        sizes.append((tmp_path / "file").stat().st_size)
        assert len(sizes) < 20
