"""melwatch in a person's logon session, started by their task: `pythonw -m melwatch_winservice.session NAME`."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import platformdirs
import win32event

from melwatch_winservice import places

if TYPE_CHECKING:
    from pathlib import Path


def stop_event_name(name: str) -> str:
    """Return the name of the event that tells the daemon of this session to stop."""
    return f"Local\\{places.service_name(name)}-stop"


def log_file(name: str) -> Path:
    """Return where the task logs unless its configuration says otherwise."""
    return platformdirs.user_log_path("melwatch", appauthor=False) / f"{name}.log"


def main(name: str) -> int:
    """Run the daemon until the event is set; faults go to the log file."""
    for output in ("stdout", "stderr"):
        if getattr(sys, output) is None:  # pythonw has neither
            setattr(sys, output, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  for as long as it lives
    stop = win32event.CreateEvent(None, True, False, stop_event_name(name))  # noqa: FBT003  as pywin32 has it
    from melwatch.errors import MelwatchError

    try:
        is_clean = _run(name, stop)
    except MelwatchError as error:
        places.note_fault(log_file(name), f"{error.what}. {error.hint}".rstrip())
        return error.exit_code
    except BaseException:  # noqa: BLE001  the boundary of this process
        places.note_fault(log_file(name), traceback.format_exc())
        return 70
    if not is_clean:
        os._exit(0)  # a pass that is still at work may be ended anywhere; the next start goes on from there
    return 0


def _run(name: str, stop: int) -> bool:
    from melwatch.config.instance import Instance, Scope
    from melwatch.daemon.face import Console
    from melwatch_winservice.daemon import opened

    with opened(Instance(name=name, scope=Scope.USER), Console(), datetime.now(UTC), log_file(name)) as runner:

        def wait() -> None:
            win32event.WaitForSingleObject(stop, win32event.INFINITE)
            runner.stop()

        threading.Thread(target=wait, daemon=True).start()
        return runner.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
