"""Where in the music folder something changed, as hints for the next scan; nothing here reads a file."""

from __future__ import annotations

import logging
import os
import stat
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from watchdog.events import FileClosedEvent

from melwatch.library.hints import Basket, Hints
from melwatch.library.observation import Observation, WatchError
from melwatch.library.part import ROOT, parent
from melwatch.names import display, printable
from melwatch.platform import mounts
from melwatch.track import RelPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.events import FileSystemEvent

__all__ = ["Hints", "Mode", "Watch"]

log = logging.getLogger(__name__)

_CALM_S = 2.0
"""How long no more events must have been lost before the watch is renewed ..."""
_LONGEST_STORM_S = 60.0
"""... unless they are lost for so long."""
_FIRST_RETRY_S = 60.0
_LAST_RETRY_S = 3600.0


class Mode(StrEnum):
    """How changes are noticed."""

    WATCHING = "watching"
    POLLING = "polling"


class Watch:
    """Collects hints about one folder tree for as long as the system can give them.

    While it cannot, `mode` is polling, `reason` says why, and watching is tried again from time to time.
    Folders reached through links are not watched: what changes there is found by the next full scan.
    `matters(path, is_folder=...)` tells whether what lies at a path may be a track or hold some; other events
    give no hint. `start`, `stop`, `check` and `take` belong to one thread; `wake` may be called from anywhere.
    """

    def __init__(
        self,
        root: bytes,
        *,
        mode: Literal["auto", "events", "poll"],
        matters: Callable[..., bool] = lambda _path, *, is_folder: True,  # noqa: ARG005
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.overflows = 0
        self._matters = matters
        self._root = os.fsencode(os.path.abspath(os.fsdecode(root)))
        self._wanted = mode
        self._clock = clock
        self._observation: Observation | None = None
        self._reason = "polling because watching was not started"
        self._is_running = False
        self._watched = self._root  # what the root leads to, and what it was, when the watch began
        self._key: tuple[int, int] | None = None
        self._began_s = 0.0
        self._retry_at_s = 0.0
        self._delay_s = 0.0
        self._lost_first_s: float | None = None
        self._lost_last_s = 0.0
        self._basket = Basket()
        self._root_is_gone = False

    @property
    def mode(self) -> Mode:
        """How changes are noticed now."""
        return Mode.POLLING if self._observation is None else Mode.WATCHING

    @property
    def reason(self) -> str:
        """Why changes are not watched, as a sentence; "" while they are."""
        return self._reason

    @property
    def words(self) -> str:
        """How changes are noticed, and what of the library is left out of that."""
        unwatched = self._observation.unwatched if self._observation is not None else 0
        if not unwatched:
            return self._reason or self.mode.value
        return (
            f"{self.mode.value}, but for {unwatched} {'folder' if unwatched == 1 else 'folders'} that may not be read"
        )

    def start(self) -> None:
        """Begin to watch, or to poll where that is asked for or nothing else is possible."""
        self._is_running = True
        if self._wanted == "poll":
            self._reason = "polling because the configuration says so"
        else:
            self._try()

    def stop(self) -> None:
        """Watch no longer; what has been collected may still be taken."""
        self._is_running = False
        self._end("polling because watching was stopped")

    def take(self) -> Hints:
        """Hand over what has been collected, and forget it."""
        return self._basket.take()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a hint, or for `wake`; return whether there is a hint."""
        return self._basket.wait(timeout_s)

    def wake(self) -> None:
        """End a `wait`, the one under way or else the next; safe from threads and signal handlers."""
        self._basket.wake()

    def check(self, root_key: tuple[int, int] | None) -> None:
        """Look after the watch; to be called about once a second.

        `root_key` is device and inode of the root as a scan last saw them, or `None` while it is offline
        or unknown. A watch that was lost is renewed at once, one that lost events when they come in calmly again:
        it does not know of folders made meanwhile. One that did not last, or could not begin, is tried
        again after a delay that grows, and as soon as a root that was offline, or was deleted, is back.
        """
        if not self._is_running or self._wanted == "poll":
            return
        if self._observation is not None:
            lost = self._why_lost(self._observation, root_key)
            if not lost:
                self._renew_after_loss()
                if self._clock() - self._began_s >= max(self._delay_s, _FIRST_RETRY_S):
                    self._delay_s = 0.0
                return
            log.warning("The watch of the music folder is lost: %s", lost)
            self._end(f"polling because {lost}")
            self._basket.add_everything(f"the watch was lost: {lost}")
            self._postpone()
        has_come = root_key is not None and (self._key is None or (self._root_is_gone and root_key != self._key))
        self._key = root_key
        if has_come or self._clock() >= self._retry_at_s:
            self._try()
            if self._observation is not None:
                log.info("The music folder is being watched again")
                self._basket.add_everything("watching has resumed")

    def renew(self, why: str) -> None:
        """Watch anew, as the library is now, and have everything looked at."""
        if self._observation is None:
            return
        self._end(f"polling because {why}")
        self._try()
        self._basket.add_everything(why)

    def _renew_after_loss(self) -> None:
        first_s, now_s = self._lost_first_s, self._clock()
        if first_s is None or (now_s - self._lost_last_s < _CALM_S and now_s - first_s < _LONGEST_STORM_S):
            return
        self.renew("events had been lost, and the watch was renewed")

    def _why_lost(self, observation: Observation, root_key: tuple[int, int] | None) -> str:
        if self._root_is_gone:
            return "the music folder was moved or deleted"
        if root_key is not None and root_key != self._key:
            return "another folder is in the place of the music folder"
        return observation.trouble()

    def _try(self) -> None:
        """Begin an observation, or note why not and when to try again."""
        try:
            self._observe()
        except WatchError as error:
            reason = f"polling because {error}"
            if self._reason != reason:
                log.warning("Changes of the music folder are not watched: %s", reason)
            self._reason = reason
            self._delay_s = max(self._delay_s, _FIRST_RETRY_S)
            self._postpone()
        else:
            self._reason = ""
            self._began_s = self._clock()

    def _postpone(self) -> None:
        self._retry_at_s = self._clock() + self._delay_s
        self._delay_s = min(max(2 * self._delay_s, _FIRST_RETRY_S), _LAST_RETRY_S)

    def _observe(self) -> None:
        self._refuse_remote(self._root)
        try:
            self._watched = os.path.realpath(self._root)  # inotify does not look through a link
            self._refuse_remote(self._watched)
            facts = os.stat(self._watched)
        except OSError as error:
            raise WatchError(f"the music folder cannot be reached: {error.strerror or error}") from error
        if not stat.S_ISDIR(facts.st_mode):
            raise WatchError(f"{printable(display(self._watched))} is not a folder")
        self._key = (facts.st_dev, facts.st_ino)
        self._root_is_gone = False
        self._lost_first_s = None
        self._observation = Observation(self._watched, self._collect, self._lose_events)

    def _refuse_remote(self, path: bytes) -> None:
        kind = mounts.file_system(path)
        if self._wanted == "auto" and mounts.is_remote(kind):
            raise WatchError(f"the music lies on {kind}")

    def _end(self, reason: str) -> None:
        observation, self._observation = self._observation, None
        self._reason = reason
        if observation is not None:
            observation.stop()

    def _lose_events(self) -> None:
        self.overflows += 1
        self._lost_last_s = self._clock()
        if self._lost_first_s is None:
            self._lost_first_s = self._lost_last_s
        self._basket.add_everything("events were lost")

    def _collect(self, event: FileSystemEvent) -> None:
        """Take in an event, on the observer's thread: an exception here would end it."""
        for end in (event.src_path, event.dest_path):
            path = self._relative(end) if end else None
            if path == ROOT:
                self._root_is_gone = self._root_is_gone or event.event_type in {"deleted", "moved"}
            if path is not None and (path == ROOT or self._matters(path, is_folder=event.is_directory)):
                folders = [parent(path), path] if event.is_directory else [parent(path)]
                self._basket.add(folders, closed=path if isinstance(event, FileClosedEvent) else None)

    def _relative(self, path: bytes | str) -> RelPath | None:
        """Return a path as it is below the root, or `None` if it is not."""
        whole, root, separator = os.fsencode(path), self._watched, os.sep.encode()
        if whole == root:
            return ROOT
        inside = root.rstrip(separator) + separator
        return RelPath(whole.removeprefix(inside).replace(separator, b"/")) if whole.startswith(inside) else None
