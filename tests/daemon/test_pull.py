"""A copy of a dataset elsewhere, kept up to date."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import fsspec
import pytest
from datasets import DatasetDict, load_dataset, load_from_disk

import melwatch
from editions import Press, songs
from melwatch.dataset import distant, install, layout, soundness
from melwatch.dataset.collect import Limits, find_garbage, remove_garbage
from melwatch.dataset.layout import DatasetFolder
from melwatch.dataset.storage import Storage
from melwatch.errors import ConfigError, DegradedError, LockedError
from melwatch.manifest.lock import locked
from melwatch.progress import Unwatched
from melwatch.pull import Pulled, pull

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2024, 1, 1, tzinfo=UTC)
"""When versions of the press are published."""


@pytest.fixture
def press(tmp_path: Path) -> Press:
    """Two versions that share shards."""
    press = Press(place=tmp_path / "press")
    press.publish(songs(240))
    press.publish(songs(252))
    return press


def fetch(source: object, target: Path, version: int | None = None, now: datetime = NOW) -> Pulled:
    return pull(Storage.open(str(source)), target, version=version, now=now, progress=Unwatched())


def values(opened: Any) -> dict[str, list[dict[str, Any]]]:
    assert isinstance(opened, DatasetDict)
    return {split: part.with_format(None).to_list() for split, part in opened.items()}


def is_sound(target: Path, number: int) -> bool:
    """Whether all that a reader of the copy may meet is as it was written."""
    folder = DatasetFolder(target, "")
    return (
        not soundness.faults(folder, number)
        and not install.differences(folder, number)
        and all(soundness.is_whole_shard(folder, path) for path in soundness.shards_of(folder, number))
    )


def files(target: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of every file below a folder, by name."""
    facts = {path.relative_to(target).as_posix(): path.stat() for path in target.rglob("*") if path.is_file()}
    return {name: (fact.st_ino, fact.st_mtime_ns) for name, fact in facts.items() if name != "lock"}


@pytest.mark.parametrize("below", ["", "music_lib"])
def test_a_copy_opens_like_its_source(press: Press, tmp_path: Path, below: str) -> None:
    """By `load_from_disk`, `melwatch.load` and `load_dataset`, every row the same; a copy can be copied."""
    expected = values(melwatch.load(press.folder.path))

    done = fetch(press.folder.path / below, tmp_path / "copy")
    fetch(tmp_path / "copy", tmp_path / "another")

    assert done.number == 2
    shutil.rmtree(press.place)
    for copy in (tmp_path / "copy", tmp_path / "another"):
        assert values(load_from_disk(str(copy))) == values(melwatch.load(copy)) == expected
        assert melwatch.current_version(copy) == 2
        assert is_sound(copy, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"copy", "another"}
    assert values(load_dataset(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))) == expected


def test_only_what_is_missing_travels(press: Press, tmp_path: Path) -> None:
    """A second pull fetches the new shards, a third touches no file; an old version is had by its number."""
    first = fetch(press.folder.path, tmp_path / "copy", version=1)
    before = files(tmp_path / "copy")
    second = fetch(press.folder.path, tmp_path / "copy")
    after = files(tmp_path / "copy")
    third = fetch(press.folder.path, tmp_path / "copy")

    shared = layout.shards_of_version(press.folder, 1) & layout.shards_of_version(press.folder, 2)
    assert shared
    assert (first.number, second.number, third.number) == (1, 2, 2)
    assert second.shards == len(layout.shards_of_version(press.folder, 2) - shared)
    assert all(before[path] == after[path] for path in shared)
    assert (third.shards, third.bytes, files(tmp_path / "copy")) == (0, 0, after)
    fetch(press.folder.path, tmp_path / "copy", version=1)
    assert melwatch.current_version(tmp_path / "copy") == 1
    assert values(load_from_disk(str(tmp_path / "copy"))) == values(melwatch.load(press.folder.path, version=1))
    with pytest.raises(ConfigError, match="no version 7"):
        fetch(press.folder.path, tmp_path / "copy", version=7)


