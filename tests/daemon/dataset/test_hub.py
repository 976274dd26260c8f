"""Pushing to the hub, up to what `datasets` itself does: the hub of these tests keeps what it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

import melwatch
from editions import Press, songs
from melwatch.dataset import layout
from melwatch.dataset.hub import push, repo_of
from melwatch.errors import ConfigError, DegradedError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import DatasetDict


@dataclass
class Shelf:
    """A hub that keeps what is pushed."""

    its_token: str | None = "token"  # noqa: S105  of nobody
    public: bool | None = None
    error: Exception | None = None
    pushed: list[tuple[DatasetDict, str, str, bool]] = field(default_factory=list)

    def token(self) -> str | None:
        return self.its_token

    def is_public(self, repo: str, token: str) -> bool | None:
        del repo, token
        return self.public

    def push(self, dataset: DatasetDict, repo: str, token: str, *, is_private: bool) -> None:
        if self.error is not None:
            raise self.error
        self.pushed.append((dataset, repo, token, is_private))


@pytest.fixture
def press(tmp_path: Path) -> Press:
    """A version with all columns."""
    press = Press(place=tmp_path)
    press.publish(songs(240), columns=("track_id", "window", "start_s"))
    return press


def values(opened: DatasetDict) -> dict[str, list[dict[str, Any]]]:
    return {split: part.with_format(None).to_list() for split, part in opened.items()}


def test_it_is_private_and_without_names_unless_that_is_asked_for(press: Press) -> None:
    """Rows, columns and features are the version's, and `paths` tells the song, as `track_id` does."""
    hub, version = Shelf(), melwatch.load(press.folder.path)
    push(press.folder, 1, "me/music", is_public=False, with_metadata=False, hub=hub)
    push(press.folder, 1, "me/open", is_public=True, with_metadata=True, hub=hub)

    (nameless, repo, token, is_private), (named, _, _, other_is_private) = hub.pushed
    assert (repo, token, is_private, other_is_private) == ("me/music", "token", True, False)
    assert values(named) == values(version)
    expected = {split: [row | {"paths": row["track_id"]} for row in rows] for split, rows in values(version).items()}
    assert values(nameless) == expected
    for split, part in nameless.items():
        assert (part.features, part.column_names) == (version[split].features, version[split].column_names)


def test_what_is_public_already_is_not_written_to_unasked(press: Press) -> None:
    """`datasets` would not make it private."""
    hub = Shelf(public=True)
    with pytest.raises(ConfigError, match="public"):
        push(press.folder, 1, "me/music", is_public=False, with_metadata=False, hub=hub)
    assert not hub.pushed


def test_what_the_hub_refuses_is_told(press: Press) -> None:
    """No token, no right, no network, no version: each in a sentence, with a hint."""
    refusal = OSError("403 Forbidden")
    refusal.response = type("Response", (), {"status_code": 403})()  # type: ignore[attr-defined]
    for hub, kind, words in (
        (Shelf(its_token=None), ConfigError, "token"),
        (Shelf(error=refusal), ConfigError, "refuses"),
        (Shelf(error=ConnectionError("no route")), DegradedError, "no route"),
        (Shelf(error=RuntimeError("of a library below")), DegradedError, "RuntimeError"),
    ):
        with pytest.raises(kind, match=words) as caught:
            push(press.folder, 1, "me/music", is_public=False, with_metadata=False, hub=hub)
        assert caught.value.hint
    with pytest.raises(ConfigError, match="no version 9"):
        push(press.folder, 9, "me/music", is_public=False, with_metadata=False, hub=Shelf())


@pytest.mark.parametrize("with_metadata", [True, False])
def test_what_is_damaged_is_not_pushed(press: Press, *, with_metadata: bool) -> None:
    """Neither numbers nor what tells of them; it is one's own state (exit code 4). All is well with it again."""
    home = press.folder.version(1)
    shard = press.folder.shard(min(layout.shards_of_version(press.folder, 1)))
    needed = [shard, home / "train" / "state.json", home / "test" / "dataset_info.json", home / "version.json"]
    for file in [*needed, *([] if with_metadata else [home / "tracks.parquet"])]:
        content = file.read_bytes()
        half = len(content) // 2
        for damaged in (content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :], content[:half], None):
            file.unlink()
            if damaged is not None:
                file.write_bytes(damaged)
            if file.name == "version.json" and damaged is not None and len(damaged) == len(content):
                continue  # no digest of it is kept
            with pytest.raises(StoreError, match=file.name):
                push(press.folder, 1, "me/music", is_public=False, with_metadata=with_metadata, hub=(hub := Shelf()))
            assert not hub.pushed
            file.write_bytes(content)
        file.write_bytes(content)
    push(press.folder, 1, "me/music", is_public=False, with_metadata=with_metadata, hub=(hub := Shelf()))
    assert hub.pushed


def test_a_dataset_on_the_hub_has_a_user_and_a_name() -> None:
    """As it stands in its URL, or behind hf://datasets/."""
    assert repo_of("me/music") == repo_of("hf://datasets/me/music/") == "me/music"
    for wrong in ("music", "hf://me/music", "hf://datasets/me/music/train", "hf://spaces/me/music", "../x"):
        with pytest.raises(ConfigError):
            repo_of(wrong)
