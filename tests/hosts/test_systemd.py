"""melwatch as a service of a systemd that was really booted; each test is a promise of the README."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from datasets import load_from_disk

from building import library, songs, tone
from hosts.systemd_host import SHARE, SystemdHost, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

    from building import Tree

_WHY_NOT = why_not()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(_WHY_NOT), reason=_WHY_NOT),
]

PYTHON = "/opt/melwatch/bin/python"
TWO_GENRES: Tree = {"Rock": songs(6), "Jazz": songs(6, first=20)}
NAMES = {f"Rock/{n:02}.mp3" for n in range(6)} | {f"Jazz/{n:02}.mp3" for n in range(20, 26)}


@cache
def many() -> Tree:
    """Return what one process works on for some seconds."""
    return {"Rock": {f"{n:02}.mp3": tone(100 + n, 30.0) for n in range(80)}}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdHost]:
    """A machine with the accounts anna, tester (who lingers), stranger and, for services, media."""
    host = SystemdHost(tmp_path_factory.mktemp("host"))
    try:
        host.boot()
        yield host
    finally:
        host.shut_down()


@dataclass
class Service:
    """A service of the machine, or of the person tester, with folders of its own below the shared one."""

    host: SystemdHost
    name: str
    folder: str
    for_machine: bool = False
    owner: str = "tester"

    @property
    def unit(self) -> str:
        return f"melwatch-{self.name}.service"

    @property
    def outside(self) -> Path:
        """Its folder as the tests see it."""
        return self.host.share / self.folder

    @property
    def places(self) -> list[str]:
        there = SHARE / self.folder
        return ["--music", str(there / "music"), "--dataset", str(there / "dataset")]

    def lay_out(self, tree: Tree, local: str = "") -> None:
        """Write a library, and changes of the user's own to the unit: without delays, and what a test needs."""
        library(self.outside / "music", tree)
        (self.outside / "dataset").mkdir()
        self.host.run("chown", "-R", f"{self.owner}:{self.owner}", str(SHARE / self.folder))
        quick = "Environment=MELWATCH_WATCH__SETTLE_S=1 MELWATCH_SCHEDULE__QUIET_S=1 MELWATCH_WORKERS__PROCESSES=1"
        text = f"[Service]\nRestartSec=100ms\n{quick}\n{local}\n"
        self.type("sh", "-c", 'mkdir -p "$0" && printf %s "$1" > "$0/local.conf"', f"{self.unit_file}.d", text)

    @property
    def unit_file(self) -> str:
        where = "/etc/systemd/system" if self.for_machine else "/home/tester/.config/systemd/user"
        return f"{where}/{self.unit}"

    @property
    def config_file(self) -> str:
        return f"{'/etc' if self.for_machine else '/home/tester/.config'}/melwatch/{self.name}.toml"

    def type(self, *command: str, expect: int | None = 0) -> str:
        """Run a command as whoever the service is for."""
        if self.for_machine:
            return self.host.run(*command, expect=expect, SUDO_USER="anna")
        return self.host.run(*command, user="tester", expect=expect, **self.session)

    @property
    def session(self) -> dict[str, str]:
        return {"XDG_RUNTIME_DIR": f"/run/user/{self.host.run('id', '-u', 'tester').strip()}"}

    def melwatch(self, *words: str, expect: int | None = 0) -> str:
        return self.type("melwatch", *words, "--name", self.name, expect=expect)

    def control(self, verb: str, *words: str, expect: int | None = 0) -> str:
        """Run `melwatch service VERB`."""
        scope = "--system" if self.for_machine else "--user"
        return self.melwatch("service", verb, scope, *words, expect=expect)

    def systemctl(self, *words: str, expect: int | None = 0) -> str:
        return self.type("systemctl", *(() if self.for_machine else ("--user",)), *words, self.unit, expect=expect)

    def fact(self, key: str) -> str:
        return self.systemctl("show", "--value", f"--property={key}").strip()

    def journal(self, *words: str) -> str:
        self.host.run("journalctl", "--sync")
        field = "_SYSTEMD_UNIT" if self.for_machine else "_SYSTEMD_USER_UNIT"
        manager = "UNIT" if self.for_machine else "USER_UNIT"
        return self.host.run(
            "journalctl", "--no-pager", "-o", "cat", *words, f"{field}={self.unit}", "+", f"{manager}={self.unit}"
        )

    def songs(self) -> set[str]:
        """Return the songs in the dataset."""
        try:
            opened = load_from_disk(str(self.outside / "dataset" / "music_lib"))
        except FileNotFoundError:
            return set()
        root = SHARE / self.folder / "music"
        return {os.path.relpath(path, root) for part in opened.values() for path in part["paths"]}

    def wait_for_songs(self, names: set[str]) -> None:
        self.host.wait_for(lambda: self.songs() == names, lambda: (self.songs(), self.journal()))

    def drop(self, name: str, hertz: float) -> None:
        (self.outside / "music" / name).write_bytes(tone(hertz))

    def kill(self, number: signal.Signals) -> int:
        """Send a signal to the daemon's own process; return its number."""
        process = int(self.fact("MainPID"))
        self.host.run("kill", f"-{number.value}", str(process))
        return process

    def wait_for_another(self, process: int) -> None:
        """Wait until the daemon runs again, in another process."""
        self.host.wait_for(
            lambda: self.fact("ActiveState") == "active" and self.fact("MainPID") not in {"0", str(process)},
            lambda: (self.systemctl("status", expect=None), self.journal()),
        )


