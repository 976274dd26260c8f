"""Where log lines go and how they look."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hostile import HOSTILE_NAMES
from melwatch.config.sections import LogSection
from melwatch.names import display, printable
from melwatch_service.logs import set_up_logging

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CAFE = "caf\udce9.mp3"  # what Python makes of a byte that is no UTF-8
SPEAK = """
import logging, sys
from melwatch.config.sections import LogSection
from melwatch_service.logs import set_up_logging
set_up_logging(LogSection(level="debug", format=sys.argv[1]))
logging.getLogger("melwatch.test").warning("%s: %s", "caf\\udce9.mp3", "caf\\u00e9 \\u266b")
logging.getLogger("melwatch.test").debug("small talk")
logging.getLogger("apscheduler.scheduler").info("chatter")
logging.getLogger("watchdog").warning("chatter")
logging.getLogger("watchdog").error("trouble")
"""

log = logging.getLogger("melwatch.test")


@pytest.fixture(autouse=True)
def others() -> Iterator[None]:
    """Put the handlers of pytest and all levels back afterwards."""
    root, loud = logging.getLogger(), [logging.getLogger(name) for name in ("apscheduler", "watchdog")]
    handlers, levels = root.handlers[:], [logger.level for logger in (root, *loud)]
    root.handlers.clear()
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    for logger, level in zip((root, *loud), levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "deep" / "melwatch.log"


def lines(file: Path) -> list[str]:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return file.read_text(encoding="utf-8").splitlines()


def spoken(layout: str, **environment: str) -> list[str]:
    """Return the lines of a program that logs to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", SPEAK, layout],
        capture_output=True,
        timeout=60,
        check=True,
        env={**os.environ, **environment},
    )
    assert done.stdout == b""
    return done.stderr.decode("utf-8").splitlines()


# Standard error.


def test_a_person_reads_level_and_message() -> None:
    """Without a file lines go to standard error, which has a time of its own under every service manager."""
    assert spoken("text", PYTHONUTF8="1") == [
        "WARNING: caf\\udce9.mp3: café ♫", "DEBUG: small talk", "ERROR: trouble",
    ]  # fmt: skip


@pytest.mark.parametrize("layout", ["text", "json"])
def test_a_terminal_that_knows_only_ascii_is_no_error(layout: str) -> None:
    """Names that it cannot show are escaped, and no line is lost."""
    told = spoken(layout, PYTHONIOENCODING="ascii:backslashreplace", PYTHONUTF8="0")

    assert len(told) == 3
    assert "caf\\udce9.mp3: caf" in told[0]


def test_programs_read_standard_error_line_by_line() -> None:
    """Each line is one object of JSON, in ASCII, and tells the message as it was."""
    told = [json.loads(line) for line in spoken("json")]

    assert [entry["message"] for entry in told] == ["caf\udce9.mp3: café ♫", "small talk", "trouble"]
    assert [entry["level"] for entry in told] == ["warning", "debug", "error"]
    assert [entry["logger"] for entry in told] == ["melwatch.test", "melwatch.test", "watchdog"]


# A file.


def test_a_file_has_the_time_on_each_line(file: Path) -> None:
    """Its folder is made, lines are added to what is there, and nothing goes elsewhere."""
    for word in ("first", "second"):
        set_up_logging(LogSection(file=file))
        log.info(word)
    told = lines(file)

    assert [line.split(" ", 2)[2] for line in told] == ["INFO: first", "INFO: second"]
    for line in told:
        written = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone()
        assert abs(datetime.now(UTC) - written) < timedelta(minutes=5)
    assert len(logging.getLogger().handlers) == 1


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_only_what_is_asked_for_is_told(file: Path, level: str, expected: list[str]) -> None:
    """The level says from which weight on, and that of others' chatter does not depend on it."""
    set_up_logging(LogSection.model_validate({"file": file, "level": level, "format": "json"}))
    for name in ("debug", "info", "warning", "error"):
        log.log(getattr(logging, name.upper()), "word")
    logging.getLogger("apscheduler.executors").info("chatter")

    assert [json.loads(line)["level"] for line in lines(file)] == expected


@pytest.mark.parametrize("layout", ["text", "json"])
@pytest.mark.parametrize("word", [CAFE, "\ud800 alone", "♫ \U0001f3b5", "\x00\x1b[31m", *map(display, HOSTILE_NAMES)])
def test_any_name_can_be_written(
    file: Path, layout: str, word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of files may be no text at all; a line about one of them is a line like any other."""
    monkeypatch.setattr(logging, "raiseExceptions", True)  # what goes wrong is told on standard error
    set_up_logging(LogSection.model_validate({"file": file, "format": layout}))
    log.warning("%s is odd", word)
    log.warning("the next")
    told = lines(file)

    assert len(told) == 2
    assert capsys.readouterr() == ("", "")
    if layout == "json":
        assert json.loads(told[0])["message"] == f"{word} is odd"
    else:
        assert told[0].endswith(f"{printable(word)} is odd")
        assert told[0].isprintable()


def test_a_traceback_cannot_forge_a_record(file: Path) -> None:
    """Whatever an exception says, its lines are indented and speak to no terminal."""
    set_up_logging(LogSection(file=file))
    try:
        raise ValueError("it\n2026-01-01 00:00:00,000 ERROR: forged \x1b]0;title\x07\rgone")  # noqa: TRY301
    except ValueError:
        log.exception("It failed")
    told = lines(file)

    assert all(line.isprintable() for line in told)
    assert all(line.startswith("    ") for line in told[1:])
    assert "forged" in told[-1]


def test_json_keeps_one_object_a_line(file: Path) -> None:
    """Line ends in messages and tracebacks are escaped; the time is UTC with its zone."""
    set_up_logging(LogSection(file=file, format="json"))
    log.info("two\nlines\u2028and \x85more")
    try:
        raise ValueError("it\nfailed")  # noqa: TRY301  for its traceback
    except ValueError:
        log.exception("That was %d", 5)
    first, second = map(json.loads, lines(file))

    assert first.keys() == {"time", "level", "logger", "message"}
    assert first["message"] == "two\nlines\u2028and \x85more"
    assert (second["level"], second["message"]) == ("error", "That was 5")
    assert second["traceback"].startswith("Traceback")
    assert second["traceback"].endswith("ValueError: it\nfailed")
    at = datetime.fromisoformat(first["time"])
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


@pytest.mark.parametrize("layout", ["text", "json"])
def test_a_file_rotates_before_it_is_too_large(file: Path, layout: str) -> None:
    """Four files of 5 MB each at most: the newest lines in the one that is named, the oldest gone."""
    set_up_logging(LogSection.model_validate({"file": file, "format": layout}))
    for number in range(24):
        log.info("%02d %s", number, "x" * 1_000_000)
    kept = [file, *(file.with_name(f"{file.name}.{number}") for number in (1, 2, 3))]
    found = [[int(line.split("x")[0].split()[-1].strip('"')) for line in lines(part)] for part in kept]

    assert sorted(file.parent.iterdir()) == sorted(kept)
    assert all(part.stat().st_size <= 5_000_000 for part in kept)
    assert found == [[20, 21, 22, 23], [16, 17, 18, 19], [12, 13, 14, 15], [8, 9, 10, 11]]
