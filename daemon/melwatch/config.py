"""What the user may set: TOML file, environment and command line, checked as a whole.

Nothing here touches the music or the dataset; whether folders exist is for those who open them.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from melwatch.errors import ConfigError, ConfigProblem

DEFAULT_MODEL = "MIT/ast-finetuned-audioset-10-10-0.4593"
DEFAULT_EXCLUDE = (
    "$RECYCLE.BIN",
    "downloads",
    "Eigenes",
    "Hörbücher",
    "Mixes",
    "System Volume Information",
)
_HUNDRED_YEARS_H = 876_000
READABLE_EXTENSIONS = (".mp3", ".flac", ".ogg", ".opus", ".wav")


def _expanded(path: Path) -> Path:
    try:
        return Path(os.path.abspath(path.expanduser()))
    except RuntimeError as error:  # ~somebody, who does not exist
        raise ValueError(str(error)) from None


def _extension(text: str) -> str:
    lowered = text.lower()
    if lowered not in READABLE_EXTENSIONS:
        raise ValueError(f"{text!r} cannot be read; known are {', '.join(READABLE_EXTENSIONS)}")
    return lowered


Folder = Annotated[Path, AfterValidator(_expanded)]
Extension = Annotated[str, AfterValidator(_extension)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LibrarySection(_Section):
    """Where the music is and what of it counts."""

    root: Folder
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    ignore: tuple[str, ...] = ()
    extensions: Annotated[tuple[Extension, ...], Field(min_length=1)] = (".mp3",)
    min_tracks_per_genre: Annotated[int, Field(ge=3)] = 6


class DatasetSection(_Section):
    """Where the dataset and melwatch's own state go."""

    path: Folder
    state: Folder | None = None
    paths: Literal["absolute", "relative"] = "absolute"
    dtype: Literal["float32"] = "float32"
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

    policy: Literal["sticky"] = "sticky"
    group_by: Literal["track"] = "track"

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split, by name, in the order of the dataset."""
        return {"train": self.train, "validate": self.validate_, "test": self.test}


class WorkersSection(_Section):
    """How much of the machine extraction may use."""

    engine: Literal["local"] = "local"
    processes: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=lambda: os.cpu_count() or 1)
    timeout_s: Annotated[float, Field(gt=0)] = 600
    memory_mb: Annotated[int, Field(ge=256)] = 1024


class LogSection(_Section):
    """How much melwatch tells."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text"] = "text"


class Config(BaseSettings):
    """The whole configuration; build it with `load_config`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="MELWATCH_",
        env_nested_delimiter="__",
    )

    library: LibrarySection
    dataset: DatasetSection
    spectrogram: SpectrogramSection = SpectrogramSection()
    splits: SplitsSection = SplitsSection()
    workers: WorkersSection = WorkersSection()
    log: LogSection = LogSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  not used here
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  not used here
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over file."""
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        command_line = InitSettingsSource(settings_cls, given.get("command_line", {}))
        file = InitSettingsSource(settings_cls, given.get("file", {}))
        return command_line, env_settings, file


def default_config_file() -> Path:
    """Where `melwatch init` writes and every command looks when it is not told otherwise."""
    return platformdirs.user_config_path("melwatch", appauthor=False) / "melwatch.toml"


def find_config_file(named: Path | None) -> Path | None:
    """Return the configuration to read: named, or `MELWATCH_CONFIG`, or the default if it exists."""
    if named is None and "MELWATCH_CONFIG" in os.environ:
        named = Path(os.environ["MELWATCH_CONFIG"])
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"There is no configuration file {named}", "`melwatch init` writes one.")
        return named
    default = default_config_file()
    return default if default.is_file() else None


def load_config(
    file: Path | None = None,
    *,
    music: Path | None = None,
    dataset: Path | None = None,
    state: Path | None = None,
) -> Config:
    """Read and check the configuration; the named folders win over environment and file.

    Raises `ConfigError` with every problem at once.
    """
    found = find_config_file(file)
    settings = _read_toml(found) if found else {}
    if found:
        _check_sections(settings, found)
        _anchor_paths(settings, found.parent)
    command_line: dict[str, Any] = {"library": {}, "dataset": {}}
    for section, key, value in (
        ("library", "root", music),
        ("dataset", "path", dataset),
        ("dataset", "state", state),
    ):
        if value is not None:
            command_line[section][key] = value
    _default_dataset(settings, command_line)
    try:
        config = Config(file=settings, command_line=command_line)  # type: ignore[call-arg]
    except ValidationError as error:
        raise _explained(error, found) from None
    except SettingsError as error:
        hint = 'Variables are named MELWATCH_SECTION__KEY; lists are written as in JSON: ["Mixes"]'
        raise ConfigError(f"A MELWATCH_ variable cannot be understood: {error}", hint) from None
    _check_folders(config)
    return config


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: {error}", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        hint = "Write Windows paths in single quotes: root = 'D:\\Music'"
        raise ConfigError(f"{file} is not valid TOML: {error}", hint) from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None


