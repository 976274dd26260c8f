"""The `melwatch` command: one error boundary around all commands. Imports them only when called.

Worker processes import this module again to find their bearings, so it must stay light.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melwatch.errors import MelwatchError

log = logging.getLogger("melwatch")

INTERRUPTED = 130
BUG = 70


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    if arguments[:1] == ["sync"]:
        from melwatch.ahead import start_worker_server

        start_worker_server()
    from melwatch.errors import MelwatchError
    from melwatch_service.commands import app

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return int(app(arguments, prog_name="melwatch", standalone_mode=False) or 0)
    except MelwatchError as error:
        _explain(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted. What was done is kept; the next run goes on from there.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if (code := _usage_error(error)) is not None:
            return code
        log.exception("This is a bug in melwatch; please report it with the lines above")
        return BUG


def _explain(error: MelwatchError) -> None:
    from melwatch.errors import ConfigError

    print(f"melwatch: {error.what}", file=sys.stderr)
    for problem in error.problems if isinstance(error, ConfigError) else ():
        print(f"  {problem.key}: {problem.what}", file=sys.stderr)
        if problem.hint:
            print(f"    {problem.hint}", file=sys.stderr)
    if error.hint:
        print(error.hint, file=sys.stderr)


def _usage_error(error: Exception) -> int | None:
    """Let the command-line library show its own usage errors; return the exit code for them."""
    show = getattr(error, "show", None)
    if show is None:
        return None
    show()
    return int(getattr(error, "exit_code", 2))
