"""Whether a version's own files are as they were written, and putting them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from editions import Press, songs
from melwatch.dataset import install, soundness
from melwatch.dataset.collect import Limits, find_garbage

if TYPE_CHECKING:
    from pathlib import Path

    from melwatch.edition import Edition


@pytest.fixture
def press(tmp_path: Path) -> Press:
    """Two versions, with an audio dataset."""
    press = Press(place=tmp_path)
    press.publish(songs(12), music_root="/music")
    press.publish(songs(15), music_root="/music")
    return press


def files_of(press: Press, number: int) -> list[str]:
    """Return the files of a version, by their names in its folder."""
    home = press.folder.version(number)
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("number", [1, 2])
def test_each_file_is_watched(press: Press, number: int) -> None:
    """A flipped bit, half of a file and no file are all noticed, and the file is named."""
    for name in files_of(press, number):
        file = press.folder.version(number) / name
        whole = file.read_bytes()
        for damaged in (whole[: len(whole) // 2], b"", b"{}"):
            file.write_bytes(damaged)
            assert name in soundness.faults(press.folder, number)
        file.unlink()
        assert name in soundness.faults(press.folder, number)
        file.write_bytes(whole)
    assert soundness.faults(press.folder, number) == []


def test_what_cannot_be_read_for_now_is_not_damaged(press: Press) -> None:
    """Nothing is known of it, so nothing is said of it; here opening it leads in a circle."""
    card = press.folder.version(2) / "README.md"
    card.unlink()
    card.symlink_to(card)
    with pytest.raises(OSError, match="symbolic links"):
        soundness.faults(press.folder, 2)


def test_what_readers_open_is_a_copy_to_restore_from(press: Press) -> None:
    """All of the newest version comes back from there, but its ledger and what tells how it was made."""
    lost = set()
    for name in files_of(press, 2):
        file = press.folder.version(2) / name
        whole = file.read_bytes()
        file.write_bytes(whole[:3])
        kept: list[bytes] = []
        soundness.restore(press.folder, 2, lambda path, kept=kept: kept.append(path.read_bytes()))
        if file.read_bytes() != whole:
            lost.add(name)
            file.write_bytes(whole)
        else:
            assert kept == [whole[:3]]
    assert lost == {"ledger.parquet", "version.json"}


def test_readers_files_are_compared_with_the_version(press: Press) -> None:
    """Whatever differs from what a publish would have put there is named."""
    assert install.differences(press.folder, 2) == []
    for file in (press.folder.path / "genres.json", press.folder.audio.library / "test" / "state.json"):
        file.write_bytes(b"[]")
        assert install.differences(press.folder, 2) == [file]
        install.install(press.folder, 2)
        assert install.differences(press.folder, 2) == []


def garbage_shards(press: Press, edition: Edition) -> tuple[str, ...]:
    """Return the shards that a collection would remove, were only the newest version kept."""
    from datetime import datetime, timedelta

    now = datetime.fromisoformat(edition.published_at) + timedelta(days=1)
    return find_garbage(press.folder, Limits(keep_versions=1, keep_hours=1, now=now), needed=()).shards


def test_no_shard_is_collected_while_a_version_cannot_tell_its_own(press: Press) -> None:
    """Those of a damaged version that is kept might be among them."""
    edition = press.publish(songs(6), music_root="/music")
    assert garbage_shards(press, edition)
    (press.folder.version(3) / "train" / "state.json").write_bytes(b"{")
    assert garbage_shards(press, edition) == ()


def test_a_publish_does_not_build_on_a_damaged_version(press: Press) -> None:
    """With the tables of the newest version gone its shards are written anew, and the dataset is whole."""
    (press.folder.version(2) / "tracks.parquet").write_bytes(b"PAR1")
    press.publish(songs(15), music_root="/music")
    assert soundness.faults(press.folder, 3) == []
    assert install.differences(press.folder, 3) == []
