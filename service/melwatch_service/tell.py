"""What commands say: values in, lines of text out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from melwatch.compose import FATES, IN_DATASET
from melwatch.library.rules import SENTENCES
from melwatch.names import display, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from melwatch.estimate import Estimate
    from melwatch.plan import Plan
    from melwatch.report import PassReport


def tell(lines: Iterable[str]) -> None:
    """Print lines to standard output."""
    for line in lines:
        sys.stdout.write(line + "\n")


def sentence_of(reason: str) -> str:
    """Return what a reason means, for a file."""
    known = {**FATES, **{str(key): text for key, text in SENTENCES.items()}}
    return known.get(reason, "could not be worked on")


def plan_lines(plan: Plan, work: Estimate) -> list[str]:
    """Say what a pass would do."""
    lines = [
        (
            f"{len(plan.added):,} new, {len(plan.changed):,} changed, {len(plan.unfinished):,} unfinished, "
            f"{plan.unchanged:,} unchanged, {len(plan.vanished):,} gone, {len(plan.unverified):,} out of sight"
        ),
        f"{work.sentence()}.",
    ]
    for sign, paths in (
        ("+", [file.path for file in plan.added]),
        ("~", [file.path for file in plan.changed]),
        ("-", plan.vanished),
    ):
        lines += [f"{sign} {printable(display(path))}" for path in paths]
    return lines


def pass_lines(report: PassReport, library: Path, seconds: float) -> list[str]:
    """Say what a pass did."""
    lines = [
        f"{report.extracted:,} extracted, {report.reused:,} reused, {report.failed:,} failed in {seconds:.1f} s.",
        *balance_lines(report.found, report.balance),
    ]
    if report.waiting:
        waiting = ", ".join(f"{printable(name)} ({count})" for name, count in report.waiting.items())
        lines.append(f"Genres with too few songs: {waiting}.")
    if report.like_artists:
        names = ", ".join(map(printable, report.like_artists))
        lines.append(f"These top-level folders look like artists, not genres: {names}.")
    lines += [f"Genre {old} is now called {new}." for old, new in report.renamed_genres.items()]
    lines += [
        f"Moved from {move['from']} to {move['to']}, which {move['genre']} would have lacked: song {move['audio_id']}."
        for move in report.moves
    ]
    if report.recipe_change is not None and report.recipe_change["is_accepted"]:
        lines.append(f"{report.recipe_change['sentence']}.")
        if report.recipe_change["left"]:
            lines.append("The files of the others cannot be read now; `melwatch missing` and `failures` list them.")
    if report.version is None:
        lines.append("Nothing is published: no genre has enough songs yet.")
    elif not report.genres:
        lines.append(f"No genre has enough songs any more; version {report.version} stays as it is: {library}")
    elif report.is_published:
        lines.append(f"Published version {report.version}: {library}")
    else:
        lines.append(f"Nothing has changed; version {report.version} is current: {library}")
    return lines


def balance_lines(found: int, balance: Mapping[str, int]) -> list[str]:
    """Say what became of every file found."""
    lines = [f"{found:,} files found:"]
    for reason, number in sorted(balance.items(), key=lambda item: (item[0] != IN_DATASET, item[0])):
        lines.append(f"  {number:>7,}  {reason.replace('_', ' ')}")
    return lines
