"""What is said about work before it is done, and the refusal to fill a disk."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from building import library, tone
from melwatch.errors import DegradedError
from melwatch.extraction.estimate import SECONDS_PER_SONG, Estimate, check_space, estimate, songs_that_fit
from melwatch.platform.filesystem import stamp_of
from melwatch.track import RelPath, SeenFile

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30


class Usage(NamedTuple):
    """What `shutil.disk_usage` returns."""

    total: int
    used: int
    free: int


def seen_below(root: Path) -> list[SeenFile]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return [
        SeenFile(path=RelPath(path.relative_to(root).as_posix().encode()), stamp=stamp_of(path.stat()))
        for path in files
    ]


def estimated(root: Path, *, processes: int = 1, seconds_per_song: float | None = None) -> Estimate:
    return estimate(
        seen_below(root),
        root=str(root).encode(),
        bytes_per_track=3_145_728,
        processes=processes,
        seconds_per_song=seconds_per_song,
    )


# The estimate.


def test_hours_come_from_the_length_of_real_files(tmp_path: Path) -> None:
    """Files are asked for their length, and size stands for length among files of one kind."""
    root = library(tmp_path, {"Rock": {f"{number}.mp3": tone(200 + number, 2.0) for number in range(30)}})

    assert estimated(root).audio_hours * 3600 == pytest.approx(60, rel=0.1)


def test_files_that_cannot_be_asked_count_as_192_kbit(tmp_path: Path) -> None:
    """A bad file costs the estimate nothing but precision."""
    root = library(tmp_path, {"Rock": {"a.mp3": b"\x00" * 24_000, "b.mp3": b"\xff" * 48_000}})

    assert estimated(root).audio_hours * 3600 == pytest.approx(3)


def test_work_is_shared_by_the_processes_at_the_pace_of_earlier_passes(tmp_path: Path) -> None:
    """Seconds are songs times pace over processes; without a past there is a cautious pace."""
    root = library(tmp_path, {"Rock": {"a.mp3": b"", "b.mp3": b"", "c.mp3": b""}})

    assert estimated(root).seconds == pytest.approx(3 * SECONDS_PER_SONG)
    assert estimated(root, processes=3).seconds == pytest.approx(SECONDS_PER_SONG)
    assert estimated(root, processes=2, seconds_per_song=8).seconds == pytest.approx(12)


def test_spectrograms_lie_on_disk_twice_while_they_are_packed(tmp_path: Path) -> None:
    """The peak is spool and shards together."""
    root = library(tmp_path, {"Rock": {"a.mp3": b"", "b.mp3": b""}})

    assert (estimated(root).final_bytes, estimated(root).peak_bytes) == (6_291_456, 12_582_912)


def test_nothing_to_do_costs_nothing(tmp_path: Path) -> None:
    """An empty list of files is estimated, too."""
    nothing = estimated(tmp_path)

    assert (nothing.songs, nothing.audio_hours, nothing.seconds, nothing.peak_bytes) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [(0, "1 s"), (0.2, "1 s"), (89.4, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1.5 h"), (86_400, "24.0 h")],
)
def test_the_sentence_names_songs_hours_time_and_bytes(seconds: float, spoken: str) -> None:
    """All that the user has to expect stands in one sentence."""
    work = Estimate(
        songs=12_345, audio_hours=1234.56, seconds=seconds, final_bytes=38_830_000_000, peak_bytes=77_660_000_000
    )

    assert work.sentence() == (
        f"12,345 files to extract, about 1,234.6 hours of audio: about {spoken}, 38.83 GB in the end, "
        "77.66 GB at the peak"
    )


# The space for it.


@pytest.mark.parametrize(
    ("final_bytes", "free", "is_refused"),
    [
        (0, 0, False),
        (1000, 2100, False),
        (1000, 2099, True),
        (100 * GIB, 201 * GIB, False),
        (100 * GIB, 201 * GIB - 1, True),
    ],
)
def test_work_that_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, final_bytes: int, free: int, *, is_refused: bool
) -> None:
    """Spool and shards on one disk need twice the bytes and a margin of 5 %, at most one GiB."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free, 0, free))
    spool, dataset = tmp_path / "state" / "spool", tmp_path / "not" / "yet" / "made"

    if is_refused:
        with pytest.raises(DegradedError, match="GB free; this needs") as raised:
            check_space(final_bytes, spool, dataset)
        assert raised.value.exit_code == 1
        assert str(tmp_path) in raised.value.what
        assert "stays current" in raised.value.hint
    else:
        check_space(final_bytes, spool, dataset)

    assert not spool.exists()
    assert not dataset.exists()


@pytest.mark.parametrize(("free", "fitting"), [(2099, 0), (2100, 1), (4200, 2), (10_499, 4), (10**6, 5)])
def test_only_so_many_songs_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, fitting: int) -> None:
    """Of five songs of 1000 bytes each as many as would not be refused together."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free, 0, free))

    assert songs_that_fit(5, 1000, tmp_path, tmp_path) == fitting
    assert songs_that_fit(0, 1000, tmp_path, tmp_path) == 0
