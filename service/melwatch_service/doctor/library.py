"""The music root: whether it can be read, what lies in it, and whether its changes are seen."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from melwatch.library.root import RootState, judge_root, read_root
from melwatch.library.rules import Reason
from melwatch.names import GenreNames, printable
from melwatch.platform import mounts, system
from melwatch_service.doctor.finding import ok, problem, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

_INOTIFY = ("max_user_watches", "max_user_instances", "max_queued_events")
_FEW_INSTANCES, _FEW_EVENTS = 16, 4096
_WINDOWS_LIMIT = 259
_BELOW_DATASET = len("/music_lib/versions/000000/validate/dataset_info.json")
_MOST_NAMED = 5


def look_at_root(case: Case) -> Iterator[Finding]:
    """Whether it is there and may be read."""
    root = case.config.get().library.root
    found, error = read_root(os.fsencode(root))
    verdict = judge_root(known=None, found=found, error=error, known_tracks=0, seen_tracks=0, tracks_in_place=0)
    if verdict.state is RootState.ONLINE:
        yield ok("library.root", f"{_shown(root)} can be read", path=_shown(root))
    else:
        yield problem("library.root", f"{_shown(root)}: {verdict.what}", verdict.hint, path=_shown(root))


def look_at_genres(case: Case) -> Iterator[Finding]:
    """What the walk has met."""
    config, seen = case.config.get(), case.library.get().scan
    names = GenreNames.of(config.genres)
    left_out = Counter(entry.reason for entry in seen.left_out)
    yield from judge_genres(
        Counter(names.genre_of(file.path) for file in seen.seen),
        at_least=config.library.min_tracks_per_genre,
        in_root=left_out[Reason.IN_ROOT],
        unreadable=len(seen.out_of_reach),
    )


def judge_genres(songs: Mapping[str, int], *, at_least: int, in_root: int, unreadable: int) -> Iterator[Finding]:
    """Judge whether there is something to make a dataset of: songs by genre, before their sound is known."""
    enough = [genre for genre, number in songs.items() if number >= at_least]
    facts = {"songs": sum(songs.values()), "genres": len(songs), "genres_with_enough": len(enough)}
    words = f"{facts['songs']:,} songs; {len(enough):,} of {len(songs):,} genres have {at_least} or more"
    if enough:
        yield ok("library.genres", words, **facts)
    else:
        hint = "Put the songs into one folder per genre below the music root, or lower library.min_tracks_per_genre."
        yield warning("library.genres", f"No genre has {at_least} songs: there are {words}", hint, **facts)
    if in_root:
        words = f"{in_root:,} songs lie directly in the music root and belong to no genre"
        yield warning("library.in_root", words, "Move them into a genre's folder.", songs=in_root)
    if unreadable:
        words = f"{unreadable:,} files or folders cannot be read"
        hint = "`melwatch missing` lists them after a pass; let the account that melwatch runs as read them."
        yield warning("library.unreadable", words, hint, number=unreadable)


def look_at_watching(case: Case) -> Iterator[Finding]:
    """Whether changes will be told of."""
    config = case.config.get()
    mode, root = config.watch.mode, os.path.realpath(os.fsencode(config.library.root))
    if mode == "poll":
        yield ok("library.watching", "The configuration says to poll: changes are found by looking", mode=mode)
        return
    kind = mounts.file_system(root)
    if mode == "auto" and mounts.is_remote(kind):
        yield unchecked("library.watching", f"On {kind} changes are found by looking, not watched", mode=mode)
        return
    limits = {name: system.kernel_limit(f"fs/inotify/{name}") for name in _INOTIFY}
    if limits["max_user_watches"] is None:
        yield ok("library.watching", "This system has no limit of watched folders", mode=mode)
        return
    yield from judge_inotify({name: value or 0 for name, value in limits.items()}, case.library.get().folders)


def judge_inotify(limits: Mapping[str, int], folders: int) -> Iterator[Finding]:
    """Judge Linux's limits against the folders that are to be watched."""
    watches, instances, events = (limits[name] for name in _INOTIFY)
    facts = {"folders": folders, **limits}
    words = f"{folders:,} folders to watch, of {watches:,} that this account may"
    if folders >= watches:
        words = f"{words}: changes would be found by looking only"
        yield problem("library.watching", words, _raise("max_user_watches", max(524_288, 2 * folders)), **facts)
    elif 2 * folders > watches:
        yield warning("library.watching", words, _raise("max_user_watches", max(524_288, 2 * folders)), **facts)
    else:
        yield ok("library.watching", words, **facts)
    if instances < _FEW_INSTANCES:
        words = f"This account may have only {instances} watchers, all programs together"
        yield warning("library.watchers", words, _raise("max_user_instances", 1024), **facts)
    if events < _FEW_EVENTS:
        words = f"Only {events:,} events are kept until they are read: many changes at once are lost, and looked for"
        yield warning("library.events", words, _raise("max_queued_events", 16_384), **facts)


def look_at_paths(case: Case) -> Iterator[Finding]:
    """How long the paths are, where that matters."""
    enabled = system.are_long_paths_enabled()
    if enabled is not None:
        dataset = len(str(case.config.get().dataset.path)) + _BELOW_DATASET
        yield judge_paths(case.library.get().longest_path, dataset, enabled=enabled)


def judge_paths(longest_song: int, longest_in_dataset: int, *, enabled: bool) -> Finding:
    """Judge paths on Windows: melwatch opens long ones, and those who read the dataset may not."""
    facts = {"song": longest_song, "dataset": longest_in_dataset, "enabled": enabled}
    hint = "Set LongPathsEnabled = 1 under HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem, then log on again"
    if enabled or max(longest_song, longest_in_dataset) <= _WINDOWS_LIMIT:
        return ok(
            "library.long_paths", f"The longest path has {max(longest_song, longest_in_dataset)} characters", **facts
        )
    if longest_in_dataset > _WINDOWS_LIMIT:
        words = f"Paths in the dataset have up to {longest_in_dataset} characters, and Windows programs take 259"
        return problem("library.long_paths", words, f"Choose a shorter dataset.path. Or: {hint}.", **facts)
    words = f"Songs' paths have up to {longest_song} characters: melwatch reads them, other programs may not"
    return warning("library.long_paths", words, f"{hint}.", **facts)


def _raise(setting: str, to: int) -> str:
    return (
        f"sudo sysctl fs.inotify.{setting}={to}; to keep it, write fs.inotify.{setting}={to} "
        "to /etc/sysctl.d/60-melwatch.conf"
    )


def _shown(path: Path) -> str:
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))
