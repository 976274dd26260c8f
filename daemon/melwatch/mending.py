"""What a repair will do, settled before anything is touched: a sentence for each thing, and then the doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from melwatch import aside

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps of a repair, in order; none of them is needed to find out the next."""

    now: datetime
    said: list[str] = field(default_factory=list)
    steps: list[Callable[[], object]] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        """Tell something that needs no step of its own."""
        self.said.append(sentence)

    def do(self, sentence: str, step: Callable[[], object]) -> None:
        """Tell something, and do it."""
        self.said.append(sentence)
        self.steps.append(step)

    def set_aside(self, sentence: str, home: Path, file: Path) -> None:
        """Tell of a damaged file below `home`, and keep a copy of it."""
        self.do(sentence, partial(aside.keep_copy, home, file, now=self.now))

    def carry_out(self) -> None:
        """Do it."""
        for step in self.steps:
            step()
