"""What a composition comes to: all that reports tell of it, without its tracks. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from melwatch.report import like_artists, shared_groups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from melwatch.publishing.compose import Composition
    from melwatch.track import TrackRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The fields of a report that a composition decides; `fates` counts tracks, `ready` songs that are made."""

    fates: Mapping[str, int]
    ready: int
    genres: dict[str, int]
    waiting: dict[str, int]
    like_artists: list[str]
    shared_groups: list[dict[str, Any]]
    lacking: dict[str, list[str]]
    across_genres: int
    group_by: str
    group_by_wanted: str

    @classmethod
    def of(cls, records: Sequence[TrackRecord], composition: Composition) -> Self:
        """Sum up a composition of these records."""
        return cls(
            fates=dict(composition.balance()),
            ready=len({record.audio_id for record in records if record.location is not None}),
            genres=composition.genres,
            waiting=composition.waiting,
            like_artists=like_artists(records),
            shared_groups=shared_groups(composition),
            lacking={genre: [str(split) for split in lost] for genre, lost in composition.placement.lacking.items()},
            across_genres=composition.across_genres,
            group_by=str(composition.terms.group_by),
            group_by_wanted=str(composition.terms.group_by_wanted),
        )

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return a summary as it was before `to_json`."""
        return cls(**told)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def without(self, fates: Mapping[str, int]) -> Counter[str]:
        """Return how many tracks have each fate, leaving some out."""
        return Counter(self.fates) - Counter(fates)
