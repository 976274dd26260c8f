"""melwatch on Windows, as far as Wine shows it: the same dataset, the daemon, the service, and what holds of files.

What only real Windows shows is told in docs/windows.md; here the calls are made all the same.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from datasets import load_from_disk

from building import library, songs, tone
from hosts.windows_host import HostMissingError, make_host, windows_path
from material import MUSIC
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hosts.windows_host import WindowsHost

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PLACE = os.environ.get("MELWATCH_WINDOWS_HOST")  # asked now: in tests no such variables are left
CASES = Path(__file__).with_name("windows_cases.py")
QUICK = {"MELWATCH_WATCH__SETTLE_S": "1", "MELWATCH_SCHEDULE__QUIET_S": "1"}
MAX_DIFFERENCE, MEAN_DIFFERENCE = 2e-3, 1e-5
"""The parity tolerance of the project, for values that spread by about 0.5."""


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Iterator[WindowsHost]:
    """A Windows machine that is switched on; made once, then kept in MELWATCH_WINDOWS_HOST or pytest's cache."""
    try:
        made = make_host(Path(PLACE) if PLACE else Path(request.config.cache.mkdir("windows-host")))
    except HostMissingError as error:
        pytest.skip(f"no Windows machine: {error}")
    made.boot()
    yield made
    made.shut_down()


@dataclass(frozen=True)
class WindowsRig:
    """A music root, a dataset and a state folder of this machine, and melwatch on Windows to work on them."""

    host: WindowsHost
    place: Path

    @property
    def music(self) -> Path:
        """The music root."""
        return self.place / "music"

    @property
    def dataset(self) -> Path:
        """The dataset."""
        return self.place / "dataset"

    @property
    def options(self) -> list[str]:
        """What every command is told."""
        folders = {"--music": self.music, "--dataset": self.dataset, "--state": self.place / "state"}
        return [word for option, folder in folders.items() for word in (option, windows_path(folder))]

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run a command; return what it said."""
        return melwatch(self.host, *arguments, *self.options, expect=expect)

    def songs(self) -> set[str]:
        """Return the songs in the dataset, below the music root."""
        return songs_in(self.dataset, windows_path(self.music))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon for as long as the block lasts; then it is killed."""
        command = ("python", "-m", "melwatch_service", "run", *self.options)
        with self.host.start(*command, variables=QUICK) as process:
            try:
                yield process
            finally:
                process.kill()


def melwatch(host: WindowsHost, *arguments: str, expect: int | None = 0) -> str:
    """Run a command of melwatch on Windows; return what it said."""
    done = host.run("python", "-m", "melwatch_service", *arguments)
    said = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
    assert expect is None or done.returncode == expect, said
    return said


def songs_in(dataset: Path, root: str) -> set[str]:
    """Return the songs in a dataset that Windows wrote, below its music root."""
    try:
        opened = load_from_disk(str(dataset / "music_lib"))
    except FileNotFoundError:
        return set()
    paths = {path for part in opened.values() for path in part["paths"]}
    return {path.removeprefix(root + "\\").replace("\\", "/") for path in paths}


def wait_for(condition: Callable[[], bool], timeout_s: float = 90) -> None:
    """Wait until something holds."""
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.2)


def names(*folders: tuple[str, int, int]) -> set[str]:
    """Return the songs that `songs` made, by folder, first and last."""
    return {f"{folder}/{number:02}.mp3" for folder, first, last in folders for number in range(first, last + 1)}


TWELVE = names(("Rock", 0, 5), ("Jazz", 20, 25))


@pytest.fixture
def rig(host: WindowsHost, tmp_path: Path) -> WindowsRig:
    """A library of two genres, nothing known of it."""
    made = WindowsRig(host, tmp_path)
    library(made.music, {"Rock": songs(6), "Jazz": songs(6, first=20)})
    return made


