"""Names that attack come out inert, wherever this process shows them."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from rich.progress import Progress, TextColumn

from editions import Press, Song
from hostile import HOSTILE_NAMES
from melwatch.edition import Split
from melwatch.errors import ConfigError
from melwatch.names import display
from melwatch_service import cli
from melwatch_service.commands import looking
from melwatch_service.plots import genres_figure, row_figure, save_figure, track_figure
from melwatch_service.progress import PlainLines, TerminalBar
from melwatch_service.tell import tell
from melwatch_service.template import toml_path

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = [display(name) for name in HOSTILE_NAMES]
each = pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))


def is_one_line(said: str) -> bool:
    """Whether something printed is one line, of characters that can be seen."""
    return said.endswith("\n") and said[:-1].isprintable()


@each
def test_commands_print_one_line_for_a_name(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing breaks it, and nothing speaks to the terminal."""
    tell([f"about {text}"])
    assert is_one_line(capsys.readouterr().out)


@each
def test_errors_print_one_line_for_a_name(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of ours, of the system, and of the command line, which repeats what it was given."""
    cli._explained(ConfigError(f"About {text}"))
    cli._explained(OSError(2, "No such file", text))
    for said in capsys.readouterr().err.splitlines(keepends=True):
        assert said.startswith("melwatch: ")
        assert is_one_line(said)
    cli.run(["sync", f"x{text}"])
    err = capsys.readouterr().err
    assert err.replace("\n", "").isprintable()
    assert not any(line.startswith("EVIL") for line in err.splitlines())


@each
def test_progress_prints_sentences_as_they_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No markup, no emoji, no links: neither above the bar nor in a pipe."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=2000)
    TerminalBar(Progress(TextColumn("x"), console=console)).say(f"Song {text}")
    assert is_one_line(out.getvalue())
    PlainLines().say(f"Song {text}")
    assert capsys.readouterr().err == out.getvalue()


@each
def test_a_table_of_paths_has_no_formulas(text: str) -> None:
    """Cells begin with nothing that a spreadsheet computes, and still lead a program to the same file."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow([looking._for_table(text), "x"])
    cell, _ = next(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert cell[0] not in "=+-@\t\r\n"
    assert Path("root", cell) == Path("root", text)


@pytest.fixture(scope="module")
def figures() -> Iterator[list[ET.Element]]:
    """Pictures with all names in them, read back as XML."""
    values = np.zeros((20, 4), np.float32)
    drawn = [genres_figure(dict.fromkeys(TEXTS, 3), {})]
    drawn += [row_figure(values, text) for text in TEXTS]
    drawn += [track_figure([values], text) for text in TEXTS[:3]]
    read = []
    for figure in drawn:
        out = io.BytesIO()
        figure.savefig(out, format="svg")
        read.append(ET.fromstring(out.getvalue()))  # noqa: S314  we wrote it
    return read


@pytest.mark.filterwarnings("ignore:Glyph.*missing:UserWarning")
def test_pictures_show_names_as_text(figures: list[ET.Element]) -> None:
    """Every SVG is XML with nothing but drawing in it, and no name is read as a formula."""
    texts = ["".join(node.itertext()) for node in figures[0].iter("{http://www.w3.org/2000/svg}text")]
    assert len([text for text in texts if "EVIL" in text]) >= len(TEXTS) - 6
    assert all(text.isprintable() for text in texts)
    for figure in figures:
        tags = {node.tag.rsplit("}", 1)[-1] for node in figure.iter()}
        assert not tags & {"script", "a", "foreignObject", "iframe"}
    assert any("$EVIL_{x}$" in text for text in texts)


def test_two_genres_that_look_alike_keep_a_bar_each(tmp_path: Path) -> None:
    """However long their names are."""
    long = "x" * 100
    figure = genres_figure({f"{long}1{long}": 3, f"{long}2{long}": 5}, {})
    assert len(figure.axes[0].patches) == 2
    assert {round(bar.get_y(), 3) for bar in figure.axes[0].patches} == {-0.4, 0.6}
    save_figure(figure, tmp_path / "genres.png")


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The card of a dataset with a genre of each name."""
    press = Press(place=tmp_path_factory.mktemp("card"))
    splits = list(Split)
    shown = [
        Song(path=f"{number}.mp3", sound=number, genre=text, split=splits[number % 3])
        for number, text in enumerate(TEXTS)
    ]
    press.publish(shown)
    return (press.folder.library / "README.md").read_text(encoding="utf-8")


def test_the_card_is_yaml_with_the_exact_names(card: str) -> None:
    """What stands for a name is that name and no YAML of its own."""
    from huggingface_hub import DatasetCard

    info = DatasetCard(card).data.to_dict()["dataset_info"]
    names = next(f["dtype"]["class_label"]["names"] for f in info["features"] if f["name"] == "labels")
    assert sorted(names.values()) == sorted(TEXTS)


def test_the_card_shows_names_as_text(card: str) -> None:
    """Rendered, no name makes a link, a picture, HTML, emphasis, code or another row."""
    prose = card.split("\n---\n", 1)[1]
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(prose)
    table = tokens[next(i for i, t in enumerate(tokens) if t.type == "tbody_open") :]
    table = table[: next(i for i, t in enumerate(table) if t.type == "tbody_close")]
    assert sum(token.type == "tr_open" for token in table) == len(TEXTS)
    inside = {child.type for token in table for child in token.children or ()}
    assert inside <= {"text", "text_special"}
    assert prose.replace("\n", "").isprintable()


@each
def test_a_path_in_a_configuration_file_is_read_back_as_it_was(text: str) -> None:
    """Whatever characters it has; where TOML has no way to say it, that is said."""
    import tomllib

    path = Path("/music") / text
    assert tomllib.loads(f"root = {toml_path(path)}")["root"] == str(path)
    with pytest.raises(ConfigError, match="No configuration file"):
        toml_path(Path("/music/caf\udce9"))
