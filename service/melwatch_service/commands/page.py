"""`melwatch page`: the running daemon's status page, in a browser."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from melwatch import status
from melwatch.assemble import open_for_reading
from melwatch.daemon.page import page_address
from melwatch.errors import ConfigError, LockedError
from melwatch_service.commands.app import Given, command
from melwatch_service.tell import tell


@command("page")
def show_page(
    given: Given,
    *,
    only_print: Annotated[bool, typer.Option("--print", help="Only print the address.")] = False,
) -> None:
    """Open the status page of the running daemon in a browser, and print its address."""
    shop = given.workshop()
    with open_for_reading(shop) as db:
        live = status.running(shop, db)
        if live is None:
            raise LockedError("No melwatch is running on this dataset", "`melwatch run` starts one.")
        address = page_address(db, live["pid"])
    if address is None:
        hint = "Set page.enabled = true and restart it." if not shop.config.page.enabled else "Its log says why."
        raise ConfigError("The running melwatch serves no page", hint)
    tell([address])
    if not only_print:
        webbrowser.open(address)