def test_the_dataset_is_the_one_that_linux_makes(host: WindowsHost, tmp_path: Path) -> None:
    """Of the same songs: the same rows in the same order, with the same splits, classes and numbers."""
    windows, linux = WindowsRig(host, tmp_path), Rig.at(tmp_path / "linux", music=tmp_path / "music")
    library(windows.music, {"Töne": songs(7), "Jazz": {"Album ö": songs(6, first=20)}})
    if MUSIC.is_dir():
        shutil.copytree(MUSIC, windows.music, dirs_exist_ok=True)
    windows.run("sync")
    linux.run("sync")
    ours, theirs = (load_from_disk(str(rig.dataset / "music_lib")) for rig in (windows, linux))
    assert list(ours) == list(theirs)
    largest = 0.0
    for split, part in theirs.items():
        assert ours[split].features == part.features
        assert len(ours[split]) == len(part)
        for row, other in zip(ours[split], part, strict=True):
            assert row["labels"] == other["labels"]
            assert row["paths"] == windows_path(Path(other["paths"]))
            difference = np.abs(np.asarray(row["input_values"]) - np.asarray(other["input_values"]))
            assert difference.mean() < MEAN_DIFFERENCE or difference.max() < 1e-3
            largest = max(largest, float(difference.max()))
    print(f"largest difference between Windows and Linux: {largest:.2e}")
    assert largest <= MAX_DIFFERENCE
    assert "Nothing has changed" in windows.run("sync")
    assert "No problems found" in windows.run("verify", "--read-data")


