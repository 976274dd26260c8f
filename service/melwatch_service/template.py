"""The configuration file as melwatch writes it: every setting explained, only the folders set."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING

from melwatch.config.defaults import DEFAULT_MODEL
from melwatch.config.sections import DEFAULT_EXCLUDE
from melwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_TEMPLATE = """\
# melwatch's configuration. What is commented out shows the default.
# Windows paths go in single quotes: 'D:\\Music'

[library]
# The music root: one folder per genre, albums below.
root = {root}
# Top-level folders that are no genres.
# exclude = [{exclude}]
# Files and folders to leave out, as gitignore patterns relative to the root.
# ignore = []
# What counts as a song; .mp3, .flac, .ogg, .opus and .wav can be read.
# extensions = [".mp3"]
# A genre with fewer songs is left out until it has grown.
# min_tracks_per_genre = 6
# Whether to download songs that exist only online, as OneDrive keeps them.
# hydrate = false

[dataset]
# Where the dataset goes; music_lib in it is what load_from_disk opens.
path = {dataset}
# Where melwatch keeps what it knows. By default a folder of the system's for such things.
{state}
# How the column `paths` names files: "absolute", or "relative" to the root.
# paths = "absolute"
# Optional columns: "track_id", "window", "start_s".
# columns = []
# "float16" halves the disk space, for an error of up to 5e-4. Changing it extracts all songs again.
# dtype = "float32"
# Keep a dataset of the audio files themselves beside it, music_lib_audio, with the same splits.
# audio = false
# Old versions stay at least that many, and at least that long.
# keep_versions = 3
# keep_hours = 168
# Files of one sound in a genre count "once", or "all" of them.
# duplicates = "once"

[spectrogram]
# Whose feature extractor sets the parameters: a name, or a folder with preprocessor_config.json.
# model = "{model}"
# window_s = 10.24
# windows_per_track = 6

[splits]
# train = 0.7
# validate = 0.1
# test = 0.2
# "sticky": a song stays where it is; "reshuffle": new splits whenever the library changes.
# policy = "sticky"
# What is never divided among splits: a "track", an "album" or an "artist".
# group_by = "track"

[genres]
# Other names for genre folders; two folders of one name become one genre.
# "Folder name" = "Genre name"

[watch]
# "auto" watches, unless the music lies on a network; "events" always tries; "poll" never does.
# mode = "auto"
# A file is taken when it has stood still for so long.
# settle_s = 10

[schedule]
# Publish when changes have been quiet for so long, and at least so often while they go on (in a long import
# less often) ...
# quiet_s = 30
# max_wait_s = 900
# ... or only at set times: an interval (90m, 6h), or minute, hour, day, month, weekday as in cron.
# publish = "0 3 * * *"
# Look at everything (by default hourly, nightly on a network), collect old versions, verify.
# rescan = "1h"
# gc = "1d"
# verify = "7d"

[deletions]
# More than this share and more than so many tracks gone at once, or a whole genre: you are asked.
# max_fraction = 0.2
# max_tracks = 50
# whole_genre = true

[workers]
# Where songs are decoded: "local", on this machine; or "dask", on the workers of a Dask cluster that see the music,
# with pip install "melwatch[dask]" and the address of its scheduler.
# engine = "local"
# dask = "tcp://scheduler:8786"
# Processes that decode; by default one for each core ({cores} here).
# processes = {cores}
# A song that takes longer, or needs more memory, is left out as failed.
# timeout_s = 600
# memory_mb = 1024
# On battery "run" on or "pause".
# on_battery = "run"

[page]
# A page with state, genres, tracks and versions, for a browser on this machine; another port is taken
# where this one is. On another host, and with that for other machines, a key of 16 characters or more is asked for.
# enabled = true
# host = "127.0.0.1"
# port = 8765
# key = ...

[log]
# "debug", "info", "warning" or "error"
# level = "info"
# "text" for people or "json" for programs
# format = "text"
# A file instead of standard error; it is rotated.
# file = ...
"""


def config_text(root: Path, dataset: Path, state: Path | None = None) -> str:
    """Return a configuration file in which every setting is explained and only the folders are set."""
    return _TEMPLATE.format(
        root=toml_path(root),
        dataset=toml_path(dataset),
        state=f"state = {toml_path(state)}" if state is not None else "# state = ...",
        exclude=", ".join(f'"{name}"' for name in DEFAULT_EXCLUDE),
        model=DEFAULT_MODEL,
        cores=os.cpu_count() or 1,
    )


def toml_path(path: Path) -> str:
    """Return a folder as a TOML string: literal, so that backslashes stay what they are, if possible."""
    text = os.path.abspath(path.expanduser())
    if any(unicodedata.category(c) == "Cs" for c in text):
        hint = "Give its folders names in UTF-8, or name it on the command line: --music, --dataset, --state."
        raise ConfigError(f"No configuration file can hold the path {text!r}", hint)
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
