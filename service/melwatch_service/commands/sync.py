"""`melwatch sync`: one pass, and what it says about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from melwatch.assemble import has_manifest, open_for_reading, open_pipeline
from melwatch.pipeline import estimate_work, look, plan_pass
from melwatch.plan import make_plan
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.progress import progress_for_console
from melwatch_service.tell import pass_lines, plan_lines, tell

if TYPE_CHECKING:
    from melwatch.workshop import Workshop


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
    started = time.monotonic()
    with progress_for_console() as progress, open_pipeline(shop, progress, utc_now()) as pipeline:
        report = pipeline.run_pass(utc_now())
    tell(pass_lines(report, shop.folder.library, time.monotonic() - started))


def _rehearsal(shop: Workshop) -> list[str]:
    """Look and plan, but act on nothing."""
    if not has_manifest(shop):
        seen = look(shop, is_known=False)
        plan = make_plan([], seen.seen, seen.unverified)
        return plan_lines(plan, estimate_work(shop, plan, None))
    with open_for_reading(shop) as db:
        seen = look(shop, is_known=True)
        plan = plan_pass(shop, db, seen)
        return plan_lines(plan, estimate_work(shop, plan, db))