@pytest.fixture(params=["user", "system"])
def service(request: pytest.FixtureRequest, host: SystemdHost) -> Iterator[Service]:
    """A service that is not installed yet, of either kind; what it leaves is removed."""
    number = sum(1 for _ in host.share.iterdir())
    for_machine = request.param == "system"
    owner = "media" if for_machine else "tester"
    service = Service(host, f"case-{number}", f"case-{number}", for_machine=for_machine, owner=owner)
    yield service
    service.control("uninstall", expect=None)
    service.type("rm", "-f", service.config_file)
    shutil.rmtree(service.outside / "music", ignore_errors=True)


machine_only = pytest.mark.parametrize("service", ["system"], indirect=True)
person_only = pytest.mark.parametrize("service", ["user"], indirect=True)


def test_a_service_from_its_installation_to_its_end(service: Service) -> None:
    """Installed with one line it takes in what is dropped in; a kill costs nothing; nothing but data stays."""
    service.lay_out(TWO_GENRES)
    assert f"{service.unit} runs" in service.control("install", *service.places)
    service.wait_for_songs(NAMES)
    service.host.wait_for(lambda: 'Status: "idle"' in service.systemctl("status"), service.journal)

    process = service.kill(signal.SIGKILL)
    service.wait_for_another(process)
    service.drop("Rock/new.mp3", 900)
    service.systemctl("reload")
    service.wait_for_songs({*NAMES, "Rock/new.mp3"})
    told = service.control("status")
    assert "active (running)" in told
    assert "enabled" in told
    assert "restarted 1 times" in told
    assert "13 ready" in told

    kept = service.type("cat", f"{service.unit_file}.d/local.conf")
    service.control("upgrade")
    assert service.type("cat", f"{service.unit_file}.d/local.conf") == kept
    service.wait_for_another(process)

    service.control("stop")
    assert service.fact("ActiveState") == "inactive"
    service.control("start")
    assert "gone" in service.control("uninstall")
    left = service.host.run("find", "/etc", "/home/tester", "/run", "/var/cache", "-name", f"*{service.name}*")
    assert not left
    assert "melwatch" not in service.host.run("ls", "-A", "/home/tester/.config", "/etc", "/var/cache")
    assert service.songs() == {*NAMES, "Rock/new.mp3"}
    assert service.systemctl("status", expect=4)


def test_what_it_is_at_can_be_seen(service: Service) -> None:
    """`systemctl status` shows how far an extraction is; a stop in the middle of it takes under 5 seconds."""
    service.lay_out(many())
    service.control("install", *service.places)
    service.host.wait_for(lambda: "extracting: " in service.fact("StatusText"), service.journal)
    assert 'Status: "extracting: ' in service.systemctl("status")
    began_s = time.monotonic()
    service.control("stop")
    took_s = time.monotonic() - began_s
    assert took_s < 5
    assert service.fact("Result") == "success"
    assert "SIGKILL" not in service.journal()


