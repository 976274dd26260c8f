"""The configuration of an installed service: written once, then the person's; removed only as it was written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from melwatch.config.instance import Scope
from melwatch.config.settings import default_dataset, load_config
from melwatch.errors import ConfigError
from melwatch.platform.disk import replace_file
from melwatch_service.template import config_text

if TYPE_CHECKING:
    from melwatch.config.instance import Instance
    from melwatch.config.sections import Config

_MARK = "# Written by `melwatch service install`, and yours from now on; as it was written its digest is "


def write_config(instance: Instance, *, music: Path | None, dataset: Path | None, copy_of: Path | None) -> bool:
    """Write the configuration of a service where there is none; return whether that was so.

    Raises `ConfigError` where one exists that says something else, or too little is known to write one.
    """
    file = instance.config_file
    if file.exists():
        _require_agreement(instance, load_config(file), music, dataset, copy_of)
        return False
    text = _copied(copy_of, music, dataset) if copy_of is not None else _composed(instance, music, dataset)
    _write(file, _marked(text), for_all=instance.scope is Scope.SYSTEM)
    try:
        _check(instance, load_config(file), copy_of)
    except ConfigError:
        remove_config(instance)
        raise
    return True


def is_untouched(instance: Instance) -> bool:
    """Whether the configuration is there just as `write_config` wrote it."""
    try:
        first, _, rest = instance.config_file.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return False
    return first == _MARK + _digest(rest)


def remove_config(instance: Instance) -> None:
    """Remove the configuration, and its folder if nothing else is in it."""
    instance.config_file.unlink(missing_ok=True)
    try:
        instance.config_file.parent.rmdir()
    except OSError:  # others have theirs there
        return


def _composed(instance: Instance, music: Path | None, dataset: Path | None) -> str:
    if music is None:
        raise ConfigError("Nothing says yet where the music is", "Name it with --music DIR.")
    if dataset is None and instance.scope is Scope.SYSTEM:
        # The home of whoever installs is not that of the account it runs as.
        raise ConfigError("Nothing says yet where the dataset goes", "Name it with --dataset DIR.")
    return config_text(music, dataset or default_dataset(music), instance.state_folder)


def _copied(file: Path, music: Path | None, dataset: Path | None) -> str:
    if music is not None or dataset is not None:
        raise ConfigError("--config says already where music and dataset are", "Leave out --music and --dataset.")
    load_config(file)  # says what is wrong with it
    return file.read_text(encoding="utf-8")


def _require_agreement(
    instance: Instance, known: Config, music: Path | None, dataset: Path | None, copy_of: Path | None
) -> None:
    wishes = (("--music", music, known.library.root), ("--dataset", dataset, known.dataset.path))
    for option, wish, fact in wishes:
        if wish is not None and Path(os.path.abspath(wish.expanduser())) != fact:
            raise _another(instance, f"it says {fact} where {option} says {wish}")
    if copy_of is not None and load_config(copy_of) != known:
        raise _another(instance, f"it differs from {copy_of}")
    _check(instance, known, copy_of)


def _another(instance: Instance, difference: str) -> ConfigError:
    hint = f"Edit it, or install another service beside it with --name. (This one is {instance.name}.)"
    return ConfigError(f"There is a configuration already in {instance.config_file}, and {difference}", hint)


def _check(instance: Instance, config: Config, copy_of: Path | None) -> None:
    if instance.state_folder is not None and config.dataset.state is None:
        raise ConfigError(
            f"{copy_of or instance.config_file} does not say where a service of the machine keeps what it knows",
            f"Write under [dataset]: state = '{instance.state_folder}'",
        )
    if copy_of is not None and load_config(copy_of) != config:
        raise ConfigError(f"{copy_of} means something else in another folder", "Write whole paths in it.")


def _write(file: Path, text: str, *, for_all: bool) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode())
        if for_all:  # whatever the umask of whoever installs
            file.parent.chmod(0o755)
            file.chmod(0o644)
    except OSError as error:
        hint = "A service of the machine is installed by an administrator; --user is for your own." if for_all else ""
        raise ConfigError(f"{file} cannot be written: {error.strerror}", hint) from None


def _marked(text: str) -> str:
    return f"{_MARK}{_digest(text)}\n{text}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
