"""`melwatch plot`: pictures of the library and of what the dataset holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melwatch import status
from melwatch.assemble import open_for_reading
from melwatch.edition import Split
from melwatch.errors import ConfigError
from melwatch.names import display
from melwatch_service.commands.app import Given, app, command
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

plot = typer.Typer(help="Draw songs per genre, a whole track, or one row.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(plot, name="plot")

Out = Annotated[Path | None, typer.Option("--out", "-o", help="The picture: a .png or .svg file.")]


@command("genres", of=plot)
def plot_genres(given: Given, *, out: Out = None) -> None:
    """Draw songs per genre, with under- and over-represented genres marked."""
    from melwatch_service.plots import genres_figure

    shop = given.workshop()
    with open_for_reading(shop) as db:
        facts = status.overview(shop, db)
    if not facts["genres"] and not facts["waiting"]:
        raise ConfigError("There are no songs to draw yet")
    _save(genres_figure(facts["genres"], facts["waiting"]), out, "genres.png")


@command("track", of=plot)
def plot_track(
    given: Given,
    path: Annotated[Path, typer.Argument(help="A song in the dataset; relative to here, or to the music root.")],
    *,
    out: Out = None,
) -> None:
    """Draw all windows of a song in one grid."""
    from melwatch.dataset.read import load, rows_of_track
    from melwatch_service.plots import track_figure

    shop = given.workshop()
    relative = status.relative_path(shop, path)
    shown = shop.shown_path(relative) if relative is not None else str(path)
    split, first, count = rows_of_track(shop.folder.path, shown)
    windows = load(shop.folder.path)[split][first : first + count]["input_values"]
    title = display(relative) if relative is not None else shown
    _save(track_figure(list(windows), title), out, "track.png")


@command("row", of=plot)
def plot_row(
    given: Given,
    split: Annotated[Split, typer.Argument(help="The split the row is in.")],
    row: Annotated[int, typer.Argument(help="Row number in the split, from 0.", min=0)],
    *,
    out: Out = None,
) -> None:
    """Draw one row of the dataset."""
    from melwatch.dataset.read import load
    from melwatch_service.plots import row_figure

    shop = given.workshop()
    part = load(shop.folder.path)[split]
    if row >= len(part):
        raise ConfigError(f"{split} has {len(part):,} rows, numbered from 0; there is no row {row}")
    genre = part.features["labels"].int2str(int(part[row]["labels"]))
    _save(row_figure(part[row]["input_values"], f"{split} {row}: {genre}, {part[row]['paths']}"), out, "row.png")


def _save(figure: Figure, out: Path | None, default: str) -> None:
    from melwatch_service.plots import save_figure

    file = out or Path(default)
    if file.suffix.lower() not in {".png", ".svg"}:
        raise ConfigError(f"{file} is neither .png nor .svg")
    try:
        save_figure(figure, file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
    tell([f"Wrote {file}"])
