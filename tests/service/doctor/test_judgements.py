"""From facts to findings: pure, so that what is broken on Windows shows on any system."""

from __future__ import annotations

import errno
import stat
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from melwatch.config.instance import Instance, Registered
from melwatch.config.sections import Config
from melwatch.errors import ConfigError, ConfigProblem, DegradedError
from melwatch.manifest.health import Health, State
from melwatch.platform.mounts import Mount
from melwatch_service.doctor import (
    checks,
    finding,
    known,
    library,
    machine,
    places,
    service,
    settings,
    software,
    songs,
    space,
    table,
)
from melwatch_service.doctor.case import Case, LateError, within
from melwatch_service.doctor.finding import Level, NotCheckedError, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 5, 1, tzinfo=UTC)
INOTIFY = {"max_user_watches": 1000, "max_user_instances": 128, "max_queued_events": 16_384}
PACKAGES: dict[str, str | None] = {**software.NEEDED, **software.OPTIONAL}
GIB = 1 << 30
UNIT = {"account": None, "program": Path("/opt/melwatch/bin/python"), "is_current": True}
MELWATCH = service.Person(name="melwatch", number=990, groups=frozenset({990, 100}))


def manifest(state: State, what: str = "") -> finding.Finding:
    return known.judge_manifest(Health(state, what), "m", 9)


def registered(*, exists: bool = True, **other: Any) -> list[finding.Finding]:
    """Judge a service that is registered like this."""
    facts = Registered(**{**UNIT, **other})
    return [*service.judge_registered(Instance(), facts, program_exists=exists)]


def rights(mode: int, owner: int = 0, group: int = 0, path: str = "/srv/music", *, acl: bool = False) -> service.Rights:
    """Return the permission bits of a folder."""
    return service.Rights(path=path, owner=owner, group=group, mode=mode, has_access_list=acl)


def judged(way: list[service.Rights], wanted: int = stat.S_IROTH | stat.S_IXOTH) -> finding.Finding:
    """Judge whether the account may read what lies at the end of a way."""
    return service.judge_rights(MELWATCH, way, "read", wanted)


