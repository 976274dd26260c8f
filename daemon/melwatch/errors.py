"""The kinds of errors melwatch knows; each carries a sentence for the person and what to do next.

Anything else that is raised is a bug and is reported with its traceback at one boundary, the CLI.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class MelwatchError(Exception):
    """A fault that melwatch expects, with `what` happened and a `hint` of what to do about it."""

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __reduce__(self) -> tuple[type[MelwatchError], tuple[str, str]]:
        """Survive the trip back from a worker process."""
        return type(self), (self.what, self.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
    """One thing wrong with the configuration."""

    key: str
    what: str
    hint: str = ""


class ConfigError(MelwatchError):
    """The configuration or the way the command was called is wrong; names every problem at once."""

    exit_code = 2

    def __init__(self, what: str, hint: str = "", problems: Sequence[ConfigProblem] = ()) -> None:
        super().__init__(what, hint)
        self.problems = tuple(problems)


class RootUnknownError(ConfigError):
    """The music root cannot be read, and never was."""


class LockedError(MelwatchError):
    """Another melwatch is at work on the same state folder, or none is where one is needed."""

    exit_code = 3


class StoreError(MelwatchError):
    """Our own state or dataset is in doubt; stop rather than make it worse."""

    exit_code = 4


class SpectrogramLostError(StoreError):
    """Spectrograms on record are damaged or gone; a pass forgets them and makes them again."""

    def __init__(self, audio_ids: Sequence[str]) -> None:
        super().__init__(f"The spectrograms of {len(audio_ids)} songs are damaged or gone", "They are made again.")
        self.audio_ids = tuple(audio_ids)

    def __reduce__(self) -> tuple[type[MelwatchError], tuple[tuple[str, ...]]]:  # type: ignore[override]
        """Survive the trip back from a child process."""
        return type(self), (self.audio_ids,)


class DegradedError(MelwatchError):
    """Work cannot go on for now, yet nothing is broken: a full disk, an offline root."""


class RootOfflineError(DegradedError):
    """The music root is missing, empty, exchanged or may not be read, which never means that songs are gone."""


class TrackError(MelwatchError):
    """One file is bad: recorded with its reason, never the end of a pass.

    `reason` is a short stable word for tables and counts; `what` is the sentence.
    """

    def __init__(self, what: str, hint: str = "", reason: str = "undecodable") -> None:
        super().__init__(what, hint)
        self.reason = reason

    def __reduce__(self) -> tuple[type[MelwatchError], tuple[str, ...]]:  # type: ignore[override]
        """Survive the trip back from a worker process."""
        return type(self), (self.what, self.hint, self.reason)


class FileChangedError(MelwatchError):
    """A file changed while it was being read; it is looked at again at the next pass."""
