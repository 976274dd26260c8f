"""What commands say: values in, lines of text out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from melwatch.library.rules import SENTENCES
from melwatch.names import display, printable
from melwatch.news import news
from melwatch.publishing.compose import FATES, IN_DATASET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from melwatch.extraction.estimate import Estimate
    from melwatch.passes.plan import Plan
    from melwatch.report import PassReport


def tell(lines: Iterable[str]) -> None:
    """Print lines to standard output, in which no name breaks a line or speaks to the terminal."""
    for line in lines:
        sys.stdout.write(printable(line) + "\n")


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
    lines += news(report)
    lines += split_lines(report)
    if report.recipe_change is not None and report.recipe_change["is_accepted"]:
        lines.append(f"{report.recipe_stuck or report.recipe_change['sentence']}.")
    if report.version is None:
        lines.append("Nothing is published: no genre has enough songs yet.")
    elif not report.genres:
        lines.append(f"No genre has enough songs any more; version {report.version} stays as it is: {library}")
    elif report.is_published:
        lines.append(f"Published version {report.version}: {library}")
    else:
        lines.append(f"Nothing has changed; version {report.version} is current: {library}")
    return lines


def split_lines(report: PassReport) -> list[str]:
    """Say what of the splits is not as one would expect."""
    lines = [shared_line(group) for group in report.shared_groups]
    lines += [
        f"{printable(genre)} has no song in {' and '.join(splits)}; `melwatch splits reset` draws new splits."
        for genre, splits in report.lacking.items()
    ]
    if report.across_genres:
        lines.append(
            f"{report.across_genres:,} songs are in several genres, the same sound under different labels; "
            "each is in one split."
        )
    if report.group_by != report.group_by_wanted:
        lines.append(group_by_line(report.group_by, report.group_by_wanted))
    return lines


def group_by_line(now: str, wanted: str) -> str:
    """Say that coarser groups wait."""
    return (
        f"splits.group_by = {wanted} waits for a new epoch, since it would take songs from train; "
        f"until `melwatch splits reset --epoch NAME` groups are by {now}."
    )


def shared_line(group: Mapping[str, Any]) -> str:
    """Say which group had to be divided among splits."""
    songs = ", ".join(f"{number} {split}" for split, number in group["songs"].items() if number)
    genres = ", ".join(map(printable, group["genres"]))
    return f"{printable(group['group'])} is in several splits ({songs}): {genres} would have too little without."


def balance_lines(found: int, balance: Mapping[str, int]) -> list[str]:
    """Say what became of every file found."""
    lines = [f"{found:,} files found:"]
    for reason, number in sorted(balance.items(), key=lambda item: (item[0] != IN_DATASET, item[0])):
        lines.append(f"  {number:>7,}  {reason.replace('_', ' ')}")
    return lines
