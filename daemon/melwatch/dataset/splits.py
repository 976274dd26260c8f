"""Which song is in which split: placed once, by the needs of its genres, then remembered. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from melwatch.track import AudioId


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A song that had to change its split because a genre would otherwise have had an empty one."""

    audio_id: AudioId
    genre: str
    source: Split
    target: Split


@dataclass(slots=True, kw_only=True)
class Placement:
    """What placing decided: splits new or changed since the ledger, and the forced moves among them."""

    decided: dict[AudioId, Split] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)


def place(
    genres: Mapping[str, Iterable[AudioId]],
    ledger: Mapping[AudioId, Split],
    shares: Mapping[str, float],
    replaced: Mapping[AudioId, AudioId],
) -> Placement:
    """Place the songs of the eligible genres that have no split yet.

    Each goes where its genre lacks most of its share. Songs are taken in the order of their ids,
    which are digests: as good as shuffled, and the same whatever order files were found in.
    A song that replaced another under the same path (`replaced`) takes over its split.
    """
    result = Placement()
    splits = dict(ledger)
    members = {genre: sorted(set(songs)) for genre, songs in sorted(genres.items())}
    for song in (song for songs in members.values() for song in songs):
        former = replaced.get(song)
        if former is not None and song not in splits and former in ledger:
            splits[song] = result.decided[song] = ledger[former]
    for songs in members.values():
        _place_genre(songs, splits, shares, result)
    # What one genre gives away may be what another can now do without; each round leaves fewer gaps.
    while any(_fill_empty_splits(genre, members, splits, ledger, result) for genre in members):
        pass
    return result


def _place_genre(
    songs: list[AudioId], splits: dict[AudioId, Split], shares: Mapping[str, float], result: Placement
) -> None:
    counts = Counter(splits[song] for song in songs if song in splits)
    new = [song for song in songs if song not in splits]
    for left, song in zip(range(len(new), 0, -1), new, strict=True):
        empty = [split for split in Split if not counts[split]]
        choices = empty if len(empty) >= left else list(Split)
        split = max(choices, key=lambda split: shares[split] * len(songs) - counts[split])
        splits[song] = result.decided[song] = split
        counts[split] += 1


def _fill_empty_splits(
    genre: str,
    members: Mapping[str, list[AudioId]],
    splits: dict[AudioId, Split],
    ledger: Mapping[AudioId, Split],
    result: Placement,
) -> bool:
    """Move songs into the held-out splits that a genre lacks; nothing ever moves into train. Tell if any moved."""
    has_moved = False
    for target in (Split.TEST, Split.VALIDATE):
        counts = Counter(splits[song] for song in members[genre])
        if counts[target]:
            continue
        donors = [split for split in (Split.TRAIN, Split.TEST, Split.VALIDATE) if counts[split] > 1]
        for source in donors:
            song = _spare_song(genre, source, members, splits)
            if song is None:
                continue
            if song in ledger:
                result.moves.append(Move(audio_id=song, genre=genre, source=source, target=target))
            splits[song] = result.decided[song] = target
            has_moved = True
            break
    return has_moved


def _spare_song(
    genre: str, source: Split, members: Mapping[str, list[AudioId]], splits: Mapping[AudioId, Split]
) -> AudioId | None:
    """Return a song of a genre's split that no genre would miss there, best one of this genre alone."""
    candidates = [song for song in members[genre] if splits[song] is source]
    others = {other: set(songs) for other, songs in members.items() if other != genre}
    for song in sorted(candidates, key=lambda song: (sum(song in songs for songs in others.values()), song)):
        sharing = [songs for songs in others.values() if song in songs]
        if all(sum(splits[each] is source for each in songs) > 1 for songs in sharing):
            return song
    return None