def test_a_copy_comes_from_a_url_too(press: Press, tmp_path: Path) -> None:
    """As from a folder."""
    memory, root = fsspec.core.url_to_fs(f"memory://{uuid4().hex}/music")
    memory.put(str(press.folder.path), root, recursive=True)

    fetch(memory.unstrip_protocol(root), tmp_path / "copy")

    assert values(melwatch.load(tmp_path / "copy")) == values(melwatch.load(press.folder.path))
    assert is_sound(tmp_path / "copy", 2)


def test_a_version_that_is_collected_meanwhile_is_left_for_the_newer_one(
    press: Press, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard that vanishes under the copying is no error: it begins anew with what is current then."""
    shards = sorted(layout.shards_of_version(press.folder, 2))
    blocks = Storage.blocks

    def collecting(self: Storage, name: str) -> Any:
        if name == shards[1] and press.number == 2:
            press.publish(songs(60, ("Jazz", "Rock", "Soul")), recipe="other")
            limits = Limits(keep_versions=1, keep_hours=0, now=NOW + timedelta(days=1))
            remove_garbage(press.folder, find_garbage(press.folder, limits, needed=()))
        return blocks(self, name)

    monkeypatch.setattr(Storage, "blocks", collecting)
    done = fetch(press.folder.path, tmp_path / "copy")

    assert press.folder.version_numbers() == [3]
    assert done.number == 3
    assert values(load_from_disk(str(tmp_path / "copy"))) == values(melwatch.load(press.folder.path))
    assert is_sound(tmp_path / "copy", 3)


def test_a_shard_that_is_gone_for_good_ends_it(press: Press, tmp_path: Path) -> None:
    """After a few attempts, with the copy's old version whole."""
    fetch(press.folder.path, tmp_path / "copy", version=1)
    lost = min(layout.shards_of_version(press.folder, 2) - layout.shards_of_version(press.folder, 1))
    press.folder.shard(lost).unlink()
    with pytest.raises(DegradedError, match=f"{lost} .* it is missing"):
        fetch(press.folder.path, tmp_path / "copy")
    assert melwatch.current_version(tmp_path / "copy") == 1
    assert is_sound(tmp_path / "copy", 1)


def test_a_damaged_shard_is_not_taken_over(press: Press, tmp_path: Path) -> None:
    """Its name is the digest of its bytes; nothing of it stays."""
    shard = press.folder.shard(min(layout.shards_of_version(press.folder, 2)))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DegradedError, match="other bytes"):
        fetch(press.folder.path, tmp_path / "copy")
    assert not list(tmp_path.glob(f"copy/*/*{shard.stem}*"))
    assert not (tmp_path / "copy" / "current.json").exists()


