"""`melwatch splits`: how well the splits keep to their shares, and new ones for a new epoch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melwatch.assemble import open_for_mending, open_for_reading
from melwatch.census import splits_report
from melwatch.errors import ConfigError
from melwatch.manifest import epochs
from melwatch.manifest.database import writing
from melwatch.manifest.requests import Ask
from melwatch.names import printable
from melwatch.news import move_line
from melwatch_service.commands.app import Given, app, command, utc_now
from melwatch_service.commands.control import told_by_daemon
from melwatch_service.commands.looking import AsJson, print_json
from melwatch_service.commands.sync import run_one_pass
from melwatch_service.tell import group_by_line, shared_line, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

splits = typer.Typer(no_args_is_help=True, help="How songs are divided into train, validate and test.")
app.add_typer(splits, name="splits")


@command("report", of=splits)
def show_report(given: Given, *, as_json: AsJson = False) -> None:
    """Tell, genre by genre, how many tracks each split should have and has, and what had to move for it."""
    shop = given.workshop()
    with open_for_reading(shop) as db:
        facts = splits_report(shop, db)
    if as_json:
        print_json(facts)
        return
    tell(_report_lines(facts))


@command("reset", of=splits)
def reset(
    given: Given,
    *,
    epoch: Annotated[str, typer.Option("--epoch", metavar="NAME", help="What to call the new epoch.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Draw new splits for all songs, and publish them as the beginning of a new epoch.

    Songs that were held out may be trained on afterwards, so scores of models from before are not
    comparable with those from after. Nothing is decoded again.
    """
    shop = given.workshop()
    with open_for_reading(shop) as db:
        epochs.check_name(db, epoch)
    if not yes:
        _confirm(epoch)
    if told_by_daemon(shop, Ask.NEW_EPOCH, epoch):
        return
    with open_for_mending(shop, utc_now()) as db, writing(db):
        epochs.ask_for_epoch(db, epoch)
    run_one_pass(shop)


def _confirm(epoch: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError("New splits are drawn only when they are meant", "Confirm with --yes.")
    question = "All songs get new splits; scores from before are not comparable with those from after. Go on?"
    if not typer.confirm(question):
        raise ConfigError(f"The epoch {epoch} was not begun")


def _report_lines(facts: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Epoch {printable(facts['epoch'] or 'not begun')}, {facts['policy']}, groups by {facts['group_by']}"
        + (f"; {printable(facts['epoch_asked'])} begins with the next pass" if facts["epoch_asked"] else "")
        + "."
    )
    if facts["group_by"] != facts["group_by_wanted"]:
        yield group_by_line(facts["group_by"], facts["group_by_wanted"])
    yield f"{'genre':<24}{'tracks':>8}{'groups':>8}{'train':>16}{'validate':>16}{'test':>16}{'moved':>8}"
    for genre, row in facts["genres"].items():
        cells = "".join(f"{part['actual']:>9,} ({part['drift']:+.1f})".rjust(16) for part in row["splits"].values())
        yield f"{printable(genre):<24}{row['tracks']:>8,}{row['groups']:>8,}{cells}{row['moves']:>8,}"
    yield "In brackets: how many tracks more, or less, than the shares ask for."
    yield from map(move_line, facts["moves"])
    yield from map(shared_line, facts["shared_groups"])
    for genre, lacking in facts["lacking"].items():
        yield f"{printable(genre)} has no song in {' and '.join(lacking)}."
    if facts["across_genres"]:
        yield f"{facts['across_genres']:,} songs are in several genres; each is in one split."
