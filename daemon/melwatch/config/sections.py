"""What the user may set, section by section, with its defaults and limits.

Where the values come from is for `settings`; whether folders exist, for those who open them.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from melwatch.config.defaults import DEFAULT_MODEL
from melwatch.config.durations import seconds_of
from melwatch.names import folded

DEFAULT_EXCLUDE = (
    "$RECYCLE.BIN",
    "downloads",
    "Eigenes",
    "Hörbücher",
    "Mixes",
    "System Volume Information",
)
_HUNDRED_YEARS_H = 876_000
_CRON_FIELDS = 5
_SHORTEST_KEY = 16
READABLE_EXTENSIONS = (".mp3", ".flac", ".ogg", ".opus", ".wav")


def expanded(path: Path) -> Path:
    """Return an absolute path; raises `ValueError` where `~` stands for nobody."""
    try:
        return Path(os.path.abspath(path.expanduser()))
    except RuntimeError as error:  # ~somebody, who does not exist
        raise ValueError(str(error)) from None


def _extension(text: str) -> str:
    lowered = text.lower()
    if lowered not in READABLE_EXTENSIONS:
        raise ValueError(f"{text!r} cannot be read; known are {', '.join(READABLE_EXTENSIONS)}")
    return lowered


def _times(text: str) -> str:
    if seconds_of(text) is None and len(text.split()) != _CRON_FIELDS:
        raise ValueError(f"{text!r} is neither an interval like 90m or 1h nor a cron expression like 0 3 * * *")
    return text


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _host(text: str) -> str:
    host = text.strip().removeprefix("[").removesuffix("]")
    if not host or any(c.isspace() or c in "/@?#[]" for c in host):
        raise ValueError(f"{text!r} is neither an address like 127.0.0.1 nor the name of a machine")
    return host


def _scheduler(text: str) -> str:
    if re.fullmatch(r"(tcp|tls|ws|wss|ucx)://[^/\s]+:\d{1,5}", text) is None:
        raise ValueError(f"{text!r} is not the address of a Dask scheduler, as tcp://scheduler:8786")
    return text


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


Times = Annotated[str, AfterValidator(_times)]
Folder = Annotated[Path, AfterValidator(expanded)]
Extension = Annotated[str, AfterValidator(_extension)]


def _genre_names(names: dict[str, str]) -> dict[str, str]:
    genres: dict[str, str] = {}
    for folder, genre in names.items():
        if not folder.strip() or not genre.strip():
            raise ValueError("a folder and its genre need names")
        if genres.setdefault(folded(folder), genre) != genre:
            raise ValueError(f"{folder!r} is listed twice: names compare without regard to case")
    return names


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LibrarySection(_Section):
    """Where the music is and what of it counts."""

    root: Folder
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    ignore: tuple[str, ...] = ()
    extensions: Annotated[tuple[Extension, ...], Field(min_length=1)] = (".mp3",)
    min_tracks_per_genre: Annotated[int, Field(ge=3)] = 6
    hydrate: bool = False


class DatasetSection(_Section):
    """Where the dataset and melwatch's own state go."""

    path: Folder
    state: Folder | None = None
    paths: Literal["absolute", "relative"] = "absolute"
    dtype: Literal["float32", "float16"] = "float32"
    columns: Annotated[tuple[Literal["track_id", "window", "start_s"], ...], AfterValidator(_unique)] = ()
    audio: bool = False
    duplicates: Literal["once", "all"] = "once"
    keep_versions: Annotated[int, Field(ge=1)] = 3
    keep_hours: Annotated[float, Field(ge=0, le=_HUNDRED_YEARS_H)] = 168


class SpectrogramSection(_Section):
    """Which spectrograms are made of a track."""

    model: str = DEFAULT_MODEL
    window_s: Annotated[float, Field(gt=0, le=600)] = 10.24
    windows_per_track: Annotated[int, Field(ge=1, le=1000)] = 6


class SplitsSection(_Section):
    """The shares of the three splits; they add up to one."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.7
    validate_: Annotated[float, Field(gt=0, lt=1, alias="validate")] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _add_up(self) -> SplitsSection:
        total = self.train + self.validate_ + self.test
        if abs(total - 1) > 1e-6:  # noqa: PLR2004  rounding of decimal fractions
            raise ValueError(f"train, validate and test add up to {total:g}, not to 1")
        return self

    policy: Literal["sticky", "reshuffle"] = "sticky"
    group_by: Literal["track", "album", "artist"] = "track"

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split, by name, in the order of the dataset."""
        return {"train": self.train, "validate": self.validate_, "test": self.test}


class WorkersSection(_Section):
    """Where songs are decoded, and how much of a machine that may use."""

    engine: Literal["local", "dask"] = "local"
    dask: Annotated[str, AfterValidator(_scheduler)] | None = None
    processes: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=lambda: os.cpu_count() or 1)
    timeout_s: Annotated[float, Field(gt=0)] = 600
    memory_mb: Annotated[int, Field(ge=256)] = 1024
    on_battery: Literal["run", "pause"] = "run"

    @model_validator(mode="after")
    def _has_scheduler(self) -> WorkersSection:
        if self.engine == "dask" and self.dask is None:
            raise ValueError('engine = "dask" needs the scheduler\'s address: dask = "tcp://scheduler:8786"')
        return self


class WatchSection(_Section):
    """How changes are noticed, and when a file counts as finished."""

    mode: Literal["auto", "events", "poll"] = "auto"
    settle_s: Annotated[float, Field(ge=0, le=3600)] = 10


class ScheduleSection(_Section):
    """When the daemon does what; times are intervals or cron expressions, unset ones have a default of their own."""

    quiet_s: Annotated[float, Field(ge=0)] = 30
    max_wait_s: Annotated[float, Field(gt=0)] = 900
    publish: Times | None = None
    rescan: Times | None = None
    gc: Times = "1d"
    verify: Times = "7d"


class DeletionsSection(_Section):
    """How much may vanish at once without being confirmed."""

    max_fraction: Annotated[float, Field(ge=0, le=1)] = 0.2
    max_tracks: Annotated[int, Field(ge=0)] = 50
    whole_genre: bool = True


class PageSection(_Section):
    """Where the status page is served; beyond this machine only to those who have the key."""

    enabled: bool = True
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8765
    key: Annotated[str | None, Field(min_length=_SHORTEST_KEY)] = None

    @model_validator(mode="after")
    def _has_key(self) -> PageSection:
        if not is_loopback(self.host) and self.key is None:
            raise ValueError(
                f"host {self.host} can be reached from other machines, for which page.key has to be set, "
                f"at least {_SHORTEST_KEY} characters"
            )
        return self


class LogSection(_Section):
    """How much melwatch tells, and where."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    file: Folder | None = None


class Config(_Section):
    """The whole configuration; `settings.load_config` builds it."""

    library: LibrarySection
    dataset: DatasetSection
    spectrogram: SpectrogramSection = SpectrogramSection()
    splits: SplitsSection = SplitsSection()
    genres: Annotated[dict[str, str], AfterValidator(_genre_names)] = {}
    watch: WatchSection = WatchSection()
    schedule: ScheduleSection = ScheduleSection()
    deletions: DeletionsSection = DeletionsSection()
    workers: WorkersSection = WorkersSection()
    page: PageSection = PageSection()
    log: LogSection = LogSection()