def test_a_hung_loop_is_ended_and_another_started(service: Service) -> None:
    """The watchdog ends a daemon whose loop stands still, not one whose workers do."""
    service.lay_out(many(), "WatchdogSec=3s")
    service.control("install", *service.places)
    service.host.wait_for(lambda: "extracting: " in service.fact("StatusText"), service.journal)
    group = "/sys/fs/cgroup" + service.fact("ControlGroup")
    everyone = set(service.host.run("cat", f"{group}/cgroup.procs").split())
    workers = everyone - {service.fact("MainPID")}
    service.host.run("kill", "-STOP", *workers)
    time.sleep(8)  # more than twice of what the watchdog waits
    assert service.fact("NRestarts") == "0"
    service.host.run("kill", "-CONT", *workers)

    process = service.kill(signal.SIGSTOP)
    service.wait_for_another(process)
    assert service.fact("NRestarts") == "1"
    journal = service.journal()
    assert "Watchdog timeout" in journal
    assert "most recent call first" in journal  # where it hung
    for path in sorted((service.outside / "music" / "Rock").iterdir())[6:]:
        path.unlink(missing_ok=True)
    service.melwatch("accept-deletions")
    service.host.wait_for(lambda: service.fact("StatusText") == "idle", service.journal)
    assert "Traceback" not in service.journal()


def test_crash_after_crash_ends_in_a_stated_failure(service: Service) -> None:
    """After five quick ones it stays down, and that is said; `service start` starts it all the same."""
    service.lay_out(TWO_GENRES)
    service.control("install", *service.places)
    for _ in range(5):
        assert service.fact("ActiveState") == "active"
        process = service.kill(signal.SIGKILL)
        service.host.wait_for(
            lambda process=process: (
                service.fact("ActiveState") == "failed"
                or (service.fact("ActiveState") == "active" and service.fact("MainPID") not in {"0", str(process)})
            ),
            service.journal,
        )
    assert service.fact("ActiveState") == "failed"
    told = service.control("status")
    assert "failed" in told
    assert "journalctl" in told
    service.control("start")
    service.wait_for_songs(NAMES)


def test_what_a_restart_would_not_cure_is_not_restarted(service: Service) -> None:
    """A wrong configuration (2), another melwatch at work (3), damaged state (4): it fails once, and says why."""
    service.lay_out(TWO_GENRES)
    service.control("install", *service.places)
    service.wait_for_songs(NAMES)
    file = service.config_file
    state = f"/var/lib/melwatch/{service.name}"
    if not service.for_machine:
        state = service.type(
            "sh", "-c", f"dirname $(grep -l {service.folder}/ ~/.local/state/melwatch/*/dataset.json)"
        ).strip()
    service.control("stop")

    def fails_with(code: int, words: str) -> None:
        assert words in service.control("start", expect=1)
        assert service.fact("ActiveState") == "failed"
        assert service.fact("ExecMainStatus") == str(code)
        assert service.fact("NRestarts") == "0"

    service.type("sed", "-i", "s/^# keep_hours = 168/keep_hours = -1/", file)
    fails_with(2, "dataset.keep_hours")
    service.type("sed", "-i", "s/^keep_hours = -1/# keep_hours = 168/", file)
    service.host.run("systemd-run", "--unit=another", "flock", f"{state}/lock", "sleep", "60")
    service.host.wait_for(lambda: service.host.run("flock", "-n", f"{state}/lock", "echo", "free", expect=None) == "")
    fails_with(3, "Another melwatch is at work")
    service.host.run("systemctl", "stop", "another")
    service.type("sh", "-c", f"echo nonsense >{state}/manifest.sqlite3; rm -f {state}/manifest.sqlite3-*")
    fails_with(4, "manifest")
    assert service.songs() == NAMES
    assert "is not as it was installed; it stays" not in service.control("uninstall")


@machine_only
def test_a_service_of_the_machine_is_shut_in(service: Service) -> None:
    """Its exposure is rated at 1.5 or less; music cannot be written to, nor a home that it does not need."""
    service.lay_out(TWO_GENRES)
    service.control("install", *service.places)
    service.wait_for_songs(NAMES)
    rated = service.host.run("systemd-analyze", "security", "--no-pager", "--threshold=15", service.unit)
    assert "Overall exposure" in rated
    process = service.fact("MainPID")
    inside = ["nsenter", "-t", process, "-m", "--"]
    music, dataset = (SHARE / service.folder / name for name in ("music", "dataset"))
    assert "Read-only" in service.host.run(*inside, "touch", str(music / "x"), expect=1)
    assert "Read-only" in service.host.run(*inside, "touch", "/etc/x", expect=1)
    service.host.run(*inside, "touch", str(dataset / "x"))
    assert service.host.run("ps", "-o", "user=,nice=", "-p", process).split() == ["media", "10"]


