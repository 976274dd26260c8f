"""Commands that put something in order: gc, verify, repair."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from melwatch.assemble import has_manifest, hold_for_repair, open_for_mending
from melwatch.dataset.caches import remove_caches
from melwatch.errors import ConfigError, StoreError
from melwatch.maintenance import clearing
from melwatch.maintenance.repair import Repair
from melwatch.maintenance.verify import verify as find_damage
from melwatch.maintenance.verify import verify_data
from melwatch.manifest.database import FILE_NAME
from melwatch.manifest.health import State, examine
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.commands.sync import one_pass, say_what_waits
from melwatch_service.progress import progress_for_console
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from melwatch.dataset.collect import Collected
    from melwatch.maintenance.verify import Finding
    from melwatch.passes.workshop import Workshop

_DAYS = 7


@command()
def gc(
    given: Given,
    *,
    caches: Annotated[
        bool, typer.Option("--caches", help="Remove caches, too, that map and filter left in the dataset.")
    ] = False,
    older_than: Annotated[
        int, typer.Option("--older-than", metavar="DAYS", min=0, help="Only caches that nobody has used for so long.")
    ] = _DAYS,
) -> None:
    """Remove old versions, and shards that no version uses any more."""
    shop = given.workshop()
    with open_for_mending(shop, utc_now()) as db:
        _tell_removed(clearing.collect(shop, db, utc_now()), "files")
        if caches:
            unused_for = timedelta(days=older_than)
            _tell_removed(remove_caches(shop.folder, unused_for=unused_for, now=utc_now()), "caches")


def _tell_removed(done: Collected, what: str) -> None:
    tell([f"Removed {done.files:,} {what}, {done.bytes / 1e6:,.1f} MB."])
    if done.postponed:
        tell([f"{done.postponed:,} {what} are in use; they are tried again later."])


@command()
def verify(
    given: Given,
    *,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every shard and compare its digest.")] = False,
) -> None:
    """Check manifest and dataset against one another; exit code 4 where something is damaged.

    Each line says what is wrong and which command puts it right.
    """
    shop = given.workshop()
    if not has_manifest(shop) and not shop.folder.version_numbers():
        raise ConfigError(f"Nothing is known yet of {shop.folder.path}", "Run `melwatch sync` first.")
    findings = find_damage(shop, is_thorough=read_data)
    if read_data:
        findings += _read_data(shop)
    _tell_findings(findings)


def _read_data(shop: Workshop) -> list[Finding]:
    with progress_for_console() as progress:
        if examine(shop.state.path / FILE_NAME).state is not State.SOUND:
            return verify_data(shop, None, progress)
        with open_for_mending(shop, utc_now()) as db:
            return verify_data(shop, db, progress)


def _tell_findings(findings: Iterable[Finding]) -> None:
    lines = list(dict.fromkeys(map(str, findings)))
    tell(lines)
    if lines:
        raise StoreError(f"{len(lines)} problems found")
    tell(["No problems found."])


@command()
def repair(
    given: Given,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Put right what is damaged: set it aside, rebuild the manifest, make lost shards anew in a pass.

    Splits, class ids and row order stay, and only songs are extracted again whose spectrograms are lost.
    Every shard is read for that.
    """
    shop = given.workshop()
    with progress_for_console() as progress:
        repair_ = Repair(shop=shop, now=utc_now(), progress=progress, is_rehearsal=dry_run)
        if dry_run:
            tell(repair_.mend() or ["There is nothing to repair."])
            return
        repair_.require_room()
        with hold_for_repair(shop, utc_now()):
            tell(repair_.mend() or ["There is nothing to repair."])
    if not repair_.said:
        return
    report = one_pass(shop)
    with hold_for_repair(shop, utc_now()):
        tell(repair_.retire())
    say_what_waits(report)
