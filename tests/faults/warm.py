"""One warm process that runs melwatch's commands and reads its datasets on request, in a fraction of a second each.

Run as a program it answers requests; imported it is how they are made.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a reader finds: digests of each split's rows in order, or the error there is."""

    loaded: dict[str, list[str]] | str
    """By `melwatch.load`."""
    opened: dict[str, list[str]] | str
    """By `load_from_disk` on the fixed folder."""


class Warm:
    """The process, as seen by a test; it is started anew where it has been killed."""

    def __init__(self, place: Path, environment: Mapping[str, str]) -> None:
        self.place = place
        self.environment = dict(environment)
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.stop()

    def stop(self) -> None:
        """End the process; the next request starts another."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def run(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
        """Run a command of melwatch."""
        return Ran(**self._ask({"run": list(arguments), "environment": dict(environment or {})}))

    def read(self, dataset: Path) -> Seen:
        """Read a dataset as users do."""
        return Seen(**self._ask({"read": str(dataset)}))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(self.place / "output")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the process ended with {self.process.wait()}"
        answered: dict[str, Any] = json.loads(answer)
        return answered


def _answer_requests(output: Path) -> None:
    from melwatch.extraction.ahead import start_children_server

    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    said = []
    for number in (1, 2):
        file = os.open(f"{output}.{number}", os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_TRUNC, 0o644)
        os.dup2(file, number)
        said.append(file)
    start_children_server()
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            for file in said:
                os.ftruncate(file, 0)
            code = _run(request["run"], request["environment"])
            out, err = (os.pread(file, 1 << 24, 0).decode("utf-8", "backslashreplace") for file in said)
            answer: dict[str, Any] = {"code": code, "out": out, "err": err}
        else:
            answer = _read(request["read"])
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


def _run(arguments: list[str], environment: dict[str, str]) -> int:
    from melwatch_service.cli import run

    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return run(arguments)
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.stdout.flush()
        sys.stderr.flush()


def _read(dataset: str) -> dict[str, Any]:
    import datasets

    import melwatch

    answer: dict[str, Any] = {}
    for key, opening in (
        ("loaded", lambda: melwatch.load(dataset)),
        ("opened", lambda: datasets.load_from_disk(f"{dataset}/music_lib")),
    ):
        try:
            answer[key] = {split: _digests(part) for split, part in opening().items()}
        except Exception as error:  # noqa: BLE001  what went wrong is the answer
            answer[key] = f"{type(error).__name__}: {error}"
    return answer


def _digests(part: Any) -> list[str]:
    names, digests = part.features["labels"].names, []
    for row in part.with_format("numpy"):
        numbers = row["input_values"]
        said = f"{row['paths']}\t{names[int(row['labels'])]}\t{numbers.dtype}\n".encode()
        digests.append(hashlib.sha256(said + numbers.tobytes()).hexdigest())
    return digests


if __name__ == "__main__":
    _answer_requests(Path(sys.argv[1]))
