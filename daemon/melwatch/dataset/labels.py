"""Which genre has which class id: append-only, so that a model's class 7 stays what it was. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from melwatch.track import AudioId


def assign_classes(known: Sequence[str], eligible: Collection[str]) -> list[str]:
    """Return the class names by id: the known ones in their places, then new genres by name."""
    return [*known, *sorted(set(eligible) - set(known))]


def find_renames(
    known: Collection[str],
    vanished: Mapping[str, AbstractSet[AudioId]],
    present: Mapping[str, AbstractSet[AudioId]],
    *,
    may_merge: bool = False,
) -> dict[str, str]:
    """Return old name to new name for genre folders that were renamed.

    A folder was renamed when nothing is left under its name while its songs turn up under one new
    name that has no class yet, at least half of them, and under no other new name. They must also be at
    least half of what is there under that name, unless `may_merge`: the last song of a genre, moved into
    a folder of others, does not rename that.
    `vanished` and `present` map genre names to the songs that went and the songs that are there.
    """
    renames: dict[str, str] = {}
    for old in sorted(set(known) & set(vanished) - set(present)):
        heirs = [
            new for new in sorted(set(present) - set(known) - set(renames.values())) if present[new] & vanished[old]
        ]
        if len(heirs) == 1:
            (new,) = heirs
            moved = len(present[new] & vanished[old])
            if 2 * moved >= len(vanished[old]) and (may_merge or 2 * moved >= len(present[new])):
                renames[old] = new
    return renames
