"""Commands that copy a version elsewhere: export, push, pull."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from melwatch.config.secret import without_password
from melwatch.dataset.storage import Storage, is_url, local_path, storage_options
from melwatch.errors import ConfigError
from melwatch.platform.nesting import require_apart
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.commands.history import Number, published, with_versions
from melwatch_service.progress import progress_for_console
from melwatch_service.tell import tell

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.passes.workshop import Workshop

Options = Annotated[
    list[str] | None,
    typer.Option(
        "--storage-option",
        metavar="KEY=VALUE",
        help="For the driver of a URL, as endpoint_url=https://...; may be given again. Secrets are better kept in "
        "the environment or in fsspec's own configuration.",
    ),
]
WithMetadata = Annotated[
    bool,
    typer.Option("--with-metadata", help="Keep the paths of the files; otherwise rows tell a digest of the sound."),
]
Public = Annotated[bool, typer.Option("--public", help="Let everybody see it; otherwise it is private.")]


@command()
def export(
    given: Given,
    number: Number,
    target: Annotated[
        str,
        typer.Argument(
            metavar="DIR|URL",
            help="A folder that does not exist yet or is empty, or a URL such as s3://bucket/name, gs://, az://, "
            "sftp://host/path, hf://datasets/USER/NAME.",
        ),
    ],
    *,
    with_metadata: WithMetadata = False,
    storage_option: Options = None,
    public: Annotated[bool, typer.Option("--public", help="With hf://: let everybody see it.")] = False,
) -> None:
    """Copy a version to a folder or URL that needs neither melwatch nor this dataset, as save_to_disk would write it.

    It tells no path, title, artist or album unless --with-metadata. A URL needs its driver, as s3fs for s3://.
    What broke off goes on when the same command is run again, and is not opened by anybody before it is whole.
    """
    shop = given.workshop()
    folder = with_versions(shop.folder)
    if target.startswith("hf://"):
        _push(folder, number, target, is_public=public, with_metadata=with_metadata)
        return
    from melwatch.dataset import export as copies

    options = storage_options(storage_option or [])
    with progress_for_console() as progress:
        if is_url(target):
            storage = Storage.open(target, options)
            _require_apart(storage.folder, shop)
            written = copies.upload(folder, number, storage, with_metadata=with_metadata, progress=progress)
        else:
            path = local_path(target)
            _require_apart(path, shop)
            written = copies.export(folder, number, path, with_metadata=with_metadata, progress=progress)
    shown = without_password(target)
    if written:
        tell([f"Wrote version {number} to {shown}, {written / 1e6:,.1f} MB; datasets.load_from_disk opens it."])
    else:
        tell([f"Version {number} is at {shown} already, whole."])


def _require_apart(target: Path | None, shop: Workshop) -> None:
    """Raise `ConfigError` where an export would lie in what melwatch reads or keeps itself."""
    if target is not None:
        require_apart(target, shop.folder.path, "the dataset folder")
        require_apart(target, shop.config.library.root, "the music root")
        require_apart(target, shop.state.path, "the state folder")


@command()
def push(
    given: Given,
    number: Number,
    repo: Annotated[str, typer.Argument(metavar="USER/NAME", help="The dataset on the Hugging Face hub.")],
    *,
    public: Public = False,
    with_metadata: WithMetadata = False,
) -> None:
    """Push a version to the Hugging Face hub, private unless --public, by the token of HF_TOKEN or `hf auth login`.

    It tells no path, title, artist or album unless --with-metadata.
    """
    _push(published(given), number, repo, is_public=public, with_metadata=with_metadata)


def _push(folder: DatasetFolder, number: int, where: str, *, is_public: bool, with_metadata: bool) -> None:
    from melwatch.dataset import hub

    repo = hub.repo_of(where)
    hub.push(folder, number, repo, is_public=is_public, with_metadata=with_metadata)
    tell([f"Pushed version {number} to {repo}, {'public' if is_public else 'private'}."])


@command()
def pull(
    given: Given,
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="A dataset folder, as on a network share, or a URL of one.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="DST", help="A folder that does not exist yet, or that a pull has made.")
    ],
    *,
    version: Annotated[
        int | None, typer.Option("--version", metavar="N", help="Which version; the current one unless given.")
    ] = None,
    storage_option: Options = None,
) -> None:
    """Copy a version of a dataset, with those shards only that the copy lacks; nothing is configured for it.

    The copy shows the old version or the new one at any moment, also while SRC is published to and collected.
    datasets.load_from_disk and melwatch.load open it. Run it again, as from cron, to bring it up to date.
    """
    del given  # takes part in no configuration
    from melwatch.pull import pull as fetch

    if is_url(target):
        raise ConfigError(f"{without_password(target)} is no folder of this machine", "A pull writes to one only.")
    storage = Storage.open(source, storage_options(storage_option or []))
    with progress_for_console() as progress:
        done = fetch(storage, local_path(target), version=version, now=utc_now(), progress=progress)
    tell([f"Version {done.number} is in {target}: {done.shards:,} shards fetched, {done.bytes / 1e6:,.1f} MB."])
    if done.removed:
        tell([f"Removed older versions, {done.removed / 1e6:,.1f} MB."])
