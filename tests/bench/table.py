"""One table of what melwatch takes, against what it replaces and against the bare decode, measured by turns.

    python tests/bench/table.py --music MUSIC [--work DIR] [--songs 100] [--runs 3] [--copies 4] [--idle-minutes 5]

Songs of 3 to 5 minutes, whole commands with fresh folders, files in the page cache, each contender once
a turn; medians, and ratios of medians. With `--copies` melwatch and the bare decode alone also meet so
many times as many songs, where starting up counts for less. Copies are made of the same songs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from contenders import CORES, Contender, all_contenders
from copies import make_copies
from first_import import _copy_library, _measured, _run, _warm_up
from report import Run
from songs import LONG_SONGS, make_long

Runs = dict[str, list[Run]]
_HEAD = ("", "melwatch", "notebook", "audiofolder + map", "bare decode", "notebook / melwatch", "map / melwatch")


def contenders() -> dict[str, Contender]:
    """Those of the table, in the order of their turns."""
    known = all_contenders("soundfile")
    program = Path(__file__).with_name("audiofolder.py")
    mapped = Contender(
        name=f"audiofolder, map(num_proc={CORES})",
        command=(sys.executable, str(program), "--music", "{music}", "--out", "{out}", "--num-proc", str(CORES)),
        # As many BLAS threads as cores in each of the processes would only slow it down.
        env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    return {"notebook": known["notebook"], "map": mapped, "floor": known["floor"], "melwatch": known["melwatch"]}


def by_turns(chosen: dict[str, Contender], library: Path, work: Path, runs: int, what: str) -> Runs:
    """Each contender from nothing, once a turn."""
    seen: Runs = {key: [] for key in chosen}
    for turn in range(runs):
        for key, contender in chosen.items():
            seen[key].append(_run(contender, library, work / key, f"{what} {turn + 1}"))
    return seen


def row(what: str, seen: Runs) -> str:
    """Medians of seconds, and what follows from them."""
    wall_s = {key: median(run.wall_s for run in runs) for key, runs in seen.items() if runs}

    def ratio(upper: str, lower: str) -> str:
        return f"{wall_s[upper] / wall_s[lower]:.1f}" if upper in wall_s else "-"

    cells = [f"{wall_s[key]:.1f} s" if key in wall_s else "-" for key in ("melwatch", "notebook", "map", "floor")]
    cells += [ratio("notebook", "melwatch"), ratio("map", "melwatch")]
    if "floor" in wall_s:
        cpu_s = {key: median(run.cpu_s for run in seen[key]) for key in ("melwatch", "floor")}
        cells.append(
            f"{wall_s['melwatch'] / wall_s['floor']:.2f} ({cpu_s['melwatch'] / cpu_s['floor']:.2f} in CPU time)"
        )
    else:
        cells.append("-")
    return f"| {what} | {' | '.join(cells)} |"


def idle_row(work: Path, minutes: float, files: int) -> str:
    """What the daemon takes while nothing happens."""
    program = Path(__file__).with_name("endurance.py")
    command = [sys.executable, program, "idle", work / "idle", "--files", files, "--minutes", minutes]
    done = subprocess.run([str(part) for part in command], check=False, stdout=subprocess.PIPE, text=True)
    seen = json.loads(done.stdout)
    return (
        f"Idle over {files:,} files for {seen['minutes']} minutes: {seen['memory_mb']} MB, "
        f"{100 * seen['cpu_share']:.2f} % of a core, {seen['written_bytes']} bytes written."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "melwatch-bench")
    parser.add_argument("--songs", type=int, default=LONG_SONGS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--idle-minutes", type=float, default=0)
    parser.add_argument("--idle-files", type=int, default=2000)
    args = parser.parse_args()

    chosen, work = contenders(), args.work / "table-run"
    shutil.rmtree(work, ignore_errors=True)
    corpus = make_long(args.music.absolute(), args.work.absolute() / "long", args.songs)
    library = _copy_library(corpus, work / "music")
    _warm_up(library)
    lines = [f"| {' | '.join((*_HEAD, 'melwatch / bare decode'))} |", "|---" + "|--:" * len(_HEAD) + "|"]
    first = by_turns(chosen, library, work, args.runs, "first import")
    lines.append(row(f"first import, {args.songs} songs", first))
    same = [_measured(chosen["melwatch"], library, work / "melwatch", "no change") for _ in range(args.runs)]
    lines.append(row("nothing changed", {"melwatch": same}))
    added: Runs = {"melwatch": [], "notebook": [], "map": []}
    for song, place in corpus.one_more[: args.runs]:
        (library / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(song, library / place)
        added["melwatch"].append(_measured(chosen["melwatch"], library, work / "melwatch", "one more"))
        for key in ("notebook", "map"):
            added[key].append(_run(chosen[key], library, work / key, "one more"))
    lines.append(row("one song added", added))
    if args.copies:
        many = make_copies(corpus.root, work / "many", args.copies)
        _warm_up(many)
        two = {key: chosen[key] for key in ("floor", "melwatch")}
        lines.append(
            row(f"first import, {args.songs * args.copies} songs", by_turns(two, many, work, args.runs, "many"))
        )
    others = [run.other_cpu_s / run.wall_s for runs in first.values() for run in runs]
    print("\n".join([*lines, "", f"{CORES} cores; others kept {median(others):.2f} of them busy."]), flush=True)
    if args.idle_minutes:
        print(idle_row(work, args.idle_minutes, args.idle_files))
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
