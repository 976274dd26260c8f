"""From values to HTML: one Jinja environment, everything escaped, numbers with their units."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from melwatch.extraction.estimate import spoken_time
from melwatch.names import printable
from melwatch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = Path(__file__).parent
STATE_WORDS = {
    "idle": "Idle",
    "scanning": "Scanning",
    "extracting": "Extracting",
    "publishing": "Publishing",
    "paused": "Paused",
    "degraded": "Degraded",
    "root_offline": "Music offline",
    "needs_confirmation": "Waiting for you",
}
SENTENCES = {
    "idle": "All is in step; changes in the music are waited for.",
    "scanning": "The music is being looked at.",
    "publishing": "A new version is being written.",
}
TRACK_STATES = {
    "in_dataset": "in the dataset",
    "waiting": "waiting",
    "duplicate": "duplicate",
    "pending": "pending",
    "failed": "failed",
}


@cache
def environment() -> Environment:
    """Return the one environment; names and tags of files reach HTML through its escaping only."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "number": number, "size": size, "moment": moment, "spoken": spoken, "clock": clock, "shown": printable,
        "told": told, "percent": percent, "query": query,
    }  # fmt: skip
    made.globals |= {
        "version_of_melwatch": __version__, "state_words": STATE_WORDS, "state_sentences": SENTENCES,
        "track_states": TRACK_STATES,
    }  # fmt: skip
    return made


def render(template: str, **values: Any) -> str:  # noqa: ANN401  whatever a template shows
    """Return a page as text."""
    return environment().get_template(template).render(**values)


def told(sentence: str) -> Markup:
    """Return a sentence in which `commands` stand out."""
    parts = printable(sentence).split("`")
    if len(parts) % 2 == 0:  # a name with such a quote in it
        return escape(printable(sentence))
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def number(value: float) -> str:
    """Return a number as people read it."""
    return f"{value:,}"


def size(value: float | None) -> str:
    """Return bytes in decimal units."""
    if value is None:
        return "unknown"
    for unit, power in (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)):
        if value >= 10**power:
            return f"{value / 10**power:,.1f} {unit}"
    return f"{value:,.0f} B"


def moment(text: str | None) -> str:
    """Return a moment that is on record in UTC as this machine's clock shows it."""
    if not text:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%d %b %Y, %H:%M:%S")


def spoken(seconds: float | None) -> str:
    """Return a length of time in words."""
    return "" if seconds is None else spoken_time(seconds)


def clock(seconds: float) -> str:
    """Return a place in a song, in minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def percent(part: float, whole: float) -> str:
    """Return a share with its sign."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def query(values: Mapping[str, object], **changed: object) -> str:
    """Return a query string of the values that say something, some of them changed."""
    merged = {**values, **changed}
    return urlencode({name: value for name, value in merged.items() if value not in {"", None}})


def today() -> datetime:
    """Ask the clock: views do, what they call does not."""
    return datetime.now(UTC)
