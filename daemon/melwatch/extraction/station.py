"""What runs inside a Dask worker: it makes ready, works on songs in child processes of its own, sends what they made.

A decoder that crashes, hangs or swallows memory costs a child, as it does with the local engine. Nothing
is written but the files that a child makes, in the worker's own folder; they are sent and removed.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from multiprocessing import current_process
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

from melwatch.errors import DegradedError, MelwatchError
from melwatch.extraction import landmarks
from melwatch.extraction.ingest import set_up
from melwatch.platform import system
from melwatch.spectrogram import recipe as recipes
from melwatch.spectrogram.posts import ForgottenError, UnfitError
from melwatch.spectrogram.spool import spool_file
from melwatch.spectrogram.workers import Loss, Workers
from melwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from melwatch.extraction.ingest import Examined, Setup
    from melwatch.track import RelPath

PROTOCOL = 1
"""Raised whenever what travels between coordinator and worker changes."""

PATHS = "MELWATCH_WORKER_PATHS"
"""The variable of a worker that says where it sees the coordinator's folders: {"D:\\\\Music": "/mnt/music"}."""

_IDLE_S = 120.0
"""After how long without work a station ends: the coordinator may have died."""
_REHEARSAL_S = 100.0
_PACKAGES = ("av", "numpy", "scipy", "soundfile", "soxr")
_CHILD_MODULES = ("melwatch.extraction.ingest", "melwatch.library.tags", "melwatch.spectrogram.extract")

Sent: TypeAlias = "tuple[Examined | None, Loss | None, bytes | None]"
"""What became of a file, how a child was lost over it, and the content of its spool file."""


def make_offer(key: str, setup: Setup, marks: tuple[landmarks.Landmark, ...]) -> dict[str, Any]:
    """Return what a worker is told before it works: plain values, so that any melwatch can judge them."""
    return {
        "key": key,
        "protocol": PROTOCOL,
        "melwatch": __version__,
        "front_end_revision": setup.recipe.front_end_revision,
        "recipe_id": setup.recipe.id,
        "recipe": setup.recipe.to_json(),
        "root": setup.root,
        "landmarks": marks,
        # A path of this system cannot be unpickled on another, and means nothing there.
        "setup": pickle.dumps(replace(setup, spool=PurePosixPath())),  # type: ignore[arg-type]
    }


def judge(offer: Mapping[str, Any]) -> str:
    """Say why this worker cannot be used, or nothing: another melwatch, or another music root."""
    if offer["protocol"] != PROTOCOL:
        return f"it has melwatch {__version__}, the coordinator {offer['melwatch']}: install the same version"
    if offer["front_end_revision"] != recipes.FRONT_END_REVISION:
        return (
            f"its melwatch {__version__} has front end {recipes.FRONT_END_REVISION}, the coordinator's "
            f"{offer['melwatch']} front end {offer['front_end_revision']}: install the same version"
        )
    own = recipes.Recipe.from_json(offer["recipe"]).id
    if own != offer["recipe_id"]:
        return f"its melwatch {__version__} understands another recipe ({own}): install the same version"
    try:
        return landmarks.judge(own_root(offer["root"]), offer["landmarks"])
    except ValueError as error:
        return f"{PATHS} cannot be understood there: {error}"


