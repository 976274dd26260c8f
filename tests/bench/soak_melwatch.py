"""The melwatch of a soak: the real daemon and the real commands, and what can be seen of them from outside."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psutil

from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

    from soak_place import Place

MODEL = {
    "feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 16_000, "num_mel_bins": 64, "max_length": 16,
    "do_normalize": True, "mean": -4.2677393, "std": 4.5689974,
}  # fmt: skip
"""Spectrograms so small that hundreds of songs fit on a disk that is quickly filled."""

SETTINGS = {
    "MELWATCH_SPECTROGRAM__WINDOW_S": "0.1",
    "MELWATCH_WORKERS__PROCESSES": "2",
    "MELWATCH_WATCH__SETTLE_S": "1",
    "MELWATCH_SCHEDULE__QUIET_S": "1",
    "MELWATCH_SCHEDULE__MAX_WAIT_S": "20",
    "MELWATCH_SCHEDULE__GC": "2m",
    "MELWATCH_SCHEDULE__VERIFY": "3m",
    "MELWATCH_DATASET__KEEP_HOURS": "0.03",
    "MELWATCH_DELETIONS__MAX_TRACKS": "8",
}


def settings(folder: Path) -> dict[str, str]:
    """Return the environment that every melwatch of a soak has; its model is written to a folder."""
    model = folder / "model"
    model.mkdir(exist_ok=True)
    (model / "preprocessor_config.json").write_text(json.dumps(MODEL), encoding="utf-8")
    return {**SETTINGS, "MELWATCH_SPECTROGRAM__MODEL": str(model), "HF_HUB_OFFLINE": "1"}


class Broken(Exception):  # noqa: N818  what this program looks for is no error of its own
    """An invariant does not hold."""


class Melwatch:
    """A daemon that is started, stopped and killed, and commands beside it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log = place.folder / "daemon.log"
        self.rig = Rig(place.music, place.dataset, place.state, settings(place.folder))
        self.process: subprocess.Popen[bytes] | None = None
        self.is_wanted = False
        self.is_excused = False
        """While it may end by itself: a disk that it needs is full or gone."""
        self.orphans: list[psutil.Process] = []
        self._read_log = 0

    def start(self) -> None:
        """Start the daemon; it need not be up yet."""
        if self.process is not None and self.process.poll() is None:
            return
        command = self.place.command(self.rig.command("run"))
        environment = {**os.environ, **self.rig.environment}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        self.is_wanted = True

    def stop(self) -> None:
        """Stop it as the system would; it must end soon and well."""
        if self.process is None or self.process.poll() is not None:
            self.is_wanted = False
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.is_wanted = False
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            raise Broken("the daemon does not end within 30 s of SIGTERM") from None
        # Told to end before it has begun to listen, it ends as any program does.
        if code not in {0, -signal.SIGTERM} and not self.is_excused:
            raise Broken(f"the daemon ended with {code} when told to stop")

    def kill(self) -> None:
        """End it without warning."""
        self.orphans += self.children()
        self.is_wanted = False
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def children(self) -> list[psutil.Process]:
        """Return the processes below it."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True) if self.process else []
        except psutil.NoSuchProcess:
            return []

    def check_alive(self) -> None:
        """See that it runs, unless it was ended or may have ended; start it again in that case."""
        if not self.is_wanted or self.process is None or self.process.poll() is None:
            return
        if not self.is_excused:
            raise Broken(f"the daemon has ended by itself with {self.process.returncode}")

    def run(self, *arguments: str, expect: tuple[int, ...] = (0,)) -> str:
        """Run a command; return what it printed."""
        done = subprocess.run(
            self.rig.command(*arguments),
            capture_output=True,
            timeout=300,
            env={**os.environ, **self.rig.environment},
            check=False,
        )
        output = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
        if done.returncode not in expect or "Traceback" in output:
            raise Broken(f"`melwatch {' '.join(arguments)}` ended with {done.returncode}: {output}")
        return done.stdout.decode("utf-8", "backslashreplace")

    def live(self) -> dict[str, Any]:
        """Return what the daemon says of itself, if it runs and does."""
        if self.process is None or self.process.poll() is not None:
            return {}
        try:
            rows = self.rows("SELECT value FROM meta WHERE key = 'live'")
        except sqlite3.Error:
            return {}
        said = dict(json.loads(rows[0][0])) if rows else {}
        return said if said.get("pid") == self.process.pid else {}

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the manifest."""
        with closing(sqlite3.connect(f"file:{self.rig.state}/manifest.sqlite3?mode=ro", uri=True, timeout=10)) as db:
            return list(db.execute(statement, values))

    def current(self) -> dict[str, Any]:
        """Return what `current.json` says; nothing where there is none."""
        try:
            return self.rig.current()
        except (OSError, ValueError):
            return {}

    def version_folder(self, number: int) -> Path:
        """Return where a version is described."""
        return self.rig.dataset / "music_lib" / "versions" / f"{number:06}"

    def new_log(self) -> str:
        """Return what has been logged since the last time."""
        with self.log.open("rb") as file:
            file.seek(self._read_log)
            text = file.read()
        self._read_log += len(text)
        return text.decode("utf-8", "backslashreplace")
