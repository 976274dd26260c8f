"""Where the configuration comes from: a TOML file, the environment, the command line; checked as a whole."""

from __future__ import annotations

import json
import os
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from melwatch.config.instance import Instance, find_instance
from melwatch.config.sections import Config, expanded
from melwatch.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Values: TypeAlias = dict[str, Any]
"""Settings by section and key, unchecked."""

_PREFIX = "MELWATCH_"
_VARIABLES = 'Variables are named MELWATCH_SECTION__KEY; lists are written as in JSON: ["Mixes"]'


def default_config_file() -> Path:
    """Where `melwatch init` writes and every command looks first when it is not told otherwise."""
    return Instance().config_file


def find_config_file(named: Path | None, *, name: str | None = None, may_be_service: bool = True) -> Path | None:
    """Return the configuration to read: the file named, or `MELWATCH_CONFIG`, or the one that is installed.

    Without `may_be_service` only the person's default file is considered of those installed.
    """
    if named is not None and name is not None:
        raise ConfigError("Both --config and --name say which configuration to read", "Leave one of them out.")
    if name is None and named is None and "MELWATCH_CONFIG" in os.environ:
        named = Path(os.environ["MELWATCH_CONFIG"])
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"There is no configuration file {named}", "`melwatch init` writes one.")
        return named
    if name is None and (default_config_file().is_file() or not may_be_service):
        default = default_config_file()
        return default if default.is_file() else None
    found = find_instance(name)
    return None if found is None else found.config_file


def load_config(
    file: Path | None = None,
    *,
    name: str | None = None,
    music: Path | None = None,
    dataset: Path | None = None,
    state: Path | None = None,
) -> Config:
    """Read and check the configuration; the folders given here win over environment and file.

    Raises `ConfigError` with every problem at once.
    """
    found = find_config_file(file, name=name, may_be_service=music is None and dataset is None)
    settings = _read_toml(found) if found else {}
    if found:
        _check_sections(settings, found)
        _anchor_paths(settings, found.parent)
    environment = _environment(os.environ)
    command_line = _sections(
        (("library", "root", music), ("dataset", "path", dataset), ("dataset", "state", state)),
    )
    values = _merged({"library": {}, "dataset": {}}, settings, environment, command_line)
    _default_dataset(values)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise _explained(error, found) from None
    _check_engine(config)
    _check_folders(config)
    return config


def _read_toml(file: Path) -> Values:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: {error}", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        hint = "Write Windows paths in single quotes: root = 'D:\\Music'"
        raise ConfigError(f"{file} is not valid TOML: {error}", hint) from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None


def _check_sections(settings: Values, file: Path) -> None:
    problems = [
        ConfigProblem(key=name, what="this is a section, not a value", hint=f"Write [{name}] on a line of its own")
        for name, value in settings.items()
        if name in Config.model_fields and not isinstance(value, dict)
    ]
    if problems:
        raise ConfigError(f"{file} is not laid out as it should be", problems=problems)


def _anchor_paths(settings: Values, folder: Path) -> None:
    """Let relative folders in a file mean: relative to that file."""
    for section, key in (("library", "root"), ("dataset", "path"), ("dataset", "state")):
        values = settings.get(section)
        if isinstance(values, dict) and isinstance(values.get(key), str):
            values[key] = values[key] if values[key].startswith("~") else folder / values[key]


def _environment(variables: Mapping[str, str]) -> Values:
    """Return what variables named MELWATCH_SECTION__KEY say."""
    found = []
    for name, value in variables.items():
        section, separator, key = name.removeprefix(_PREFIX).lower().partition("__")
        if not name.startswith(_PREFIX) or not (separator or section in Config.model_fields):
            continue
        try:
            found.append((section, key, json.loads(value) if value.startswith("[") else value))
        except ValueError as error:
            raise ConfigError(f"The variable {name} cannot be understood: {error}", _VARIABLES) from None
        if not key:
            raise ConfigError(f"The variable {name} names a section, not a setting", _VARIABLES)
    return _sections(found)


def _sections(settings: Iterable[tuple[str, str, object]]) -> Values:
    """Put settings (section, key, value) under their sections, those without a value left out."""
    sections: Values = {}
    for section, key, value in settings:
        if value is not None:
            sections.setdefault(section, {})[key] = value
    return sections


def _merged(*sources: Values) -> Values:
    """Return all settings, later sources over earlier ones."""
    merged: Values = {}
    for source in sources:
        for section, values in source.items():
            known = merged.get(section)
            if isinstance(known, dict) and isinstance(values, dict):
                merged[section] = {**known, **values}
            else:
                merged[section] = values
    return merged


def _default_dataset(values: Values) -> None:
    """Let a configuration that names only the music get `~/datasets/<its name>`."""
    root = values.get("library", {}).get("root")
    if isinstance(root, (str, Path)):
        values.setdefault("dataset", {}).setdefault("path", default_dataset(Path(root)))


def default_dataset(root: Path) -> Path:
    """Return where the dataset of a library goes when nobody says."""
    return Path.home() / "datasets" / _name_of(root)


def _name_of(root: Path) -> str:
    try:
        return expanded(root).name or "music"
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
    if key == "library.root" and kind == "missing":
        return "Name the music folder with --music DIR, or in the file as [library] root"
    if key == "dataset.path" and kind == "missing":
        return "Name the dataset folder with --dataset DIR, or in the file as [dataset] path"
    if kind == "tuple_type":
        return 'A list is written like ["Mixes", "Audiobooks"]'
    if kind == "extra_forbidden":
        return "`melwatch init --print` shows every setting with its default"
    return ""


def _check_engine(config: Config) -> None:
    if config.workers.engine == "dask" and find_spec("distributed") is None:
        what, hint = "Dask is not installed", 'pip install "melwatch[dask]"'
        raise ConfigError(
            "The engine cannot be used", problems=[ConfigProblem(key="workers.engine", what=what, hint=hint)]
        )


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
