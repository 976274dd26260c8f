"""Pictures: songs per genre, one spectrogram, a whole track. Arrays and counts in, figures out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from melwatch.dataset.representation import representation
from melwatch.names import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_USUAL, _UNDER, _OVER, _WAITING = "#4878a8", "#d9770b", "#7b3294", "#98a2ab"
"""Those of the status page."""
_HOP_S = 0.01
_COLUMNS = 3
_LONGEST_GENRE = 40

mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["font.family"] = ["DejaVu Sans"]


def genres_figure(counts: Mapping[str, int], waiting: Mapping[str, int]) -> Figure:
    """Draw songs per genre, largest first; genres in `waiting` have too few to be in the dataset."""
    shares = representation(counts)
    rows = sorted({**counts, **waiting}.items(), key=lambda item: (item[1], item[0]))
    colours = [
        _WAITING if name in waiting else _UNDER if name in shares.under else _OVER if name in shares.over else _USUAL
        for name, _ in rows
    ]
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    # By number, since two names may look alike once they are shortened.
    bars = axes.barh(range(len(rows)), [number for _, number in rows], color=colours)
    axes.set_yticks(range(len(rows)), [_plain(name, _LONGEST_GENRE) for name, _ in rows])
    axes.bar_label(bars, padding=3)
    axes.set_xlabel("songs")
    axes.set_title("Songs per genre")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.1)
    legend = {
        _USUAL: "usual",
        _UNDER: f"under-represented (fewer than {shares.low:g})",
        _OVER: f"over-represented (more than {shares.high:g})",
        _WAITING: "too few, not in the dataset",
    }
    shown = [Patch(color=colour, label=label) for colour, label in legend.items() if colour in colours]
    axes.legend(handles=shown, loc="lower right", frameon=False)
    return figure


def row_figure(values: NDArray[np.float32], title: str) -> Figure:
    """Draw one spectrogram, (frames, bins) float32."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    axes = figure.subplots()
    _draw(axes, values)
    axes.set_title(_plain(title), fontsize=10)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("mel bin")
    return figure


def track_figure(windows: Sequence[NDArray[np.float32]], title: str) -> Figure:
    """Draw all windows of a track, each (frames, bins) float32, three to a row on one colour scale."""
    rows = -(-len(windows) // _COLUMNS)
    figure = Figure(figsize=(13, 1 + 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    low, high = min(float(window.min()) for window in windows), max(float(window.max()) for window in windows)
    for number, axes in enumerate(grid.flat):
        if number >= len(windows):
            axes.set_visible(False)
            continue
        _draw(axes, windows[number], low, high)
        axes.set_title(f"window {number}", fontsize=9)
    figure.suptitle(_plain(title), fontsize=11)
    figure.supxlabel("time (s)")
    figure.supylabel("mel bin")
    return figure


def save_figure(figure: Figure, file: Path) -> None:
    """Write a figure as PNG or SVG, by the file's extension."""
    figure.savefig(file, dpi=110)


def _draw(axes: Axes, values: NDArray[np.float32], low: float | None = None, high: float | None = None) -> None:
    frames, bins = values.shape
    axes.imshow(
        values.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high,
        extent=(0, frames * _HOP_S, 0, bins), interpolation="nearest",
    )  # fmt: skip


def _plain(text: str, longest: int = 90) -> str:
    """Keep file names from being read as formulas, from breaking lines or the SVG, and within the width."""
    text = printable(text)
    half = longest // 2
    text = text if len(text) <= longest else f"{text[: half - 3]} … {text[-half:]}"
    return text.replace("$", r"\$")
