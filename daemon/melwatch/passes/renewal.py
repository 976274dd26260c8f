"""A change of the recipe: a person accepts it, all songs are extracted once more, then the dataset changes over.

Until then the dataset stays on its own recipe, by which new songs are taken in too; where that is
one of an older front end, by which nothing can be made any more, new songs wait.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from melwatch.dataset import layout
from melwatch.extraction.estimate import SECONDS_PER_SONG, check_space, spoken_time
from melwatch.extraction.ingest import Setup
from melwatch.extraction.stage import extract_all, seconds_per_song
from melwatch.manifest import recipes, tracks, versions
from melwatch.names import native
from melwatch.passes.brake import held_deletions
from melwatch.passes.intake import brake_policy
from melwatch.platform import filesystem
from melwatch.spectrogram.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime
    from sqlite3 import Connection
    from threading import Event

    from melwatch.passes.workshop import Workshop
    from melwatch.progress import Progress
    from melwatch.track import RelPath, SeenFile

_STRETCH_S = 60.0
"""How long the daemon goes on before it looks at the library again."""
_FEWEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeChange:
    """The dataset's recipe and the one that is configured instead, and what it takes to change over."""

    published: Recipe
    wanted: Recipe
    is_accepted: bool
    songs: int
    left: int
    left_hours: float
    seconds: float
    gone: int = 0
    failing: int = 0
    is_too_lossy: bool = False
    """Whether more songs fail by the new recipe than may vanish from the dataset at once, or a whole genre."""

    @property
    def is_ready(self) -> bool:
        """Whether the dataset can change over."""
        return self.is_accepted and not self.left and not self.is_too_lossy

    @property
    def left_bytes(self) -> int:
        """Bytes of the spectrograms that are still to be made."""
        return self.left * self.wanted.bytes_per_track

    def sentence(self) -> str:
        """Say it to the user."""
        if self.is_accepted and self.is_too_lossy:
            return (
                f"{self.failing:,} of {self.songs:,} songs fail by the new recipe, too many at once or a whole genre, "
                "so the dataset stays on the old one; see `melwatch failures` and the settings of [deletions]"
            )
        if self.is_accepted:
            done = f"Re-extracting by the new recipe: {self.songs - self.left:,} of {self.songs:,} songs are done"
            gone = f", and the files of {self.gone:,} have vanished; `melwatch accept-deletions` lets them go"
            return done + (gone if self.gone else "")
        return (
            f"The configured recipe is not that of the dataset ({self._differences()}): {self.left:,} of "
            f"{self.songs:,} songs would be extracted again, {self.left_hours:,.1f} hours of music, in about "
            f"{spoken_time(self.seconds)}, which takes {self.left_bytes / 1e9:,.2f} GB beside the old ones"
        )

    def _differences(self) -> str:
        """Name what differs, old and new."""
        old, new = self.published.facts(), self.wanted.facts()
        return ", ".join(f"{name} {old.get(name)} -> {new[name]}" for name in new if old.get(name) != new[name])

    def to_json(self) -> dict[str, Any]:
        """Return what `status --json` and the report of a pass say."""
        return {
            "published": self.published.id,
            "wanted": self.wanted.id,
            "is_accepted": self.is_accepted,
            "songs": self.songs,
            "left": self.left,
            "failing": self.failing,
            "gone": self.gone,
            "is_stuck": self.is_accepted and self.is_too_lossy,
            "left_hours": round(self.left_hours, 2),
            "left_gb": round(self.left_bytes / 1e9, 3),
            "sentence": self.sentence(),
        }


def find_change(shop: Workshop, db: Connection) -> RecipeChange | None:
    """Return the change that the configuration asks for, if any; without a published version there is none."""
    current = versions.newest_version(db)
    if current is None or current.recipe == shop.recipe.id:
        return None
    text = recipes.recipe_json(db, current.recipe)
    if text is None:
        return None
    published = Recipe.from_json(text)
    unmade = recipes.count_unmade(db, shop.recipe.id, published.id)
    return RecipeChange(
        published=published,
        wanted=shop.recipe,
        is_accepted=recipes.accepted(db) == shop.recipe.id,
        songs=unmade.songs,
        left=unmade.left,
        left_hours=unmade.left_s / 3600,
        seconds=unmade.left * (seconds_per_song(db) or SECONDS_PER_SONG) / shop.config.workers.processes,
        gone=unmade.gone,
        failing=unmade.failing,
        is_too_lossy=bool(unmade.failing) and _is_too_lossy(shop, db, published),
    )


