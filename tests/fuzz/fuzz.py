"""Fuzz melwatch's own parsers, and the decoders behind them.

    python tests/fuzz/fuzz.py [--target NAME ...] [--minutes 30] [--seed 1] [--jobs 2] [--out DIR]
    python tests/fuzz/fuzz.py --target NAME --replay FILE

A target is one check of `checks.py`, run on files that `shapes.py` builds. With atheris installed
(Linux) the engine is libFuzzer, led by the coverage of melwatch and mutagen; without it, or for the
target `workers`, programs are drawn at random. What fails is written to DIR, as the program that
the engine made up (NAME-crash-...) and as the file that it builds (the same with .mp3). A target ends
with its first finding; the exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import util
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

TARGETS = ("walk", "bounds", "identity", "tags", "decode", "workers")
INPUT_TIMEOUT_S, MEMORY_MB, PROGRAM_BYTES = 60, 2048, 1024
SLICE_S = 120
"""How long one process fuzzes: atheris leaks whatever NumPy compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one target."""

    target: str
    engine: str
    executions: int
    seconds: float
    peak_mb: int
    is_clean: bool


def main() -> int:
    """Run the targets, a few at a time, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=TARGETS, help="all, unless named")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 31))
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--out", type=Path, default=None, help="for logs and findings")
    parser.add_argument("--corpus", type=Path, default=None, help="keep what libFuzzer found interesting here")
    parser.add_argument("--replay", type=Path, help="run one program again")
    parser.add_argument("--engine", choices=("atheris", "random"), default=None)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    targets = options.target or list(TARGETS)
    if options.replay:
        _check(targets[0])(options.replay.read_bytes())
        return 0
    options.out = options.out or Path(tempfile.mkdtemp(prefix="melwatch-fuzz-out-"))
    options.out.mkdir(parents=True, exist_ok=True)
    if options.child:
        return _child(targets[0], options)
    print(f"seed {options.seed}, {options.minutes:g} minutes a target, logs and findings in {options.out}", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda target: _run(target, options), targets))
    return 0 if all(result.is_clean for result in results) else 1


def _check(target: str):  # noqa: ANN202
    from checks import CHECKS

    return CHECKS[target]


def _engine(target: str, wanted: str | None) -> str:
    return "random" if target == "workers" or not util.find_spec("atheris") else wanted or "atheris"


def _run(target: str, options: argparse.Namespace) -> Result:
    """Run one target in a child process, and say what came of it."""
    log = options.out / f"{target}.log"
    started = time.monotonic()
    engine, corpus, status, part = _engine(target, options.engine), options.corpus or options.out / "corpus", 0, 0
    with log.open("wb") as out:
        while status == 0 and (left_s := started + options.minutes * 60 - time.monotonic()) > 0:
            seconds = min(left_s, SLICE_S) if engine == "atheris" else left_s
            command = [sys.executable, __file__, "--child", "--target", target, "--engine", engine]
            command += ["--minutes", str(max(1.0, seconds) / 60), "--seed", str(options.seed + part)]
            command += ["--out", str(options.out), "--corpus", str(corpus)]
            status, part = subprocess.run(command, stdout=out, stderr=out, check=False).returncode, part + 1
    said = log.read_text(encoding="utf-8", errors="replace")
    result = Result(
        target=target,
        engine=engine,
        executions=sum(_figures(said, "number_of_executed_units")),
        seconds=time.monotonic() - started,
        peak_mb=max(_figures(said, "peak_rss_mb"), default=0),
        is_clean=status == 0,
    )
    rate = result.executions / max(result.seconds, 0.001)
    print(
        f"{target:9} {result.engine:8} {result.executions:>12,} executions in {result.seconds / 60:.1f} min, "
        f"{rate:,.0f}/s, peak {result.peak_mb} MB: {'clean' if result.is_clean else f'FINDING, see {log}'}",
        flush=True,
    )
    for finding in sorted(options.out.glob(f"{target}-*")):
        if finding.suffix != ".mp3":
            from shapes import build

            finding.with_name(finding.name + ".mp3").write_bytes(build(finding.read_bytes()))
            print(f"  {finding}", flush=True)
    return result


def _figures(said: str, name: str) -> list[int]:
    return [int(figure) for figure in re.findall(rf"stat::{name}:\s*(\d+)", said)]


def _child(target: str, options: argparse.Namespace) -> int:
    if _engine(target, options.engine) == "random":
        return _draw(target, options)
    import atheris

    with atheris.instrument_imports(include=["melwatch", "mutagen"]):
        check = _check(target)
    corpus = options.corpus / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, program in enumerate(_first_programs(options.seed)):
        (corpus / f"first-{number}").write_bytes(program)
    arguments = [
        f"-max_total_time={round(options.minutes * 60)}",
        f"-seed={options.seed}",
        f"-artifact_prefix={options.out}/{target}-",
        f"-timeout={INPUT_TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={PROGRAM_BYTES}",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], check)
    atheris.Fuzz()
    return 0


def _first_programs(seed: int) -> list[bytes]:
    """Return programs to begin with: each kind of piece, then some at random."""
    choice = random.Random(seed)  # noqa: S311
    plain = [bytes((step,)) + b"\x00\x94\x40\x05" + bytes(8) for step in range(16)]
    return plain + [choice.randbytes(choice.randrange(4, 100)) for _ in range(200)]


def _draw(target: str, options: argparse.Namespace) -> int:
    """Run programs drawn at random until the time is over."""
    deadline, count = time.monotonic() + options.minutes * 60, 0
    if target == "workers":
        from pool import check_in_workers

        count = check_in_workers(options.seed, deadline, options.out)
    else:
        check, choice = _check(target), random.Random(options.seed)  # noqa: S311
        while time.monotonic() < deadline:
            program = choice.randbytes(choice.randrange(PROGRAM_BYTES // 8))
            try:
                check(program)
            except BaseException:
                (options.out / f"{target}-crash").write_bytes(program)
                raise
            count += 1
    print(f"stat::number_of_executed_units: {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
