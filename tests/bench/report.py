"""Medians, ratios and the Markdown of the benchmark; nothing here measures."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MB = 1_000_000
_RATIOS = (
    ("notebook / melwatch", "notebook", "melwatch"),
    ("map / melwatch", "map", "melwatch"),
    ("melwatch / floor", "melwatch", "floor"),
    ("notebook / melwatch, 1 worker", "notebook", "melwatch-1"),
    ("melwatch / floor, 1 worker", "melwatch-1", "floor-1"),
    ("notebook / floor", "notebook", "floor"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command, measured."""

    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    written_bytes: int | None
    on_disk_bytes: int | None
    other_cpu_s: float
    note: str | None


@dataclass(slots=True, kw_only=True)
class SetResult:
    """Everything measured on one corpus."""

    kind: str
    songs: int
    names: dict[str, str]
    runs: dict[str, list[Run]]
    status: dict[str, object] | None = None
    parity: str | None = None
    parity_holds: bool | None = None
    one_more: dict[str, list[Run]] = field(default_factory=dict)


def markdown(result: SetResult) -> str:
    """One corpus as a heading, a table and what follows from it."""
    lines = [
        f"### {result.songs} {result.kind} songs",
        "",
        "| | seconds | songs/s | cores used | by others | peak memory, MB | written, MB | on disk, MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for key, runs in result.runs.items():
        lines.append(_row(result.names[key], runs, result.songs))
    lines += ["", *_ratios(result.runs)]
    if result.one_more:
        lines += ["", *_one_more(result.one_more)]
    if result.parity:
        verdict = "holds" if result.parity_holds else "DOES NOT HOLD"
        lines += ["", f"Parity {verdict}: " + result.parity.replace("\n", "; ")]
    notes = {run.note for runs in result.runs.values() for run in runs if run.note}
    lines += ["", *sorted(notes), f"Others kept {_others(result.runs.values()):.2f} cores busy in the mean."]
    return "\n".join(line for line in lines)


def _row(name: str, runs: Sequence[Run], songs: int) -> str:
    wall_s = median(run.wall_s for run in runs)
    spread = f"{wall_s:.2f} ({min(r.wall_s for r in runs):.2f}-{max(r.wall_s for r in runs):.2f})"
    cells = (
        name,
        spread,
        f"{songs / wall_s:.2f}",
        f"{median(run.cpu_s / run.wall_s for run in runs):.2f}",
        f"{median(run.other_cpu_s / run.wall_s for run in runs):.2f}",
        _megabytes(run.peak_memory_bytes for run in runs),
        _megabytes(run.written_bytes for run in runs),
        _megabytes(run.on_disk_bytes for run in runs),
    )
    return f"| {' | '.join(cells)} |"


def _ratios(runs: dict[str, list[Run]]) -> list[str]:
    seconds = {key: median(run.wall_s for run in own) for key, own in runs.items()}
    return [
        f"* {name}: {seconds[upper] / seconds[lower]:.2f}"
        for name, upper, lower in _RATIOS
        if upper in seconds and lower in seconds
    ]


def _one_more(added: dict[str, list[Run]]) -> list[str]:
    seconds = {key: median(run.wall_s for run in runs) for key, runs in added.items()}
    written = _megabytes(run.written_bytes for run in added["melwatch"])
    line = f"* one song added: melwatch {seconds['melwatch']:.2f} s, {written} MB written"
    if "notebook" in seconds:
        ratio = seconds["notebook"] / seconds["melwatch"]
        written = _megabytes(run.written_bytes for run in added["notebook"])
        line += f"; notebook {seconds['notebook']:.2f} s, {written} MB: {ratio:.0f}x"
    return [line]


def _megabytes(values: Iterable[int | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known) / _MB:.0f}" if known else "-"


def _others(runs: Iterable[list[Run]]) -> float:
    all_runs = [run for own in runs for run in own]
    return sum(run.other_cpu_s for run in all_runs) / sum(run.wall_s for run in all_runs)
