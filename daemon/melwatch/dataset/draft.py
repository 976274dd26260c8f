"""Splits while they are being worked out: what goes where as one, and how full each split of a genre is. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from melwatch.dataset.groups import Group
    from melwatch.track import AudioId

    Cause = tuple[str, str]
    """Why a song was put somewhere else, and for the sake of which genre."""


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """Shown songs that go into a split as one: a group, or a song of a group that has to be divided.

    `weights` says how many tracks of each genre they are; `absent` are songs of the group that are
    not shown now.
    """

    songs: tuple[AudioId, ...]
    weights: Mapping[str, int]
    absent: tuple[AudioId, ...] = ()

    @property
    def size(self) -> int:
        """How many tracks they are."""
        return sum(self.weights.values())


class Draft:
    """The splits so far, of the songs that are shown and of others that are known.

    `key` puts songs into the order in which they are placed.
    """

    def __init__(
        self,
        genres: Mapping[str, Iterable[AudioId]],
        groups: Iterable[Group],
        known: Mapping[AudioId, Split],
        shares: Mapping[str, float],
        key: Callable[[AudioId], str],
    ) -> None:
        self.splits = dict(known)
        self.causes: dict[AudioId, Cause] = {}
        self.weights: dict[AudioId, Counter[str]] = defaultdict(Counter)
        self.sizes: dict[str, int] = {}
        self.counts: dict[str, Counter[Split]] = {}
        self._shares, self._key, self._known = shares, key, known
        self._orders: dict[Unit, str] = {}
        for genre, songs in sorted(genres.items()):
            listed = list(songs)
            self.sizes[genre], self.counts[genre] = len(listed), Counter()
            for song in listed:
                self.weights[song][genre] += 1
        for song, weights in self.weights.items():
            if song in self.splits:
                for genre, weight in weights.items():
                    self.counts[genre][self.splits[song]] += weight
        self.units = self._make_units(groups)
        for genre in self.sizes:
            self._divide_until_there_are_enough(genre)

    def of_shown(self, genres: Mapping[str, Iterable[AudioId]], groups: Iterable[Group]) -> Draft:
        """Return the draft of what is shown of it, with everything where it is."""
        shown = Draft(genres, groups, self.splits, self._shares, self._key)
        shown._known, shown.causes = self._known, self.causes
        return shown

    def put(self, song: AudioId, split: Split, cause: Cause | None = None) -> None:
        """Put a song into a split."""
        before = self.splits.get(song)
        if before is split:
            return
        for genre, weight in self.weights[song].items():
            if before is not None:
                self.counts[genre][before] -= weight
            self.counts[genre][split] += weight
        self.splits[song] = split
        if cause is not None:
            self.causes[song] = cause

    def divide(self, unit: Unit, genre: str | None = None) -> None:
        """Let the songs of a unit, or those of one genre, go each its own way."""
        apart = [song for song in unit.songs if genre is None or genre in self.weights[song]]
        rest = [song for song in unit.songs if song not in set(apart)]
        self.units.remove(unit)
        self.units += [self._unit([song]) for song in apart]
        if rest:
            self.units.append(self._unit(rest, unit.absent))

    def splits_of(self, unit: Unit) -> set[Split]:
        """Return the splits that the songs of a unit are in, as far as they have any."""
        return {self.splits[song] for song in (*unit.songs, *unit.absent) if song in self.splits}

    def was_placed(self, unit: Unit) -> bool:
        """Whether a song of a unit had a split before."""
        return any(song in self._known for song in unit.songs)

    def target(self, genre: str, split: Split) -> float:
        """Return how many tracks of a genre a split should have."""
        return self._shares[split] * self.sizes[genre]

    def unplaced(self, genre: str) -> int:
        """Return how many tracks of a genre have no split yet."""
        return self.sizes[genre] - self.counts[genre].total()

    def order(self, unit: Unit) -> str:
        """Return by what units of a size are ordered."""
        if unit not in self._orders:
            self._orders[unit] = min(map(self._key, unit.songs))
        return self._orders[unit]

    def _make_units(self, groups: Iterable[Group]) -> list[Unit]:
        units = []
        alone = dict.fromkeys(self.weights)
        for group in groups:
            songs = [song for song in group.songs if song in self.weights]
            if songs:
                units.append(self._unit(songs, [song for song in group.songs if song not in self.weights]))
            for song in songs:
                alone.pop(song, None)
        return units + [self._unit([song]) for song in sorted(alone)]

    def _unit(self, songs: Iterable[AudioId], absent: Iterable[AudioId] = ()) -> Unit:
        songs = tuple(songs)
        weights: Counter[str] = Counter()
        for song in songs:
            weights.update(self.weights[song])
        return Unit(songs, dict(sorted(weights.items())), tuple(absent))

    def _divide_until_there_are_enough(self, genre: str) -> None:
        """Divide the largest groups of a genre that has fewer of them than there are splits."""
        while True:
            units = self._some_with(genre, len(Split))
            if len(units) >= len(Split):
                return
            divisible = [unit for unit in units if sum(genre in self.weights[song] for song in unit.songs) > 1]
            if not divisible:
                return
            self.divide(min(divisible, key=lambda unit: (-unit.weights[genre], self.order(unit))), genre)

    def _some_with(self, genre: str, most: int) -> list[Unit]:
        """Return the units that hold songs of a genre, at most so many."""
        return list(islice((unit for unit in self.units if genre in unit.weights), most))
