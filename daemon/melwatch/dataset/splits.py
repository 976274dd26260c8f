"""Which song is in which split: placed once with its group, by the needs of its genres, then remembered. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from melwatch.dataset.draft import Draft
from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from melwatch.dataset.draft import Unit
    from melwatch.dataset.groups import Group
    from melwatch.track import AudioId

_TOWARDS_HELD_OUT = (Split.TRAIN, Split.VALIDATE, Split.TEST)
_TRAIN_KEPT = 1 / 3
"""How much of the train songs that a genre should have is not given away for the sake of a group."""


class Policy(StrEnum):
    """What becomes of splits when the library changes."""

    STICKY = "sticky"
    RESHUFFLE = "reshuffle"


class Cause(StrEnum):
    """Why a song had to change its split."""

    LACKING = "lacking"
    """A genre would otherwise have had no song there."""
    JOINED = "joined"
    """Its group had come together from several splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A song that had to change its split; never into train."""

    audio_id: AudioId
    genre: str
    source: Split
    target: Split
    cause: Cause = Cause.LACKING


@dataclass(slots=True, kw_only=True)
class Placement:
    """What placing decided: splits new or changed since the ledger, and the forced moves among them.

    `shared` are groups that had to be divided among splits, `lacking` the splits that genres have no song for.
    """

    decided: dict[AudioId, Split] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    shared: list[Group] = field(default_factory=list)
    lacking: dict[str, list[Split]] = field(default_factory=dict)


def place(  # noqa: PLR0913  what is known, wanted and on its way
    genres: Mapping[str, Iterable[AudioId]],
    ledger: Mapping[AudioId, Split],
    shares: Mapping[str, float],
    replaced: Mapping[AudioId, AudioId],
    *,
    groups: Iterable[Group] = (),
    adopted: Mapping[AudioId, Split] | None = None,
    seed: str = "",
    planned: Mapping[str, Iterable[AudioId]] | None = None,
    is_early: bool = False,
) -> Placement:
    """Place the songs of the eligible genres that have no split yet, each with its group.

    `genres` names a song as often as it is shown, `planned` also those that are on their way or came
    to nothing: all of them are placed, so that it does not matter which are ready first. While it
    `is_early`, no gap is filled that a song on its way may fill yet. A group goes where its genres lack most of their
    shares, large ones first, those of a size in the order of their ids, which are digests: as good
    as shuffled, and the same whatever order files were found in; `seed` shuffles them anew.
    A song that replaced another under the same path (`replaced`) takes over its split, and so do
    `adopted` ones. Songs of a group that are not shown count only for where the group is.
    """
    inherited = {song: ledger[former] for song, former in replaced.items() if former in ledger}
    known = {**(adopted or {}), **inherited, **ledger}
    groups = list(groups)
    whole = Draft(genres if planned is None else planned, groups, known, shares, lambda song: _shuffled(song, seed))
    _join_groups(whole)
    _place_new(whole)
    draft = whole if planned is None else whole.of_shown(genres, groups)
    # What one genre gives away may be what another can now do without; each round leaves fewer gaps.
    while not is_early and any(_fill_empty_splits(draft, genre) for genre in draft.sizes):
        pass
    return _result(draft, groups, ledger, whole.weights.keys() | draft.weights.keys())


def most_held_out(splits: Iterable[Split]) -> Split:
    """Return where songs may go that are in several splits, without any that was held out being trained on."""
    return max(splits, key=_TOWARDS_HELD_OUT.index)


def reshuffle(
    genres: Mapping[str, Iterable[AudioId]],
    shares: Mapping[str, float],
    *,
    groups: Iterable[Group] = (),
    seed: str = "",
) -> Placement:
    """Place all songs anew: the same way while the library is the same, otherwise another."""
    songs = sorted(sorted(songs) for songs in genres.values())
    return place(genres, {}, shares, {}, groups=groups, seed=_digest(repr((seed, songs))))


def _shuffled(song: AudioId, seed: str) -> str:
    return _digest(seed + song) if seed else song


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _join_groups(draft: Draft) -> None:
    """Bring each group into one split, the most held-out of those that its songs are in.

    One that would take too much of a genre's train songs along stays as it is.
    """
    for unit in list(draft.units):
        splits = draft.splits_of(unit)
        if not splits:
            continue
        target = most_held_out(splits)
        if len(splits) == 1 or _can_spare(draft, unit):
            for song in unit.songs:
                draft.put(song, target, (Cause.JOINED, min(draft.weights[song])))
        else:
            draft.divide(unit)


def _can_spare(draft: Draft, unit: Unit) -> bool:
    """Whether each genre of which a unit holds train songs has enough without them."""
    for genre in unit.weights:
        own_train = sum(draft.weights[song][genre] for song in unit.songs if draft.splits.get(song) is Split.TRAIN)
        own_new = sum(draft.weights[song][genre] for song in unit.songs if song not in draft.splits)
        left = draft.counts[genre][Split.TRAIN] - own_train + draft.unplaced(genre) - own_new
        if own_train and left < max(1, _TRAIN_KEPT * draft.target(genre, Split.TRAIN)):
            return False
    return True


def _place_new(draft: Draft) -> None:
    new = [unit for unit in draft.units if not draft.splits_of(unit)]
    left = {genre: sum(genre in unit.weights for unit in new) for genre in draft.sizes}
    for unit in sorted(new, key=lambda unit: (-unit.size, draft.order(unit))):
        choices = _choices(draft, unit, left)
        split = max(choices, key=lambda split: _need(draft, unit, split))
        for song in unit.songs:
            draft.put(song, split)
        for genre in unit.weights:
            left[genre] -= 1


def _need(draft: Draft, unit: Unit, split: Split) -> float:
    """How much of its share a split lacks in the genres of a unit."""
    return sum(
        weight * (draft.target(genre, split) - draft.counts[genre][split]) / draft.sizes[genre]
        for genre, weight in unit.weights.items()
    )


def _choices(draft: Draft, unit: Unit, left: Mapping[str, int]) -> list[Split]:
    """Return where a unit may go so that each genre can still get into each split.

    Only what is new can go to train, so that comes before the others.
    """
    wanted = []
    for genre in unit.weights:
        empty = [split for split in Split if not draft.counts[genre][split]]
        if Split.TRAIN in empty and left[genre] < len(Split):
            return [Split.TRAIN]
        if empty and len(empty) >= left[genre]:
            wanted.append(empty)
    agreed = [split for split in Split if all(split in choices for choices in wanted)]
    return agreed or wanted[0]


def _fill_empty_splits(draft: Draft, genre: str) -> bool:
    """Move units into the held-out splits that a genre lacks; nothing ever moves into train. Tell if any moved."""
    has_moved = False
    for target in (Split.TEST, Split.VALIDATE):
        if draft.counts[genre][target]:
            continue
        donors = [
            split
            for split in (Split.TRAIN, Split.TEST, Split.VALIDATE)
            if split is not target and draft.counts[genre][split]
        ]
        spare = next(filter(None, (_spare_unit(draft, genre, source) for source in donors)), None)
        songs = spare.songs if spare else _spare_song(draft, genre, donors)
        for song in songs:
            draft.put(song, target, (Cause.LACKING, genre))
        has_moved |= bool(songs)
    return has_moved


def _spare_unit(draft: Draft, genre: str, source: Split) -> Unit | None:
    """Return what no genre would miss in a split: best what is new, of this genre alone, and small."""
    found = [
        unit
        for unit in draft.units
        if genre in unit.weights
        and draft.splits_of(unit) == {source}
        and all(draft.counts[other][source] > weight for other, weight in unit.weights.items())
    ]
    return min(
        found,
        key=lambda unit: (draft.was_placed(unit), len(unit.weights), unit.size, draft.order(unit)),
        default=None,
    )


def _spare_song(draft: Draft, genre: str, donors: Iterable[Split]) -> tuple[AudioId, ...]:
    """Divide the largest unit of a genre that can spare a song; return that song, or nothing."""
    for source in donors:
        units = [unit for unit in draft.units if genre in unit.weights and len(unit.songs) > 1]
        for unit in sorted(units, key=lambda unit: (-unit.weights[genre], draft.order(unit))):
            for song in unit.songs:
                weights = draft.weights[song]
                if (
                    draft.splits.get(song) is source
                    and genre in weights
                    and all(draft.counts[other][source] > weight for other, weight in weights.items())
                ):
                    draft.divide(unit)
                    return (song,)
    return ()


def _result(
    draft: Draft, groups: Iterable[Group], ledger: Mapping[AudioId, Split], placed: AbstractSet[AudioId]
) -> Placement:
    shown = {song: split for song, split in draft.splits.items() if song in draft.weights}
    decided = {song: split for song, split in draft.splits.items() if song in placed and ledger.get(song) is not split}
    moves = []
    for song, target in decided.items():
        if song in ledger:
            cause, genre = draft.causes[song]
            moves.append(Move(audio_id=song, genre=genre, source=ledger[song], target=target, cause=Cause(cause)))
    empty = {genre: [split for split in Split if not draft.counts[genre][split]] for genre in draft.sizes}
    return Placement(
        decided=decided,
        moves=sorted(moves, key=lambda move: (-_TOWARDS_HELD_OUT.index(move.target), move.genre, move.audio_id)),
        shared=[group for group in groups if len({shown[song] for song in group.songs if song in shown}) > 1],
        lacking={genre: splits for genre, splits in empty.items() if splits},
    )
