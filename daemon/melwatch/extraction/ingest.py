"""One file from its bytes to the spool: what a worker process does, alone and without the manifest."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.audio.audiofile import open_audio
from melwatch.errors import DegradedError, FileChangedError, TrackError
from melwatch.library.identity import identify
from melwatch.names import native
from melwatch.platform import system
from melwatch.spectrogram.spool import read_facts, spool_file, write_spool

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.audio.audiofile import OpenAudio
    from melwatch.spectrogram.recipe import Recipe
    from melwatch.track import AudioId, FileStamp, Identity, Made, RelPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What every task of a pool has in common; `ready` are songs that need no more work."""

    root: bytes
    spool: Path
    recipe: Recipe
    ready: frozenset[AudioId]
    memory_mb: int
    hydrate: bool = False
    may_extract: bool = True
    """Whether spectrograms are made; otherwise files are only identified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What became of one file.

    Without an identity it could not be read. With one it was made, failed (`error`), or is known.
    """

    path: RelPath
    stamp: FileStamp | None = None
    read_ns: int = 0
    identity: Identity | None = None
    made: Made | None = None
    error: TrackError | None = None


_setup: Setup | None = None


def set_up(setup: Setup) -> None:
    """Prepare a worker process."""
    from melwatch.spectrogram.native import silence_native_stderr  # what it needs is for workers only

    global _setup  # noqa: PLW0603  one pool, one setup
    _setup = setup
    system.die_with_parent()
    system.ignore_interrupts()
    system.lower_priority()
    system.keep_freed_memory()
    silence_native_stderr()
    system.limit_memory(setup.memory_mb)


def examine(path: RelPath) -> Examined:
    """Find out what a file is and, where its song is new, make its spectrograms.

    Raises `DegradedError` where the spool cannot be written, as on a full disk.
    """
    setup = _required_setup()
    return _examine(path, setup, may_extract=setup.may_extract)


def identify_only(path: RelPath) -> Examined:
    """Find out what a file is, without decoding it: for files over which workers were lost."""
    return _examine(path, _required_setup(), may_extract=False)


def _required_setup() -> Setup:
    if _setup is None:
        raise RuntimeError("this worker was not set up")
    return _setup


def _examine(path: RelPath, setup: Setup, *, may_extract: bool) -> Examined:
    read_ns = time.time_ns()
    try:
        with open_audio(native(setup.root, path), hydrate=setup.hydrate) as audio:
            identity = identify(audio)
            made, error = None, None
            if may_extract and identity.audio_id not in setup.ready:
                made, error = _make(audio, identity.audio_id, setup)
            audio.check_unchanged()
            return Examined(path=path, stamp=audio.stamp, read_ns=read_ns, identity=identity, made=made, error=error)
    except FileChangedError as error:
        return Examined(path=path, error=TrackError(error.what, error.hint, reason="changing"))
    except TrackError as error:
        return Examined(path=path, error=error)
    except OSError as error:
        what = f"It cannot be read: {error.strerror or error}"
        return Examined(path=path, error=TrackError(what, "Check its permissions.", reason="unreadable"))
    except DegradedError:
        raise
    except MemoryError:
        return Examined(path=path, error=_too_large(setup))
    except Exception as error:  # noqa: BLE001  a bug over one file costs that file, not the pass
        return Examined(path=path, error=_internal(error))


def _make(audio: OpenAudio, audio_id: AudioId, setup: Setup) -> tuple[Made | None, TrackError | None]:
    """Make a song's spectrograms, unless another file of the same sound had them made just now."""
    file = spool_file(setup.spool, audio_id, setup.recipe.id)
    try:
        made = read_facts(file, setup.recipe.bytes_per_track)
    except OSError as error:
        raise without_spool(setup, error) from None
    if made is not None:
        return made, None
    from melwatch.spectrogram.extract import extract  # what it needs is for workers only

    try:
        extracted = extract(audio.audio, setup.recipe)
    except TrackError as error:
        return None, error
    except MemoryError:
        return None, _too_large(setup)
    except Exception as error:  # noqa: BLE001  a decoder's bug costs one file, not the pass
        return None, _internal(error)
    audio.check_unchanged()
    try:
        return write_spool(file, extracted.values, extracted.sound), None
    except OSError as error:
        raise without_spool(setup, error) from None


def without_spool(setup: Setup, error: OSError) -> DegradedError:
    """Say that the spool cannot be used."""
    if system.is_disk_full(error):
        return DegradedError(f"The disk of {setup.spool} is full", "Free some space, then run it again.")
    return DegradedError(f"{setup.spool} cannot be used: {error.strerror}", "Check its disk and permissions.")


def _too_large(setup: Setup) -> TrackError:
    return TrackError(f"It needs more than {setup.memory_mb} MB of memory", "Raise workers.memory_mb.", reason="memory")


def _internal(error: Exception) -> TrackError:
    what = f"Working on it failed: {error!r}\n{traceback.format_exc()}"
    return TrackError(what, "Please report this file.", reason="internal")
