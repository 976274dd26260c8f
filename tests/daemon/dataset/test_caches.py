"""What `datasets` caches of a version, and whether it finds it again in the next one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from datasets import load_from_disk

import melwatch
from editions import Press, Song, songs
from melwatch.dataset.caches import remove_caches
from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datasets import DatasetDict

CALLS: list[int] = []


def mean_of(row: dict[str, Any]) -> dict[str, float]:
    """Work on a row, and note that it was done."""
    CALLS.append(1)
    return {"mean": float(row["input_values"].mean())}


def worked_on(opened: DatasetDict) -> dict[str, int]:
    """Map every split; return how many rows were worked on rather than found in the cache."""
    done = {}
    for split, part in opened.items():
        CALLS.clear()
        mapped = part.map(mean_of)
        done[split] = len(CALLS)
        assert mapped["mean"][:] == pytest.approx([float(row["input_values"].mean()) for row in part], abs=1e-6)
    return done


def all_rows(shown: Sequence[Song]) -> dict[str, int]:
    """Return how many rows each split has."""
    return {split: 2 * sum(song.split == split for song in shown) for split in Split}


def test_a_cache_is_found_again_exactly_while_content_stays(tmp_path: Path) -> None:
    """After a version with the same rows nothing is worked on; after one with changes the changed splits are."""
    press = Press(place=tmp_path)
    shown = songs(18)
    press.publish(shown)
    assert worked_on(melwatch.load(press.folder.path)) == all_rows(shown)

    press.publish(shown, pending=2)
    assert worked_on(melwatch.load(press.folder.path)) == dict.fromkeys(Split, 0)
    assert worked_on(load_from_disk(str(press.folder.library))) == dict.fromkeys(Split, 0)

    test_song = next(song for song in shown if song.split is Split.TEST)
    changed = [replace(song, sound=99) if song is test_song else song for song in shown]
    press.publish(changed)
    assert worked_on(melwatch.load(press.folder.path)) == all_rows(shown) | {"train": 0, "validate": 0}

    press.publish(shown)
    assert worked_on(melwatch.load(press.folder.path)) == dict.fromkeys(Split, 0)


@pytest.mark.parametrize(
    "form",
    [{"recipe": "other"}, {"recipe": "half", "dtype": "float16"}, {"columns": ("window",)}],
    ids=["recipe", "dtype", "columns"],
)
def test_a_cache_is_not_used_for_rows_of_another_form(tmp_path: Path, form: dict[str, Any]) -> None:
    """Another recipe, number format or set of columns is other content."""
    press = Press(place=tmp_path)
    shown = songs(6)
    press.publish(shown)
    worked_on(melwatch.load(press.folder.path))
    press.publish(shown, **form)

    assert worked_on(melwatch.load(press.folder.path)) == all_rows(shown)


def test_a_version_of_a_former_form_reuses_its_shards(tmp_path: Path) -> None:
    """Switching to another recipe and back, while the old version is kept, writes no shard."""
    press = Press(place=tmp_path)
    press.publish(songs(12))
    press.publish(songs(12), recipe="other", shape=(6, 2))
    before = {path: path.stat().st_ino for path in press.folder.library.glob("*/*.arrow")}
    press.publish(songs(12))

    assert {path: path.stat().st_ino for path in press.folder.library.glob("*/*.arrow")} == before


def test_caches_are_removed_on_request_and_nothing_else(tmp_path: Path) -> None:
    """What `map` and `filter` left goes once it is old enough, in both datasets; shards and users' files stay."""
    press = Press(place=tmp_path)
    press.publish(songs(18), music_root="/music")
    for opened in (melwatch.load(press.folder.path), melwatch.load(press.folder.audio.library)):
        shown = opened["train"].remove_columns([name for name in opened["train"].column_names if name != "labels"])
        shown.map(lambda row: {"label": row["labels"]}).filter(lambda row: row["label"] == 0)
    del opened, shown
    places = (press.folder.library, press.folder.audio.library)
    caches = [file for place in places for file in place.rglob("cache-*.arrow")]
    assert {file.parent.parent for file in caches} == set(places)
    own = press.folder.library / "train" / "my-cache-1.arrow"
    own.write_bytes(b"mine")
    others = {file for place in places for file in place.rglob("*") if file.is_file()} - {*caches}
    now = datetime.fromtimestamp(max(file.stat().st_atime for file in caches), UTC)
    size = sum(file.stat().st_size for file in caches)

    soon = remove_caches(press.folder, unused_for=timedelta(days=7), now=now + timedelta(days=6))
    assert (soon.files, soon.bytes) == (0, 0)
    later = remove_caches(press.folder, unused_for=timedelta(days=7), now=now + timedelta(days=8))
    assert (later.files, later.bytes) == (len(caches), size)
    assert {file for place in places for file in place.rglob("*") if file.is_file()} == others