@machine_only
def test_whoever_installed_it_talks_to_it(service: Service) -> None:
    """A service under another account answers them without any argument; others are told why not."""
    service.lay_out(TWO_GENRES)
    service.control("install", *service.places)
    service.wait_for_songs(NAMES)
    say = service.host.run
    assert '"state": "idle"' in say("melwatch", "status", "--json", user="anna")
    assert "is in the dataset" in say("melwatch", "why", "Rock/00.mp3", user="anna")
    service.drop("Rock/new.mp3", 900)
    assert "looked at" in say("melwatch", "rescan", user="anna")
    assert "published" in say("melwatch", "publish", user="anna")
    service.wait_for_songs({*NAMES, "Rock/new.mp3"})
    for words in (["status"], ["rescan"], ["why", "Rock/00.mp3"]):
        told = say("melwatch", *words, user="stranger", expect=2)
        assert "belongs to the account media" in told
        assert "Traceback" not in told
    service.control("stop")
    for user in ("anna", "root"):
        assert "belongs to the account media" in say("melwatch", "rescan", user=user, expect=2)
        assert "13 ready" in say("melwatch", "status", user=user)
    owners = say(
        "find", f"/var/lib/melwatch/{service.name}", str(SHARE / service.folder / "dataset"), "-printf", "%u\n"
    )
    assert set(owners.split()) == {"media"}
    service.control("start")


def test_odd_names_reach_systemd_as_they_are(service: Service) -> None:
    """Folders with spaces, percent and dollar signs, quotes, backslashes and umlauts work."""
    service.folder += " Müsik 100% %h $HOME ${USER} \"quoted\" 'so' back\\slash; #7"
    service.lay_out(TWO_GENRES)
    service.control("install", *service.places)
    service.wait_for_songs(NAMES)
    assert not (
        service.type("systemd-analyze", *(() if service.for_machine else ("--user",)), "verify", service.unit_file)
    )


@person_only
def test_a_configuration_in_an_odd_place_is_found(service: Service) -> None:
    """So does a person's configuration folder of such a name."""
    service.lay_out(TWO_GENRES)
    odd = "/home/tester/Ömy 50% $PWD \"conf\" 'x' a\\b"
    service.type("mkdir", odd)
    words = ["melwatch", "service", "install", "--name", service.name, *service.places]
    variables = {"XDG_CONFIG_HOME": odd, **service.session}
    # The person's systemd looks for units where it was told at its start.
    service.host.run("ln", "-s", "/home/tester/.config/systemd", f"{odd}/systemd")
    service.host.run(*words, user="tester", **variables)
    service.wait_for_songs(NAMES)
    command = service.host.run("sh", "-c", f"tr '\\0' '\\n' < /proc/{service.fact('MainPID')}/cmdline")
    assert f"{odd}/melwatch/{service.name}.toml" in command.splitlines()
    service.host.run("melwatch", "service", "uninstall", "--name", service.name, user="tester", **variables)


@person_only
def test_several_services_live_side_by_side(service: Service) -> None:
    """Each with a library of its own, and found by name."""
    other = Service(service.host, f"{service.name}-b", f"{service.folder}-b")
    service.lay_out(TWO_GENRES)
    other.lay_out({"Pop": songs(6, first=40)})
    service.control("install", *service.places)
    other.control("install", *other.places)
    service.wait_for_songs(NAMES)
    other.wait_for_songs({f"Pop/{n}.mp3" for n in range(40, 46)})
    assert "Choose one with --name" in service.type("melwatch", "status", expect=2)
    assert "12 ready" in service.melwatch("status")
    assert "6 ready" in other.melwatch("status")
    other.control("uninstall")
    assert "12 ready" in service.type("melwatch", "status")


