"""What a request says beyond its path, checked: text within bounds, whole numbers, one of a few words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from melwatch.errors import MelwatchError
from melwatch_service.page.facts import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

MOST_TEXT = 200
LARGEST = 1 << 31
SPLITS = ("train", "validate", "test")
PROBLEMS = ("failed", "unsettled", "duplicates", "left_out")


class BadQuestionError(MelwatchError):
    """A request says what cannot be meant."""


class NotFoundError(MelwatchError):
    """There is no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackQuestion:
    """Which tracks are asked for."""

    text: str = ""
    genre: str = ""
    split: str = ""
    state: str = ""
    page: int = 1

    def values(self) -> dict[str, object]:
        """Return it as the values of a query string, without the page."""
        return {"q": self.text, "genre": self.genre, "split": self.split, "state": self.state}


def track_question(request: Request) -> TrackQuestion:
    """Return which tracks a request asks for."""
    values = request.query_params
    return TrackQuestion(
        text=_text(values, "q"),
        genre=_text(values, "genre"),
        split=_word(values, "split", SPLITS),
        state=_word(values, "state", STATES),
        page=page_number(request),
    )


def page_number(request: Request) -> int:
    """Return which page of a list is asked for, from 1."""
    return _whole(request.query_params.get("page") or "1", "page", least=1)


def problem_kind(request: Request) -> str:
    """Return which kind of problem is asked for."""
    return _word(request.query_params, "kind", PROBLEMS) or PROBLEMS[0]


def version_number(request: Request, name: str) -> int:
    """Return a version's number from the query string."""
    return _whole(request.query_params.get(name) or "", name, least=1)


def in_path(request: Request, name: str) -> int:
    """Return a number of the path; one that nothing can have is not found, rather than wrong."""
    text = request.path_params[name]
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > LARGEST:  # noqa: PLR2004  digits
        raise NotFoundError(f"There is no such {name}")
    return int(text)


def _text(values: Mapping[str, str], name: str) -> str:
    text = (values.get(name) or "").strip()
    if len(text) > MOST_TEXT:
        raise BadQuestionError(f"{name} is longer than {MOST_TEXT} characters")
    return text


def _word(values: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    word = (values.get(name) or "").strip()
    if word and word not in known:
        raise BadQuestionError(f"{name} is one of {', '.join(known)}")
    return word


def _whole(text: str, name: str, *, least: int) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or not least <= int(text) <= LARGEST:  # noqa: PLR2004
        raise BadQuestionError(f"{name} is a whole number from {least}")
    return int(text)
