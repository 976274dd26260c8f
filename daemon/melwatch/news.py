"""What a pass changed about genres and splits for good, in words, for the log and for who runs a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.dataset.splits import Cause
from melwatch.names import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from melwatch.report import PassReport


def news(report: PassReport) -> list[str]:
    """Return a line for each renamed genre, for a new epoch, and for each song that had to change its split."""
    lines = [f"Genre {printable(old)} is now called {printable(new)}." for old, new in report.renamed_genres.items()]
    if report.new_epoch is not None:
        lines.append(f"Began the epoch {report.new_epoch}: all songs were given new splits.")
    return lines + [move_line(move) for move in report.moves]


def move_line(move: Mapping[str, str]) -> str:
    """Say which song had to change its split, and why."""
    way = f"Moved from {move['from']} to {move['to']}"
    if move["cause"] == Cause.JOINED:
        return f"{way}, where others of its group are: song {move['audio_id']} of {printable(move['genre'])}."
    return f"{way}, which {printable(move['genre'])} would have lacked: song {move['audio_id']}."