def test_the_daemon_takes_in_what_changes_and_survives_being_killed(rig: WindowsRig) -> None:
    """Songs that are added, renamed and deleted show in the dataset; killed and started again, it goes on."""
    with rig.running():
        wait_for(lambda: rig.songs() == TWELVE)
        (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
        wait_for(lambda: rig.songs() == TWELVE | {"Rock/new.mp3"})
        assert "watching" in rig.run("status")
        assert "Another melwatch is at work" in rig.run("sync", expect=3)
        assert "is looked at" in rig.run("rescan")
    (rig.music / "Rock" / "new.mp3").rename(rig.music / "Jazz" / "renamed.mp3")
    (rig.music / "Rock" / "more.mp3").write_bytes(tone(950))
    with rig.running():
        wait_for(lambda: rig.songs() == TWELVE | {"Jazz/renamed.mp3", "Rock/more.mp3"})
    assert "0 extracted" in rig.run("sync")  # which finishes a publish that was cut off
    assert "No problems found" in rig.run("verify", "--read-data")


def test_another_case_of_a_name_is_the_same_song(rig: WindowsRig) -> None:
    """Nothing is extracted, splits and class ids stay, the dataset shows the names that are there."""
    rig.run("sync")
    before = split_of(rig)
    (rig.music / "Rock").rename(rig.music / "ROCK")
    (rig.music / "Jazz" / "20.mp3").rename(rig.music / "Jazz" / "20.MP3")
    assert "0 extracted, 12 reused" in rig.run("sync")
    after = split_of(rig)
    assert set(after) == (TWELVE - names(("Rock", 0, 5), ("Jazz", 20, 20))) | {
        *names(("ROCK", 0, 5)),
        "Jazz/20.MP3",
    }
    assert {path.lower(): split for path, split in after.items()} == {
        path.lower(): split for path, split in before.items()
    }
    opened = load_from_disk(str(rig.dataset / "music_lib"))
    assert opened["train"].features["labels"].names == ["Jazz", "ROCK"]
    assert "is in the dataset" in rig.run("why", "jazz\\20.mp3")


def split_of(rig: WindowsRig) -> dict[str, str]:
    """Return in which split each song is."""
    opened = load_from_disk(str(rig.dataset / "music_lib"))
    root = windows_path(rig.music) + "\\"
    return {
        path.removeprefix(root).replace("\\", "/"): split for split, part in opened.items() for path in part["paths"]
    }


def test_what_is_wrong_is_said_with_an_exit_code(rig: WindowsRig) -> None:
    """As on Linux: 2 for wrong usage, 1 where something needs a look."""
    assert "cannot be read" in melwatch(
        rig.host, "sync", "--music", "C:\\nowhere", "--dataset", "C:\\nothing", expect=2
    )
    rig.run("sync")
    rig.music.rename(rig.music.with_name("away"))
    assert "The music root cannot be reached" in rig.run("sync", expect=1)
    assert rig.songs() == TWELVE
    said = melwatch(rig.host, "service", "install", "--system", "--account", "PC\\anna", "--music", "C:\\m",
                    "--dataset", "C:\\d", expect=2)  # fmt: skip
    assert "has a password" in said
    assert "There is no service" in melwatch(rig.host, "service", "start", "--system", expect=2)


@contextmanager
def service(host: WindowsHost) -> Iterator[tuple[Path, Path]]:
    """Install melwatch as a service with a library on drive C; yield its music and dataset."""
    place = host.drive / "service"
    for leftover in (place, host.drive / "ProgramData" / "melwatch"):
        shutil.rmtree(leftover, ignore_errors=True)
    library(place / "music", {"Rock": songs(6), "Jazz": songs(6, first=20)})
    arguments = ("--system", "--music", "C:\\service\\music", "--dataset", "C:\\service\\dataset")
    melwatch(host, "service", "install", *arguments)
    config = host.drive / "ProgramData" / "melwatch" / "melwatch.toml"
    quick = "\n[watch]\nsettle_s = 1\n[schedule]\nquiet_s = 1\n"
    text = config.read_text(encoding="utf-8").replace("[watch]", "").replace("[schedule]", "")
    config.write_text(text + quick, encoding="utf-8")
    melwatch(host, "service", "upgrade")
    try:
        yield place / "music", place / "dataset"
    finally:
        host.run("python", "-m", "melwatch_service", "service", "uninstall", "--system")
        shutil.rmtree(host.drive / "ProgramData" / "melwatch", ignore_errors=True)


FACTS = "from melwatch_winservice.control import Service; print(Service('melwatch').facts())"


def processes_of_service() -> list[int]:
    """Return the processes here of the service there, its own first."""
    listed = subprocess.run(["pgrep", "-f", "melwatch_winservice"], capture_output=True, check=False).stdout
    return [int(pid) for pid in listed.split()]


def state_of(host: WindowsHost) -> str:
    """Return what the service control manager says."""
    return melwatch(host, "service", "status", "--system").splitlines()[0].partition(": ")[2]


def test_the_life_of_a_service(host: WindowsHost) -> None:
    """Installed it runs and works, stops in time, survives being killed, starts with Windows; data outlive it."""
    root = "C:\\service\\music"
    with service(host) as (music, dataset):
        assert state_of(host).startswith("running")
        wait_for(lambda: songs_in(dataset, root) == TWELVE)
        (music / "Rock" / "new.mp3").write_bytes(tone(900))
        wait_for(lambda: songs_in(dataset, root) == TWELVE | {"Rock/new.mp3"})
        assert "Daemon   process" in melwatch(host, "status")
        assert "is looked at" in melwatch(host, "rescan")
        registered = host.run("python", "-c", FACTS).stdout.decode()
        assert "starts_by_itself=True" in registered
        assert "account='NT SERVICE\\\\melwatch'" in registered
        assert "python.exe\" -I -m melwatch_winservice melwatch'" in registered
        source = r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\melwatch"
        assert host.run("reg", "query", source).returncode == 0

        began_s = time.monotonic()
        assert "has stopped" in melwatch(host, "service", "stop")
        assert time.monotonic() - began_s < 8
        assert state_of(host) == "stopped"
        assert not processes_of_service()
        melwatch(host, "service", "start")

        (music / "Rock" / "more.mp3").write_bytes(tone(950))
        for pid in processes_of_service():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        host.shut_down()  # Wine does not notice that a service has crashed, nor restart it; it starts with the machine
        host.boot()
        wait_for(lambda: songs_in(dataset, root) == TWELVE | {"Rock/new.mp3", "Rock/more.mp3"})
        assert state_of(host).startswith("running")
        log = (host.drive / "ProgramData" / "melwatch" / "logs" / "melwatch.log").read_text(encoding="utf-8")
        assert "published version" in log

        assert "is gone" in melwatch(host, "service", "uninstall")
        assert "There is no service" in melwatch(host, "service", "status", "--system", expect=2)
        assert host.run("reg", "query", source).returncode != 0
        assert not (host.drive / "ProgramData" / "melwatch" / "logs").exists()
        assert songs_in(dataset, root) == TWELVE | {"Rock/new.mp3", "Rock/more.mp3"}


def test_a_service_that_cannot_start_says_why(host: WindowsHost) -> None:
    """In its exit code, and in the log file."""
    with service(host):
        melwatch(host, "service", "stop")
        folder = host.drive / "ProgramData" / "melwatch"
        config = folder / "melwatch.toml"
        config.write_text("[library]\nrot = 'C:\\music'\n" + config.read_text(encoding="utf-8"), encoding="utf-8")
        said: list[str] = []
        until_s = time.monotonic() + 90
        while not said or "its last exit code is 2" not in said[-1]:  # Wine gives up a start that takes too long
            assert time.monotonic() < until_s, said
            assert host.run("sc", "start", "melwatch").returncode in {0, 1}
            said.append(melwatch(host, "service", "status", "--system", expect=None))
        assert "is not valid TOML" in (folder / "logs" / "melwatch.log").read_text(encoding="utf-8")


def test_the_task_of_a_person() -> None:
    """It runs at their own logon, without a time limit, on battery too, hidden, and as them."""
    from melwatch_winservice.task_xml import task_xml

    text = task_xml(user_id="S-1-5-21-1", command="C:\\Program Files\\a & b\\pythonw.exe", arguments="-m x melwatch")
    tree = ET.fromstring(text.partition("\n")[2])  # noqa: S314  our own
    found = {element.tag.partition("}")[2]: element.text for element in tree.iter()}
    assert found["UserId"] == "S-1-5-21-1"
    assert found["ExecutionTimeLimit"] == "PT0S"
    assert found["DisallowStartIfOnBatteries"] == found["StopIfGoingOnBatteries"] == "false"
    assert found["Hidden"] == "true"
    assert (found["LogonType"], found["RunLevel"]) == ("InteractiveToken", "LeastPrivilege")
    assert found["Command"] == "C:\\Program Files\\a & b\\pythonw.exe"


@pytest.fixture(scope="module")
def outcomes(host: WindowsHost, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the cases with the Windows Python; return by name what went wrong."""
    place = tmp_path_factory.mktemp("cases")
    shutil.copy(CASES, place)
    done = host.run(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", windows_path(place),
        "--basetemp", "C:\\cases", "--junitxml", windows_path(place / "cases.xml"), windows_path(place / CASES.name),
        timeout_s=300,
    )  # fmt: skip
    assert (place / "cases.xml").exists(), done.stdout.decode() + done.stderr.decode()
    found: dict[str, str] = {}
    for case in ET.parse(place / "cases.xml").iter("testcase"):  # noqa: S314  our own
        name = case.attrib["name"].partition("[")[0]
        troubles = [trouble.text or "" for trouble in case if trouble.tag in {"failure", "error", "skipped"}]
        found[name] = found.get(name, "") + "\n".join(troubles)
    return found


@pytest.mark.parametrize(
    "case",
    [
        node.name for node in ast.parse(CASES.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ],
)  # fmt: skip
def test_on_windows(outcomes: dict[str, str], case: str) -> None:
    """What `windows_cases.py` says holds there."""
    assert case in outcomes
    assert not outcomes[case], outcomes[case]


def test_the_self_check_finds_no_problem(rig: WindowsRig) -> None:
    """It tells of the file system and of long paths, and of no limit that only Linux has."""
    library(rig.music, {"Rock": songs(6)})
    told, _ = json.JSONDecoder().raw_decode(rig.run("doctor", "--json"))  # Wine has words of its own after it
    found = {finding["check"]: finding for finding in told}
    assert not [check for check, finding in found.items() if finding["level"] == "problem"]
    assert found["state.file_system"]["facts"]["ignores_case"] is True
    assert found["library.long_paths"]["level"] == "ok"
    assert found["songs.decoding"]["level"] == "ok"
    assert not {"machine.descriptors", "dataset.shards", "library.events"} & set(found)
