"""What a check has found, and what to do about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    UNCHECKED = "unchecked"
    WARNING = "warning"
    """It works, but may not always."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: `check` is its name as `subject.thing`, `facts` what was measured."""

    check: str
    level: Level
    what: str
    hint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.check.partition(".")[0]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "check": self.check,
            "level": str(self.level),
            "what": self.what,
            "hint": self.hint,
            "facts": dict(self.facts),
        }


class NotCheckedError(Exception):
    """What a check needs to look at is not there; says why."""


class NotConfiguredError(NotCheckedError):
    """There is no configuration that could be used, which is told once and not by each check."""


def ok(check: str, what: str, **facts: Any) -> Finding:  # noqa: ANN401  plain values of any kind
    """Return a finding that all is well."""
    return Finding(check=check, level=Level.OK, what=what, facts=facts)


def unchecked(check: str, what: str, hint: str = "", **facts: Any) -> Finding:  # noqa: ANN401
    """Return a finding that something could not be looked at, which is no fault."""
    return Finding(check=check, level=Level.UNCHECKED, what=what, hint=hint, facts=facts)


def warning(check: str, what: str, hint: str, **facts: Any) -> Finding:  # noqa: ANN401
    """Return a finding that a person should know of."""
    return Finding(check=check, level=Level.WARNING, what=what, hint=hint, facts=facts)


def problem(check: str, what: str, hint: str, **facts: Any) -> Finding:  # noqa: ANN401
    """Return a finding that keeps melwatch from working as it should."""
    return Finding(check=check, level=Level.PROBLEM, what=what, hint=hint, facts=facts)


def summary(findings: Iterable[Finding]) -> str:
    """Sum up: "2 problems, 1 warning"."""
    counts = Counter(finding.level for finding in findings)
    said = [
        f"{counts[level]} {word}{'' if counts[level] == 1 else 's'}"
        for level, word in ((Level.PROBLEM, "problem"), (Level.WARNING, "warning"))
        if counts[level]
    ]
    if counts[Level.UNCHECKED]:
        said.append(f"{counts[Level.UNCHECKED]} not checked")
    good = f"{counts[Level.OK]} in order"
    return ", ".join([*said, good]) + "."
