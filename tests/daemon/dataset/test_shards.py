"""Shards on disk: few record batches, of whole tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from editions import WINDOWS, Press, Song, numbers_at, numbers_of
from melwatch.dataset.shards import BATCH_BYTES
from melwatch.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (1024, 128)


def train_songs(*sounds: int) -> list[Song]:
    return [Song(path=f"Rock/{sound}.mp3", sound=sound) for sound in sounds]


def newest_shard(press: Press) -> Path:
    return max((press.folder.library / "train").glob("*.arrow"), key=lambda file: file.stat().st_mtime_ns)


def batches_of(press: Press) -> list[pa.RecordBatch]:
    with pa.memory_map(str(newest_shard(press))) as source:
        return list(pa.ipc.open_stream(source))


@pytest.mark.parametrize(("shape", "batches"), [((4, 3), [20]), (SHAPE, [16, 4])], ids=["small", "full size"])
def test_a_batch_holds_as_many_tracks_as_go_into_it(tmp_path: Path, shape: tuple[int, int], batches: list[int]) -> None:
    """Opening a dataset takes time for each batch, and writing one takes its size of memory."""
    press = Press(place=tmp_path)
    press.publish(train_songs(*range(20)), shape=shape)

    assert [batch.num_rows for batch in batches_of(press)] == [tracks * WINDOWS for tracks in batches]
    assert all(batch.nbytes < 1.1 * BATCH_BYTES for batch in batches_of(press))


def test_tracks_are_copied_out_of_the_middle_of_a_batch(tmp_path: Path) -> None:
    """What stays of a shard is written anew with the same numbers."""
    press = Press(place=tmp_path)
    press.publish(train_songs(*range(6)))
    press.publish(train_songs(0, 1, 3, 5))

    for place, sound in enumerate((0, 1, 3, 5)):
        expected = numbers_of(sound, "recipe", (4, 3), "float32").tobytes()
        assert numbers_at(newest_shard(press), place * WINDOWS) == expected


def test_a_reader_gives_any_track_by_its_rows(tmp_path: Path) -> None:
    """Wherever in a batch it lies; what goes beyond a batch is no track."""
    press = Press(place=tmp_path)
    press.publish(train_songs(*range(5)))
    shard = newest_shard(press)

    for sound in range(5):
        assert numbers_at(shard, sound * WINDOWS) == numbers_of(sound, "recipe", (4, 3), "float32").tobytes()
    with pytest.raises(StoreError):
        numbers_at(shard, 4 * WINDOWS, 2 * WINDOWS)
