"""`melwatch adopt`: take over class ids and splits of a dataset that a notebook made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melwatch.adoption import adopt
from melwatch.assemble import open_adopting, open_for_work
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch.adoption import Adoption


@command("adopt")
def take_over(
    given: Given,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="The folder that load_from_disk opens, where it lies elsewhere; it is only read.",
        ),
    ] = None,
) -> None:
    """Take over class ids and splits of a dataset that a notebook made, so that old scores stay comparable.

    The DatasetDict `music_lib` in the dataset folder needs the splits train, validate and test and the
    columns labels and paths; genres.json beside it lists the classes. Both are renamed, never
    deleted (with --from only read), and the next `melwatch sync` makes melwatch's own dataset in their place.
    """
    shop = open_adopting(given.settings())
    with open_for_work(shop, utc_now()) as db:
        adoption = adopt(shop, db, source, utc_now())
    tell(_lines(adoption))


def _lines(adoption: Adoption) -> Iterator[str]:
    yield f"Took over {len(adoption.class_names):,} classes and the splits of {len(adoption.splits):,} files."
    if adoption.elsewhere:
        yield f"{adoption.elsewhere:,} more do not lie below the music root."
    if adoption.missing:
        yield f"{adoption.missing:,} more are not there any more, or were renamed."
    if adoption.ambiguous:
        yield f"{adoption.ambiguous:,} files were in several splits; they go to the one that is held out."
    if adoption.relabelled:
        yield f"{adoption.relabelled:,} files lie in the folder of another genre than their label says."
    for before, after in adoption.set_aside.items():
        yield f"{before} is now {after}."
    yield "The next `melwatch sync` makes the dataset."
