"""What holds of files, locks and accounts on Windows; `test_windows.py` has it run by the Windows Python."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import win32api
import win32security

from melwatch.audio.audiofile import open_audio
from melwatch.dataset.collect import Garbage, remove_garbage
from melwatch.dataset.layout import DatasetFolder
from melwatch.errors import ConfigError, DegradedError, FileChangedError, LockedError
from melwatch.library.root import read_root
from melwatch.library.rules import Reason, Rules
from melwatch.library.scan import scan
from melwatch.manifest.lock import locked
from melwatch.names import display, native
from melwatch.platform import disk, filesystem, mounts, windows
from melwatch_winservice.account import choose_account, service_sid
from melwatch_winservice.control import Service
from melwatch_winservice.drives import require_lasting

RULES = Rules.of(extensions=(".mp3",), exclude=(), ignore=())
LONG = "a rather long name of an album " * 4


def verbatim(path: Path) -> str:
    return windows.verbatim(str(path))


def make(path: Path, content: bytes = b"sound") -> Path:
    """Write a file whatever its name is."""
    os.makedirs(os.path.dirname(verbatim(path)), exist_ok=True)
    with open(verbatim(path), "wb") as file:
        file.write(content)
    return path


def seen(root: Path) -> list[bytes]:
    return [file.path for file in scan(os.fsencode(root), RULES).seen]


def test_a_song_that_is_read_can_be_renamed_written_and_deleted(tmp_path: Path) -> None:
    """Its owner is never kept from it."""
    song = make(tmp_path / "song.mp3")
    descriptor = filesystem.open_shared(os.fsencode(song))
    song.rename(tmp_path / "renamed.mp3")
    with open(tmp_path / "renamed.mp3", "ab") as file:
        file.write(b"more")
    assert os.read(descriptor, 100) == b"soundmore"
    (tmp_path / "renamed.mp3").unlink()
    os.close(descriptor)
    assert not os.listdir(tmp_path)


def test_a_song_that_changes_while_it_is_read_is_looked_at_again(tmp_path: Path) -> None:
    """Renamed meanwhile, it is not what was opened."""
    song = make(tmp_path / "song.mp3")
    with open_audio(os.fsencode(song)) as audio:
        audio.check_unchanged()
        song.rename(tmp_path / "other.mp3")
        with pytest.raises(FileChangedError):
            audio.check_unchanged()


def test_a_song_that_nobody_else_may_open_is_looked_at_again(tmp_path: Path) -> None:
    """A sharing violation is no fault of the song's."""
    song = make(tmp_path / "song.mp3")
    handle = windows._open(str(song), 0xC0000000, 0)
    with pytest.raises(FileChangedError, match="Another program has it open"), open_audio(os.fsencode(song)):
        pass
    handle.Close()
    with open_audio(os.fsencode(song)) as audio:
        assert audio.whole.read_at(0, 9) == b"sound"


def test_a_missing_song_is_an_error_of_the_system(tmp_path: Path) -> None:
    """What pywin32 raises becomes an `OSError` with its number."""
    with pytest.raises(FileNotFoundError):
        filesystem.open_shared(os.fsencode(tmp_path / "absent.mp3"))


def test_replacing_waits_for_a_reader(tmp_path: Path) -> None:
    """A file that somebody reads for a moment is replaced when they have closed it."""
    path = make(tmp_path / "state.json", b"old")
    reader = open(path, "rb")  # noqa: SIM115
    threading.Timer(0.7, reader.close).start()
    began_s = time.monotonic()
    disk.replace_file(path, b"new")
    assert 0.4 < time.monotonic() - began_s < 5
    assert path.read_bytes() == b"new"


def test_replacing_gives_up_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its patience is over it is a degraded state, the old file stays, and nothing is left beside it."""
    monkeypatch.setattr(disk, "_PATIENCE_S", 0.3)
    path = make(tmp_path / "state.json", b"old")
    with open(path, "rb"), pytest.raises(DegradedError, match="another program has it open"):
        disk.replace_file(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("state.json", b"old")]


def test_renames_are_asked_to_be_those_of_posix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried first; where it is not known, as in Wine, the older call does it."""
    source, target = make(tmp_path / "new", b"new"), make(tmp_path / "old", b"old")
    asked = []
    rename = windows._rename
    monkeypatch.setattr(windows, "_rename", lambda handle, name: asked.append(name) or rename(handle, name))
    filesystem.replace(source, target)
    assert asked == [verbatim(target)]
    assert target.read_bytes() == b"new"
    assert not source.exists()


