"""What only a person can do, as page and board tell it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What waits for a person, and the command that has to do with it, if one has."""

    what: str
    hint: str = ""
    command: str = ""


def needs(facts: Mapping[str, Any]) -> list[Need]:
    """Return what needs a person, from what `status --json` says; not what its sentence says and no command ends."""
    found = []
    change, gone, failed = facts["recipe_change"], facts["held_deletions"], facts["tracks"]["failed"]
    if change is not None and not change["is_accepted"]:
        found.append(Need(what=change["sentence"], command="accept-recipe"))
    elif change is not None and change["is_stuck"] and change["sentence"] not in facts["sentence"]:
        found.append(Need(what=change["sentence"]))
    if gone:
        what = f"{_songs(gone)} vanished at once and stay in the dataset until you agree"
        hint = "If a disk or folder is only missing for now, bring it back, and nothing is lost."
        found.append(Need(what=what, hint=hint, command="accept-deletions"))
    if failed:
        found.append(Need(what=f"{_songs(failed)} could not be worked on", command="failures"))
    return found


def _songs(number: int) -> str:
    return f"{number:,} song{'' if number == 1 else 's'}"
