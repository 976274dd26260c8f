"""What the daemon can do, and what it tells a pass that is under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from melwatch.daemon.schedule import Task
    from melwatch.library.part import Part
    from melwatch.passes.pipeline import Passed
    from melwatch.track import RelPath


@dataclass(slots=True, kw_only=True)
class Wishes:
    """What the loop tells the pass that is under way, from one thread to the other."""

    halt: Event = field(default_factory=Event)
    """End early: begin no further song."""
    publish: Event = field(default_factory=Event)
    """Publish at the end."""
    is_asked: bool = False
    """A person has asked for it: try everything, whatever was in vain before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the daemon can do, each piece on a thread of its own, since reading the root may hang."""

    run_pass: Callable[[Wishes, datetime, Part, frozenset[RelPath]], Passed]
    """One pass that looks at a part of the library, told which files were closed after writing."""
    run_task: Callable[[Task, datetime], None]
    find_root: Callable[[], tuple[int, int] | None]
    why_rest: Callable[[], str | None]
    """Why the machine should not be worked now, if so."""
