"""What all work on one dataset has in common: its settings, places, rules and recipe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.names import display, native

if TYPE_CHECKING:
    from collections.abc import Callable

    from melwatch.config.sections import Config
    from melwatch.dataset.layout import DatasetFolder
    from melwatch.library.rules import Rules
    from melwatch.manifest.home import StateFolder
    from melwatch.names import GenreNames
    from melwatch.spectrogram.recipe import Recipe
    from melwatch.track import RelPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Everything that stays the same from pass to pass."""

    config: Config
    rules: Rules
    recipe: Recipe
    folder: DatasetFolder
    state: StateFolder
    genres: GenreNames

    @property
    def root(self) -> bytes:
        """The music root as the file system spells it."""
        return os.fsencode(self.config.library.root)

    def shown_path(self, path: RelPath) -> str:
        """Return a track's path as the dataset shows it."""
        return self.shown_paths()(path)

    def shown_paths(self) -> Callable[[RelPath], str]:
        """Return what gives a track's path as the dataset shows it, made ready for many."""
        if self.config.dataset.paths == "relative":
            return display
        above = display(native(self.root, b""))
        return lambda path: above + display(path).replace("/", os.sep)
