"""The names of steps: what is asked of the system, and what the path is to melwatch.

A path that has no role, or two, is an error: whoever writes a new file gives it a line here.
"""

from __future__ import annotations

import re

_SPLITS = ("train", "validate", "test")
_ANY_SPLIT = "(train|validate|test)"
_BESIDE = r"(\.[0-9]+\.melwatch-tmp)?$"


def _file(folder: str, name: str) -> str:
    """Return the pattern of a file and of what is prepared beside it."""
    return rf"{folder}/\.?{re.escape(name)}{_BESIDE}"


ROLES: dict[str, str] = {
    "music": r"/music$",
    "genre": r"/music/[^/]+$",
    "song": r"/music/[^/]+/[^/]+\.mp3$",
    "place": r"/disk$",
    "state": r"/state$",
    "probe": r"/state/#[0-9]+$",
    "lock": r"/state/lock$",
    "state/dataset.json": _file("/state", "dataset.json"),
    "manifest": r"/state/manifest\.sqlite3$",
    "manifest journal": r"/state/manifest\.sqlite3-journal$",
    "manifest wal": r"/state/manifest\.sqlite3-wal$",
    "backups": r"/state/backups$",
    "backup": r"/state/backups/\.?manifest-schema[^/]*$",
    "spool": r"/state/spool$",
    "spool file": r"/state/spool/[^/]+$",
    "dataset": r"/dataset$",
    "genres.json": _file("/dataset", "genres.json"),
    "library": r"/music_lib$",
    **{
        name: _file("/music_lib", name)
        for name in ("current.json", "README.md", "tracks.parquet", "dataset_dict.json")
    },
    "split": rf"/music_lib/{_ANY_SPLIT}$",
    "shard": rf"/music_lib/{_ANY_SPLIT}/(\.[0-9a-f]{{16}}\.[0-9]+\.melwatch-tmp|[0-9a-f]{{32}}\.arrow)$",
    **{
        f"{split}/{name}": _file(f"/music_lib/{split}", name)
        for split in _SPLITS
        for name in ("state.json", "dataset_info.json")
    },
    "audio": r"/(music_lib_audio|[0-9]{6}/audio)(/.*)?$",
    "no dataset": r"/dataset/(dataset_dict|state|current)\.json$|/music_lib/state\.json$",
    "state/pinned": r"/versions/[0-9]{6}/pinned$",
    "versions": r"/versions$",
    "version": r"/versions/[0-9]{6}$",
    "version split": rf"/versions/[0-9]{{6}}/{_ANY_SPLIT}$",
    **{
        f"version {name}": _file("/versions/[0-9]{6}", name)
        for name in (
            "current.json", "README.md", "tracks.parquet", "ledger.parquet", "dataset_dict.json", "genres.json",
            "version.json",
        )
    },
    **{
        f"version split {name}": _file(rf"/versions/[0-9]{{6}}/{_ANY_SPLIT}", name)
        for name in ("state.json", "dataset_info.json")
    },
}  # fmt: skip
"""Extended regular expressions that C and Python understand alike."""


def role_of(path: str) -> str:
    """Return what a path is to melwatch."""
    roles = [role for role, pattern in ROLES.items() if re.search(pattern, path)]
    assert len(roles) == 1, f"{path} needs one role in steps.py; it has {roles}"
    return roles[0]
