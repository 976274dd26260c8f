"""The pictures of the README: what they are made of, and what they say, without what differs each time."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import melwatch_service

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.text import Text

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
RECORD = PICTURES / "made-from.json"
RENEW = "MELWATCH_RENEW_PICTURES"
HOW = (
    f"What the README shows is out of date. `{RENEW}=1 python -m pytest -m slow tests/end_to_end/test_pictures.py` "
    "takes the pictures anew; look at them before you commit them."
)
_SERVICE = Path(melwatch_service.__file__).parent
_SHAPE = (
    "board.py", "needs.py", "page/static/icon.svg", "page/static/page.css", "page/templates/base.html",
    "page/templates/genres.html", "page/templates/overview.html", "page/templates/parts.html",
)  # fmt: skip
_VARYING = (
    (r"\d{2} \w{3} \d{4}, \d{2}:\d{2}:\d{2}", "DATE"),
    (r"[\d,.]+ [kMGT]?B\b", "SIZE"),
    (r"\b\d+(\.\d+)? s\b", "TIME s"),
    (r"process \d+", "process N"),
)


def record() -> dict[str, Any]:
    """Return what is on record of the pictures as they are."""
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def sources() -> dict[str, str]:
    """Return a digest of each file that shapes a picture, the same on every system."""
    return {name: _digest((_SERVICE / name).read_text(encoding="utf-8").encode()) for name in _SHAPE}


def files() -> dict[str, str]:
    """Return a digest of each picture."""
    found = {}
    for file in sorted(PICTURES.iterdir()):
        if file.suffix == ".png":
            found[file.name] = _digest(file.read_bytes())
        elif file.suffix == ".svg":
            found[file.name] = _digest(file.read_text(encoding="utf-8").encode())
    return found


def steady(text: str) -> list[str]:
    """Return the lines of a text that say something, without dates, sizes, lengths of time and process ids."""
    for pattern, name in _VARYING:
        text = re.sub(pattern, name, text)
    return [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]


def drawn(lines: Iterable[Text], width: int, title: str) -> str:
    """Return lines of a terminal as SVG that fetches nothing from elsewhere."""
    from rich.console import Console
    from rich.terminal_theme import TerminalTheme

    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line, highlight=False, emoji=False, no_wrap=True)
    theme = TerminalTheme((19, 24, 29), (222, 228, 233), _COLOURS[:8], _COLOURS[8:])
    drawn = console.export_svg(title=title, theme=theme, unique_id="board")
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


_COLOURS: Sequence[Any] = [
    (19, 24, 29), (255, 140, 130), (127, 211, 160), (243, 182, 100), (109, 163, 214), (191, 131, 216), (110, 190, 215),
    (222, 228, 233), (110, 122, 132), (255, 156, 148), (147, 225, 180), (250, 205, 140), (134, 189, 233),
    (210, 160, 232), (140, 212, 232), (255, 255, 255),
]  # fmt: skip


def smaller(png: bytes) -> bytes:
    """Return a picture of a page with as few colours as it needs to look the same."""
    from PIL import Image

    out = io.BytesIO()
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
