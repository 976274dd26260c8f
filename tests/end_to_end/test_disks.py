"""Disks that are full, read-only or gone, for real: what the daemon says, and that it goes on by itself."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from building import library, songs, tone
from daemons import running
from melwatch.daemon import wiring
from melwatch.daemon.schedule import Task
from melwatch.dataset import soundness
from melwatch.errors import DegradedError
from melwatch.library.settle import Settling
from melwatch.maintenance import recover
from melwatch.maintenance.clearing import collect
from melwatch.passes.patience import Patience
from melwatch.passes.pipeline import Pipeline
from melwatch.platform.disk import TEMPORARY
from melwatch.progress import Unwatched
from melwatch.publishing import publication
from running import Rig
from workshops import manifest_of, workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from melwatch.passes.pipeline import Passed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system"),
]

ROCK = tuple(f"Rock/{n:02}.mp3" for n in range(6))


@contextmanager
def small_disk(at: Path, size_mb: int = 96) -> Iterator[Path]:
    """Mount a disk of a few megabytes."""
    at.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(at)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte on a disk; return what to delete for it to be well again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


def leftovers(*places: Path) -> list[str]:
    """Return the temporary files that are there."""
    return [path.name for place in places for path in place.rglob("*") if TEMPORARY.fullmatch(path.name)]


@pytest.mark.parametrize("which", ["dataset", "state"])
def test_a_full_disk_is_waited_out(tmp_path: Path, which: str) -> None:
    """The last version stays valid, the state says what is wrong, and once there is room all goes on by itself."""
    with small_disk(tmp_path / "disk") as disk:
        places = {name: (disk if name == which else tmp_path) / name for name in ("dataset", "state")}
        (disk / "daemon.log").symlink_to(tmp_path / "daemon.log")  # nothing must happen to what it says
        rig = Rig(library(tmp_path / "music", {"Rock": songs(6)}), places["dataset"], places["state"])
        with running(rig) as daemon:
            daemon.wait_for_songs(*ROCK)
            filler = fill(disk)
            (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
            daemon.wait_for(lambda: "full" in daemon.log() or "GB free" in daemon.log())
            assert daemon.songs() == set(ROCK)
            filler.unlink()
            daemon.wait_for_songs("Rock/new.mp3", *ROCK, timeout_s=120)
            daemon.wait_for_state("idle")
            warnings = [line for line in daemon.log().splitlines() if line.startswith("WARNING")]
            # Another daemon may have the port.
            told = [line for line in warnings if not line.startswith("WARNING: Port ")]
            assert 1 <= len(told) <= 3, warnings
            assert "Traceback" not in daemon.log()
            assert not leftovers(rig.dataset, rig.state)


@pytest.mark.parametrize("which", ["dataset", "state"])
@pytest.mark.parametrize("free_mb", [0, 5])
@pytest.mark.parametrize("damage", ["shard", "manifest"])
def test_a_repair_without_space_says_so_and_changes_nothing(
    tmp_path: Path, which: str, free_mb: int, damage: str
) -> None:
    """It names the disk, and about how much is needed; with that it is done."""
    with small_disk(tmp_path / "disk") as disk:
        places = {name: (disk if name == which else tmp_path) / name for name in ("dataset", "state")}
        rig = Rig(library(tmp_path / "music", {"Rock": songs(6)}), places["dataset"], places["state"])
        rig.sync()
        before = rig.rows()
        damaged = max(rig.dataset.glob("music_lib/*/*.arrow"), key=lambda path: path.stat().st_size)
        if damage == "manifest":
            damaged = rig.state / "manifest.sqlite3"
        with damaged.open("r+b") as file:
            file.seek(damaged.stat().st_size // 2)
            file.write(b"noise")
            file.truncate(damaged.stat().st_size - (damage == "manifest"))
        filler = fill(disk)
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - (free_mb << 20))
        content = contents(rig.dataset, rig.state)

        done = subprocess.run(rig.command("repair"), capture_output=True, text=True, check=False, timeout=200)
        fits = damage == "manifest" and (free_mb or which == "dataset")
        if not fits:
            assert done.returncode == 1, done.stdout + done.stderr
            assert f"The disk of {places[which]} has {free_mb * 1.048576:,.1f} MB free; this needs" in done.stderr
            assert "Free some space, then run it again. Nothing was changed." in done.stderr
            assert contents(rig.dataset, rig.state) == content
        filler.unlink()

        rig.run("repair")
        assert rig.rows() == before
        rig.run("verify", "--read-data")


def contents(*places: Path) -> dict[Path, bytes]:
    """Return every file but the lock and what SQLite puts beside the manifest to read it."""
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files if not path.name.endswith(("lock", "-wal", "-shm"))}


def test_a_dataset_that_may_not_be_written_is_waited_out(tmp_path: Path) -> None:
    """With its disk read-only songs are still taken in; what is published stays, and what is new follows."""
    with small_disk(tmp_path / "disk") as disk:
        rig = Rig(library(tmp_path / "music", {"Rock": songs(6)}), disk / "dataset", tmp_path / "state")
        with running(rig) as daemon:
            daemon.wait_for_songs(*ROCK)
            daemon.wait_for_state("idle")
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            (rig.music / "Rock" / "new.mp3").write_bytes(tone(900))
            daemon.wait_for_state("degraded")
            daemon.wait_for(lambda: rig.status()["tracks"]["ready"] == 7)
            assert daemon.songs() == set(ROCK)
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            daemon.wait_for_songs("Rock/new.mp3", *ROCK, timeout_s=120)
            assert daemon.extracted() == 7


def test_a_publish_needs_no_music(tmp_path: Path) -> None:
    """The root vanishes when all is extracted and nothing published yet: the version is whole all the same."""
    shop = workshop(tmp_path)
    root = library(tmp_path / "music", {"Rock": songs(6)})

    def may_publish() -> bool:
        if root.exists():
            root.rename(tmp_path / "aside")
        return True

    with manifest_of(shop) as db:
        passed = Pipeline(shop, db, Unwatched()).run_pass(datetime.now(UTC), may_publish=may_publish)

    assert not root.exists()
    assert passed.report.is_published
    assert len(Rig.at(tmp_path).rows()) == 36


@pytest.mark.parametrize("when", ["while recovering", "before publishing", "while publishing", "while collecting"])
@pytest.mark.parametrize("has_patience", [False, True], ids=["sync", "daemon"])
def test_a_dataset_whose_disk_goes_is_not_begun_anew(tmp_path: Path, when: str, *, has_patience: bool) -> None:
    """Nothing is written to where the disk belongs, nothing is forgotten, and with the disk all goes on."""
    shop = workshop(tmp_path)
    library(tmp_path / "music", {"Rock": songs(6)})
    aside = tmp_path / "aside"

    def disconnect() -> bool:
        if shop.folder.path.exists():
            shop.folder.path.rename(aside)
        return True

    def leave_mount_point() -> None:
        disconnect()
        shop.folder.path.mkdir()

    with manifest_of(shop) as db:

        def run(may_publish: Callable[[], bool] = lambda: True) -> Passed:
            patience = Patience(settling=Settling(0), gone_s=0) if has_patience else None
            return Pipeline(shop, db, Unwatched(), patience).run_pass(datetime.now(UTC), may_publish=may_publish)

        assert run().report.version == 1
        library(tmp_path / "music", {"Rock": {"new.mp3": tone(900)}})
        if when == "while collecting":
            disconnect()
            collect(shop, db, datetime.now(UTC))
            if has_patience:
                with pytest.raises(DegradedError, match="is not there"):
                    run()
        else:
            with pytest.MonkeyPatch.context() as patch:
                if when == "while recovering":
                    patch.setattr(recover, "newest_whole", then(leave_mount_point, recover.newest_whole))
                if when == "while publishing":
                    patch.setattr(publication, "_edition", then(disconnect, publication._edition))
                with pytest.raises(DegradedError, match=r"is not there|cannot be written"):
                    run(disconnect if when == "before publishing" else lambda: True)
        if when == "while recovering":
            shop.folder.path.rmdir()
        assert not shop.folder.path.exists()
        aside.rename(shop.folder.path)
        passed = run()
        has_read_more = when in {"before publishing", "while publishing"}
        assert (passed.report.version, passed.report.extracted) == (2, 0 if has_read_more else 1)
    assert len(Rig.at(tmp_path).rows()) == 42


@pytest.mark.parametrize("trouble", [FileNotFoundError, BlockingIOError], ids=["gone", "unreadable"])
def test_a_disk_that_goes_while_all_is_read_costs_no_song(tmp_path: Path, trouble: type[OSError]) -> None:
    """What the weekly look cannot read is not taken for damaged: it stays on record."""
    shop = workshop(tmp_path)
    library(tmp_path / "music", {"Rock": songs(6)})
    with manifest_of(shop) as db:
        assert Pipeline(shop, db, Unwatched()).run_pass(datetime.now(UTC)).report.extracted == 6

    def fail(*_: object) -> bool:
        raise trouble

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundness, "is_whole_shard", fail)
        wiring._run_task(shop, Task.VERIFY, datetime.now(UTC))
    with manifest_of(shop) as db:
        report = Pipeline(shop, db, Unwatched()).run_pass(datetime.now(UTC)).report
    assert (report.extracted, report.is_published) == (0, False)


def then(first: Callable[[], object], work: Callable[..., Any]) -> Callable[..., Any]:
    """Return what works as before, with something happening right after it."""

    def both(*given: Any) -> Any:
        made = work(*given)
        first()
        return made

    return both
