"""The benchmark: the notebook's method, the floor and `melwatch sync` by turns on the same songs.

    python tests/bench/first_import.py --music MUSIC [--work DIR] [--runs 3] [--sets short,long]

Every contender is run as a whole command with fresh output folders, files in the page cache, each
once per turn (A B C A B C ...), so that a busy machine slows all of them; the table shows medians.
Then songs are added one at a time, melwatch's next pass against the notebook's starting over; and
every row of melwatch's dataset is compared with the reference. The notebook takes the faster of its
decoders, which is measured first.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import report
from contenders import CORES, Contender, all_contenders, melwatch_command
from genres import songs_by_genre
from measure import Measured, measure, size_on_disk
from songs import LONG_SONGS, SHORT_SONGS, Corpus, make_long, make_short

_DECODER_SONGS = 6
MAKE = {"short": (make_short, SHORT_SONGS), "long": (make_long, LONG_SONGS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line asks for."""

    music: Path
    work: Path
    sets: tuple[str, ...]
    runs: int
    songs: int | None
    contenders: tuple[str, ...]
    parity: bool


def run_set(kind: str, settings: Settings, decoder: str) -> report.SetResult:
    """All that is measured on one corpus."""
    make, default = MAKE[kind]
    corpus = make(settings.music, settings.work / kind, settings.songs or default)
    contenders = all_contenders(decoder)
    chosen = {key: contenders[key] for key in settings.contenders}
    work = settings.work / f"{kind}-run"
    shutil.rmtree(work, ignore_errors=True)
    library = _copy_library(corpus, work / "music")
    _warm_up(library)

    runs: dict[str, list[report.Run]] = {key: [] for key in chosen}
    for turn in range(settings.runs):
        for key, contender in chosen.items():
            runs[key].append(_run(contender, library, work / key, f"{kind} {turn + 1}"))
    result = report.SetResult(
        kind=kind,
        songs=corpus.songs,
        names={key: contender.name for key, contender in chosen.items()},
        runs=runs,
    )
    if "melwatch" in chosen:
        result.status = _status(library, work / "melwatch")
        if settings.parity:
            result.parity, result.parity_holds = _parity(library, work / "melwatch")
        result.one_more = _add_songs(corpus, library, chosen, work, settings.runs)
    shutil.rmtree(work)
    return result


def _run(contender: Contender, library: Path, out: Path, where: str) -> report.Run:
    """One contender once, from nothing."""
    shutil.rmtree(out, ignore_errors=True)
    return _measured(contender, library, out, where)


def _measured(contender: Contender, library: Path, out: Path, where: str) -> report.Run:
    """One command, on quiet disks; it has to succeed."""
    out.mkdir(parents=True, exist_ok=True)
    if hasattr(os, "sync"):
        os.sync()
    measured = measure(contender.command_for(library, out), env=contender.env)
    print(f"{where}: {contender.name}: {measured.wall_s:.1f} s", file=sys.stderr, flush=True)
    _demand_success(contender.name, measured)
    note = next((line for line in measured.output.splitlines() if "skipped" in line), None)
    return report.Run(
        wall_s=measured.wall_s,
        cpu_s=measured.cpu_s,
        peak_memory_bytes=measured.peak_memory_bytes,
        written_bytes=measured.written_bytes,
        on_disk_bytes=size_on_disk(out) if contender.makes_dataset else None,
        other_cpu_s=measured.other_cpu_s,
        note=note,
    )


def _add_songs(
    corpus: Corpus, library: Path, chosen: dict[str, Contender], work: Path, runs: int
) -> dict[str, list[report.Run]]:
    """Add a song, let melwatch go on from where it is, let the notebook start over; again."""
    added: dict[str, list[report.Run]] = {}
    for turn, (song, place) in enumerate(corpus.one_more[:runs]):
        target = library / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(song, target)
        where = f"one more {turn + 1}"
        melwatch = _measured(chosen["melwatch"], library, work / "melwatch", where)
        added.setdefault("melwatch", []).append(melwatch)
        if "notebook" in chosen:
            notebook = _run(chosen["notebook"], library, work / "notebook", where)
            added.setdefault("notebook", []).append(notebook)
    return added


