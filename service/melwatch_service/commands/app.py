"""What all commands share: the application, the options that say where things are, and logging."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from melwatch.assemble import open_workshop
from melwatch.config.settings import load_config
from melwatch.version import __version__
from melwatch_service.logs import set_up_logging

if TYPE_CHECKING:
    from collections.abc import Callable

    from melwatch.config.sections import Config
    from melwatch.passes.workshop import Workshop

app = typer.Typer(
    name="melwatch",
    help=(
        "Keep a dataset of log-mel spectrograms in step with a music library.\n\n"
        "One folder per genre goes in; a Hugging Face DatasetDict with train, validate and test comes out, "
        "and only new or changed songs are worked on.\n\n"
        "Start with: melwatch sync --music DIR --dataset DIR"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001  the form of such callbacks
    if wanted:
        typer.echo(f"melwatch {__version__}")
        raise typer.Exit


@app.callback()
def _all_commands(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    del version  # told by its callback


# Whether these may be read is for those to say who read them, as with folders that a file names.
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        readable=False,
        help="Configuration file; otherwise MELWATCH_CONFIG, the user's own, or an installed service's is read.",
    ),
]
Music = Annotated[
    Path | None,
    typer.Option(
        "--music", metavar="DIR", readable=False, help="The music root, one folder per genre; wins over library.root."
    ),
]
Dataset = Annotated[
    Path | None,
    typer.Option("--dataset", metavar="DIR", readable=False, help="The dataset folder; wins over dataset.path."),
]
State = Annotated[
    Path | None,
    typer.Option(
        "--state", metavar="DIR", readable=False, help="Where melwatch keeps what it knows; wins over dataset.state."
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Which installed service, where there are several."),
]
_PLACES = {"config": ConfigFile, "name": Name, "music": Music, "dataset": Dataset, "state": State}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says of where things are."""

    config: Path | None = None
    name: str | None = None
    music: Path | None = None
    dataset: Path | None = None
    state: Path | None = None

    def settings(self) -> Config:
        """Read the configuration, with the folders named on the command line."""
        config = load_config(self.config, name=self.name, music=self.music, dataset=self.dataset, state=self.state)
        set_up_logging(config.log)
        return config

    def workshop(self) -> Workshop:
        """Gather what work on the dataset needs."""
        return open_workshop(self.settings())


def command(name: str | None = None, *, of: typer.Typer = app) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function that takes a `Given` first a command, with --config, --music, --dataset, --state."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        signature = inspect.signature(function)
        own = [parameter.replace(annotation=hints[key]) for key, parameter in signature.parameters.items()][1:]
        places = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for key, kind in _PLACES.items()
        ]

        def run(**values: Any) -> None:  # noqa: ANN401  whatever the command takes
            given = Given(**{key: values.pop(key) for key in _PLACES})
            function(given, **values)

        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__signature__ = signature.replace(parameters=[*own, *places])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *places]}
        of.command(name)(run)
        return function

    return register


def utc_now() -> datetime:
    """Ask the clock: commands do, what they call does not."""
    return datetime.now(UTC)
