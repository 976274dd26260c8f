"""What a repair will do, settled before anything is touched: a sentence for each thing, and then the doing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from melwatch.dataset.layout import size_of
from melwatch.errors import DegradedError
from melwatch.maintenance import aside

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

RESERVE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps of a repair, in order; none of them is needed to find out the next."""

    now: datetime
    said: list[str] = field(default_factory=list)
    steps: list[Callable[[], object]] = field(default_factory=list)
    needs: list[tuple[Path, int]] = field(default_factory=list)
    """Where how many bytes more will lie."""

    def say(self, sentence: str) -> None:
        """Tell something that needs no step of its own."""
        self.said.append(sentence)

    def do(self, sentence: str, step: Callable[[], object]) -> None:
        """Tell something, and do it."""
        self.said.append(sentence)
        self.steps.append(step)

    def set_aside(self, sentence: str, home: Path, file: Path) -> None:
        """Tell of a damaged file below `home`, and keep a copy of it."""
        self.needs.append((home, size_of(file) or 0))
        self.do(sentence, partial(aside.keep_copy, home, file, now=self.now))

    def require_space(self, *places: Path) -> None:
        """Raise `DegradedError` where the disk of one of these, or of what is planned, has no space for that.

        A little more is asked for: the record, its log and the lock are written, too.
        """
        needed: dict[int, tuple[Path, int]] = {}
        for place, size in (*((place, 0) for place in places), *self.needs):
            existing = next(folder for folder in (place, *place.parents) if folder.exists())
            device = existing.stat().st_dev
            first, before = needed.get(device, (existing, RESERVE_BYTES))
            needed[device] = first, before + size
        for existing, size in needed.values():
            free = shutil.disk_usage(existing).free
            if free < size:
                what = f"The disk of {existing} has {free / 1e6:,.1f} MB free; this needs about {size / 1e6:,.1f} MB"
                raise DegradedError(what, "Free some space, then run it again. Nothing was changed.")

    def carry_out(self) -> None:
        """Do it."""
        for step in self.steps:
            step()
