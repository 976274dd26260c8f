"""`melwatch sync`: one pass, and what it says about it."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from melwatch.assemble import has_manifest, open_for_reading, open_pipeline
from melwatch.errors import DegradedError
from melwatch.manifest import stamps
from melwatch.passes.intake import estimate_work, likely_new
from melwatch.passes.look import remembered_root, scan_root
from melwatch.passes.plan import make_plan
from melwatch.passes.renewal import find_change, in_force
from melwatch.report import ACCEPT_RECIPE
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.progress import progress_for_console
from melwatch_service.tell import pass_lines, plan_lines, tell

if TYPE_CHECKING:
    from melwatch.passes.workshop import Workshop
    from melwatch.report import PassReport


@command()
def sync(
    given: Given,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Bring the dataset in step with the music, once, and exit.

    Only new or changed songs are decoded. It can be interrupted at any time; the next run goes on
    from there. Example: melwatch sync --music ~/Music --dataset ~/datasets/music
    """
    shop = given.workshop()
    if dry_run:
        tell(_rehearsal(shop))
        return
    run_one_pass(shop)


def run_one_pass(shop: Workshop) -> None:
    """Look, take in, publish, and say what came of it.

    Raises `DegradedError` where something needs a person.
    """
    say_what_waits(one_pass(shop))


def one_pass(shop: Workshop) -> PassReport:
    """Look, take in, publish, and say what came of it, but for what needs a person."""
    started = time.monotonic()
    with progress_for_console() as progress, open_pipeline(shop, progress, utc_now()) as pipeline:
        report = pipeline.run_pass(utc_now()).report
    tell(pass_lines(report, shop.folder.library, time.monotonic() - started))
    return report


def say_what_waits(report: PassReport) -> None:
    """Raise `DegradedError` where something needs a person."""
    if report.recipe_waits is not None:
        raise DegradedError(f"{report.held or ''}. {report.recipe_waits}".removeprefix(". "), ACCEPT_RECIPE)
    if report.held is not None:
        raise DegradedError(report.held, "Nothing is removed. If it is meant, run `melwatch accept-deletions`.")
    if report.recipe_stuck is not None:
        raise DegradedError(report.recipe_stuck, "The last version stays current.")


def _rehearsal(shop: Workshop) -> list[str]:
    """Look and plan, but act on nothing."""
    if not has_manifest(shop):
        _, seen, _ = scan_root(shop, list, None)
        plan = make_plan([], seen.seen, seen.unverified)
        return plan_lines(plan, estimate_work(shop, likely_new(plan, plan.to_read, []), None))
    with open_for_reading(shop) as db:
        change = find_change(shop, db)
        shop = in_force(shop, change)
        begin = partial(stamps.iter_known, db, shop.recipe.id, is_past=shop.recipe.is_past)
        known, seen, _ = scan_root(shop, begin, remembered_root(db))
        plan = make_plan(known, seen.seen, seen.unverified)
        plan = replace(plan, unchanged=plan.unchanged + seen.as_known)
        lines = plan_lines(plan, estimate_work(shop, likely_new(plan, plan.to_read, known), db))
        return lines if change is None else [*lines, f"{change.sentence()}."]
