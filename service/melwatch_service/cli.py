"""The `melwatch` command: one error boundary around all commands. Imports them only when called.

Worker processes import this module again to find their bearings, so it must stay light.
"""

from __future__ import annotations

import gc
import io
import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melwatch.errors import MelwatchError

log = logging.getLogger("melwatch")

INTERRUPTED = 130
BUG = 70


def main() -> None:
    """Run the command line and exit with its code."""
    _have_streams()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    from melwatch.platform import system

    system.let_nobody_else_write()
    if arguments[:1] == ["sync"]:
        from melwatch.extraction.ahead import start_children_server

        start_children_server()
    # What is imported stays: looking through it for garbage, again and again and at the end, takes 0.1 s.
    gc.disable()
    from melwatch_service.commands import app

    gc.freeze()
    gc.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = int(app(arguments, prog_name="melwatch", standalone_mode=False) or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  this is the boundary
        code = _explained(error)
    if code == INTERRUPTED:
        print("Interrupted. What was done is kept; the next run goes on from there.", file=sys.stderr)
    return code


def _have_streams() -> None:
    """Open what whoever started us has closed: else the next file would take its place, and be printed to."""
    if sys.stderr is not None and not sys.stderr.isatty():
        # What cannot be written, as to a log on a full disk, is not kept: each child is begun with a flush.
        raw = io.FileIO(sys.stderr.fileno(), "w", closefd=False)
        sys.stderr = io.TextIOWrapper(raw, sys.stderr.encoding, "backslashreplace", write_through=True)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  for as long as we live


def _explained(error: BaseException) -> int:
    """Tell the user what went wrong; return the exit code."""
    from melwatch.errors import MelwatchError
    from melwatch.names import printable

    match error:
        case MelwatchError():
            _explain(error)
            return error.exit_code
        case KeyboardInterrupt():
            return INTERRUPTED
        case BrokenPipeError():
            sys.stderr.close()
            return 0
        case OSError():
            return _explain_system_error(error)
        case _ if hasattr(error, "show"):
            # A usage error of the command-line library, which repeats what it was given: `*` may give any name.
            error.message = "\n".join(map(printable, str(getattr(error, "message", "")).split("\n")))  # type: ignore[attr-defined]
            error.show()
            return int(getattr(error, "exit_code", 2))
        case _:
            log.error("This is a bug in melwatch; please report it with these lines", exc_info=error)
            return BUG


def _say(sentence: str) -> None:
    """Print a line to standard error that may hold names of any kind."""
    from melwatch.names import printable

    print(printable(sentence), file=sys.stderr)


def _explain(error: MelwatchError) -> None:
    from melwatch.errors import ConfigError

    _say(f"melwatch: {error.what}")
    for problem in error.problems if isinstance(error, ConfigError) else ():
        _say(f"  {problem.key}: {problem.what}")
        if problem.hint:
            _say(f"    {problem.hint}")
    if error.hint:
        _say(error.hint)


def _explain_system_error(error: OSError) -> int:
    """Say what the operating system refused; a disk may recover, a wrong path will not."""
    from melwatch.platform import system

    place = f"{error.filename}: " if error.filename else ""
    _say(f"melwatch: {place}{error.strerror or error}")
    return 1 if system.is_passing(error) else 2
