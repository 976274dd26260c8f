"""What is read back from the versions of a dataset, for a manifest that is rebuilt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from editions import Press, songs
from melwatch.dataset.holdings import holdings

if TYPE_CHECKING:
    from pathlib import Path


def test_what_hundreds_of_versions_share_is_told_once(tmp_path: Path) -> None:
    """Memory grows with songs, not with songs times versions; each version still tells how many it has."""
    press = Press(place=tmp_path)
    many = songs(120)
    for count in (114, 114, 116, 120):
        press.publish(many[:count])
    held = holdings(press.folder, press.folder.version_numbers()).versions
    assert [(version.number, version.tracks) for version in held] == [(4, 120), (3, 116), (2, 114), (1, 114)]
    assert len(held[0].songs) == 120
    assert len(held[-2].songs) < 114
    assert len(held[-1].songs) == 0
    places = [(song.audio_id, song.shard) for version in held for song in version.songs]
    assert len(places) == len(set(places))
    assert {shard.path for version in held for shard in version.shards} == {shard for _, shard in places}