def test_a_mapped_shard_is_removed_later(tmp_path: Path) -> None:
    """Collecting leaves what a reader has mapped, says so, and succeeds once the reader is gone."""
    folder = DatasetFolder(tmp_path)
    shard = make(folder.shard("train/" + 32 * "0" + ".arrow"), b"rows" * 1000)
    garbage = Garbage(shards=("train/" + shard.name,), audio_shards=(), versions=(), kept_versions=())
    with open(shard, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        assert remove_garbage(folder, garbage).postponed == 1
        assert shard.exists()
        assert not disk.remove(shard)
    assert remove_garbage(folder, garbage).files == 1
    assert not shard.exists()


def test_long_paths_are_scanned_and_opened(tmp_path: Path) -> None:
    """Beyond 260 characters, with the prefix that lifts the limit (without which Wine would not complain)."""
    song = make(tmp_path / "Rock" / LONG.strip() / LONG.strip() / "song.mp3")
    assert len(str(song)) > 300
    root = os.fsencode(tmp_path)
    (path,) = seen(tmp_path)
    assert filesystem.openable(native(root, path)).startswith(b"\\\\?\\")
    with open_audio(native(root, path)) as audio:
        assert audio.stamp.size == 5


def test_verbatim_paths() -> None:
    """Drives and shares have their own prefix; what has one keeps it."""
    assert windows.verbatim("D:\\Music\\a.") == "\\\\?\\D:\\Music\\a."
    assert windows.verbatim("\\\\nas\\music\\a") == "\\\\?\\UNC\\nas\\music\\a"
    assert windows.verbatim("\\\\?\\D:\\Music") == "\\\\?\\D:\\Music"


@pytest.mark.parametrize("name", ["AUX.mp3", "nul.mp3", "com1.mp3", "e\u0301.mp3"])
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    """Devices of old and decomposed letters are found and opened under their own names."""
    make(tmp_path / "Rock" / name)
    (path,) = seen(tmp_path)
    assert os.fsdecode(path) == f"Rock/{name}"
    with open_audio(native(os.fsencode(tmp_path), path)) as audio:
        assert audio.whole.read_at(0, 9) == b"sound"


def test_half_a_surrogate_pair_comes_through() -> None:
    """In the bytes that paths are kept in, on the way back to Windows, and as text (Wine refuses such files)."""
    path = "C:\\Music\\Rock\\\ud800.mp3"
    assert os.fsdecode(filesystem.openable(os.fsencode(path))) == "\\\\?\\" + path
    assert display(os.fsencode(path)).endswith("\\xed\\xa0\\x80.mp3")


def test_the_systems_folders_are_never_entered(tmp_path: Path) -> None:
    """Whatever the user excludes."""
    for name in ("$RECYCLE.BIN", "System Volume Information", "$Recycle.Bin"):
        make(tmp_path / name / "song.mp3")
    found = scan(os.fsencode(tmp_path), RULES)
    assert not found.seen
    assert {entry.reason for entry in found.left_out} == {Reason.EXCLUDED}


def test_the_root_is_known_by_the_serial_number_of_its_volume(tmp_path: Path) -> None:
    """Another disk under the same letter is another root."""
    key, _ = read_root(os.fsencode(tmp_path))
    assert key is not None
    serial = win32api.GetVolumeInformation(tmp_path.drive + "\\")[1] & 0xFFFF_FFFF
    assert key.device & 0xFFFF_FFFF == serial
    assert key.inode == os.stat(tmp_path).st_ino != 0


def test_a_drive_is_local_and_a_share_remote() -> None:
    """What lies on a share is not watched."""
    assert not mounts.is_remote(mounts.file_system(b"C:\\Music"))


def test_a_copy_counts_as_just_written() -> None:
    """Copies keep the modification time of what they were made of; the time of their making tells (not in Wine)."""
    facts: Any = SimpleNamespace(st_size=1, st_mtime_ns=10, st_ctime_ns=20, st_ino=1)
    assert filesystem.stamp_of(facts).changed_ns == 20


def test_one_at_a_time(tmp_path: Path) -> None:
    """A second process is refused and told who is at work; after a crash the lock is free."""
    code = (
        "import sys, time; from pathlib import Path; from datetime import UTC, datetime\n"
        "from melwatch.manifest.lock import locked\n"
        "with locked(Path(sys.argv[1]), datetime.now(UTC)): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        with pytest.raises(LockedError, match=rf"process {process.pid} "), locked(tmp_path, datetime.now(UTC)):
            pass
        process.kill()
    with locked(tmp_path, datetime.now(UTC)):
        pass


def test_the_accounts_of_services() -> None:
    """By default one of its own, without password; whoever wants one with a password is told how."""
    assert choose_account(None, "melwatch-nas") == "NT SERVICE\\melwatch-nas"
    assert choose_account("localsystem", "melwatch") == "LocalSystem"
    assert choose_account("NT AUTHORITY\\Local Service", "melwatch") == "NT AUTHORITY\\LocalService"
    with pytest.raises(ConfigError, match="has a password"):
        choose_account("PC\\anna", "melwatch")
    # The one such identity that is the same everywhere.
    installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
    assert win32security.ConvertSidToStringSid(service_sid("TrustedInstaller")) == installer


def test_drives_of_one_session_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name that services can use, and each with its key; drives of the machine are fine."""
    require_lasting({"library.root": Path("C:\\Music"), "dataset.path": Path("\\\\nas\\data")})
    monkeypatch.setattr("win32file.QueryDosDevice", lambda _: "\\??\\C:\\Users\\anna\\Music\0")
    with pytest.raises(ConfigError) as refused:
        require_lasting({"library.root": Path("M:\\Jazz")})
    (problem,) = refused.value.problems
    assert (problem.key, problem.hint) == ("library.root", "Write 'C:\\Users\\anna\\Music\\Jazz' instead")


def test_a_service_that_is_not_there() -> None:
    """It is said in words, with what to do."""
    with pytest.raises(ConfigError, match="There is no service melwatch-nowhere"):
        Service("melwatch-nowhere").start()


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A worker does not outlive the daemon, however that ends."""
    script = make(
        tmp_path / "parent.py",
        b"import multiprocessing, os, time\n"
        b"from melwatch.platform import system\n"
        b"def work():\n    system.die_with_parent(); print(os.getpid(), flush=True); time.sleep(60)\n"
        b"if __name__ == '__main__':\n"
        b"    system.child_context().Process(target=work).start(); time.sleep(60)\n",
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    handle = ctypes.windll.kernel32.OpenProcess(0x0010_0000, False, child)  # noqa: FBT003
    assert not handle or ctypes.windll.kernel32.WaitForSingleObject(handle, 10_000) == 0
