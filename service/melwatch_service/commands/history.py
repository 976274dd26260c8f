"""Commands about versions: versions, diff, pin, unpin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from melwatch.dataset import history, pins
from melwatch.errors import ConfigError
from melwatch.names import printable
from melwatch_service.commands.app import Given, command
from melwatch_service.commands.looking import AsJson, print_json
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch.dataset.difference import Difference
    from melwatch.dataset.layout import DatasetFolder

Number = Annotated[int, typer.Argument(metavar="N", help="The version's number.")]


@command("versions")
def show_versions(given: Given, *, as_json: AsJson = False) -> None:
    """List the versions that are still on disk, newest first."""
    rows = history.all_versions(published(given))
    if as_json:
        print_json(rows)
        return
    tell(
        f"{row['version']:>6}  {row['published_at']}  {row['tracks'] or 0:>7,} tracks  {row['fingerprint']}"
        f"  recipe {row['recipe']}"
        + ("" if row["complete"] else "  incomplete")
        + ("  pinned" if row["pinned"] else "")
        for row in rows
    )


@command("diff")
def show_difference(
    given: Given,
    before: Annotated[int, typer.Argument(metavar="A", help="The earlier version's number.")],
    after: Annotated[int, typer.Argument(metavar="B", help="The later version's number.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell what became of the tracks of one version in another: added, removed, renamed, moved, relabelled ..."""
    found = history.compare(published(given), before, after)
    if as_json:
        print_json(found.to_json())
    else:
        tell(_difference_lines(found))


def _difference_lines(found: Difference) -> Iterator[str]:
    if found.is_empty:
        yield f"Versions {found.before} and {found.after} show the same."
        return
    yield (
        f"{len(found.added):,} added, {len(found.removed):,} removed, {len(found.renamed):,} renamed, "
        f"{len(found.moved):,} moved, {len(found.relabelled):,} relabelled, "
        f"{len(found.re_extracted):,} re-extracted, {len(found.replaced):,} replaced"
    )
    if found.recipes[0] != found.recipes[1]:
        yield f"recipe {found.recipes[0]} -> {found.recipes[1]}"
    for change in found.classes:
        yield f"class {change['id']} {printable(change['from'])} -> {printable(change['to'] or 'nothing')}"
    yield from (f"+ {printable(path)}" for path in found.added)
    yield from (f"- {printable(path)}" for path in found.removed)
    yield from (f"> {printable(names['from'])} -> {printable(names['to'])}" for names in found.renamed)
    for change in found.moved:
        yield f"~ {printable(change['path'])}: moved from {change['from']} to {change['to']}"
    for change in found.relabelled:
        yield f"~ {printable(change['path'])}: class {change['from']} -> {change['to']}"
    yield from (f"~ {printable(path)}: re-extracted" for path in found.re_extracted)
    yield from (f"~ {printable(path)}: another sound" for path in found.replaced)


@command()
def pin(given: Given, number: Number) -> None:
    """Keep a version, and the shards it needs, until it is unpinned."""
    pins.pin(published(given), number)
    tell([f"Version {number} is kept until `melwatch unpin {number}`."])


@command()
def unpin(given: Given, number: Number) -> None:
    """Let a version be removed when its time has come."""
    pins.unpin(published(given), number)
    tell([f"Version {number} is kept no longer than others."])


def published(given: Given) -> DatasetFolder:
    """Return the folder of a dataset that has versions; raises `ConfigError` where it has none."""
    return with_versions(given.workshop().folder)


def with_versions(folder: DatasetFolder) -> DatasetFolder:
    """Return a dataset's folder; raises `ConfigError` where it has no version."""
    if not any(folder.is_complete(number) for number in folder.version_numbers()):
        raise ConfigError(f"Nothing is published in {folder.path}", "`melwatch sync` publishes.")
    return folder
