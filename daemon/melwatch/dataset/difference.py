"""What differs between two versions, track by track, from what they say of themselves. Pure.

A track is known by its path; one that is gone while the same sound turned up under another path was
renamed. It may show several differences at once: moved to another genre's folder and relabelled.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one version says: its number, recipe, class names, and a row for each track."""

    number: int
    recipe: str
    class_names: Sequence[str]
    tracks: Sequence[Row]


@dataclass(slots=True, kw_only=True)
class Difference:
    """What became of the tracks of version `before` in version `after`.

    `added` and `removed` are paths; `renamed` has the paths `from` and `to`; `moved` the splits and
    `relabelled` the class ids, under the later path. `re_extracted` are tracks of the same sound with
    other numbers, `replaced` paths that hold another sound. `classes` are ids whose name changed.
    """

    before: int
    after: int
    recipes: tuple[str, str]
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    renamed: list[dict[str, str]] = field(default_factory=list)
    moved: list[dict[str, str]] = field(default_factory=list)
    relabelled: list[dict[str, Any]] = field(default_factory=list)
    re_extracted: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    classes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether the two versions show the same."""
        return not any(value for name, value in self.to_json().items() if name not in {"before", "after", "recipes"})

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {"recipes": list(self.recipes)}


def difference(before: Side, after: Side) -> Difference:
    """Compare two versions."""
    found = Difference(before=before.number, after=after.number, recipes=(before.recipe, after.recipe))
    old, new = _by_path(before.tracks), _by_path(after.tracks)
    gone, come = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    renamed = _renames([old[path] for path in gone], [new[path] for path in come])
    heirs = set(renamed.values())
    found.added = [path for path in come if path not in heirs]
    found.removed = [path for path in gone if path not in renamed]
    found.renamed = [{"from": source, "to": target} for source, target in sorted(renamed.items())]
    pairs = sorted([(path, path) for path in old.keys() & new.keys()] + list(renamed.items()), key=lambda pair: pair[1])
    for source, target in pairs:
        _compare(old[source], new[target], target, found)
    names = zip_longest(before.class_names, after.class_names)
    found.classes = [
        {"id": number, "from": was, "to": now} for number, (was, now) in enumerate(names) if was and was != now
    ]
    return found


def _compare(was: Row, now: Row, path: str, found: Difference) -> None:
    if was["split"] != now["split"]:
        found.moved.append({"path": path, "from": was["split"], "to": now["split"]})
    if was["label"] != now["label"]:
        found.relabelled.append({"path": path, "from": was["label"], "to": now["label"]})
    if was["audio_id"] != now["audio_id"]:
        found.replaced.append(path)
    elif was["checksum"] != now["checksum"]:
        found.re_extracted.append(path)


def _by_path(tracks: Iterable[Row]) -> dict[str, Row]:
    return {row["path"]: row for row in tracks}


def _renames(gone: Sequence[Row], come: Sequence[Row]) -> dict[str, str]:
    """Pair tracks that are gone with new ones of the same sound, both in path order."""
    heirs: dict[str, list[str]] = defaultdict(list)
    for row in come:
        heirs[row["audio_id"]].append(row["path"])
    return {row["path"]: heirs[row["audio_id"]].pop(0) for row in gone if heirs[row["audio_id"]]}
