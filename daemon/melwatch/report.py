"""What a pass did, as values: for the log, for `status`, and adding up."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from melwatch.dataset.groups import GroupBy
from melwatch.edition import Split
from melwatch.manifest import shown, tracks
from melwatch.names import display, folded, genre_of
from melwatch.news import news

if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Connection

    from melwatch.library.scan import Scan
    from melwatch.passes.intake import Taken
    from melwatch.publishing.compose import Composition
    from melwatch.publishing.publication import Publication
    from melwatch.track import TrackRecord

log = logging.getLogger(__name__)

ACCEPT_RECIPE = "The dataset stays as it is; if it is meant, run `melwatch accept-recipe`."
_ARTIST_SHARE = 0.8
_ARTIST_MIN_TRACKS = 3
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReport:
    """Counts of one pass.

    `balance` says for every file found below the root what became of it: its values add up to
    `found`. `genres` and `waiting` count songs of the genres in the dataset and of those with too
    few; `like_artists` are top-level folders that look like artists rather than genres. `unsettled_files`
    are still being written, those that have been for longest are listed as `unsettled`; `held` says why
    deletions wait for a person, if they do. `shared_groups` had to be divided among splits, `lacking` are the
    splits that genres have no song for, `across_genres` counts songs that several genres hold.
    """

    extracted: int
    reused: int
    failed: int
    found: int
    balance: dict[str, int]
    genres: dict[str, int]
    waiting: dict[str, int]
    like_artists: list[str]
    version: int | None
    is_published: bool
    bytes_written: int
    moves: list[dict[str, str]]
    renamed_genres: dict[str, str]
    unsettled: list[dict[str, Any]]
    unsettled_files: int
    vanished: int
    held: str | None
    shared_groups: list[dict[str, Any]] = field(default_factory=list)
    lacking: dict[str, list[str]] = field(default_factory=dict)
    across_genres: int = 0
    new_epoch: str | None = None
    group_by: str = GroupBy.TRACK
    group_by_wanted: str = GroupBy.TRACK
    recipe_change: dict[str, Any] | None = None

    @property
    def recipe_waits(self) -> str | None:
        """Say why another recipe waits for a person, if one does."""
        change = self.recipe_change
        return str(change["sentence"]) if change is not None and not change["is_accepted"] else None

    @property
    def recipe_stuck(self) -> str | None:
        """Say why a change of the recipe that is accepted cannot go on, if it cannot."""
        change = self.recipe_change
        if change is None or not change.get("is_stuck"):
            return None
        is_waiting = change["left"] > change["gone"]
        unreadable = "; files of the others cannot be read now, `melwatch missing` and `failures` list them"
        return str(change["sentence"]) + (unreadable if is_waiting else "")

    def to_json(self) -> dict[str, Any]:
        """Return what the manifest keeps of a pass."""
        return asdict(self)


def of_pass(db: Connection, seen: Scan, taken: Taken, publication: Publication) -> PassReport:
    """Sum up a pass."""
    tally, unverified, summary = taken.tally, set(taken.plan.unverified), publication.summary
    fates = summary.without(shown.fates_of(db, taken.kept))
    balance = fates + seen.other_files
    balance += Counter(
        entry.reason for entry in seen.left_out if not entry.path.endswith(b"/") and entry.path not in unverified
    )
    found = seen.tracks + len(unverified) + (balance.total() - fates.total())
    if found != balance.total():
        log.error("The balance does not add up: %d files found, %d accounted for", found, balance.total())
    return PassReport(
        extracted=len(tally.extracted),
        reused=summary.ready - tracks.count_on_record(db, tally.extracted),
        failed=tally.failed,
        found=found,
        balance={str(reason): number for reason, number in sorted(balance.items())},
        genres=summary.genres,
        waiting=summary.waiting,
        like_artists=summary.like_artists,
        version=publication.version.number if publication.version else None,
        is_published=publication.is_published,
        bytes_written=publication.bytes_written,
        moves=[
            {
                "audio_id": move.audio_id,
                "genre": move.genre,
                "from": move.source,
                "to": move.target,
                "cause": move.cause,
            }
            for move in publication.moves
        ],
        renamed_genres=taken.renamed | publication.renamed,
        unsettled=[
            {"path": display(file.path), "age_s": round(file.age_s, 1), "what": file.what}
            for file in sorted(taken.unsettled, key=lambda file: (-file.age_s, file.path))[:_MOST_LISTED]
        ],
        unsettled_files=len(taken.unsettled),
        vanished=len(taken.plan.vanished),
        held=taken.held,
        shared_groups=summary.shared_groups,
        lacking=summary.lacking,
        across_genres=summary.across_genres,
        new_epoch=publication.new_epoch,
        group_by=summary.group_by,
        group_by_wanted=summary.group_by_wanted,
    )


def of_both(first: PassReport, second: PassReport) -> PassReport:
    """Sum up two passes in a row; what fails is tried in both, and counts once."""
    return replace(
        second,
        extracted=first.extracted + second.extracted,
        failed=max(first.failed, second.failed),
        is_published=first.is_published or second.is_published,
        bytes_written=first.bytes_written + second.bytes_written,
        moves=[*first.moves, *second.moves],
        renamed_genres=first.renamed_genres | second.renamed_genres,
        vanished=first.vanished + second.vanished,
        held=second.held or first.held,
        new_epoch=second.new_epoch or first.new_epoch,
    )


def shared_groups(composition: Composition) -> list[dict[str, Any]]:
    """Return the groups that had to be divided among splits: name, genres, and songs by split."""
    songs = {track.audio_id: (track.split, track.genre) for track in composition.tracks}
    found = []
    for group in composition.placement.shared:
        shown = [songs[song] for song in group.songs if song in songs]
        counts = Counter(split for split, _ in shown)
        genres = sorted({genre for _, genre in shown})
        found.append({"group": group.name, "genres": genres, "songs": {str(split): counts[split] for split in Split}})
    return found


def log_pass(report: PassReport, before: PassReport | None = None) -> None:
    """One line for a pass that did something, and one each for what is new or needs a person.

    What was so `before` already about a change of the recipe is not said again.
    """
    if report.extracted or report.failed or report.vanished or report.is_published or report.held:
        log.info(
            "%d extracted, %d failed, %d vanished, %d still being written%s",
            report.extracted, report.failed, report.vanished, report.unsettled_files,
            f"; published version {report.version}" if report.is_published else "",
        )  # fmt: skip
    for line in news(report):
        log.info("%s", line)
    if before is None or _about_recipe(report) != _about_recipe(before):
        if report.recipe_waits:
            log.warning("%s. %s", report.recipe_waits, ACCEPT_RECIPE)
        if report.recipe_stuck:
            log.warning("%s.", report.recipe_stuck)
    if report.held:
        log.warning("%s. Nothing is removed; if it is meant, run `melwatch accept-deletions`", report.held)


def _about_recipe(report: PassReport) -> tuple[Any, ...]:
    """Return what is worth a line about a change of the recipe; numbers alone are not."""
    change = report.recipe_change or {}
    return change.get("wanted"), change.get("is_accepted"), change.get("is_stuck")


def like_artists(records: Iterable[TrackRecord]) -> list[str]:
    """Return the top-level folders nearly all of whose tracks name the folder as their artist."""
    named: dict[str, list[bool]] = defaultdict(list)
    for record in records:
        if record.tags.artist:
            genre = genre_of(record.path)
            named[genre].append(folded(record.tags.artist) == folded(genre))
    return [
        genre
        for genre, hits in sorted(named.items())
        if len(hits) >= _ARTIST_MIN_TRACKS and sum(hits) >= _ARTIST_SHARE * len(hits)
    ]