def _check_sections(settings: dict[str, Any], file: Path) -> None:
    problems = [
        ConfigProblem(key=name, what="this is a section, not a value", hint=f"Write [{name}] on a line of its own")
        for name, value in settings.items()
        if name in Config.model_fields and not isinstance(value, dict)
    ]
    if problems:
        raise ConfigError(f"{file} is not laid out as it should be", problems=problems)


def _anchor_paths(settings: dict[str, Any], folder: Path) -> None:
    """Let relative folders in a file mean: relative to that file."""
    for section, key in (("library", "root"), ("dataset", "path"), ("dataset", "state")):
        values = settings.get(section)
        if isinstance(values, dict) and isinstance(values.get(key), str):
            values[key] = values[key] if values[key].startswith("~") else folder / values[key]


def _default_dataset(settings: dict[str, Any], command_line: dict[str, Any]) -> None:
    """Let a configuration that names only the music get `~/datasets/<its name>`."""
    root = command_line["library"].get("root") or os.environ.get("MELWATCH_LIBRARY__ROOT")
    library = settings.get("library")
    if root is None and isinstance(library, dict):
        root = library.get("root")
    if isinstance(root, (str, Path)):
        settings.setdefault("dataset", {}).setdefault("path", Path.home() / "datasets" / _name_of(Path(root)))


def _name_of(root: Path) -> str:
    try:
        return _expanded(root).name or "music"
    except ValueError:  # told with the setting itself
        return "music"


def _explained(error: ValidationError, file: Path | None) -> ConfigError:
    problems = [
        ConfigProblem(
            key=".".join(map(str, fault["loc"])),
            what=_sentence(fault["type"], fault["msg"]),
            hint=_hint(fault["type"], ".".join(map(str, fault["loc"]))),
        )
        for fault in error.errors(include_url=False)
    ]
    where = f" in {file}" if file else ""
    plural = "s" if len(problems) > 1 else ""
    return ConfigError(f"{len(problems)} problem{plural}{where}", problems=problems)


def _sentence(kind: str, message: str) -> str:
    match kind:
        case "extra_forbidden":
            return "there is no such setting"
        case "missing":
            return "this setting is missing"
        case _:
            return message.removeprefix("Value error, ")


def _hint(kind: str, key: str) -> str:
    if key in {"library", "library.root"} and kind == "missing":
        return "Name the music folder with --music DIR, or in the file as [library] root"
    if key in {"dataset", "dataset.path"} and kind == "missing":
        return "Name the dataset folder with --dataset DIR, or in the file as [dataset] path"
    if kind == "extra_forbidden":
        return "`melwatch init --print` shows every setting with its default"
    return ""


def _check_folders(config: Config) -> None:
    problems = []
    root = config.library.root
    for key, folder in (("dataset.path", config.dataset.path), ("dataset.state", config.dataset.state)):
        if folder is None:
            continue
        if root == folder or (folder in root.parents and key == "dataset.state"):
            problems.append(
                ConfigProblem(key=key, what=f"{folder} holds the music itself", hint="Choose a folder apart")
            )
        elif root in folder.parents and not _is_excluded(folder.relative_to(root), config.library.exclude):
            hint = "Choose a folder elsewhere, or list its top-level folder in library.exclude"
            problems.append(ConfigProblem(key=key, what=f"{folder} lies inside the music root {root}", hint=hint))
    if not _is_utf8(config.dataset.path):
        hint = "Arrow and datasets can only write to folders with readable names"
        problems.append(ConfigProblem(key="dataset.path", what="this folder's name is not text", hint=hint))
    if (config.dataset.path / "music_lib") in (root, *root.parents):
        problems.append(ConfigProblem(key="library.root", what=f"{root} lies inside the dataset"))
    if problems:
        raise ConfigError("The folders get in each other's way", problems=problems)


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_excluded(relative: Path, exclude: tuple[str, ...]) -> bool:
    from melwatch.names import folded

    return folded(relative.parts[0]) in {folded(name) for name in exclude}
