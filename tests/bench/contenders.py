"""The programs that are compared, as command lines; nothing here runs them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = Path(__file__).parent
CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One program with its settings; `{music}` and `{out}` stand for the folders of a run."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    makes_dataset: bool = True

    def command_for(self, music: Path, out: Path) -> list[str]:
        """The command line of one run."""
        places = {"{music}": os.fspath(music), "{out}": os.fspath(out)}
        parts = []
        for part in self.command:
            whole = part
            for mark, place in places.items():
                whole = whole.replace(mark, place)
            parts.append(whole)
        return parts


def melwatch_command() -> tuple[str, ...]:
    """Melwatch as it is installed for this Python."""
    script = Path(sys.executable).with_name("melwatch.exe" if os.name == "nt" else "melwatch")
    return (os.fspath(script),) if script.exists() else (sys.executable, "-m", "melwatch_service")


def all_contenders(decoder: str) -> dict[str, Contender]:
    """By their short names, in the order in which they take turns."""
    notebook = Contender(
        name="notebook, 1 process",
        command=(
            *_program("notebook.py"), "--music", "{music}", "--out", "{out}",
            "--decoder", decoder, "--skip-split",
        ),
    )  # fmt: skip
    return {
        "notebook": notebook,
        "map": Contender(
            name=f"notebook, map(num_proc={CORES})",
            command=(*notebook.command, "--num-proc", str(CORES)),
        ),
        "map-tuned": Contender(
            name=f"notebook, map(num_proc={CORES}), tuned",
            command=(*notebook.command, "--num-proc", str(CORES), "--tuned"),
            # As many BLAS threads as cores in each of the processes would only slow it down.
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        ),
        "floor-1": _floor(1),
        "floor": _floor(CORES),
        "melwatch-1": _melwatch(1),
        "melwatch": _melwatch(CORES),
    }


def _floor(processes: int) -> Contender:
    return Contender(
        name=f"floor, {processes} process" + ("es" if processes > 1 else ""),
        command=(*_program("floor.py"), "--music", "{music}", "--processes", str(processes)),
        makes_dataset=False,
    )


def _melwatch(processes: int) -> Contender:
    return Contender(
        name=f"melwatch sync, {processes} worker" + ("s" if processes > 1 else ""),
        command=(
            *melwatch_command(), "sync", "--music", "{music}",
            "--dataset", "{out}/dataset", "--state", "{out}/state",
        ),
        env={"MELWATCH_WORKERS__PROCESSES": str(processes)},
    )  # fmt: skip


def _program(name: str) -> tuple[str, str]:
    return sys.executable, os.fspath(_HERE / name)