@person_only
def test_music_that_is_not_there_yet_is_waited_for(service: Service) -> None:
    """The service starts without it, and says so; it goes on when the music comes."""
    service.lay_out(TWO_GENRES)
    music = service.outside / "music"
    music.rename(service.outside / "aside")
    assert "the service waits for it" in service.control("install", *service.places)
    service.host.wait_for(lambda: "root_offline" in service.fact("StatusText"), service.journal)
    assert "It is looked for again and again" in service.journal("-p", "warning")
    assert "<" not in service.journal()
    (service.outside / "aside").rename(music)
    service.wait_for_songs(NAMES)


@machine_only
def test_a_dataset_on_a_disk_that_comes_late_is_gone_on_with(service: Service) -> None:
    """Without its disk the service waits; nothing is written to where the disk belongs, and all goes on with it."""
    service.lay_out(TWO_GENRES)
    disk, aside = SHARE / service.folder / "disk", SHARE / service.folder / "aside"
    service.type("mkdir", str(disk), str(aside))
    service.type("chown", "media:media", str(disk))
    places = ["--music", str(SHARE / service.folder / "music"), "--dataset", str(disk / "dataset")]
    service.control("install", "--account", "media", *places)
    service.host.wait_for(lambda: "version 1" in service.melwatch("status", expect=None), service.journal)
    service.control("stop")
    service.type("mv", str(disk / "dataset"), str(aside / "dataset"))
    service.drop("Rock/new.mp3", 900)
    service.control("start")
    service.host.wait_for(lambda: "Is its disk connected?" in service.fact("StatusText"), service.journal)
    assert not service.type("ls", str(disk))
    service.type("mount", "--bind", str(aside), str(disk))
    service.host.wait_for(lambda: "version 2" in service.melwatch("status", expect=None), service.journal)
    assert "13 ready" in service.melwatch("status")
    service.control("stop")
    service.type("umount", str(disk))


@machine_only
def test_homes_are_enough(service: Service) -> None:
    """Music and dataset in somebody's home work too; the owner of the dataset is whom it runs as."""
    place = Path("/home/anna")
    service.lay_out(TWO_GENRES)
    service.host.run("cp", "-r", str(SHARE / service.folder / "music"), str(place / "Music"))
    service.host.run("chown", "-R", "anna:anna", str(place))
    dataset = str(place / "new" / "dataset")
    assert "runs as anna" in service.control("install", "--music", str(place / "Music"), "--dataset", dataset)
    service.host.wait_for(
        lambda: service.host.run("cat", f"{dataset}/music_lib/current.json", expect=None).startswith("{"),
        service.journal,
    )
    assert service.host.run("stat", "-c", "%U", str(place / "new"), dataset).split() == ["anna", "anna"]


def refused(host: SystemdHost, user: str, *words: str, **variables: Any) -> str:
    told = host.run("melwatch", "service", "install", "--name", "odd", *words, user=user, expect=2, **variables)
    assert "Traceback" not in told
    return told


def test_what_cannot_work_is_refused_and_leaves_nothing(host: SystemdHost) -> None:
    """With a sentence for each reason, before anything is registered."""
    host.run("mkdir", "-p", "/srv/m/music", "/srv/m/private")
    host.run("chmod", "700", "/srv/m/private")
    places = ("--music", "/srv/m/music", "--dataset", "/srv/m/dataset")
    session = {"XDG_RUNTIME_DIR": f"/run/user/{host.run('id', '-u', 'tester').strip()}"}
    assert "installed by an administrator" in refused(host, "tester", "--system", *places)
    assert "no systemd of yours" in refused(host, "stranger", *places)
    assert "Leave out sudo" in refused(host, "root", *places, SUDO_USER="tester", **session)
    assert "no account 'nobody-here'" in refused(host, "root", "--system", "--account", "nobody-here", *places)
    assert "as root" in refused(host, "root", "--system", *places)
    assert "--dataset DIR" in refused(host, "root", "--system", "--music", "/srv/m/music")
    assert "cannot read /srv/m/private" in refused(
        host, "root", "--system", "--account", "media", "--music", "/srv/m/private", "--dataset", "/srv/m/dataset"
    )
    host.run("sh", "-c", "mkdir -m 700 /root/closed && cp -a /opt/melwatch/bin /opt/melwatch/lib /root/closed")
    host.run("cp", "/opt/melwatch/pyvenv.cfg", "/root/closed")
    command = ("/root/closed/bin/python", "-P", "-m", "melwatch_service", "service", "install", "--system", *places)
    assert "cannot run this melwatch" in host.run(*command, "--name", "odd", "--account", "media", expect=2)
    assert "goes with --system" in refused(host, "tester", "--account", "media", *places, **session)
    assert host.run("find", "/etc", "/home/tester", "-name", "*odd.*", "-newer", "/etc/machine-id") == ""
    assert set(host.run("find", "/srv/m", "-mindepth", "1", "-printf", "%f\n").split()) == {"music", "private"}


