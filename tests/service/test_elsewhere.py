"""Where the commands that copy a version elsewhere refuse to write."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from editions import Press, songs
from melwatch_service import cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def press(tmp_path: Path) -> Press:
    """A version, and folders for music and state."""
    press = Press(place=tmp_path)
    press.publish(songs(12))
    for name in ("music", "state"):
        (tmp_path / name).mkdir()
    return press


def run(press: Press, *arguments: str) -> int:
    """Run a command on the folders of the press; return its exit code."""
    places = [text for name in ("music", "dataset", "state") for text in (f"--{name}", str(press.place / name))]
    return cli.run([*arguments, *places])


@pytest.mark.parametrize("form", ["{}", "file://{}", "local://{}"])
@pytest.mark.parametrize("inside", ["dataset/new", "dataset/music_lib/versions/new", "music/Rock", "state/a/b"])
def test_an_export_into_what_melwatch_uses_is_refused(
    press: Press, capsys: pytest.CaptureFixture[str], inside: str, form: str
) -> None:
    """Whatever its name is written like; nothing is made there."""
    before = sorted(press.place.rglob("*"))
    assert run(press, "export", "1", form.format(press.place / inside)) == 2
    assert " lies in the " in capsys.readouterr().err
    assert sorted(press.place.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="makes a link")
def test_no_link_leads_an_export_there(press: Press, capsys: pytest.CaptureFixture[str]) -> None:
    """What it leads to counts."""
    (press.place / "link").symlink_to(press.place / "music")
    assert run(press, "export", "1", str(press.place / "link" / "new")) == 2
    assert "lies in the music root" in capsys.readouterr().err
    assert not list((press.place / "music").iterdir())
