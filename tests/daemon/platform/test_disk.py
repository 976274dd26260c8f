"""Files are old or new, never half."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from melwatch.errors import DegradedError
from melwatch.platform import disk, filesystem
from melwatch.platform.disk import (
    make_folder,
    put_in_place,
    remove,
    remove_temporaries,
    replace_file,
    replacing,
    temporary_beside,
)

if TYPE_CHECKING:
    from pathlib import Path


class PowerFailureError(Exception):
    """What ends a write in these tests."""


def write_half(file: Path, error: type[BaseException]) -> None:
    with replacing(file) as new:
        new.write(b"half")
        raise error


def names_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.mark.parametrize("durable", [False, True])
def test_the_new_content_appears_at_the_end_and_at_once(tmp_path: Path, *, durable: bool) -> None:
    """Whoever looks meanwhile sees the old content whole, and afterwards the new."""
    file = tmp_path / "card"
    file.write_bytes(b"old")

    with replacing(file, durable=durable) as new:
        new.write(b"new, ")
        new.flush()
        assert file.read_bytes() == b"old"
        new.write(b"and longer")

    assert file.read_bytes() == b"new, and longer"
    assert names_in(tmp_path) == {"card"}


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("error", [PowerFailureError, KeyboardInterrupt])
def test_after_an_exception_nothing_has_happened(tmp_path: Path, old: bytes | None, error: type[BaseException]) -> None:
    """An interrupted write leaves the folder as it was, also where there was no file yet."""
    file = tmp_path / "card"
    if old is not None:
        file.write_bytes(old)

    with pytest.raises(error):
        write_half(file, error)

    assert names_in(tmp_path) == (set() if old is None else {"card"})
    assert old is None or file.read_bytes() == old


def test_a_replace_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Where the file cannot be put in place, what was prepared is removed."""
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "inside").touch()

    with pytest.raises(OSError, match="card"), replacing(tmp_path / "card") as new:
        new.write(b"new")

    assert names_in(tmp_path) == {"card"}


def test_content_is_synced_before_it_is_put_in_place_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure finds the old file or the new one's whole content."""
    file = tmp_path / "card"
    done: list[str] = []
    sync = os.fsync

    def note(handle: int) -> None:
        done.append(f"{'new' if file.exists() else 'old'}: {temporary_beside(file).exists()}")
        sync(handle)

    monkeypatch.setattr(os, "fsync", note)
    with replacing(file) as new:
        new.write(b"new")

    assert done[0] == "old: True"
    assert set(done[1:]) <= {"new: False"}


def test_a_new_folder_is_synced_into_each_folder_above_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut what was synced below it can still be found; nothing is done where it is there already."""
    synced: list[Path] = []
    monkeypatch.setattr(filesystem, "sync_folder", synced.append)

    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").is_dir()
    assert synced == [tmp_path, tmp_path / "a"]


def test_a_leftover_of_the_same_process_id_is_no_obstacle(tmp_path: Path) -> None:
    """In a container every start has the same process id, so a crash's leftover may bear our own name."""
    file = tmp_path / "card"
    temporary_beside(file).write_bytes(b"half of something")

    with replacing(file) as new:
        new.write(b"new")

    assert file.read_bytes() == b"new"
    assert names_in(tmp_path) == {"card"}


def test_replace_file_tells_what_it_wrote(tmp_path: Path) -> None:
    """The bytes written are returned, and they are in the file."""
    assert replace_file(tmp_path / "card", b"new") == 3
    assert replace_file(tmp_path / "card", b"newer") == 5
    assert (tmp_path / "card").read_bytes() == b"newer"


def test_replace_file_leaves_an_equal_file_alone(tmp_path: Path) -> None:
    """Where the content is there already, nothing is written: it stays the same file."""
    file = tmp_path / "card"
    file.write_bytes(b"same")
    before = file.stat()

    assert replace_file(file, b"same") == 0
    assert file.stat() == before


def test_temporaries_are_removed_and_nothing_else(tmp_path: Path) -> None:
    """Only what a writer of ours prepared is removed, whichever process it was."""
    ours = [temporary_beside(tmp_path / "card").name, ".card.999999.melwatch-tmp", ".a.b c.1.melwatch-tmp"]
    others = ["card", "card.1.melwatch-tmp", ".card.melwatch-tmp", ".card.x.melwatch-tmp", ".card.1.melwatch-tmp.bak"]
    for name in [*ours, *others]:
        (tmp_path / name).touch()

    assert remove_temporaries(tmp_path) == len(ours)
    assert names_in(tmp_path) == set(others)


def test_a_missing_folder_holds_no_temporaries(tmp_path: Path) -> None:
    """Cleaning up before anything was made is no error."""
    assert remove_temporaries(tmp_path / "missing") == 0


def refuse(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Have the system say so many times that a file is in use, as Windows does; return when it was asked."""
    asked: list[int] = []
    replace = filesystem.replace

    def refusing(source: Path, target: Path) -> None:
        asked.append(len(asked))
        if len(asked) <= times:
            raise PermissionError(13, "in use")
        replace(source, target)

    monkeypatch.setattr(filesystem, "replace", refusing)
    monkeypatch.setattr(filesystem, "is_in_use", lambda error: isinstance(error, PermissionError))
    return asked


def test_a_file_in_use_is_replaced_once_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again, a little later each time."""
    asked = refuse(monkeypatch, times=3)
    replace_file(tmp_path / "state.json", b"new")
    assert len(asked) == 4
    assert (tmp_path / "state.json").read_bytes() == b"new"


def test_waiting_for_a_file_in_use_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is a passing fault with a sentence, and what was there stays."""
    refuse(monkeypatch, times=1000)
    monkeypatch.setattr(disk, "_PATIENCE_S", 0.1)
    (tmp_path / "state.json").write_bytes(b"old")
    with pytest.raises(DegradedError, match="another program has it open"):
        replace_file(tmp_path / "state.json", b"new")
    assert names_in(tmp_path) == {"state.json"}
    assert (tmp_path / "state.json").read_bytes() == b"old"


def test_other_faults_are_not_waited_for(tmp_path: Path) -> None:
    """Only a file in use may become free."""
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "absent", tmp_path / "target")


def test_what_cannot_be_removed_now_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing says whether it is done."""
    file = tmp_path / "shard.arrow"
    file.write_bytes(b"rows")
    with monkeypatch.context() as patch:
        patch.setattr(type(file), "unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "mapped")))
        patch.setattr(filesystem, "is_in_use", lambda error: isinstance(error, PermissionError))
        assert not remove(file)
    assert remove(file)
    assert remove(file)