@person_only
def test_a_configuration_is_the_persons_own(service: Service) -> None:
    """An existing one is used, a contradiction refused, and an edited one kept by `uninstall`."""
    service.lay_out(TWO_GENRES)
    service.control("install", *service.places)
    told = service.control("install", "--music", "/srv/other", expect=2)
    assert "--music says /srv/other" in told
    assert "--name" in told
    file = service.config_file
    service.type("sh", "-c", f"echo '# mine' >>{file}")
    service.control("install")
    assert "it stays" in service.control("uninstall")


@person_only
def test_lingering_is_told_of_and_enabled_on_request(service: Service) -> None:
    """Who does not linger is told that the service ends with the session; --linger changes that, or says who can."""
    service.lay_out(TWO_GENRES)
    assert "It ends when you log out" not in service.control("install", *service.places)
    service.host.run("loginctl", "disable-linger", "tester")
    try:
        service.host.run("systemctl", "start", f"user@{service.host.run('id', '-u', 'tester').strip()}")
        assert "It ends when you log out" in service.control("install")
        told = service.control("install", "--linger")
        assert "loginctl enable-linger" in told or "also while you are not logged in" in told
    finally:
        service.host.run("loginctl", "enable-linger", "tester")


def test_the_self_check_knows_the_service(service: Service) -> None:
    """As installed it is in order; where what it starts is gone, or its account is shut out, that is named."""
    service.lay_out(TWO_GENRES)
    service.control("install", *service.places)

    def levels() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for finding in json.loads(service.melwatch("doctor", "--json", expect=None)):
            found.setdefault(finding["check"], set()).add(finding["level"])
        return found

    sound = levels()
    assert not [check for check, found in sound.items() if "problem" in found]
    assert sound["service.registered"] == sound["service.program"] == {"ok"}
    assert sound.get("service.rights", {"ok"}) == {"ok"}
    assert ("service.rights" in sound) is service.for_machine
    service.type("sed", "-i", 's|^ExecStart=:"[^"]*"|ExecStart=:"/gone/python"|', service.unit_file)
    service.host.run("chown", "-R", "root:root", str(SHARE / service.folder / "dataset"))
    broken = levels()
    assert broken["service.program"] == {"problem"}
    if service.for_machine:
        assert broken["service.rights"] == {"ok", "problem"}
    else:
        assert broken["dataset.writing"] == {"problem"}


def test_the_page_is_reachable(service: Service) -> None:
    """It is served however shut in the service is, on another port where its own is taken; `status --json` says so."""
    ask = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=30).read().decode())"

    def told() -> str:
        return str(json.loads(service.melwatch("status", "--json"))["page"])

    service.lay_out(TWO_GENRES)
    service.control("install", *service.places)
    service.wait_for_songs(NAMES)
    assert told() == "http://127.0.0.1:8765"
    assert "12 <span>ready" in service.host.run(PYTHON, "-c", ask, told())

    service.control("stop")
    service.host.run("systemd-run", "--unit=taker", PYTHON, "-m", "http.server", "8765", "--bind", "127.0.0.1")
    try:
        taken = (PYTHON, "-c", ask, "http://127.0.0.1:8765")
        service.host.wait_for(lambda: "Directory" in service.host.run(*taken, expect=None))
        service.control("start")
        service.host.wait_for(lambda: told() not in {"None", "http://127.0.0.1:8765"}, service.journal)
        assert told().startswith("http://127.0.0.1:")
        assert service.host.run(PYTHON, "-c", ask, f"{told()}/healthz").strip() == "ok"
        assert f"Port 8765 is taken by another program; the status page is at {told()}" in service.journal()
    finally:
        service.host.run("systemctl", "stop", "taker")