@pytest.mark.parametrize("has_digests", [True, False])
@pytest.mark.parametrize("damage", ["cut", "deleted"])
def test_a_damaged_file_of_the_source_is_named(press: Press, tmp_path: Path, damage: str, *, has_digests: bool) -> None:
    """It is nothing of one's own that is damaged (exit code 1), also where the source is too old to tell digests."""
    fetch(press.folder.path, tmp_path / "copy", version=1)
    home = press.folder.version(2)
    made = layout.read_json(home / "version.json")
    if not has_digests:
        (home / "version.json").write_text(json.dumps({**made, "files": {}, "shards": {}}))
    for name in [*distant._FILES, "version.json", "current.json", "../../current.json"]:
        file = home / name
        content = file.read_bytes()
        if damage == "deleted":
            file.unlink()
        else:
            file.write_bytes(content[: len(content) // 2])
        if (name, has_digests) == ("README.md", False) and damage == "cut":
            pass  # nothing tells
        elif (name, damage) == ("../../current.json", "deleted"):
            with pytest.raises(ConfigError, match="no dataset"):
                fetch(press.folder.path, tmp_path / "copy")
        else:
            with pytest.raises(DegradedError, match=f"{file.parent.name}/{file.name} ") as caught:
                fetch(press.folder.path, tmp_path / "copy")
            assert caught.value.exit_code == 1
            assert caught.value.hint
        file.write_bytes(content)
    assert is_sound(tmp_path / "copy", 1)
    fetch(press.folder.path, tmp_path / "copy")
    assert is_sound(tmp_path / "copy", 2)


def test_one_that_was_killed_goes_on(press: Press, tmp_path: Path) -> None:
    """Whatever it was at, the next one fetches the rest, and leaves nothing of the first."""
    code = (
        "import os, sys\n"
        "from melwatch.dataset import distant\n"
        "put, left = distant.put_in_place, [3]\n"
        "def dying(beside, path):\n"
        "    left[0] -= 1\n"
        "    os._exit(9) if left[0] == 0 else put(beside, path)\n"
        "distant.put_in_place = dying\n"
        "from melwatch_service.cli import run\n"
        "run(['pull', sys.argv[1], sys.argv[2]])\n"
    )
    command = [sys.executable, "-c", code, str(press.folder.path), str(tmp_path / "copy")]
    assert subprocess.run(command, check=False, timeout=100).returncode == 9
    assert list(tmp_path.glob("copy/*/.*melwatch-tmp"))

    done = fetch(press.folder.path, tmp_path / "copy")

    assert done.shards == len(layout.shards_of_version(press.folder, 2)) - 2
    assert is_sound(tmp_path / "copy", 2)
    assert not list(tmp_path.glob("copy/*/.*melwatch-tmp"))


def test_nothing_but_a_copy_is_written_to(press: Press, tmp_path: Path) -> None:
    """Neither a dataset of melwatch's, nor what a person keeps, nor a copy of another dataset, nor one being made."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.txt").write_text("x")
    before = files(press.folder.path)
    other = Press(place=tmp_path / "other")
    other.publish(songs(12))
    for target in (press.folder.path, press.folder.library, tmp_path / "mine", tmp_path / "mine" / "x.txt"):
        with pytest.raises(ConfigError, match="no copy by"):
            fetch(other.folder.path, target)
    assert files(press.folder.path) == before

    for current in other.folder.library.rglob("current.json"):
        current.write_bytes(current.read_bytes().replace(b'"dataset"', b'"dataset2"'))
    fetch(press.folder.path, tmp_path / "copy")
    with pytest.raises(ConfigError, match="another dataset"):
        fetch(other.folder.path, tmp_path / "copy")
    with locked(tmp_path / "copy", NOW), pytest.raises(LockedError):
        fetch(press.folder.path, tmp_path / "copy")
    with pytest.raises(ConfigError, match="no dataset of melwatch"):
        fetch(tmp_path / "mine", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match="did not write"):
        layout.read_current(DatasetFolder(tmp_path / "copy"))


@pytest.mark.parametrize("form", ["{}", "file://{}", "local://{}"])
def test_source_and_copy_may_not_lie_in_one_another(press: Press, tmp_path: Path, form: str) -> None:
    """Whatever the source is written like, and whatever links lead there; nothing is written."""
    fetch(press.folder.path, tmp_path / "copy")
    inside = Press(place=tmp_path / "copy" / "inside")
    inside.publish(songs(12))
    (tmp_path / "link").symlink_to(tmp_path / "press")
    dataset, copy = press.folder.path, tmp_path / "copy"
    before = files(tmp_path)
    for source, target in (
        (dataset, dataset / "new"),
        (dataset, tmp_path / "link" / "dataset" / "new"),
        (tmp_path / "link" / "dataset", dataset / "music_lib" / "new" / "newer"),
        (press.folder.library, press.folder.library / "new"),
        (copy, copy),
        (copy, copy / "new"),
        (inside.folder.path, copy),
    ):
        with pytest.raises(ConfigError, match=r"(lies in|holds) what is to be copied"):
            fetch(form.format(source), target)
    assert files(tmp_path) == before


def test_old_versions_of_a_copy_go_as_in_a_dataset(press: Press, tmp_path: Path) -> None:
    """After a week and three versions, with the shards that only they need; a reader's own files stay."""
    fetch(press.folder.path, tmp_path / "copy", version=1)
    own = tmp_path / "copy" / "train" / "cache-0123.arrow"
    own.write_bytes(b"mine")
    fetch(press.folder.path, tmp_path / "copy")
    for _ in range(2):
        press.publish(songs(24, ("Jazz", "Rock")), recipe=f"other {press.number}")
        done = fetch(press.folder.path, tmp_path / "copy")
    assert done.removed == 0
    copy = DatasetFolder(tmp_path / "copy", "")

    done = fetch(press.folder.path, tmp_path / "copy", now=NOW + timedelta(days=8))

    assert done.removed > 0
    assert copy.version_numbers() == [2, 3, 4]
    referred = set().union(*(layout.shards_of_version(copy, number) for number in (2, 3, 4)))
    shards = {path.relative_to(copy.library).as_posix() for path in copy.library.glob("*/*.arrow")}
    assert shards == referred | {"train/cache-0123.arrow"}
    assert is_sound(tmp_path / "copy", 4)
    fetch(press.folder.path, tmp_path / "copy", version=1, now=NOW + timedelta(days=8))
    assert melwatch.current_version(tmp_path / "copy") == 1
    assert is_sound(tmp_path / "copy", 1)


@pytest.mark.parametrize(
    "filename", ["../../../train/..", f"/srv/other/{'0' * 32}.arrow", f"../../../test/{'0' * 32}.arrow"]
)
def test_a_source_cannot_lead_out_of_the_folder(press: Press, tmp_path: Path, filename: str) -> None:
    """A shard that has no digest for a name, or lies elsewhere, is neither written nor read anywhere."""
    state, made = (press.folder.version(2) / name for name in ("train/state.json", "version.json"))
    digest = soundness.digest_of(state.read_bytes())
    said = layout.read_json(state)
    said["_data_files"][0]["filename"] = filename
    state.write_text(json.dumps(said), encoding="utf-8")
    made.write_bytes(made.read_bytes().replace(digest.encode(), soundness.digest_of(state.read_bytes()).encode()))
    with pytest.raises(DegradedError, match=r"train/state\.json .* did not write"):
        fetch(press.folder.path, tmp_path / "copy")
    assert not (tmp_path / "copy" / "train").exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("version.json", {"files": {"/dev/zero": "0"}}),
        ("version.json", {"files": {"../../../../x": "0"}}),
        ("version.json", {"files": []}),
        ("version.json", {"shards": {"train/x": "much"}}),
        ("current.json", {"published_at": "2024-01-01T00:00:00"}),
        ("current.json", {"published_at": 5}),
        ("dataset_dict.json", {"splits": ["../../elsewhere"]}),
        ("train/dataset_info.json", {"features": None}),
        ("train/state.json", {"_data_files": []}),
        ("train/state.json", {"_data_files": [{"filename": 1}]}),
    ],
)
def test_a_hostile_source_is_refused_in_a_sentence(
    press: Press, tmp_path: Path, name: str, changes: dict[str, Any]
) -> None:
    """Whatever its small files say; the copy keeps what it had."""
    fetch(press.folder.path, tmp_path / "copy", version=1)
    home = press.folder.version(2)
    made = layout.read_json(home / "version.json")
    made["files"].pop(name, None)
    (home / "version.json").write_text(json.dumps(made))
    (home / name).write_text(json.dumps(layout.read_json(home / name) | changes))
    with pytest.raises(DegradedError, match=f"000002/{name} "):
        fetch(press.folder.path, tmp_path / "copy")
    assert is_sound(tmp_path / "copy", 1)
    assert not (tmp_path / "copy" / "versions" / "000002").exists()


def test_nothing_is_read_beyond_the_size_of_a_shard(press: Press, tmp_path: Path) -> None:
    """Nor is JSON followed without end."""
    shard = press.folder.shard(min(layout.shards_of_version(press.folder, 2)))
    shard.write_bytes(shard.read_bytes() + bytes(1 << 24))
    with pytest.raises(DegradedError, match="other bytes"):
        fetch(press.folder.path, tmp_path / "copy")
    (press.folder.library / "current.json").write_text("[" * 1_000_000)
    with pytest.raises(DegradedError, match="damaged"):
        fetch(press.folder.path, tmp_path / "copy")