def fastest_decoder(music: Path) -> tuple[str, dict[str, float]]:
    """The notebook's decoder of choice, and seconds a song of each that works here."""
    from reference import DECODE

    songs = [path for paths in songs_by_genre(music).values() for path in paths][:_DECODER_SONGS]
    seconds: dict[str, float] = {}
    for decoder, decode in DECODE.items():
        try:
            decode(songs[0])
            times = []
            for song in songs:
                begin = time.perf_counter()
                decode(song)
                times.append(time.perf_counter() - begin)
        except (ImportError, OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            print(f"decoder {decoder} does not work here: {reason}", file=sys.stderr)
            continue
        seconds[decoder.value] = sum(times) / len(times)
    return min(seconds, key=seconds.__getitem__), seconds


def _copy_library(corpus: Corpus, target: Path) -> Path:
    """The corpus once more, to be added to; hard links where the disk has them."""

    def link(source: str, destination: str) -> None:
        try:
            os.link(source, destination)
        except OSError:
            shutil.copy2(source, destination)

    shutil.copytree(corpus.root, target, copy_function=link)
    return target


def _warm_up(library: Path) -> None:
    """Songs and Python's libraries into the page cache."""
    for paths in songs_by_genre(library).values():
        for path in paths:
            path.read_bytes()
    imports = "import datasets, soundfile, soxr, transformers; transformers.ASTFeatureExtractor()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", imports], check=True)


def _status(library: Path, out: Path) -> dict[str, object]:
    """What melwatch says of itself after its last first import."""
    places = ("--music", library, "--dataset", out / "dataset", "--state", out / "state")
    command = [*melwatch_command(), "status", "--json", *(str(place) for place in places)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    status: dict[str, object] = json.loads(printed)
    return status


def _parity(library: Path, out: Path) -> tuple[str, bool]:
    """In a process of its own, which ends."""
    program = Path(__file__).with_name("parity.py")
    command = [sys.executable, program, "reference", out / "dataset", "--music", library]
    done = subprocess.run([str(part) for part in command], check=False, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip(), done.returncode == 0


def _demand_success(name: str, measured: Measured) -> None:
    if measured.exit_code != 0:
        sys.exit(f"{name} ended with {measured.exit_code}:\n{measured.output}")


def _settings() -> tuple[argparse.Namespace, Settings]:
    names = tuple(all_contenders("soundfile"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "melwatch-bench")
    parser.add_argument("--sets", default="short,long")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--songs", type=int, help="fewer songs a set, for a quick look")
    parser.add_argument("--contenders", default=",".join(names), help="default: all")
    parser.add_argument("--no-parity", action="store_true")
    parser.add_argument("--json", type=Path, help="every run, for later")
    args = parser.parse_args()
    contenders = tuple(args.contenders.split(","))
    if unknown := set(contenders) - set(names) | set(args.sets.split(",")) - set(MAKE):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return args, Settings(
        music=args.music.absolute(),
        work=args.work.absolute(),
        sets=tuple(args.sets.split(",")),
        runs=args.runs,
        songs=args.songs,
        contenders=contenders,
        parity=not args.no_parity,
    )


def main() -> None:
    """Measure and print."""
    args, settings = _settings()
    decoder, seconds = fastest_decoder(settings.music)
    timings = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())
    print(f"{CORES} cores, Python {sys.version.split()[0]}, medians of {settings.runs} runs")
    print(f"decoders (a song): {timings}; the notebook takes {decoder}", flush=True)
    results = []
    for kind in settings.sets:
        results.append(run_set(kind, settings, decoder))
        print(f"\n{report.markdown(results[-1])}", flush=True)
    if args.json:
        content = {"decoders_s": seconds, "sets": [asdict(result) for result in results]}
        args.json.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