def describe(offer: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return why this worker cannot be used, or nothing, and what is installed here that numbers depend on."""
    return judge(offer), own_packages()


def own_packages() -> dict[str, str]:
    """Return the versions of what numbers depend on, in this process."""
    return {"melwatch": __version__, **{name: metadata.version(name) for name in _PACKAGES}}


def welcome(offer: Mapping[str, Any]) -> str:
    """Make this worker ready; return why it cannot be used, or nothing."""
    why = judge(offer)
    if why:
        return why
    with _lock:
        station = _stations.get(offer["key"])
        if station is None:
            station = _stations[offer["key"]] = Station(offer)
    try:
        station.rehearse()
    except UnfitError as error:
        _end(offer["key"])
        return error.what
    return ""


def perform(key: str, work: Callable[[RelPath], Examined], path: RelPath, limit_s: float) -> Sent:
    """Work on one file; raises `UnfitError` where this worker cannot, whatever the file."""
    with _lock:
        station = _stations.get(key)
    if station is None:
        raise ForgottenError("It is not ready")
    return station.perform(work, path, limit_s)


def dismiss(key: str) -> None:
    """End what `welcome` began."""
    _end(key)


def own_root(root: bytes) -> bytes:
    """Return where this worker sees a folder of the coordinator's; raises `ValueError` where it says nonsense."""
    said = json.loads(os.environ.get(PATHS) or "{}")
    if not isinstance(said, dict) or not all(isinstance(place, str) for place in said.values()):
        raise ValueError('it is written like {"/srv/music": "/mnt/music"}')
    return os.fsencode(mapped(root.decode("utf-8", "surrogateescape"), said))


def mapped(path: str, places: Mapping[str, str]) -> str:
    """Return a path with the longest of the folders that it lies in replaced by its place here."""
    for folder in sorted(places, key=len, reverse=True):
        bare = folder.rstrip("/\\")
        rest = path.removeprefix(bare)
        if path.startswith(bare) and (not rest or rest[0] in "/\\"):
            return places[folder].rstrip("/\\") + rest.replace("\\" if "\\" in folder else "/", os.sep) or os.sep
    return path


@dataclass(slots=True, kw_only=True)
class _Bench:
    """One child process and the folder that it makes its files in."""

    setup: Setup
    workers: Workers[RelPath]
    limit_s: float = _REHEARSAL_S

    @classmethod
    def begin(cls, setup: Setup) -> _Bench:
        bench = cls(setup=setup, workers=None)  # type: ignore[arg-type]  # they ask the bench for the limit
        bench.workers = Workers(processes=1, timeout_s=lambda _: bench.limit_s, initializer=set_up, initargs=(setup,))
        return bench

    def do(self, work: Callable[[Any], Any], task: Any, limit_s: float) -> tuple[Any, Loss | None]:  # noqa: ANN401
        self.limit_s = limit_s
        try:
            (done,) = self.workers.map(work, [task])
        except DegradedError as error:
            raise UnfitError(error.what, error.hint) from None
        return done.result, done.loss


class Station:
    """What one pass of one coordinator has on this worker: as many children as Dask gives it tasks at once."""

    def __init__(self, offer: Mapping[str, Any]) -> None:
        self.key, self.marks = offer["key"], offer["landmarks"]
        setup: Setup = pickle.loads(offer["setup"])  # noqa: S301  Dask itself runs what the coordinator sends
        self.folder = Path(tempfile.mkdtemp(prefix="melwatch-", dir=_own_folder()))
        self.setup = replace(setup, root=own_root(setup.root))
        self._free: list[_Bench] = []
        self._made = self._busy = 0
        self._lock = threading.Lock()
        self._used_s = time.monotonic()
        self._has_ended = threading.Event()
        _allow_children()
        system.start_child_server(_CHILD_MODULES)
        threading.Thread(target=self._end_when_idle, daemon=True, name="melwatch-station").start()

    def rehearse(self) -> None:
        """Start a child, and see whether it has what it needs; raises `UnfitError` where not."""
        with self._bench() as bench:
            why, loss = bench.do(_rehearse, 0, _REHEARSAL_S)
        if why or loss is not None:
            raise UnfitError(why or "a child process that does nothing is lost")

    def perform(self, work: Callable[[RelPath], Examined], path: RelPath, limit_s: float) -> Sent:
        """Work on one file."""
        with self._bench() as bench:
            examined, loss = bench.do(work, path, limit_s)
            if examined is None:
                return None, loss, None
            if examined.identity is None:
                why = landmarks.judge(self.setup.root, self.marks)
                if why:
                    raise UnfitError(why)
            content = None
            if examined.made is not None:
                content = _taken(spool_file(bench.setup.spool, examined.identity.audio_id, self.setup.recipe.id))
            return examined, None, content

    def end(self) -> None:
        """End the children and remove their folder."""
        self._has_ended.set()
        with self._lock:
            benches, self._free = self._free, []
        for bench in benches:
            bench.workers.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _bench(self) -> Iterator[_Bench]:
        with self._lock:
            self._busy += 1
            bench = self._free.pop() if self._free else None
            self._made += bench is None
            folder = self.folder / str(self._made)
        try:
            if bench is None:
                folder.mkdir()
                bench = _Bench.begin(replace(self.setup, spool=folder))
            yield bench
        except OSError as error:
            raise UnfitError(f"its folder {self.folder} cannot be used: {error.strerror or error}") from None
        finally:
            with self._lock:
                self._busy -= 1
                self._used_s = time.monotonic()
                if bench is not None:
                    self._free.append(bench)
                has_ended = self._has_ended.is_set()
            if has_ended:
                self.end()

    def _end_when_idle(self) -> None:
        while not self._has_ended.wait(_IDLE_S / 4):
            with self._lock:
                is_idle = not self._busy and time.monotonic() - self._used_s > _IDLE_S
            if is_idle:
                _end(self.key)


_stations: dict[str, Station] = {}
_lock = threading.Lock()


def _end(key: str) -> None:
    with _lock:
        station = _stations.pop(key, None)
    if station is not None:
        station.end()


def _taken(file: Path) -> bytes:
    content = file.read_bytes()
    file.unlink()
    return content


def _rehearse(_: int) -> str:
    """Say what this child lacks; what is missing would otherwise count as a fault of every song."""
    try:
        for name in ("melwatch.library.tags", "melwatch.spectrogram.extract"):
            import_module(name)
    except (ImportError, OSError, MelwatchError) as error:
        return f"songs cannot be decoded there: {error}"
    return ""


def _allow_children() -> None:
    """Dask's nanny starts workers as daemons in Python's sense, which may not have children."""
    process = current_process()
    if process.daemon:
        process.daemon = False


def _own_folder() -> str | None:
    """Return the folder that Dask gave this worker and removes with it."""
    distributed: Any = import_module("distributed")
    try:
        return str(distributed.get_worker().local_directory)
    except ValueError:  # not on a worker
        return None
