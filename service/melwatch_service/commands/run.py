"""`melwatch run`: the daemon in the foreground."""

from __future__ import annotations

import faulthandler
import os
from typing import TYPE_CHECKING

from melwatch.platform import system
from melwatch_service.commands.app import Given, command, utc_now

if TYPE_CHECKING:
    from melwatch.daemon.runner import Runner


@command()
def run(given: Given) -> None:
    """Keep the dataset in step with the music until told to stop.

    Songs dropped into genre folders are taken in once they stand still, and published when it has
    been quiet for a while. Ctrl-C (or SIGTERM) finishes the songs at hand and stops; once more cuts
    it short. SIGHUP looks at everything. Example: melwatch run --music ~/Music
    """
    # What watches and keeps time is for this command only; others should not import it.
    from melwatch.daemon.face import Console
    from melwatch.daemon.wiring import open_runner
    from melwatch_systemd.notify import take_notify

    # A supervisor that gives up on a hung loop ends it with SIGABRT: then it is seen where it hung.
    faulthandler.enable()
    face = take_notify(os.environ) or Console()
    shop = given.workshop()
    os.chdir(os.path.abspath(os.sep))  # where we were started may be deleted, or its disk unmounted
    system.lower_priority()
    with open_runner(shop, face, utc_now()) as runner:
        system.handle_signals(stop=lambda: _stop(runner), rescan=runner.rescan)
        is_clean = runner.run()
    if not is_clean:
        # A pass that is still at work may be ended anywhere; the next start goes on from there.
        os._exit(0)


def _stop(runner: Runner) -> None:
    if runner.is_stopping:
        os._exit(130)
    runner.stop()
