"""What a pass says of itself."""

from __future__ import annotations

import pytest

from melwatch.report import like_artists
from melwatch.track import RelPath, Tags, TrackRecord


def track(path: str, artist: str) -> TrackRecord:
    return TrackRecord(
        path=RelPath(path.encode()),
        ordinal=1,
        audio_id=None,
        replaced=None,
        tags=Tags(artist=artist),
        location=None,
        sound=None,
        trouble=None,
        is_quarantined=False,
    )


@pytest.mark.parametrize(
    ("artists", "expected"),
    [
        (["Motörhead", "motörhead", "MOTÖRHEAD"], ["Motörhead"]),
        (["Motörhead", "Motörhead"], []),
        (["Motörhead", "Girlschool", "Saxon"], []),
        (["Motörhead", "Motörhead", "Motörhead", "Motörhead", "Girlschool"], ["Motörhead"]),
        (["Motörhead", "Motörhead", "Motörhead", "", ""], ["Motörhead"]),
        ([], []),
    ],
)
def test_a_folder_named_after_its_artist_is_no_genre(artists: list[str], expected: list[str]) -> None:
    """It is pointed out where four of five tagged tracks, of three at least, name the folder as their artist."""
    records = [track(f"Motörhead/{number}.mp3", artist) for number, artist in enumerate(artists)]
    assert like_artists(records) == expected
