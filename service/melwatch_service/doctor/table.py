"""Findings as text: grouped by subject, a mark each, and below what is not in order what to do."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from melwatch.names import printable
from melwatch_service.doctor.checks import SUBJECTS
from melwatch_service.doctor.finding import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from melwatch_service.doctor.finding import Finding

_MARKS = {
    Level.OK: ("ok", "green"),
    Level.UNCHECKED: ("not checked", "dim"),
    Level.WARNING: ("warning", "yellow"),
    Level.PROBLEM: ("PROBLEM", "bold red"),
}
_MARK_WIDTH = max(len(mark) for mark, _ in _MARKS.values())


def by_subject(findings: Iterable[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """Yield findings by subject, each group as soon as it is whole."""
    for subject, group in groupby(findings, key=lambda finding: finding.subject):
        yield SUBJECTS.get(subject, subject), list(group)


def group_table(findings: Iterable[Finding]) -> RenderableType:
    """Lay out the findings of one subject for a terminal; nothing in them is taken for markup."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=_MARK_WIDTH)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = _MARKS[finding.level]
        table.add_row(Text(mark, style), Text(printable(finding.what)))
        if finding.hint and finding.level is not Level.OK:
            table.add_row("", Text(printable(finding.hint), "dim" if finding.level is Level.UNCHECKED else "cyan"))
    return Padding(table, (0, 0, 0, 2))


def group_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Lay them out for a file or a pipe: a line each, however long, and one for what to do."""
    for finding in findings:
        yield f"  {_MARKS[finding.level][0]:{_MARK_WIDTH}}  {printable(finding.what)}"
        if finding.hint and finding.level is not Level.OK:
            yield f"  {'':{_MARK_WIDTH}}  {printable(finding.hint)}"
