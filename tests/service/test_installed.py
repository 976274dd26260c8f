"""The configuration of an installed service."""

from __future__ import annotations

from pathlib import Path

import pytest

from melwatch.config.instance import Instance, Scope
from melwatch.config.settings import load_config
from melwatch.errors import ConfigError
from melwatch.platform import system
from melwatch_service import installed
from melwatch_service.template import toml_path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place in which configurations, the machine's and the person's, lie in folders of their own."""
    monkeypatch.setattr(system, "config_folder", lambda *, for_all: tmp_path / ("all" if for_all else "own"))
    return tmp_path


MINE, MACHINES = Instance(name="jazz"), Instance(name="jazz", scope=Scope.SYSTEM)


def write(instance: Instance, place: Path, **other: Path) -> bool:
    """Write a configuration from the command line's words."""
    wishes = {"music": place / "music", "dataset": place / "dataset", "copy_of": None}
    return installed.write_config(instance, **{**wishes, **other})


@pytest.mark.parametrize("instance", [MINE, MACHINES])
def test_it_is_written_once_and_removed_as_it_was_written(instance: Instance, place: Path) -> None:
    """A second time it is there already; nothing of it stays."""
    assert write(instance, place)
    config = load_config(instance.config_file)
    assert (config.library.root, config.dataset.path) == (place / "music", place / "dataset")
    assert config.dataset.state == instance.state_folder
    assert not write(instance, place)
    assert installed.is_untouched(instance)
    installed.remove_config(instance)
    assert not instance.config_file.parent.exists()


def test_an_edited_one_is_known(place: Path) -> None:
    """One more line, and it is the person's."""
    write(MINE, place)
    with MINE.config_file.open("a", encoding="utf-8") as file:
        file.write("# mine\n")
    assert not installed.is_untouched(MINE)
    MINE.config_file.write_text(f"[library]\nroot = {toml_path(place / 'music')}\n", encoding="utf-8")
    assert not installed.is_untouched(MINE)


def test_one_that_says_something_else_is_not_replaced(place: Path) -> None:
    """The error says what differs, and how to have both."""
    write(MINE, place)
    with pytest.raises(ConfigError, match="where --music says") as caught:
        write(MINE, place, music=place / "other")
    assert "--name" in caught.value.hint
    assert load_config(MINE.config_file).library.root == place / "music"


def test_where_the_music_is_must_be_said(place: Path) -> None:
    """And for a service of the machine, whose home nobody knows, where the dataset goes."""
    with pytest.raises(ConfigError, match="where the music is"):
        installed.write_config(MINE, music=None, dataset=None, copy_of=None)
    with pytest.raises(ConfigError, match="where the dataset goes"):
        installed.write_config(MACHINES, music=place / "music", dataset=None, copy_of=None)
    assert installed.write_config(MINE, music=place / "music", dataset=None, copy_of=None)
    assert load_config(MINE.config_file).dataset.path == Path.home() / "datasets" / "music"


def test_a_copy_means_what_the_file_means(place: Path) -> None:
    """Relative folders would not; and a service of the machine needs to be told where its state goes."""
    file = place / "mine.toml"
    file.write_text("[library]\nroot = 'music'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="means something else"):
        installed.write_config(MINE, music=None, dataset=None, copy_of=file)
    file.write_text(f"[library]\nroot = {toml_path(place / 'music')}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="does not say where"):
        installed.write_config(MACHINES, music=None, dataset=None, copy_of=file)
    assert not MINE.config_file.exists()
    assert not MACHINES.config_file.exists()
    assert installed.write_config(MINE, music=None, dataset=None, copy_of=file)
    assert load_config(MINE.config_file) == load_config(file)
