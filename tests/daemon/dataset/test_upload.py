"""A version exported to a place that is reached by URL, here to the memory of fsspec and to a folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import fsspec
import pytest
from datasets import DatasetDict, load_from_disk

import melwatch
from editions import Press, songs
from melwatch.dataset.export import MARK, upload
from melwatch.dataset.storage import Storage
from melwatch.errors import ConfigError, DegradedError
from melwatch.progress import Unwatched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def press(tmp_path: Path) -> Press:
    """One version in several files."""
    press = Press(place=tmp_path / "press")
    press.publish(songs(240))
    return press


@pytest.fixture
def url() -> str:
    """A place in memory that no other test has."""
    return f"memory://{uuid4().hex}/data"


def send(press: Press, where: str, number: int = 1, **options: Any) -> int:
    return upload(press.folder, number, Storage.open(where), file_bytes=2_000, progress=Unwatched(), **options)


def files(url: str) -> dict[str, int]:
    """Return the bytes of every file, by name."""
    memory, root = fsspec.core.url_to_fs(url)
    return {name.removeprefix(f"{root}/"): memory.size(name) for name in memory.find(root)}


def values(opened: Any) -> dict[str, list[dict[str, Any]]]:
    assert isinstance(opened, DatasetDict)
    return {split: part.with_format(None).to_list() for split, part in opened.items()}


@pytest.mark.parametrize("with_metadata", [False, True])
def test_what_was_sent_is_what_was_published(press: Press, url: str, *, with_metadata: bool) -> None:
    """`load_from_disk` opens the URL, and all rows are there; songs stand for paths unless they are asked for."""
    written = send(press, url, with_metadata=with_metadata)

    version = melwatch.load(press.folder.path)
    expected = values(version)
    copy = load_from_disk(url)
    assert len([name for name in files(url) if name.startswith("train/data-")]) > 2
    assert written == sum(size for name, size in files(url).items() if name != MARK)
    assert (values(copy) == expected) is with_metadata
    for split, rows in values(copy).items():
        assert [row | {"paths": ""} for row in rows] == [row | {"paths": ""} for row in expected[split]]


def test_a_place_on_disk_by_url_is_like_any_other(press: Press, tmp_path: Path) -> None:
    """Folders are made where there are any."""
    send(press, f"local://{tmp_path}/deep/down")
    assert len(load_from_disk(str(tmp_path / "deep" / "down"))["train"]) == 160


class CutOffError(OSError):
    """The network is gone."""


def cut_off_after(n_bytes: int) -> Callable[..., Any]:
    """Return a way to write that ends after so many bytes, in the midst of a file."""
    left = n_bytes

    def write(self: fsspec.implementations.memory.MemoryFile, data: bytes) -> int:
        nonlocal left
        left -= len(data)
        if left < 0:
            super(type(self), self).write(data[: len(data) // 2])
            raise CutOffError("the network is gone")
        return super(type(self), self).write(data)

    return write


@pytest.mark.parametrize("n_bytes", [100, 9_000, 20_000, 33_000])
def test_an_export_that_broke_off_goes_on(
    press: Press, url: str, monkeypatch: pytest.MonkeyPatch, n_bytes: int
) -> None:
    """Nobody opens the half, only what is missing is sent again, and the end is as if nothing had happened."""
    whole = send(press, f"{url}-at-once")
    with monkeypatch.context() as patch:
        patch.setattr("fsspec.implementations.memory.MemoryFile.write", cut_off_after(n_bytes), raising=False)
        with pytest.raises(DegradedError, match="the network is gone"):
            send(press, url)
    half = files(url)
    with pytest.raises(FileNotFoundError):
        load_from_disk(url)

    written = send(press, url)

    sent = sum(size for name, size in half.items() if size == files(url)[name] and name != MARK)
    assert written == whole - sent
    assert files(url) == files(f"{url}-at-once")
    assert values(load_from_disk(url)) == values(load_from_disk(f"{url}-at-once"))
    assert send(press, url) == 0


def test_what_makes_it_whole_is_written_last(press: Press, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what says what it is to be, then spectrograms, a split's state after its files, `dataset_dict.json`."""
    order: list[str] = []
    require = Storage.require

    def noting(self: Storage, name: str, size: int) -> None:
        order.append(name)
        require(self, name, size)

    monkeypatch.setattr(Storage, "require", noting)
    send(press, url)

    assert order[0] == MARK
    assert order[-1] == "dataset_dict.json"
    first_state = next(place for place, name in enumerate(order) if name.endswith("state.json"))
    assert all(not name.endswith(".arrow") for name in order[first_state:])
    assert json.loads(fsspec.open(f"{url}/{MARK}").open().read())["version"] == 1


def test_nothing_else_is_written_over(press: Press, url: str) -> None:
    """Neither a stranger's files nor another version, form or dataset; after that all is as it was."""
    memory, root = fsspec.core.url_to_fs(url)
    memory.pipe_file(f"{root}/mine.txt", b"mine")
    with pytest.raises(ConfigError, match="no export"):
        send(press, url)
    assert files(url) == {"mine.txt": 4}
    send(press, f"{url}-1")
    before = files(f"{url}-1")
    press.publish(songs(246))
    for options in ({"number": 2}, {"with_metadata": True}):
        with pytest.raises(ConfigError, match="another export"):
            send(press, f"{url}-1", **options)
    assert files(f"{url}-1") == before


def test_a_file_that_arrived_short_is_noticed(press: Press, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that loses bytes without a word is not believed."""

    def short(self: Any, data: bytes) -> int:
        super(type(self), self).write(data[:-1])
        return len(data)

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.write", short, raising=False)
    with pytest.raises(DegradedError, match="bytes instead of"):
        send(press, url)