def _is_too_lossy(shop: Workshop, db: Connection, published: Recipe) -> bool:
    """Whether the songs that fail by the configured recipe only may not vanish without a question."""
    found = recipes.failing_songs(db, shop.recipe.id, published.id)
    held = held_deletions(
        brake_policy(shop),
        {path: song for path, (song, _) in found.items()},
        [path for path, (_, fails) in found.items() if fails],
        min_genre=shop.config.library.min_tracks_per_genre,
    )
    return held is not None


def in_force(shop: Workshop, change: RecipeChange | None) -> Workshop:
    """Return the workshop with the recipe by which the dataset is made for now."""
    return shop if change is None or change.is_ready else replace(shop, recipe=change.published)


def workshop_in_force(shop: Workshop, db: Connection) -> Workshop:
    """Return the workshop with the dataset's own recipe, whichever is configured."""
    return in_force(shop, find_change(shop, db))


def note(shop: Workshop, db: Connection) -> None:
    """Remember the configured recipe and that of the dataset, and forget a change that is done.

    One that is accepted stays so while another recipe is configured: a daemon may have its former configuration still.
    """
    recipes.note_recipe(db, shop.recipe.id, shop.recipe.to_json())
    current = versions.newest_version(db)
    if current is None:
        return
    if recipes.recipe_json(db, current.recipe) is None:
        said = layout.read_provenance(shop.folder, current.number).get("recipe")
        if said is not None:
            recipe = Recipe.of_values(said)
            recipes.note_recipe(db, recipe.id, recipe.to_json())
    if recipes.accepted(db) == current.recipe:
        recipes.forget_accepted(db)


def renew(
    shop: Workshop,
    db: Connection,
    change: RecipeChange,
    progress: Progress,
    now: datetime,
    halt: Event,
    *,
    unsettled: Collection[RelPath],
    is_patient: bool,
) -> tuple[int, bool]:
    """Extract songs by the configured recipe, all or, if `is_patient`, for about a minute.

    Return how many were made, and whether to go on at once: songs whose file cannot be read now are
    tried once a pass, and the change waits for them, as it does for files that changed since they
    were read or are still being written: these are for the next look.

    Raises `DegradedError` where there is no space for all of them.
    """
    readable, unreadable = recipes.unmade_files(db, shop.recipe.id, change.published.id)
    most = _in_a_stretch(shop, db) if is_patient else None
    files = list(islice(_steady(shop, readable, unsettled), most))
    files = files or list(islice(_steady(shop, unreadable, unsettled), most))
    if not files:
        return 0, False
    check_space(change.left_bytes, shop.state.spool, shop.folder.path)
    setup = Setup(
        root=shop.root,
        spool=shop.state.spool,
        recipe=shop.recipe,
        ready=frozenset(tracks.ready_audio(db, shop.recipe.id)),
        memory_mb=shop.config.workers.memory_mb,
        hydrate=shop.config.library.hydrate,
    )
    tally = extract_all(db, files, setup, shop.config.workers, progress, now, halt)
    readable, _ = recipes.unmade_files(db, shop.recipe.id, change.published.id)
    return len(tally.extracted), any(True for _ in _steady(shop, readable, unsettled))


def _in_a_stretch(shop: Workshop, db: Connection) -> int:
    """Return how many songs are made before the daemon looks at the library again."""
    pace_s = seconds_per_song(db) or SECONDS_PER_SONG
    return max(_FEWEST, int(_STRETCH_S * shop.config.workers.processes / pace_s))


def _steady(shop: Workshop, files: Iterable[SeenFile], unsettled: Collection[RelPath]) -> Iterator[SeenFile]:
    """Yield the files that are as they were when they were last read, and that nobody is writing."""
    for file in files:
        try:
            facts = os.stat(filesystem.openable(native(shop.root, file.path)))
        except OSError:
            continue
        if filesystem.stamp_of(facts) == file.stamp and file.path not in unsettled:
            yield file