CASES: list[tuple[str, Any, dict[str, str]]] = [
    ("a Python that is too old", software.judge_python((3, 10, 4), "python", "Linux"), {"software.python": "problem"}),
    ("a Python that will do", software.judge_python((3, 14, 0), "python", "Windows"), {"software.python": "ok"}),
    ("all packages", software.judge_packages(PACKAGES), {"software.packages": "ok"}),
    (
        "a package that is missing",
        software.judge_packages({**PACKAGES, "soxr": None}),
        {"software.packages": "problem soxr is not installed"},
    ),
    (
        "a package that is too old",
        software.judge_packages({**PACKAGES, "watchdog": "6.0.0"}),
        {"software.packages": "problem watchdog 6.0.0 is older than 7.1"},
    ),
    (
        "no torch",
        software.judge_packages({**PACKAGES, "torch": None}),
        {"software.packages": "ok", "software.models": "warning torch is not installed"},
    ),
    (
        "a torch with a local version",
        software.judge_packages({**PACKAGES, "torch": "2.13.0+cpu", "datasets": "4.0.0rc1"}),
        {"software.packages": "ok"},
    ),
    ("an old SQLite", software.judge_sqlite((3, 34, 1)), {"software.sqlite": "problem"}),
    ("the oldest SQLite that will do", software.judge_sqlite((3, 35, 0)), {"software.sqlite": "ok"}),
    ("next to no open files", machine.judge_descriptors(64), {"machine.descriptors": "problem"}),
    ("few open files", machine.judge_descriptors(256), {"machine.descriptors": "warning"}),
    ("many open files", machine.judge_descriptors(1024), {"machine.descriptors": "ok"}),
    ("a clock at its epoch", known.judge_clock(datetime(1970, 1, 1, tzinfo=UTC), None), {"machine.clock": "problem"}),
    (
        "a clock before the last publish",
        known.judge_clock(NOW, "2026-05-01T00:00:01+00:00"),
        {"machine.clock": "problem before the last publish"},
    ),
    ("a clock after it", known.judge_clock(NOW, "2026-04-30T23:59:59+00:00"), {"machine.clock": "ok"}),
    ("few folders", library.judge_inotify(INOTIFY, 499), {"library.watching": "ok"}),
    ("many folders", library.judge_inotify(INOTIFY, 501), {"library.watching": "warning"}),
    (
        "more folders than watches",
        library.judge_inotify(INOTIFY, 1000),
        {"library.watching": "problem sysctl fs.inotify.max_user_watches=524288"},
    ),
    (
        "few instances and a short queue",
        library.judge_inotify({**INOTIFY, "max_user_instances": 4, "max_queued_events": 64}, 1),
        {
            "library.watching": "ok",
            "library.watchers": "warning max_user_instances",
            "library.events": "warning max_queued_events",
        },
    ),
    (
        "genres with enough songs",
        library.judge_genres({"Rock": 6, "Jazz": 5}, at_least=6, in_root=0, unreadable=0),
        {"library.genres": "ok"},
    ),
    (
        "no genre with enough",
        library.judge_genres({"Jazz": 5}, at_least=6, in_root=2, unreadable=3),
        {"library.genres": "warning", "library.in_root": "warning 2 songs", "library.unreadable": "warning 3 files"},
    ),
    ("paths that are short", library.judge_paths(200, 100, enabled=False), {"library.long_paths": "ok"}),
    ("long paths that are allowed", library.judge_paths(400, 300, enabled=True), {"library.long_paths": "ok"}),
    (
        "songs with long paths",
        library.judge_paths(260, 100, enabled=False),
        {"library.long_paths": "warning LongPathsEnabled"},
    ),
    (
        "a dataset with long paths",
        library.judge_paths(100, 260, enabled=False),
        {"library.long_paths": "problem dataset.path"},
    ),
    ("state on NTFS", places.judge_file_system("state", Mount(kind="ntfs")), {"state.file_system": "ok"}),
    ("state on a share", places.judge_file_system("state", Mount(kind="network")), {"state.file_system": "problem"}),
    ("state over ssh", places.judge_file_system("state", Mount(kind="fuse.sshfs")), {"state.file_system": "problem"}),
    ("state on exFAT", places.judge_file_system("state", Mount(kind="exfat")), {"state.file_system": "warning"}),
    ("dataset on FAT", places.judge_file_system("dataset", Mount(kind="fat32")), {"dataset.file_system": "warning"}),
    ("dataset on NFS", places.judge_file_system("dataset", Mount(kind="nfs4")), {"dataset.file_system": "warning"}),
    (
        "the dataset in memory",
        places.judge_file_system("dataset", Mount(kind="tmpfs")),
        {"dataset.file_system": "warning in memory"},
    ),
    ("music on NFS", places.judge_file_system("library", Mount(kind="nfs")), {"library.file_system": "warning"}),
    (
        "music on NFS that is polled",
        places.judge_file_system("library", Mount(kind="nfs"), watch="poll"),
        {"library.file_system": "ok"},
    ),
    (
        "music mounted read-only",
        places.judge_file_system("library", Mount(kind="iso9660", is_read_only=True)),
        {"library.file_system": "ok"},
    ),
    (
        "state mounted read-only",
        places.judge_file_system("state", Mount(kind="ext4", is_read_only=True)),
        {"state.file_system": "problem read-only"},
    ),
    (
        "a disk that ignores case",
        places.judge_file_system("library", Mount(kind="ntfs"), ignores_case=True),
        {"library.file_system": "ok the same"},
    ),
    ("no file system that is known", places.judge_file_system("state", None), {"state.file_system": "unchecked"}),
    (
        "a folder of somebody else",
        places.judge_refusal("state", Path("/x"), PermissionError(errno.EACCES, "no")),
        {"state.writing": "problem Let this account"},
    ),
    (
        "a full disk",
        places.judge_refusal("dataset", Path("/x"), OSError(errno.ENOSPC, "full")),
        {"dataset.writing": "problem Free some space"},
    ),
    (
        "a slow disk",
        places.judge_writing("dataset", Path("/x"), 0.6, is_there=True),
        {"dataset.writing": "warning 600 ms"},
    ),
    (
        "too little room",
        space.judge_disks(songs_left=9, needed=9, refusal="The disk of /x has 0 GB", free={"/x": 0}),
        {"space.disks": "problem The disk of /x"},
    ),
    (
        "just room enough",
        space.judge_disks(songs_left=0, needed=0, refusal="", free={"/x": GIB - 1}),
        {"space.disks": "warning"},
    ),
    (
        "much room",
        space.judge_disks(songs_left=9, needed=9, refusal="", free={"/x": GIB, "/y": 2 * GIB}),
        {"space.disks": "ok"},
    ),
    (
        "workers beyond the memory",
        space.judge_memory(processes=16, megabytes_each=1024, total_bytes=15 * GIB),
        {"space.memory": "warning"},
    ),
    ("few shards", known.judge_shards(500, 1000), {"dataset.shards": "ok"}),
    ("many shards", known.judge_shards(501, 1000), {"dataset.shards": "warning"}),
    ("more shards than maps", known.judge_shards(1000, 1000), {"dataset.shards": "problem vm.max_map_count="}),
    ("a damaged manifest", manifest(State.DAMAGED, "row 3 missing"), {"state.manifest": "problem row 3"}),
    ("a newer manifest", manifest(State.NEWER, "newer"), {"state.manifest": "problem newer"}),
    ("a sound manifest", manifest(State.SOUND), {"state.manifest": "ok"}),
    ("a service", registered(), {"service.registered": "ok as you", "service.program": "ok"}),
    ("a moved environment", registered(exists=False), {"service.registered": "ok", "service.program": "problem 1053"}),
    (
        "an old unit",
        registered(is_current=False, account="NT SERVICE\\melwatch"),
        {"service.registered": "ok as NT SERVICE", "service.program": "warning upgrade"},
    ),
    (
        "no lingering",
        registered(ends_with_session=True),
        {"service.registered": "ok", "service.program": "ok", "service.lingering": "warning loginctl"},
    ),
    (
        "a mapped drive",
        registered(problems=[ConfigProblem(key="library.root", what="M:\\ is mapped", hint="Write '\\\\nas\\music'")]),
        {"service.registered": "ok", "service.program": "ok", "service.drives": "problem \\\\nas"},
    ),
    ("all may read", judged([rights(0o755), rights(0o755)]), {"service.rights": "ok"}),
    ("the group may read", judged([rights(0o750, group=100)]), {"service.rights": "ok"}),
    ("the owner may not", judged([rights(0o077, owner=990, group=100)]), {"service.rights": "problem"}),
    ("nobody may read", judged([rights(0o755), rights(0o700)]), {"service.rights": "problem /srv/music"}),
    (
        "a home that is shut",
        judged([rights(0o755), rights(0o700, path="/home/anna"), rights(0o755)]),
        {"service.rights": "problem may not enter /home/anna"},
    ),
    ("an access list", judged([rights(0o700, acl=True)]), {"service.rights": "unchecked getfacl"}),
    ("a way in, and nothing written", judged([rights(0o755)], stat.S_IWOTH), {"service.rights": "problem"}),
    ("a quick start", songs.judge_start(1.0, "spawn"), {"songs.workers": "ok"}),
    ("a slow start", songs.judge_start(31.0, "spawn"), {"songs.workers": "warning"}),
    ("a quick song", songs.judge_pace(0.1, "slices", 2, 36_000), {"songs.decoding": "ok about 30 min with 2"}),
    ("a slow song", songs.judge_pace(1.1, "slices", 1, None), {"songs.decoding": "warning"}),
    ("the same numbers", songs.judge_parity(1e-3, "float32"), {"songs.parity": "ok"}),
    ("other numbers", songs.judge_parity(1.1e-3, "float32"), {"songs.parity": "problem 1.1e-03"}),
    ("no numbers", songs.judge_parity(float("inf"), "float32"), {"songs.parity": "problem"}),
    ("half precision", songs.judge_parity(5e-3, "float16"), {"songs.parity": "ok"}),
    ("too little memory", songs.judge_failure(MemoryError(), 256), {"songs.decoding": "problem workers.memory_mb"}),
    ("a broken library", songs.judge_failure(OSError("no libsndfile"), 256), {"songs.decoding": "problem no libsnd"}),
    ("a wrong option", settings.judge_error(ConfigError("Two", "Leave one.")), {"settings.file": "problem Leave"}),
    (
        "wrong settings",
        settings.judge_error(ConfigError("x", problems=[ConfigProblem(key="watch.mode", what="is odd")])),
        {"settings.value": "problem watch.mode: is odd"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_facts_are_judged(found: finding.Finding | Iterable[finding.Finding], expected: dict[str, str]) -> None:
    """Each with its level and words; what is wrong comes with what to do, and all of it is plain values."""
    findings = [found] if isinstance(found, finding.Finding) else [*found]
    assert [one.check for one in findings] == [*expected]
    for one in findings:
        level, _, words = expected[one.check].partition(" ")
        assert one.level == level, one
        assert words in f"{one.what} {one.hint}", one
        assert one.hint or one.level in {Level.OK, Level.UNCHECKED}, one
        assert set(one.to_json()) == {"check", "level", "what", "hint", "facts"}


def test_the_packages_are_those_of_the_distribution() -> None:
    """What is checked is what pyproject.toml asks for, with the same oldest versions."""
    file = next(
        (folder / "pyproject.toml" for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file()), None
    )
    assert file is not None
    asked = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]
    plain = [line.partition(",")[0].split(">=") for line in asked if ";" not in line]
    assert dict(plain) == PACKAGES


# One that fails, or never answers.


def case() -> Case:
    """Return a case without a configuration."""
    return Case(find_file=lambda: None, load=lambda: None, now=NOW)


def test_a_check_that_fails_is_a_finding() -> None:
    """What was found before it failed counts, and the others go on."""

    def fail(_: Case) -> Iterable[finding.Finding]:
        yield ok("x.first", "well")
        raise ZeroDivisionError("by nought")

    def refuse(_: Case) -> Iterable[finding.Finding]:
        raise DegradedError("The disk is asleep", "Wake it.")

    def lack(_: Case) -> Iterable[finding.Finding]:
        raise NotCheckedError("There is no music")

    def hit(_: Case) -> Iterable[finding.Finding]:
        raise OSError(errno.EIO, "Input/output error", "/srv")

    found = [*checks.examine(case(), [("x.a", fail, 9), ("x.b", refuse, 9), ("x.c", lack, 9), ("x.d", hit, 9)])]
    assert [(one.check, str(one.level)) for one in found] == [
        ("x.first", "ok"), ("x.a", "problem"), ("x.b", "problem"), ("x.c", "unchecked"), ("x.d", "problem"),
    ]  # fmt: skip
    assert found[1].what == "This could not be checked: ZeroDivisionError: by nought"
    assert found[2].hint == "Wake it."
    assert "/srv: Input/output error" in found[4].what


def test_a_check_that_never_answers_is_left_behind() -> None:
    """As on a dead share: it is a problem, and the next one comes."""
    never = Event()

    def hang(_: Case) -> Iterable[finding.Finding]:
        never.wait(60)
        return []

    found = [*checks.examine(case(), [("x.a", hang, 0.05), ("x.b", lambda _: [ok("x.b", "well")], 9)])]
    never.set()
    assert [str(one.level) for one in found] == ["problem", "ok"]
    assert "no answer" in found[0].what
    with pytest.raises(LateError):
        within(0.01, lambda: Event().wait(1))


def test_what_is_gathered_is_asked_for_once(tmp_path: Path) -> None:
    """Whether that succeeds or fails: a dead share is not waited for by each check."""
    asked: list[int] = []

    def load() -> Config | None:
        asked.append(1)
        raise ConfigError("It is odd")

    odd = Case(find_file=lambda: None, load=load, now=NOW)
    for _ in range(3):
        with pytest.raises(NotCheckedError):
            odd.library.get()
    with pytest.raises(ConfigError):
        odd.config.attempt()
    assert len(asked) == 1
    missing = Config.model_validate({"library": {"root": tmp_path / "gone"}, "dataset": {"path": tmp_path / "d"}})
    with pytest.raises(NotCheckedError, match="music root"):
        Case(find_file=lambda: None, load=lambda: missing, now=NOW).library.get()


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither in a folder nor where it would be; and a file in its place is told."""
    there = tmp_path / "there"
    there.mkdir()
    assert places.probe("dataset", there).level is Level.OK
    assert "will be made" in places.probe("dataset", tmp_path / "a" / "b").what
    assert [*tmp_path.rglob("*")] == [there]
    (tmp_path / "file").write_bytes(b"")
    assert "not a folder" in places.probe("dataset", tmp_path / "file").what


def test_findings_as_text() -> None:
    """A mark and a line each, hints below what is not in order, names inert, and a sum."""
    found = [
        ok("x.a", "well\x1b[31m", n=1), warning("x.b", "[red]odd", "Look."), problem("x.c", "bad", "Mend it."),
        finding.unchecked("x.d", "unseen"), problem("x.e", "worse", "Mend it."),
    ]  # fmt: skip
    assert [*table.group_lines(found)] == [
        "  ok           well\\x1b[31m",
        "  warning      [red]odd",
        "               Look.",
        "  PROBLEM      bad",
        "               Mend it.",
        "  not checked  unseen",
        "  PROBLEM      worse",
        "               Mend it.",
    ]
    assert finding.summary(found) == "2 problems, 1 warning, 1 not checked, 1 in order."
    assert finding.summary(found[:1]) == "1 in order."
    assert [(subject, len(group)) for subject, group in table.by_subject([*found, ok("songs.a", "")])] == [
        ("x", 5), ("Songs", 1),
    ]  # fmt: skip
