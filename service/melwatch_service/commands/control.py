"""Commands that ask the running daemon for something; where none runs, those that can act themselves do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melwatch import status
from melwatch.assemble import has_manifest, open_for_mending, open_for_reading, open_to_ask
from melwatch.config.durations import seconds_of
from melwatch.errors import ConfigError, DegradedError, LockedError
from melwatch.manifest import recipes, requests, tracks, versions
from melwatch.manifest.requests import Ask
from melwatch.passes import renewal
from melwatch.passes.look import accept_root
from melwatch.passes.spelling import as_spelled
from melwatch.track import RelPath
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.commands.sync import run_one_pass
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from melwatch.passes.workshop import Workshop

_ANSWERED_WITHIN_S = 15.0


@command()
def rescan(
    given: Given,
    path: Annotated[Path | None, typer.Argument(help="A folder or file; without it, the whole library.")] = None,
) -> None:
    """Look at the library now, or at one folder or file of it.

    Where no daemon is running this is one pass over the whole library, as `melwatch sync`.
    """
    shop = given.workshop()
    relative = _below_root(shop, path) if path is not None and not _is_root(shop, path) else RelPath(b"")
    if not told_by_daemon(shop, Ask.RESCAN, relative.hex()):
        run_one_pass(shop)


@command()
def publish(given: Given) -> None:
    """Publish what there is now, without waiting for quiet."""
    shop = given.workshop()
    if not told_by_daemon(shop, Ask.PUBLISH):
        run_one_pass(shop)


@command()
def pause(
    given: Given,
    *,
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="For how long: 30m, 2h, 1d.")] = "",
) -> None:
    """Let the daemon rest: it finishes the songs at hand and begins no others."""
    _require_told(given.workshop(), Ask.PAUSE, str(_seconds(for_)) if for_ else "")


@command()
def resume(given: Given) -> None:
    """Let the daemon go on after `pause`."""
    _require_told(given.workshop(), Ask.RESUME)


@command()
def retry(
    given: Given,
    path: Annotated[Path | None, typer.Argument(help="One file; without it, every failed one.")] = None,
) -> None:
    """Let failed songs be tried again."""
    shop = given.workshop()
    which = _below_root(shop, path).hex() if path is not None else ""
    if told_by_daemon(shop, Ask.RETRY, which):
        return
    with open_for_mending(shop, utc_now()) as db:
        number = tracks.forget_failures(db, tracks.songs_at(db, which))
    tell([f"{number:,} failed songs will be tried again by the next `melwatch sync`."])


@command("accept-deletions")
def accept_deletions(given: Given) -> None:
    """Confirm that the songs that have vanished are meant to be gone."""
    shop = given.workshop()
    if told_by_daemon(shop, Ask.ACCEPT_DELETIONS):
        return
    with open_for_mending(shop, utc_now()) as db:
        number = tracks.accept_deletions(db)
    tell([f"{number:,} deletions go ahead with the next `melwatch sync`."])


@command("accept-root")
def accept_the_root(given: Given) -> None:
    """Confirm that what lies at the music root now is the library."""
    shop = given.workshop()
    if told_by_daemon(shop, Ask.ACCEPT_ROOT):
        return
    with open_for_mending(shop, utc_now()) as db:
        accept_root(db)
    tell(["The next `melwatch sync` takes what lies at the music root for the library."])


@command("accept-recipe")
def accept_recipe(given: Given) -> None:
    """Confirm that the configured recipe replaces that of the dataset.

    All songs are then extracted once more in the background, while the old version stays current.
    """
    shop = given.workshop()
    with open_for_reading(shop) as db:
        change = renewal.find_change(shop, db)
        last = versions.last_pass(db) or {}
    if change is None:
        tell(["The dataset has the configured recipe; there is nothing to accept."])
        return
    tell([f"{change.sentence()}."])
    if told_by_daemon(shop, Ask.ACCEPT_RECIPE, shop.recipe.id):
        if (last.get("recipe_change") or {}).get("wanted") != shop.recipe.id:
            tell(["The running melwatch may still have its former configuration; it takes the new one when restarted."])
        return
    with open_for_mending(shop, utc_now()) as db:
        recipes.accept(db, shop.recipe.id)
    tell(["The next `melwatch sync` extracts them; the old version stays current until all are done."])


def told_by_daemon(shop: Workshop, kind: Ask, argument: str = "") -> bool:
    """Have the running daemon take a request, and print what it says; False where none is running."""
    if not has_manifest(shop) or not status.is_daemon_running(shop):
        return False
    with open_to_ask(shop) as db:
        number = requests.ask(db, kind, argument, utc_now().isoformat())
        until_s = time.monotonic() + _ANSWERED_WITHIN_S
        while time.monotonic() < until_s:
            words = requests.answer_to(db, number)
            if words is not None:
                tell([words])
                return True
            time.sleep(0.1)
        requests.withdraw(db, number)
    raise DegradedError("The running melwatch does not answer", "`melwatch status` tells what it is at.")


def _require_told(shop: Workshop, kind: Ask, argument: str = "") -> None:
    with open_for_reading(shop):
        pass
    if not told_by_daemon(shop, kind, argument):
        raise LockedError("No melwatch is running on this dataset", "`melwatch run` starts one.")


def _is_root(shop: Workshop, path: Path) -> bool:
    return Path(os.path.abspath(path)) == shop.config.library.root


def _below_root(shop: Workshop, path: Path) -> RelPath:
    relative = status.relative_path(shop, path)
    if relative is None:
        raise ConfigError(f"{path} does not lie below the music root", f"That is {shop.config.library.root}.")
    return as_spelled(shop.root, relative) or relative


def _seconds(text: str) -> int:
    try:
        seconds = seconds_of(text)
    except ValueError as error:
        raise ConfigError(str(error), "Without --for it lasts until `melwatch resume`.") from None
    if seconds is None:
        raise ConfigError(f"{text!r} is no length of time", "Write it like 30m, 2h or 1d.")
    return seconds
