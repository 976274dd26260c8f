"""How well the splits of a dataset keep to their shares, genre by genre, and what had to be done for it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from melwatch import report
from melwatch.edition import Split
from melwatch.manifest import epochs, tracks
from melwatch.passes import renewal
from melwatch.publishing import publication

if TYPE_CHECKING:
    from sqlite3 import Connection

    from melwatch.passes.workshop import Workshop
    from melwatch.publishing.compose import Composition


def splits_report(shop: Workshop, db: Connection) -> dict[str, Any]:
    """Return what `splits report --json` prints; as the next version would be."""
    shop = renewal.workshop_in_force(shop, db)
    composition = publication.compose_version(shop, db, list(tracks.track_records(db, shop.recipe.id)))
    epoch = epochs.current_epoch(db)
    moves = epochs.moves_of(db, epoch) if epoch is not None else []
    moved = Counter(move.genre for move in moves)
    shared = report.shared_groups(composition)
    terms = composition.terms
    return {
        "policy": str(terms.policy),
        "group_by": str(terms.group_by),
        "group_by_wanted": str(terms.group_by_wanted),
        "epoch": epoch.name if epoch is not None else None,
        "epoch_asked": epochs.asked(db),
        "epochs": [
            {"name": known.name, "began_at": known.began_at or None, "group_by": known.group_by}
            for known in epochs.all_epochs(db)
        ],
        "genres": {
            genre: {
                "tracks": number,
                "groups": composition.groups[genre],
                "splits": splits,
                "moves": moved[genre],
                "shared_groups": [group["group"] for group in shared if genre in group["genres"]],
            }
            for genre, number, splits in _by_genre(composition)
        },
        "moves": [
            {
                "audio_id": move.audio_id, "genre": move.genre, "from": move.source, "to": move.target,
                "cause": move.cause,
            }
            for move in moves
        ],
        "shared_groups": shared,
        "lacking": {genre: list(map(str, splits)) for genre, splits in composition.placement.lacking.items()},
        "across_genres": composition.across_genres,
    }  # fmt: skip


def _by_genre(composition: Composition) -> list[tuple[str, int, dict[str, dict[str, float]]]]:
    """Return each genre with its size and, by split, the tracks it should have, has, and the difference."""
    counts = Counter((track.genre, track.split) for track in composition.tracks)
    rows = []
    for genre, number in composition.genres.items():
        splits = {}
        for split in Split:
            target, actual = composition.terms.shares[split] * number, counts[genre, split]
            splits[str(split)] = {"target": round(target, 2), "actual": actual, "drift": round(actual - target, 2)}
        rows.append((genre, number, splits))
    return rows
