"""The configuration: which file it is, and whether it can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from melwatch.errors import ConfigError
from melwatch_service.doctor.finding import NotConfiguredError, ok, problem, unchecked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from melwatch_service.doctor.case import Case
    from melwatch_service.doctor.finding import Finding

_NAME_ONE = "Name the folders with --music and --dataset, or write a file with `melwatch init`."


def look_at_settings(case: Case) -> Iterator[Finding]:
    """Which file is read, and each thing that is wrong with what it says."""
    try:
        file = case.find_file()
        case.config.attempt()
    except NotConfiguredError:
        yield unchecked("settings.file", "There is no configuration: only the machine is looked at", _NAME_ONE)
    except ConfigError as error:
        yield from judge_error(error)
    else:
        where = f"{file} can be used" if file else "The folders named on the command line; no configuration file"
        yield ok("settings.file", where, file=str(file) if file else None)


def judge_error(error: ConfigError) -> Iterator[Finding]:
    """Tell of a configuration that cannot be used: every setting that is wrong."""
    hint = error.hint or "Mend it; `melwatch init --print` shows every setting."
    if not error.problems:
        yield problem("settings.file", error.what, hint)
    for fault in error.problems:
        yield problem("settings.value", f"{fault.key}: {fault.what}", fault.hint or hint, key=fault.key)
