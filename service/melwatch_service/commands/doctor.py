"""`melwatch doctor`: whether this machine and this configuration are fit for the work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from melwatch.config.settings import find_config_file, load_config
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.commands.looking import AsJson, print_json
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from melwatch.config.sections import Config
    from melwatch_service.doctor.finding import Finding


@command()
def doctor(given: Given, *, as_json: AsJson = False) -> None:
    """Check machine, folders, manifest, service and numbers; say what is wrong and what to do about it.

    Leaves nothing behind: it writes a small file in dataset and state and removes it again, and extracts a
    song that it makes up. Without a configuration it looks at the machine alone. Run it as the account that
    melwatch runs as.

    Example: melwatch doctor --music ~/Music --dataset ~/datasets/music

    Exit code 1 where there is a problem; warnings are none.
    """
    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.checks import examine
    from melwatch_service.doctor.finding import Level

    case = Case(find_file=lambda: _file(given), load=lambda: _config(given), now=utc_now())
    found: list[Finding] = []

    def noted() -> Iterator[Finding]:
        for finding in examine(case):
            found.append(finding)
            yield finding

    if as_json:
        print_json([finding.to_json() for finding in noted()])
    else:
        _show(noted(), found)
    if any(finding.level is Level.PROBLEM for finding in found):
        raise typer.Exit(1)


def _show(findings: Iterator[Finding], found: list[Finding]) -> None:
    from rich.console import Console

    from melwatch_service.doctor.finding import summary
    from melwatch_service.doctor.table import by_subject, group_lines, group_table

    console = Console(highlight=False, markup=False, emoji=False)
    for subject, group in by_subject(findings):
        if console.is_terminal:
            console.print(subject, style="bold")
            console.print(group_table(group))
        else:
            tell([subject, *group_lines(group)])
        sys.stdout.flush()
    tell([summary(found)])


def _is_for_folders(given: Given) -> bool:
    return given.music is not None or given.dataset is not None


def _file(given: Given) -> Path | None:
    return find_config_file(given.config, name=given.name, may_be_service=not _is_for_folders(given))


def _config(given: Given) -> Config | None:
    """Read the configuration; None where nobody has said anything."""
    if _file(given) is None and not _is_for_folders(given):
        return None
    return load_config(given.config, name=given.name, music=given.music, dataset=given.dataset, state=given.state)
