"""A version as a dataset on the Hugging Face hub, pushed by `datasets` itself, which is imported for that."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from melwatch.dataset import anonymous, layout, soundness, tables
from melwatch.dataset.pins import require_version
from melwatch.dataset.read import load
from melwatch.edition import Split
from melwatch.errors import ConfigError, DegradedError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasets import DatasetDict

    from melwatch.dataset.layout import DatasetFolder

URL = "hf://"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_TOKEN_HINT = "Set HF_TOKEN to a token that may write, or run `hf auth login`."  # noqa: S105  it is a sentence


class Hub(Protocol):
    """What is asked of the hub; tests have one of their own."""

    def token(self) -> str | None:
        """Return the token of HF_TOKEN or of a login, None without one."""

    def is_public(self, repo: str, token: str) -> bool | None:
        """Whether a dataset is public, None where there is none yet."""

    def push(self, dataset: DatasetDict, repo: str, token: str, *, is_private: bool) -> None:
        """Send a dataset."""


class HuggingFace:
    """The hub as `huggingface_hub` and `datasets` know it."""

    def token(self) -> str | None:
        """Return the token of HF_TOKEN or of a login, None without one."""
        from huggingface_hub import get_token

        token: str | None = get_token()
        return token

    def is_public(self, repo: str, token: str) -> bool | None:
        """Whether a dataset is public, None where there is none yet."""
        from huggingface_hub import HfApi
        from huggingface_hub.utils import RepositoryNotFoundError  # type: ignore[attr-defined]

        try:
            return not HfApi(token=token).repo_info(repo, repo_type="dataset").private
        except RepositoryNotFoundError:
            return None

    def push(self, dataset: DatasetDict, repo: str, token: str, *, is_private: bool) -> None:
        """Send a dataset."""
        dataset.push_to_hub(repo, private=is_private, token=token)


def repo_of(where: str) -> str:
    """Return USER/NAME of that or of hf://datasets/USER/NAME; raises `ConfigError` for anything else."""
    repo = where.removeprefix(f"{URL}datasets/").rstrip("/")
    if not _REPO.fullmatch(repo):
        raise ConfigError(f"{where} is no dataset on the hub", "Write USER/NAME, or hf://datasets/USER/NAME.")
    return repo


def push(
    folder: DatasetFolder, number: int, repo: str, *, is_public: bool, with_metadata: bool, hub: Hub | None = None
) -> None:
    """Push a version to the hub, private unless `is_public`; raises `ConfigError` where it would be seen by all."""
    require_version(folder, number)
    hub = hub or HuggingFace()
    token = hub.token()
    if token is None:
        raise ConfigError("The hub wants a token, and there is none", _TOKEN_HINT)
    with _asking(repo):
        is_seen = hub.is_public(repo, token)
    if is_seen and not is_public:
        raise ConfigError(f"{repo} is there already, and public", "Add --public if all may see it, or name another.")
    shown = _shown(folder, number, with_metadata=with_metadata)
    with _asking(repo):
        hub.push(shown, repo, token, is_private=not is_public)


@contextmanager
def _asking(repo: str) -> Iterator[None]:
    """Tell in sentences what goes wrong, whatever the libraries below raise."""
    try:
        yield
    except Exception as error:
        raise _told(error, repo) from error


def _shown(folder: DatasetFolder, number: int, *, with_metadata: bool) -> DatasetDict:
    """Open a version, on wish with the digest of the song's sound in the place of paths; no number is copied.

    Raises `StoreError` where anything of it is not as it was written, and would be handed on.
    """
    soundness.require_sound(folder, number, () if with_metadata else (layout.TRACKS,))
    for path in sorted(layout.shards_of_version(folder, number)):
        _require_whole(folder, path)
    opened = load(folder.path, version=number)
    if with_metadata:
        return opened
    rows = tables.read_tracks(folder.version(number) / layout.TRACKS)
    for split in Split:
        part = opened[split]
        of_split = sorted((row for row in rows if row["split"] == split), key=lambda row: row["row"])
        songs = [row["audio_id"] for row in of_split for _ in range(row["windows"])]
        columns = part.column_names
        nameless: Any = part.remove_columns(anonymous.PATHS)
        opened[split] = nameless.add_column(anonymous.PATHS, songs).select_columns(columns)
    return opened


def _require_whole(folder: DatasetFolder, path: str) -> None:
    try:
        soundness.require_whole_shard(folder, path)
    except FileNotFoundError:
        what = f"The shard {folder.shard(path)} is missing"
        raise StoreError(what, "`melwatch verify` tells what else is.") from None


def _told(error: Exception, repo: str) -> ConfigError | DegradedError:
    answer = getattr(getattr(error, "response", None), "status_code", None)
    said = next(iter(str(error).strip().splitlines()), "")
    if answer in {401, 403}:
        return ConfigError(f"The hub refuses {repo} ({said})", _TOKEN_HINT)
    return DegradedError(f"The hub cannot be reached or fails ({type(error).__name__}: {said})", "Try again later.")
