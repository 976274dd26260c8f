"""Commands that put something in order: gc, verify."""

from __future__ import annotations

from typing import Annotated

import typer

from melwatch import publication
from melwatch.assemble import open_for_mending, open_for_reading
from melwatch.errors import StoreError
from melwatch.verify import verify_data, verify_dataset
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.tell import tell


@command()
def gc(given: Given) -> None:
    """Remove old versions, and shards that no version uses any more."""
    shop = given.workshop()
    with open_for_mending(shop, utc_now()) as db:
        done = publication.collect(shop, db, utc_now())
    tell([f"Removed {done.files:,} files, {done.bytes / 1e6:,.1f} MB."])
    if done.postponed:
        tell([f"{done.postponed:,} files are in use; they are tried again later."])


@command()
def verify(
    given: Given,
    *,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every shard and compare its digest.")] = False,
) -> None:
    """Check the dataset against what is known of it; exit code 4 where something is damaged."""
    shop = given.workshop()
    if read_data:
        with open_for_mending(shop, utc_now()) as db:
            findings = [*verify_dataset(shop, db), *verify_data(shop, db)]
    else:
        with open_for_reading(shop) as db:
            findings = verify_dataset(shop, db)
    tell(findings)
    if findings:
        raise StoreError(f"{len(findings)} problems found", "`melwatch sync` makes missing and damaged shards anew.")
    tell(["No problems found."])
