"""Groups, policies and epochs on real files, from outside."""

from __future__ import annotations

import io
import json
import sys
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

import melwatch
from building import library, songs, tone
from daemons import running
from running import Rig

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import DatasetDict

    from building import Tree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def by_artist(mp3: bytes, artist: str) -> bytes:
    """Return the same audio with an artist's name in front."""
    from mutagen.id3 import ID3, TPE1

    tags = ID3()
    tags.add(TPE1(encoding=1, text=[artist]))
    out = io.BytesIO(mp3)
    tags.save(out, v2_version=3)
    return out.getvalue()


def artists(count: int, first: int) -> Tree:
    """Return so many artists with two songs each."""
    return {
        f"{artist}-{number}.mp3": by_artist(tone(200 + 9 * (2 * artist + number)), f"Artist {artist}")
        for artist in range(first, first + count)
        for number in range(2)
    }


def splits_of(dataset: DatasetDict) -> dict[str, str]:
    """Return the split of each path; none may be in two."""
    found: dict[str, set[str]] = defaultdict(set)
    for split, part in dataset.items():
        for path in part["paths"]:
            found[path].add(split)
    assert all(len(splits) == 1 for splits in found.values())
    return {path: splits.pop() for path, splits in found.items()}


def test_artists_stay_together_and_a_reset_begins_a_named_epoch(tmp_path: Path) -> None:
    """By artist no artist is in two splits; a reset asks, draws new splits, extracts nothing, and is on record."""
    rig = Rig.at(tmp_path)
    rig.environment["MELWATCH_SPLITS__GROUP_BY"] = "artist"
    library(rig.music, {"Rock": artists(6, 0), "Jazz": artists(5, 10)})
    rig.sync()
    before = splits_of(melwatch.load(rig.dataset))
    homes: dict[str, set[str]] = defaultdict(set)
    for path, split in before.items():
        homes[path.rsplit("-", 1)[0]].add(split)
    assert all(len(splits) == 1 for splits in homes.values())

    rig.run("splits", "reset", "--epoch", "second", expect=2)  # nobody confirms
    assert "Began the epoch second" in rig.run("splits", "reset", "--epoch", "second", "--yes")
    after = splits_of(melwatch.load(rig.dataset))
    assert after.keys() == before.keys()
    assert after != before
    assert rig.status()["last_pass"]["extracted"] == 0
    report = json.loads(rig.run("splits", "report", "--json"))
    assert (report["epoch"], report["group_by"], report["moves"]) == ("second", "artist", [])
    assert report["genres"]["Rock"]["groups"] == 6
    assert "Epoch second, sticky, groups by artist." in rig.run("splits", "report")
    rig.run("splits", "reset", "--epoch", "second", "--yes", expect=2)


@pytest.mark.slow
def test_the_ledger_of_a_dataset_knows_its_epoch(tmp_path: Path) -> None:
    """Where all that melwatch knew is lost, splits, epoch and grouping are read back from the dataset."""
    import shutil

    rig = Rig.at(tmp_path)
    rig.environment["MELWATCH_SPLITS__GROUP_BY"] = "artist"
    library(rig.music, {"Rock": artists(6, 0)})
    rig.run("sync")
    rig.run("splits", "reset", "--epoch", "second", "--yes")
    before = splits_of(melwatch.load(rig.dataset))
    shutil.rmtree(rig.state)
    rig.run("sync")

    assert splits_of(melwatch.load(rig.dataset)) == before
    report = json.loads(rig.run("splits", "report", "--json"))
    assert (report["epoch"], report["group_by"]) == ("second", "artist")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends the daemon with a signal")
def test_a_running_daemon_begins_the_epoch(tmp_path: Path) -> None:
    """What is asked of the daemon is published by it."""
    rig = Rig.at(tmp_path)
    library(rig.music, {"Rock": songs(12)})
    rig.run("sync")
    before = splits_of(melwatch.load(rig.dataset))
    with running(rig) as daemon:
        said = rig.run("splits", "reset", "--epoch", "second", "--yes")
        assert "begins with the next pass" in said
        daemon.wait_for(lambda: splits_of(melwatch.load(rig.dataset)) != before)
    assert json.loads(rig.run("splits", "report", "--json"))["epoch"] == "second"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends the daemon with a signal")
def test_reshuffled_splits_are_published_at_set_times(tmp_path: Path) -> None:
    """The same while the library is unchanged, new ones by the shares when it changes, disjoint in every load."""
    rig = Rig.at(tmp_path)
    rig.environment.update(MELWATCH_SPLITS__POLICY="reshuffle", MELWATCH_SCHEDULE__PUBLISH="2s")
    library(rig.music, {"Rock": songs(20), "Jazz": songs(10, first=40)})
    rig.run("sync")
    before = splits_of(melwatch.load(rig.dataset))
    with running(rig) as daemon:
        daemon.wait_for_state("idle")
        rig.run("publish")
        assert splits_of(melwatch.load(rig.dataset)) == before
        for number in range(3):
            count = len(splits_of(melwatch.load(rig.dataset)))
            (rig.music / "Rock" / f"new {number}.mp3").write_bytes(tone(1500 + 11 * number))
            daemon.wait_for(lambda count=count: len(splits_of(melwatch.load(rig.dataset))) == count + 1)  # type: ignore[misc]
    numbers = range(1, melwatch.current_version(rig.dataset) + 1)
    by_songs: dict[frozenset[str], list[dict[str, str]]] = defaultdict(list)
    for splits in (splits_of(melwatch.load(rig.dataset, number)) for number in numbers):
        by_songs[frozenset(splits)].append(splits)

    assert [len(names) for names in sorted(by_songs, key=len)] == [30, 31, 32, 33]
    assert all(splits == same[0] for same in by_songs.values() for splits in same)
    drawn = [same[0] for same in by_songs.values()]
    assert all(any(one[path] != other[path] for path in one) for one, other in pairwise(drawn))
    counts = json.loads(rig.run("splits", "report", "--json"))["genres"]
    assert [part["actual"] for part in counts["Jazz"]["splits"].values()] == [7, 1, 2]
    assert [part["actual"] for part in counts["Rock"]["splits"].values()] == [16, 2, 5]
