"""Which state folder belongs to a dataset."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import platformdirs
import pytest

from melwatch.errors import ConfigError
from melwatch.manifest.home import claim, find_state

ONE, OTHER = "1" * 32, "2" * 32


@pytest.fixture(autouse=True)
def default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a place of its own for default state folders."""
    for variable in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "default"))
    return platformdirs.user_state_path("melwatch", appauthor=False)


# Named folders.


def test_a_named_folder_is_taken_though_it_does_not_exist(tmp_path: Path) -> None:
    """Looking for a state folder makes nothing."""
    state = find_state(tmp_path / "state", tmp_path / "data", ONE)

    assert (state.path, state.dataset_id) == (tmp_path / "state", ONE)
    assert state.spool == tmp_path / "state" / "spool"
    assert not state.path.exists()


def test_a_new_dataset_gets_an_id_of_its_own(tmp_path: Path) -> None:
    """Where nothing is known yet, a fresh id is drawn."""
    ids = {find_state(tmp_path / "state", tmp_path / "data", None).dataset_id for _ in range(2)}

    assert len(ids) == 2
    assert all(len(dataset_id) == 32 for dataset_id in ids)


def test_a_claimed_folder_keeps_the_id_until_the_first_version(tmp_path: Path) -> None:
    """A dataset that says nothing of itself yet has the id that its state folder noted."""
    first = find_state(tmp_path / "state", tmp_path / "data", None)
    claim(first, tmp_path / "data")

    assert find_state(tmp_path / "state", tmp_path / "data", None) == first


def test_a_folder_that_serves_another_dataset_is_refused(tmp_path: Path) -> None:
    """The state of one dataset is not taken for another, and the error names the one it serves."""
    claim(find_state(tmp_path / "state", tmp_path / "data", ONE), tmp_path / "data")

    with pytest.raises(ConfigError, match="another dataset") as raised:
        find_state(tmp_path / "state", tmp_path / "other", OTHER)

    assert str(tmp_path / "data") in raised.value.what
    assert "--state" in raised.value.hint


def test_a_folder_that_serves_another_dataset_is_refused_to_a_new_one(tmp_path: Path) -> None:
    """Nor is it taken for a dataset without a version, while the one that it serves is there."""
    (tmp_path / "data").mkdir()
    claim(find_state(tmp_path / "state", tmp_path / "data", ONE), tmp_path / "data")

    with pytest.raises(ConfigError, match="another dataset"):
        find_state(tmp_path / "state", tmp_path / "other", None)


def test_a_dataset_that_was_moved_keeps_its_state(tmp_path: Path) -> None:
    """It is the id that tells datasets apart; the path is noted anew."""
    claim(find_state(tmp_path / "state", tmp_path / "data", ONE), tmp_path / "data")
    state = find_state(tmp_path / "state", tmp_path / "moved", ONE)
    claim(state, tmp_path / "moved")

    assert state.dataset_id == ONE
    assert json.loads((tmp_path / "state" / "dataset.json").read_text())["path"] == str(tmp_path / "moved")


# Default folders.


def test_the_default_folder_is_named_by_the_id(tmp_path: Path, default_place: Path) -> None:
    """Each dataset has its own folder below the user's state folder."""
    assert find_state(None, tmp_path / "data", ONE).path == default_place / ONE
    assert find_state(None, tmp_path / "data", OTHER).path == default_place / OTHER


def test_a_dataset_without_a_version_is_found_by_its_path(tmp_path: Path) -> None:
    """Work of a first pass that did not come to publish is not lost, and not mixed up with another's."""
    first = find_state(None, tmp_path / "data", None)
    claim(first, tmp_path / "data")
    other = find_state(None, tmp_path / "other", None)
    claim(other, tmp_path / "other")

    assert find_state(None, tmp_path / "data", None) == first
    assert find_state(None, tmp_path / "other", None) == other
    assert find_state(None, tmp_path / "third", None).dataset_id not in {first.dataset_id, other.dataset_id}


def test_what_a_dataset_says_of_itself_wins_over_its_path(tmp_path: Path, default_place: Path) -> None:
    """Where another dataset was put in place of the former, it is not given the former's state."""
    claim(find_state(None, tmp_path / "data", ONE), tmp_path / "data")

    assert find_state(None, tmp_path / "data", OTHER).path == default_place / OTHER


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"dataset_id": "x"}', b"\xff", b'{"path":'])
def test_a_note_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, default_place: Path, content: bytes) -> None:
    """Damage to the note of one state folder is no reason to fail for all."""
    (default_place / "broken").mkdir(parents=True)
    (default_place / "broken" / "dataset.json").write_bytes(content)
    claim(find_state(None, tmp_path / "data", ONE), tmp_path / "data")

    assert find_state(None, tmp_path / "data", None).dataset_id == ONE
    assert find_state(default_place / "broken", tmp_path / "data", OTHER).dataset_id == OTHER


# Claiming.


def test_claiming_makes_folder_and_spool_and_can_be_repeated(tmp_path: Path) -> None:
    """Every start claims, and only the first one writes."""
    state = find_state(tmp_path / "deep" / "state", tmp_path / "data", ONE)
    claim(state, tmp_path / "data")
    before = (state.path / "dataset.json").stat()
    claim(state, tmp_path / "data")

    assert state.spool.is_dir()
    assert (state.path / "dataset.json").stat() == before


@pytest.mark.skipif(sys.platform == "win32", reason="names are text on Windows")
def test_a_dataset_path_that_is_not_utf_8_is_found_again(tmp_path: Path) -> None:
    """Any folder that the file system can name can hold a dataset."""
    dataset = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    state = find_state(None, dataset, None)
    claim(state, dataset)

    assert find_state(None, dataset, None) == state
