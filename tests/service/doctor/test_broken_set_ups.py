"""Set-ups that are broken on purpose, each named by the real `melwatch doctor`.

What a test machine cannot be made to have, such as a file system of another kind, is put in the place of
the one fact that the command asks the system for; all else is real.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from building import library, songs, tone
from melwatch.manifest.lock import locked
from running import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="breaks set-ups by means that Linux has"),
]
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, to mount"
)

_NO_TRANSFORMERS = "raise ImportError('left out of this test')"
_OTHER_TRANSFORMERS = """
import numpy
class ASTFeatureExtractor:
    def __init__(self, **parameters):
        self.shape = parameters["max_length"], parameters["num_mel_bins"]
    def __call__(self, windows, **_):
        return {"input_values": numpy.zeros((len(windows), *self.shape), "f4")}
"""


class Patient:
    """A set-up, and what `doctor` finds of it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.rig = Rig.at(place)
        self.modules = place / "modules"
        self.modules.mkdir()
        self.put_before("transformers", _NO_TRANSFORMERS)
        library(self.rig.music, {"Rock": songs(6)})

    def put_before(self, module: str, code: str) -> None:
        """Have a module of this text found instead of the installed one."""
        (self.modules / f"{module}.py").write_text(code, encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """Return what the command runs with."""
        paths = [str(self.modules), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **self.rig.environment}

    def examined(
        self, *, before: str = "", arguments: list[str] | None = None, expect: int = 1, **how: Any
    ) -> dict[str, list[dict[str, Any]]]:
        """Run `doctor --json`, after a line of shell in mounts of its own; return its findings by check."""
        command = [*self.rig.command("doctor", "--json")] if arguments is None else arguments
        if before:
            command = ["unshare", "--mount", "sh", "-c", f'{before} && exec "$@"', "sh", *command]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment(), timeout=200, check=False, **how
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        found: dict[str, list[dict[str, Any]]] = {}
        for finding in json.loads(done.stdout):
            found.setdefault(finding["check"], []).append(finding)
        return found


@pytest.fixture
def patient() -> Iterator[Patient]:
    """A set-up with nothing wrong, in a place that other accounts may enter."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        yield Patient(place)


def the(found: dict[str, list[dict[str, Any]]], check: str, level: str, *words: str) -> None:
    """See that one check, and no other, found a problem; or that it warns; with these words and a hint."""
    finding = found[check][0]
    assert finding["level"] == level, finding
    assert finding["hint"], finding
    for word in words:
        assert word in finding["what"] + finding["hint"], finding
    if level == "problem":
        assert problems(found) == {check}


def problems(found: dict[str, list[dict[str, Any]]]) -> set[str]:
    """Return the checks that found a problem."""
    return {check for check, findings in found.items() if any(one["level"] == "problem" for one in findings)}


def test_a_sound_set_up_has_no_problem(patient: Patient) -> None:
    """Before the first pass and after it, and the check leaves nothing behind."""
    patient.examined(expect=0)
    assert not patient.rig.dataset.exists()
    assert not patient.rig.state.exists()
    patient.rig.sync()
    before = sorted(patient.place.rglob("*"))
    found = patient.examined(expect=0)
    assert sorted(patient.place.rglob("*")) == before
    assert found["songs.parity"][0]["level"] == "unchecked"
    assert found["dataset.current"][0]["facts"]["version"] == 1


def test_the_numbers_are_those_of_transformers(patient: Patient) -> None:
    """With the real one, the made-up song is at most a thousandth away."""
    pytest.importorskip("transformers")
    (patient.modules / "transformers.py").unlink()
    parity = patient.examined(expect=0)["songs.parity"][0]
    assert parity["level"] == "ok"
    assert 0 < parity["facts"]["largest_difference"] < 1e-3


def test_without_a_configuration_the_machine_is_checked(patient: Patient) -> None:
    """And no check complains of what nobody has named."""
    found = patient.examined(arguments=[sys.executable, "-m", "melwatch_service", "doctor", "--json"], expect=0)
    assert found["settings.file"][0]["level"] == "unchecked"
    assert {check.partition(".")[0] for check in found} == {"settings", "software", "machine", "songs"}


def test_a_configuration_that_is_no_toml(patient: Patient) -> None:
    """The file is named, and the machine is checked all the same."""
    file = patient.place / "melwatch.toml"
    file.write_text("[library\n", encoding="utf-8")
    arguments = [sys.executable, "-m", "melwatch_service", "doctor", "--json", "--config", str(file)]
    the(patient.examined(arguments=arguments), "settings.file", "problem", "melwatch.toml", "TOML")


def test_a_state_folder_that_holds_the_music(patient: Patient) -> None:
    """The setting is named."""
    patient.rig = Rig(patient.rig.music, patient.rig.dataset, patient.place)
    the(patient.examined(), "settings.value", "problem", "dataset.state")


def test_a_missing_music_root(patient: Patient) -> None:
    """It is named, and what depends on it is not checked."""
    shutil.rmtree(patient.rig.music)
    found = patient.examined()
    the(found, "library.root", "problem", str(patient.rig.music))
    assert found["library.genres"][0]["level"] == "unchecked"


def test_songs_without_genres(patient: Patient) -> None:
    """Songs in the root itself, and too few elsewhere, are warned of."""
    library(patient.rig.music, {"stray.mp3": tone(300)})
    (patient.rig.music / "Rock" / "00.mp3").unlink()
    found = patient.examined(expect=0)
    the(found, "library.genres", "warning", "No genre has 6 songs")
    the(found, "library.in_root", "warning", "1 songs")


def test_a_dataset_of_somebody_else(patient: Patient) -> None:
    """It is named, with the way to take it over."""
    library(patient.rig.dataset, {"dataset_dict.json": b"{}"})
    the(patient.examined(), "dataset.current", "problem", "did not write", "melwatch adopt")


@as_root
def test_folders_without_rights(patient: Patient) -> None:
    """An account that may not write to dataset and state is told so for both, and of nothing else."""
    patient.rig.sync()
    for folder in (patient.rig.dataset, patient.rig.state):
        os.chown(folder, 65534, 65534)
        folder.chmod(0o755 if folder == patient.rig.dataset else 0o700)
    # Without its privileges, root is an account like any other, and one that may run this Python.
    found = patient.examined(
        arguments=["setpriv", "--bounding-set=-all", *patient.rig.command("doctor", "--json")],
    )
    assert found["dataset.writing"][0]["hint"].startswith("Let this account write there")
    assert problems(found) == {"dataset.writing", "state.writing"}
    assert found["state.manifest"][0]["level"] == "unchecked"


@as_root
def test_a_dataset_mounted_read_only(patient: Patient) -> None:
    """The mount is named."""
    patient.rig.dataset.mkdir()
    place = patient.rig.dataset
    found = patient.examined(before=f"mount --bind {place} {place} && mount -o remount,ro,bind {place}")
    assert "read-only" in found["dataset.file_system"][0]["what"]
    assert problems(found) == {"dataset.file_system", "dataset.writing"}


@as_root
def test_a_disk_that_is_too_small(patient: Patient) -> None:
    """What the songs need is held against what is free."""
    patient.rig.dataset.mkdir()
    found = patient.examined(before=f"mount -t tmpfs -o size=2m none {patient.rig.dataset}")
    the(found, "space.disks", "problem", "6 songs", "GB free")
    the({**found, "space.disks": []}, "dataset.file_system", "warning", "in memory")


@as_root
def test_a_disk_that_is_full(patient: Patient) -> None:
    """The file that is tried finds that out."""
    patient.rig.dataset.mkdir()
    place = patient.rig.dataset
    fill = f"mount -t tmpfs -o size=1m none {place} && ! head -c 2000000 /dev/zero > {place}/filling 2>/dev/null"
    found = patient.examined(before=fill)
    assert found["dataset.writing"][0]["hint"] == "Free some space on its disk."
    assert problems(found) == {"dataset.writing", "space.disks"}


@as_root
@pytest.mark.parametrize(
    ("limit", "value", "check", "words"),
    [
        ("fs/inotify/max_user_watches", 2, "library.watching", "sysctl fs.inotify.max_user_watches="),
        ("vm/max_map_count", 3, "dataset.shards", "sysctl vm.max_map_count="),
    ],
)
def test_a_limit_of_the_kernel_that_is_too_low(
    patient: Patient, limit: str, value: int, check: str, words: str
) -> None:
    """The limit is named with the line that raises it."""
    patient.rig.sync()
    low = patient.place / "low"
    low.write_text(f"{value}\n", encoding="ascii")
    the(patient.examined(before=f"mount --bind {low} /proc/sys/{limit}"), check, "problem", words)


def test_few_open_files(patient: Patient) -> None:
    """The limit of the process is named."""
    command = ["sh", "-c", 'ulimit -n 100 && exec "$@"', "sh", *patient.rig.command("doctor", "--json")]
    the(patient.examined(arguments=command), "machine.descriptors", "problem", "100", "ulimit -n")


@pytest.mark.parametrize(
    ("place", "kind", "level", "words"),
    [
        ("state", "nfs4", "problem", "write-ahead log"),
        ("state", "vfat", "warning", "no journal"),
        ("dataset", "exfat", "warning", "no journal"),
        ("music", "cifs", "warning", "hourly look"),
    ],
)
def test_unfit_file_systems(patient: Patient, place: str, kind: str, level: str, words: str) -> None:
    """State on the network is a problem; FAT, and music on the network, are warned of."""
    for folder in (patient.rig.dataset, patient.rig.state):
        folder.mkdir()
    mounted = f"1 1 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / {patient.place / place} rw - {kind} /dev/b rw\n"
    table = patient.place / "mountinfo"
    table.write_text(mounted, encoding="utf-8")
    patient.put_before(
        "sitecustomize",
        f"import pathlib, melwatch.platform.mounts as m; m._MOUNTS = pathlib.Path({os.fspath(table)!r})",
    )
    found = patient.examined(expect=1 if level == "problem" else 0)
    the(found, f"{'library' if place == 'music' else place}.file_system", level, kind, words)


def test_a_damaged_manifest(patient: Patient) -> None:
    """A page of nonsense in its middle is found."""
    patient.rig.sync()
    file = patient.rig.state / "manifest.sqlite3"
    with file.open("r+b") as manifest:
        manifest.seek(3 * 4096)
        manifest.write(os.urandom(4 * 4096))
    the(patient.examined(), "state.manifest", "problem", str(file))


def test_a_manifest_of_a_newer_melwatch(patient: Patient) -> None:
    """It is told apart from damage."""
    patient.rig.sync()
    with closing(sqlite3.connect(patient.rig.state / "manifest.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")
    the(patient.examined(), "state.manifest", "problem", "newer melwatch", "Upgrade")


def test_a_state_folder_of_another_dataset(patient: Patient) -> None:
    """Both are named before they can be mixed up."""
    patient.rig.sync()
    other = patient.place / "other"
    patient.rig = Rig(patient.rig.music, other, patient.rig.state)
    the(patient.examined(), "dataset.current", "problem", "serves another dataset")


def test_a_clock_before_the_last_publish(patient: Patient) -> None:
    """The clock and the publish are both told."""
    patient.rig.sync()
    file = patient.rig.dataset / "music_lib" / "current.json"
    said = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**said, "published_at": "2099-01-01T00:00:00+00:00"}), encoding="utf-8")
    the(patient.examined(), "machine.clock", "problem", "2099-01-01")


def test_a_service_whose_environment_was_moved(patient: Patient) -> None:
    """What the unit starts is named, with what the service managers say of it."""
    homes = {"XDG_CONFIG_HOME": str(patient.place / "config"), "HOME": str(patient.place)}
    patient.rig.environment.update(homes)
    config = patient.place / "config" / "melwatch" / "melwatch.toml"
    unit = patient.place / "config" / "systemd" / "user" / "melwatch.service"
    for file in (config, unit):
        file.parent.mkdir(parents=True)
    config.write_text(f"[library]\nroot = '{patient.rig.music}'\n", encoding="utf-8")
    unit.write_text('[Service]\nExecStart=:"/gone/venv/bin/python" "-P" "-m" "melwatch_service" "run"\n', "utf-8")
    found = patient.examined(arguments=[sys.executable, "-m", "melwatch_service", "doctor", "--json"])
    the(found, "service.program", "problem", "/gone/venv/bin/python", "1053", "service upgrade")


def test_a_libsndfile_without_mp3(patient: Patient) -> None:
    """It is named before a whole library fails."""
    patient.put_before("sitecustomize", "import soundfile; soundfile.available_formats = lambda: {'WAV': 'WAV'}")
    the(patient.examined(), "songs.decoding", "problem", "no MP3")


def test_a_decoder_that_crashes(patient: Patient) -> None:
    """The child that dies over it is no end of the check."""
    patient.put_before("sitecustomize", "import os, soundfile; soundfile.available_formats = lambda: os._exit(9)")
    the(patient.examined(), "songs.decoding", "problem", "killed")


def test_other_numbers_than_transformers(patient: Patient) -> None:
    """An extractor that gives other numbers is a problem, with the distance."""
    patient.put_before("transformers", _OTHER_TRANSFORMERS)
    the(patient.examined(), "songs.parity", "problem", "not ASTFeatureExtractor's")


def test_an_old_sqlite(patient: Patient) -> None:
    """The version is named before the manifest fails over its SQL."""
    patient.put_before("sitecustomize", "import sqlite3; sqlite3.sqlite_version_info = (3, 31, 1)")
    the(patient.examined(), "software.sqlite", "problem", "3.31.1", "3.35")


def test_another_melwatch_at_work_is_no_fault(patient: Patient) -> None:
    """It is told, with its process."""
    patient.rig.sync()
    with locked(patient.rig.state, datetime.now(UTC)):
        found = patient.examined(expect=0)
    assert found["state.lock"][0]["facts"]["pid"] == os.getpid()
