"""One running observer of a folder tree, and whether it can still be believed.

Everything that is particular to watchdog stands here. It says nothing of what it could not watch, nor,
by an event, of what it lost; so where its inner parts are as expected, they are listened to.
"""

from __future__ import annotations

import errno
import os
import queue
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

_KINDS: tuple[type[FileSystemEvent], ...] = (
    FileCreatedEvent, FileMovedEvent, FileDeletedEvent, DirCreatedEvent, DirMovedEvent, DirDeletedEvent,
)  # fmt: skip
_LIMITS = Path("/proc/sys/fs/inotify")
_UNMOUNTED = 0x00002000  # IN_UNMOUNT, see inotify(7)
_TIMEOUT_S = 0.2  # on Windows events are handed on when none has come for so long
_STOPPING_S = 5.0


class WatchError(Exception):
    """A folder tree cannot be watched; says why, as the end of a sentence."""


class Observation:
    """An observer of one folder and all below, from its making until `stop`.

    `on_event` and `on_loss` are called from other threads and must neither wait nor fail. Folders reached
    through links are not watched.
    """

    def __init__(self, root: bytes, on_event: Callable[[FileSystemEvent], None], on_loss: Callable[[], None]) -> None:
        self._root = root
        self._on_loss = on_loss
        self._is_over = False
        self.unwatched = 0
        """Folders that may not be read, so that nothing is told of them."""
        self._trouble = ""
        try:
            self._observer: BaseObserver = Observer(timeout=_TIMEOUT_S)
        except OSError as error:
            raise WatchError(_sentence(error)) from error
        if isinstance(self._observer, PollingObserver):
            raise WatchError("this system does not report changes")
        self._reader: Any = getattr(self._observer, "_inotify_fd", None)
        if self._reader is not None:
            self._listen_to_inotify()
        try:
            self._observer.schedule(_Handler(on_event), os.fsdecode(root), recursive=True, event_filter=self._kinds())
            self._observer.start()
        except (OSError, RuntimeError, queue.Empty) as error:  # Empty: on Windows the reader died at once
            self.stop()
            raise WatchError(_sentence(error)) from error
        self._listen_to_windows()
        if self._trouble:
            self.stop()
            raise WatchError(self._trouble)

    def trouble(self) -> str:
        """Return why this observer sees nothing any more, or not everything; "" while all is well."""
        if not self._trouble and not (self._observer.emitters and all(thread.is_alive() for thread in self._threads())):
            self._trouble = "a thread that watches has ended"
        return self._trouble

    def stop(self) -> None:
        """Give back all threads and handles."""
        self._is_over = True
        self._observer.stop()
        if self._observer.ident is not None:
            self._observer.join(_STOPPING_S)

    def _kinds(self) -> list[type[FileSystemEvent]]:
        """Return what to be told of: never of files that are only read, which is what we do ourselves."""
        closing_is_told = self._reader is not None
        return [*_KINDS, FileClosedEvent if closing_is_told else FileModifiedEvent]

    def _threads(self) -> list[Thread]:
        threads: list[Thread] = [self._observer, *self._observer.emitters]
        if self._reader is not None:
            threads.append(self._reader)
        for reader in self._windows_readers():
            thread = getattr(reader, "_reader_thread", None)
            if thread is not None:
                threads.append(thread)
        return threads

    def _listen_to_inotify(self) -> None:
        """Take note of lost events, of folders that could not be watched and of disks that went.

        At a loss watchdog 7.1 would take all its watches off and put them on again, for each of which the
        kernel reports an event: where they are more than its queue holds, that is the next loss, without end.
        So it is not told; whoever listens makes a new observation when things are calm. Over the others
        watchdog passes in silence: every folder but the root may fail to be watched, and the root too
        where it may not be read.
        """
        # Of a folder that two events announce it warns, at length: it prints all of its watches.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        handle_event, add_callback = self._reader.handle_event, self._reader.add_callback

        def handle(event: Any) -> None:  # noqa: ANN401 - the type exists on Linux only
            if event.is_queue_overflow:
                if not self._is_over:
                    self._on_loss()
                return
            handle_event(event)
            if event.mask & _UNMOUNTED:
                self._trouble = self._trouble or "a disk was unmounted"

        def add(path: bytes, mask: int, callback: object, id_: int) -> int:
            try:
                descriptor: int = add_callback(path, mask, callback, id_)
            except OSError as error:
                if path == self._root or error.errno in {errno.ENOSPC, errno.ENOMEM}:
                    self._trouble = self._trouble or _sentence(error)
                raise
            if descriptor == -1:
                self._reader.remove_callbacks([(descriptor, id_)])
                self.unwatched += 1
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return descriptor

        self._reader.handle_event, self._reader.add_callback = handle, add

    def _windows_readers(self) -> list[Any]:
        readers = [getattr(emitter, "_reader", None) for emitter in self._observer.emitters]
        return [reader for reader in readers if reader is not None]

    def _listen_to_windows(self) -> None:
        """Take note of lost events: Windows says so by a successful answer without content."""
        for reader in self._windows_readers():
            answers: Any = getattr(reader, "_buf_queue", None)
            if answers is not None:
                answers.put = _reporting(answers.put, self._on_loss)


def _reporting(put: Callable[[tuple[bytes, bool]], None], on_loss: Callable[[], None]) -> Callable[[Any], None]:
    def put_and_report(answer: tuple[bytes, bool]) -> None:
        put(answer)
        if not answer[0]:
            on_loss()

    return put_and_report


class _Handler(FileSystemEventHandler):
    def __init__(self, on_event: Callable[[FileSystemEvent], None]) -> None:
        self._on_event = on_event

    def dispatch(self, event: FileSystemEvent) -> None:
        self._on_event(event)


def _sentence(error: BaseException) -> str:
    """Say why watching failed and what to do about it."""
    match error:
        case OSError(errno=errno.ENOSPC):
            return _limit_reached("watches", "max_user_watches", 524_288)
        case OSError(errno=errno.EMFILE):
            return _limit_reached("instances", "max_user_instances", 1024)
        case OSError():
            return f"watching failed: {error.strerror or error}"
        case _:
            return f"watching failed: {error or type(error).__name__}"


def _limit_reached(of_what: str, setting: str, enough: int) -> str:
    try:
        now = int((_LIMITS / setting).read_text())
    except (OSError, ValueError):
        now = 0
    raised = f"sudo sysctl fs.inotify.{setting}={max(enough, 2 * now)}"
    return f"inotify's limit of {of_what} is reached; raise it with: {raised} (now {now or 'unknown'})"
