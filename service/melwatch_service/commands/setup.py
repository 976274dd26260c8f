"""`melwatch init`: a commented configuration file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from melwatch.config.settings import default_config_file
from melwatch.errors import ConfigError
from melwatch.platform.disk import replace_file
from melwatch_service.commands.app import Given, command
from melwatch_service.tell import tell
from melwatch_service.template import config_text


@command()
def init(
    given: Given,
    *,
    to_stdout: Annotated[bool, typer.Option("--print", help="Print it instead of writing a file.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a configuration file with every setting explained.

    --music and --dataset fill in the two folders; --config says where the file goes.
    """
    root = given.music or Path.home() / "Music"
    dataset = given.dataset or Path.home() / "datasets" / "music"
    text = config_text(root, dataset)
    if to_stdout:
        sys.stdout.write(text)
        return
    file = given.config or default_config_file()
    if file.exists() and not force:
        raise ConfigError(f"{file} exists already", "--force replaces it.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode())
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
    tell([f"Wrote {file}"])
