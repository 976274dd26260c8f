"""What is asked of the disks that state and dataset lie on."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from building import library
from melwatch.assemble import open_for_work
from melwatch.errors import ConfigError
from melwatch.platform import mounts
from workshops import workshop

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def mount_table(folder: Path, monkeypatch: pytest.MonkeyPatch, **kinds: str) -> None:
    """Have folders of a test lie on file systems of these types, as far as the table of mounts says."""
    lines = ["1 0 8:1 / / rw - ext4 /dev/sda1 rw"]
    lines += [f"{n} 1 8:{n} / {folder / name} rw - {kind} x rw" for n, (name, kind) in enumerate(kinds.items(), 2)]
    (folder / "mountinfo").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(mounts, "_MOUNTS", folder / "mountinfo")


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no table of mounts")


@pytest.mark.parametrize("kind", ["cifs", "nfs4", "smb3"])
def test_state_on_a_network_drive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """SQLite's log cannot be kept there: the sentence names the drive, the hint what to do, and nothing is made."""
    library(tmp_path / "music", {})
    mount_table(tmp_path, monkeypatch, state=kind)
    with pytest.raises(ConfigError, match=kind) as caught, open_for_work(workshop(tmp_path), NOW):
        pass
    assert "--state" in caught.value.hint
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("kind", "words"), [("exfat", "power cut"), ("vfat", "power cut"), ("cifs", "one machine")])
def test_a_dataset_where_little_is_promised_works_and_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str, words: str
) -> None:
    """On exFAT, FAT and shares work goes on; one line says what to expect."""
    library(tmp_path / "music", {})
    mount_table(tmp_path, monkeypatch, dataset=kind)
    with caplog.at_level(logging.WARNING), open_for_work(workshop(tmp_path), NOW):
        pass
    assert [record for record in caplog.messages if words in record and kind in record]


def test_a_local_disk_is_nothing_to_speak_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On ext4 and its kin nothing is said."""
    library(tmp_path / "music", {})
    mount_table(tmp_path, monkeypatch, dataset="ext4", state="btrfs")
    with open_for_work(workshop(tmp_path), NOW):
        pass
    assert not caplog.messages


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
@pytest.mark.parametrize("kind", ["vfat", "exfat"])
def test_a_dataset_on_a_real_fat_is_published_and_opens(tmp_path: Path, kind: str) -> None:
    """No links, no permissions, no case: a pass ends well there, and `load_from_disk` opens what it made."""
    from building import songs
    from running import Rig

    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(256 << 20)
    try:
        subprocess.run([f"mkfs.{kind}", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"may not mount, or has no {kind}")
    try:
        rig = Rig(library(tmp_path / "music", {"Rock": songs(6)}), disk / "dataset", tmp_path / "state")
        assert rig.sync()["version"] == 1
        assert len(rig.rows()) == 36
    finally:
        subprocess.run(["umount", os.fspath(disk)], check=True)
