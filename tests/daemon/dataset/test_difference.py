"""What `diff` says of two versions, held against the data itself."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import melwatch
from editions import Press, Song, songs
from melwatch.dataset.difference import Side, difference
from melwatch.dataset.history import compare
from melwatch.edition import Split
from melwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

paths = st.sampled_from([f"{genre}/{number}.mp3" for genre in ("Jazz", "Rock", "Soul") for number in range(4)])
libraries = st.dictionaries(paths, st.tuples(st.integers(0, 6), st.sampled_from(list(Split))), min_size=1, max_size=10)
recipes = st.sampled_from(["one", "two"])


def shown(library: dict[str, tuple[int, Split]]) -> list[Song]:
    """Return the songs of a library; one sound is in one split, as melwatch has it."""
    split_of: dict[int, Split] = {}
    return [
        Song(path=path, sound=sound, genre=path.split("/")[0], split=split_of.setdefault(sound, split))
        for path, (sound, split) in library.items()
    ]


def tracks_in(dataset: Path, version: int) -> tuple[dict[str, tuple[str, int, str, list[bytes]]], list[str]]:
    """Read a version's rows: split, class id, song and numbers by path, and the class names."""
    tracks: dict[str, tuple[str, int, str, list[bytes]]] = {}
    opened = melwatch.load(dataset, version=version)
    for split, part in opened.items():
        for row in part:
            known = tracks.setdefault(row["paths"], (split, int(row["labels"]), row["track_id"], []))
            known[3].append(row["input_values"].tobytes())
    return tracks, opened["train"].features["labels"].names


def from_the_data(dataset: Path, before: int, after: int) -> dict[str, Any]:
    """Compare two versions by their rows alone."""
    (old, old_names), (new, new_names) = tracks_in(dataset, before), tracks_in(dataset, after)
    come: dict[str, list[str]] = defaultdict(list)
    for path in sorted(set(new) - set(old), reverse=True):
        come[new[path][2]].append(path)
    heir = {path: come[old[path][2]].pop() for path in sorted(set(old) - set(new)) if come[old[path][2]]}
    both = {path: path for path in set(old) & set(new)} | heir
    changes = sorted((target, old[source], new[target]) for source, target in both.items())
    return {
        "added": sorted(set(new) - set(both.values())),
        "removed": sorted(set(old) - set(both)),
        "renamed": [{"from": source, "to": heir[source]} for source in sorted(heir)],
        "moved": [{"path": path, "from": a[0], "to": b[0]} for path, a, b in changes if a[0] != b[0]],
        "relabelled": [{"path": path, "from": a[1], "to": b[1]} for path, a, b in changes if a[1] != b[1]],
        "re_extracted": [path for path, a, b in changes if a[2] == b[2] and a[3] != b[3]],
        "replaced": [path for path, a, b in changes if a[2] != b[2]],
        "classes": [
            {"id": number, "from": a, "to": b}
            for number, (a, b) in enumerate(zip(old_names, new_names, strict=False))
            if a != b
        ],
    }


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.tuples(libraries, recipes), min_size=2, max_size=3))
def test_any_two_versions_differ_as_their_data_do(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[dict[str, tuple[int, Split]], str]]
) -> None:
    """Whatever was added, removed, renamed, moved, relabelled, replaced or re-extracted, in both directions."""
    press = Press(place=tmp_path_factory.mktemp("history"))
    for library, recipe in history:
        press.publish(shown(library), recipe=recipe, columns=("track_id",))
    for before in range(1, press.number + 1):
        for after in range(1, press.number + 1):
            told = compare(press.folder, before, after).to_json()
            expected = from_the_data(press.folder.path, before, after)
            if before <= after:
                assert {key: told[key] for key in expected} == expected
            else:
                del expected["classes"]
                assert {key: told[key] for key in expected} == expected


def test_a_genre_that_was_renamed_is_told_as_such(tmp_path: Path) -> None:
    """The class keeps its id under its new name, and its tracks have new paths."""
    press = Press(place=tmp_path)
    press.publish(songs(6))
    press.class_names[0] = "Zydeco"
    press.publish(
        replace(song, genre="Zydeco", path=song.path.replace("Jazz", "Zydeco")) if song.genre == "Jazz" else song
        for song in songs(6)
    )

    found = compare(press.folder, 1, 2)

    assert found.classes == [{"id": 0, "from": "Jazz", "to": "Zydeco"}]
    assert len(found.renamed) == 3
    assert not found.relabelled
    assert not found.added


def test_the_same_shows_no_difference() -> None:
    """A version compared with itself is empty."""
    side = Side(number=1, recipe="r", class_names=["Jazz"], tracks=[])

    assert difference(side, side).is_empty


def test_a_version_that_is_gone_cannot_be_compared(tmp_path: Path) -> None:
    """The error names the versions that are there."""
    press = Press(place=tmp_path)
    press.publish(songs(6))

    with pytest.raises(ConfigError) as raised:
        compare(press.folder, 1, 7)
    assert "There are: 1" in raised.value.hint
