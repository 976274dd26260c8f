"""Which deletions wait for a person: many at once, or a whole genre. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.names import genre_of, printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from melwatch.track import AudioId, RelPath


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakePolicy:
    """How much may vanish at once without being asked about."""

    max_fraction: float = 0.2
    max_tracks: int = 50
    whole_genre: bool = True


def held_deletions(
    policy: BrakePolicy,
    before: Mapping[RelPath, AudioId | None],
    vanished: Collection[RelPath],
    accepted: Collection[RelPath] = (),
    *,
    min_genre: int = 6,
) -> str | None:
    """Say in a sentence why the deletions need a person; None where they do not.

    `before` is every track on record with its song, the `vanished` and the newly found ones
    included. A song that lives on at another path has moved. `accepted` deletions do not count.
    """
    if not vanished:
        return None
    lost = frozenset(vanished)
    agreed = lost.intersection(accepted)
    alive = {audio for path, audio in before.items() if path not in lost and audio is not None}
    moved = {path for path, audio in before.items() if path in lost and audio in alive}
    counted = before.keys() - agreed - moved
    gone = counted & lost
    if len(gone) > policy.max_tracks and len(gone) / len(counted) > policy.max_fraction:
        return f"{len(gone)} of {len(counted)} tracks have vanished at once"
    if gone and policy.whole_genre:
        return _about_genres(_vanished_genres(before.keys() - agreed, gone, min_genre))
    return None


def _vanished_genres(tracks: Iterable[RelPath], gone: Iterable[RelPath], min_genre: int) -> list[tuple[str, int]]:
    """Return the genres of which every track is gone for good, with their sizes, in name order."""
    sizes = Counter(map(genre_of, tracks))
    losses = Counter(map(genre_of, gone))
    return sorted((genre, loss) for genre, loss in losses.items() if loss >= min_genre and loss == sizes[genre])


def _about_genres(genres: list[tuple[str, int]]) -> str | None:
    if not genres:
        return None
    named = [f"{printable(genre)} ({size} tracks)" for genre, size in genres]
    if len(named) == 1:
        return f"The whole genre {named[0]} has vanished"
    return f"{len(named)} whole genres have vanished: {', '.join(named)}"
