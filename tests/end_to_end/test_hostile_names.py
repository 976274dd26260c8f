"""A library whose genres, files and tags have names that attack: what each command says of it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from datasets import load_dataset, load_from_disk

from building import retagged, tone
from hostile import HOSTILE_NAMES
from melwatch.names import display, genre_of
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names"),
]

GENRES = HOSTILE_NAMES[::2]
NAMES = HOSTILE_NAMES[1::2]


def has_effect(said: str) -> bool:
    """Whether something printed does more than to show characters on lines of its own."""
    return not said.replace("\n", "").isprintable() or "\nEVIL: all is well" in said


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Three songs in each genre, one of them broken in its middle; junk and songs in the root; all synced."""
    place = tmp_path_factory.mktemp("names")
    rig = Rig.at(place)
    rig.environment.update(
        MELWATCH_LIBRARY__MIN_TRACKS_PER_GENRE="3", MELWATCH_LOG__FILE=str(place / "text.log"), LC_ALL="C.UTF-8"
    )
    root = os.fsencode(rig.music)
    for number, genre in enumerate(GENRES):
        folder = os.path.join(root, genre)
        os.makedirs(folder)
        for part in range(3):
            name = NAMES[(number + part) % len(NAMES)]
            song = retagged(tone(200 + 3 * (3 * number + part), 0.5), display(HOSTILE_NAMES[number]))
            with open(os.path.join(folder, name[:240] + b".mp3"), "wb") as file:
                file.write(song)
        with open(os.path.join(folder, b"junk " + genre[:200] + b".mp3"), "wb") as file:
            file.write(b"no music %d" % number)
    for name in NAMES:
        with open(os.path.join(root, name[:240] + b".mp3"), "wb") as file:
            file.write(tone(3000))
    rig.run("sync")
    return rig


def test_log_lines_are_one_record_each(rig: Rig, tmp_path: Path) -> None:
    """As text and as JSON: a line a broken file, and nothing speaks to whoever reads it."""
    text = (rig.state.parent / "text.log").read_text(encoding="utf-8")
    assert not has_effect(text)
    assert text.count("WARNING: ") == len(text.splitlines()) >= len(GENRES)
    other = Rig(rig.music, tmp_path / "dataset", tmp_path / "state", dict(rig.environment))
    other.environment.update(MELWATCH_LOG__FILE=str(tmp_path / "json.log"), MELWATCH_LOG__FORMAT="json")
    other.run("sync")
    said = (tmp_path / "json.log").read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["level"] for line in said] == ["warning"] * len(text.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        ("status",), ("status", "--json"), ("missing",), ("failures",), ("failures", "--json"), ("versions",),
        ("splits", "report"), ("splits", "report", "--json"), ("sync",), ("sync", "--dry-run"), ("verify",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_commands_say_only_what_they_mean(rig: Rig, words: tuple[str, ...]) -> None:
    """What they print are lines of characters that can be seen."""
    assert not has_effect(rig.run(*words))


def test_why_answers_for_any_name(rig: Rig) -> None:
    """A path on the command line reaches the very file, and the answer is inert."""
    for genre in GENRES:
        path = os.path.join(os.fsencode(rig.music), genre, b"junk " + genre[:200] + b".mp3")
        command = [os.fsencode(word) for word in rig.command("why")]
        done = subprocess.run(
            [*command, b"--", path], capture_output=True, check=False, env={**os.environ, **rig.environment}
        )
        assert done.returncode == 0, done.stderr
        assert not has_effect(done.stdout.decode())
        assert b"It is not an MP3" in done.stdout


def test_the_table_of_what_is_missing_gives_exact_paths(rig: Rig) -> None:
    """Each row read back leads to a file, and no cell is a formula."""
    rows = list(csv.reader(io.StringIO(rig.run("missing", "--csv"), newline="")))
    paths = [row[0] for row in rows[1:]]
    assert len(paths) >= len(NAMES) + len(GENRES)
    there = {
        display(os.path.relpath(os.path.join(folder, file), os.fsencode(rig.music)))
        for folder, _, files in os.walk(os.fsencode(rig.music))
        for file in files
    }
    assert {os.path.normpath(path) for path in paths} <= there
    assert not any(path.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for path in paths)


def test_the_dataset_holds_names_as_they_are(rig: Rig) -> None:
    """Class names, paths and the table of tracks give them back; every reader opens it."""
    import pyarrow.parquet as pq

    library = rig.dataset / "music_lib"
    opened = load_from_disk(str(library))
    names = opened["train"].features["labels"].names
    assert set(names) <= {genre_of(genre + b"/x") for genre in GENRES}
    assert len(names) >= len(GENRES) - 3
    assert json.loads((rig.dataset / "genres.json").read_text(encoding="utf-8")) == names
    assert load_dataset(str(library))["train"].features == opened["train"].features
    rows = pq.read_table(library / "tracks.parquet").to_pylist()
    paths = {row["paths"] for part in opened.values() for row in part.select_columns("paths")}
    assert {row["path"] for row in rows} == paths
    for row in rows:
        assert row["title"].isprintable() or not set(row["title"]) & {"\x1b", "\n", "\r", "\x9b"}


def test_the_bar_on_a_terminal_says_nothing_of_its_own(rig: Rig, tmp_path: Path) -> None:
    """What reaches a terminal has only the sequences of the bar."""
    import pty

    ours, theirs = pty.openpty()
    other = Rig(rig.music, tmp_path / "dataset", tmp_path / "state", dict(rig.environment))
    process = subprocess.Popen(
        other.command("sync"), stdout=theirs, stderr=theirs, env={**os.environ, **other.environment, "TERM": "xterm"}
    )
    os.close(theirs)
    said = bytearray()
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:
        pass  # so Linux says that nobody is at the other end any more
    os.close(ours)
    assert process.wait() == 0
    text = said.decode()
    assert "EVIL" in text
    assert not any(sequence in text for sequence in ("\x1b]", "\x1bP", "\x9b", "\x9d", "\x1b[31mEVIL", "\u202e"))
    assert "\nEVIL: all is well" not in text


@pytest.mark.filterwarnings("ignore:Glyph.*missing:UserWarning")
def test_pictures_are_drawn(rig: Rig, tmp_path: Path) -> None:
    """Of genres with any name."""
    import xml.etree.ElementTree as ET

    rig.run("plot", "genres", "--out", str(tmp_path / "genres.svg"))
    rig.run("plot", "row", "train", "0", "--out", str(tmp_path / "row.svg"))
    for name in ("genres.svg", "row.svg"):
        ET.parse(tmp_path / name)  # noqa: S314  we wrote it
