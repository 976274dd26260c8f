"""Whether workers start, decode, and give the numbers that they should: tried with a song made up on the spot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from melwatch.errors import MelwatchError
from melwatch.extraction.ahead import start_children_server
from melwatch.extraction.estimate import spoken_time
from melwatch.platform import system
from melwatch.platform.child import run_in_child
from melwatch.spectrogram.recipe import Recipe
from melwatch_service.doctor.finding import NotCheckedError, ok, problem, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

_SLOW_START_S = 30.0
_SLOW_SONG_S = 1.0
_MOST_AWAY = {"float32": 1e-3, "float16": 1e-2}
_USUAL_MEMORY_MB = 1024


def look_at_songs(case: Case) -> Iterator[Finding]:
    """Start a child, have it extract a song, and have another compare it with the original."""
    recipe, memory_mb, processes = _settings(case)
    began_s = time.monotonic()
    start_children_server()
    run_in_child(int)
    yield judge_start(time.monotonic() - began_s, str(system.child_context().get_start_method()))
    from importlib import import_module

    trial_module: Any = import_module("melwatch_service.doctor.trial")
    try:
        trial = run_in_child(trial_module.try_extraction, recipe, memory_mb)
    except Exception as error:  # noqa: BLE001  whatever keeps a song from being decoded
        yield judge_failure(error, memory_mb)
        return
    if trial is None:
        hint = "pip install --force-reinstall soundfile; or a libsndfile of 1.1 or newer, built with MP3."
        yield problem("songs.decoding", "This libsndfile knows no MP3: no song could be decoded", hint)
        return
    yield judge_pace(trial.seconds, trial.method, processes, _songs(case))
    try:
        away = run_in_child(trial_module.largest_difference, trial, recipe)
    except ImportError as error:
        words = f"The numbers are not compared: {error}"
        yield unchecked("songs.parity", words, "pip install torch transformers; melwatch works without them.")
        return
    yield judge_parity(away, recipe.dtype)


def judge_start(seconds: float, method: str) -> Finding:
    """Judge how long the first worker takes to be there."""
    words, facts = f"The first worker is there after {seconds:.1f} s", {"seconds": round(seconds, 2), "method": method}
    if seconds > _SLOW_START_S:
        hint = "Let the virus scanner leave Python's folder out, or put it on a faster disk."
        return warning("songs.workers", words, hint, **facts)
    return ok("songs.workers", words, **facts)


def judge_failure(error: BaseException, memory_mb: int) -> Finding:
    """Judge why a sound song could not be extracted."""
    if isinstance(error, MemoryError):
        words = f"A song cannot be decoded within {memory_mb} MB"
        return problem("songs.decoding", words, "Raise workers.memory_mb.", memory_mb=memory_mb)
    what = error.what if isinstance(error, MelwatchError) else f"{type(error).__name__}: {error}"
    hint = "Install melwatch's packages anew: pip install --force-reinstall -c constraints.txt ."
    return problem("songs.decoding", f"A song that is sound cannot be decoded: {what}", hint)


def judge_pace(seconds: float, method: str, processes: int, songs: int | None) -> Finding:
    """Judge how long one song takes, and say what that means for the library."""
    facts = {"seconds_per_song": round(seconds, 3), "method": method, "processes": processes, "songs": songs}
    words = f"A made-up song is decoded and extracted in {seconds * 1000:,.0f} ms"
    if songs:
        all_s = seconds * songs / processes
        words += f"; all {songs:,} songs of the library would take about {spoken_time(all_s)} with {processes} workers"
    if seconds > _SLOW_SONG_S:
        return warning("songs.decoding", words, "The machine is busy or slow; see what else runs.", **facts)
    return ok("songs.decoding", words, **facts)


def judge_parity(away: float, dtype: str) -> Finding:
    """Judge the largest single difference from what transformers makes."""
    most, facts = _MOST_AWAY[dtype], {"largest_difference": away, "limit": _MOST_AWAY[dtype]}
    if away <= most:
        words = f"The numbers are ASTFeatureExtractor's: at most {away:.1e} apart, where {most:.0e} is allowed"
        return ok("songs.parity", words, **facts)
    words = f"The numbers are not ASTFeatureExtractor's: {away:.1e} apart, where {most:.0e} is allowed"
    hint = (
        "Install the versions in constraints.txt. If they are installed, please report it: "
        "a model would see other spectrograms than it was trained on."
    )
    return problem("songs.parity", words, hint, **facts)


def _settings(case: Case) -> tuple[Recipe, int, int]:
    """Return recipe, memory and processes of the configuration, or the usual ones."""
    try:
        workers = case.config.get().workers
    except NotCheckedError:
        return Recipe(), _USUAL_MEMORY_MB, 1
    try:
        return case.workshop.get().recipe, workers.memory_mb, workers.processes
    except NotCheckedError:
        return Recipe(), workers.memory_mb, workers.processes


def _songs(case: Case) -> int | None:
    try:
        return len(case.library.get().scan.seen)
    except NotCheckedError:
        return None
