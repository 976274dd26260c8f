"""Digests that change exactly when content does."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from melwatch.dataset.fingerprint import content_digest, fingerprint, split_fingerprint, tracks_of
from melwatch.edition import DatasetTrack, Edition, Split
from melwatch.track import AudioId, RecipeId, RelPath, Sound, Tags


def track(ordinal: int, **changes: Any) -> DatasetTrack:
    made = DatasetTrack(
        ordinal=ordinal,
        path=RelPath(b"Rock/%d.mp3" % ordinal),
        shown_path=f"/music/Rock/{ordinal}.mp3",
        genre="Rock",
        label=1,
        split=list(Split)[ordinal % 3],
        tags=Tags(title=f"Song {ordinal}", artist="Band", album="Album"),
        sound=Sound(duration_s=200.0, promised_s=200.0, method="slices"),
        audio_id=AudioId(f"{ordinal:032x}"),
        windows=6,
        checksum=f"{ordinal:032x}",
        source="/state/spool/song",
        shard=None,
        first_row=None,
    )
    return replace(made, **changes)


EDITION = Edition(
    dataset_id="dataset",
    number=1,
    recipe=RecipeId("recipe"),
    recipe_json="{}",
    shape=(1024, 128),
    class_names=("Jazz", "Rock"),
    tracks=tuple(track(ordinal) for ordinal in range(9)),
    ledger={},
    sound_shards=frozenset(),
    pending=0,
    published_at="2024-01-01T00:00:00+00:00",
)
TEST_TRACK = 5
"""The position of a track that is in the test split."""


def with_track(**changes: Any) -> Edition:
    tracks = list(EDITION.tracks)
    tracks[TEST_TRACK] = replace(tracks[TEST_TRACK], **changes)
    return replace(EDITION, tracks=tuple(tracks))


KEYS = {
    "sound": with_track(audio_id=AudioId("f" * 32)),
    "windows": with_track(windows=5),
    "label": with_track(label=0),
    "shown path": with_track(shown_path="Rock/5.mp3"),
    "order": with_track(ordinal=99),
    "removed": replace(EDITION, tracks=tuple(one for one in EDITION.tracks if one.ordinal != TEST_TRACK)),
    "added": replace(EDITION, tracks=(*EDITION.tracks, track(11))),
}
EVERYWHERE = {
    "split": with_track(split=Split.TRAIN),
    "recipe": replace(EDITION, recipe=RecipeId("other")),
    "class renamed": replace(EDITION, class_names=("Jazz", "Hard Rock")),
    "class added": replace(EDITION, class_names=("Jazz", "Rock", "Soul")),
}
SAID = {
    "title": with_track(tags=Tags(title="Other", artist="Band", album="Album")),
    "artist": with_track(tags=Tags(title="Song 5", artist="Other", album="Album")),
    "album": with_track(tags=Tags(title="Song 5", artist="Band", album="Other")),
    "duration": with_track(sound=Sound(duration_s=201.0, promised_s=201.0, method="slices")),
    "path on disk": with_track(path=RelPath(b"Rock/5\xff.mp3")),
    "genre": with_track(genre="Hard Rock"),
    "pending": replace(EDITION, pending=1),
    "recipe's json": replace(EDITION, recipe_json='{"revision": 2}'),
}
SAME = {
    "packing": with_track(source=None, shard="test/abc.arrow", first_row=12),
    "place in the spool": with_track(source="/elsewhere/spool/song"),
    "checksum": with_track(checksum="0" * 32),
    "order of extraction": replace(EDITION, tracks=EDITION.tracks[::-1]),
    "number": replace(EDITION, number=2),
    "time": replace(EDITION, published_at="2024-02-02T00:00:00+00:00"),
    "ordinals further apart": replace(
        EDITION, tracks=tuple(replace(one, ordinal=10 * one.ordinal) for one in EDITION.tracks)
    ),
}


@pytest.mark.parametrize("edition", [*KEYS.values(), *EVERYWHERE.values()], ids=[*KEYS, *EVERYWHERE])
def test_the_fingerprint_changes_with_every_part_of_the_key(edition: Edition) -> None:
    """A row's sound, recipe, windows, label, path, split and place each are content, as are class names."""
    assert fingerprint(edition) != fingerprint(EDITION)
    assert content_digest(edition) != content_digest(EDITION)


@pytest.mark.parametrize("edition", KEYS.values(), ids=KEYS)
def test_a_split_keeps_its_fingerprint_while_another_changes(edition: Edition) -> None:
    """A song of the test split is no reason to lose what was cached of train and validate."""
    changed = {split for split in Split if split_fingerprint(edition, split) != split_fingerprint(EDITION, split)}

    assert changed == {Split.TEST}


@pytest.mark.parametrize("edition", [*SAID.values(), *SAME.values()], ids=[*SAID, *SAME])
def test_the_fingerprint_stays_where_the_rows_do(edition: Edition) -> None:
    """Neither tags nor packing, neither where nor when it was made, are part of it."""
    assert fingerprint(edition) == fingerprint(EDITION)


@pytest.mark.parametrize("edition", SAID.values(), ids=SAID)
def test_the_content_digest_changes_with_what_is_said_of_tracks(edition: Edition) -> None:
    """A new title, or work that is no longer pending, is worth a version."""
    assert content_digest(edition) != content_digest(EDITION)


@pytest.mark.parametrize("name", [name for name in SAME if name != "order of extraction"])
def test_the_content_digest_stays_where_nothing_is_said_anew(name: str) -> None:
    """A version that would say the same is not published again."""
    assert content_digest(SAME[name]) == content_digest(EDITION)


def test_all_digests_differ() -> None:
    """No two changes look alike, and each split has a fingerprint of its own."""
    editions = [EDITION, *KEYS.values(), *EVERYWHERE.values(), *SAID.values()]
    splits = {split_fingerprint(EDITION, split) for split in Split}

    assert len({content_digest(edition) for edition in editions}) == len(editions)
    assert len(splits) == 3


def test_values_do_not_run_into_one_another() -> None:
    """Where one name ends and the next begins is part of the digest."""
    one, other = (replace(EDITION, tracks=(), class_names=names) for names in [("ab", "c"), ("a", "bc")])

    assert fingerprint(one) != fingerprint(other)


def test_fingerprints_are_32_hex_digits_and_stay() -> None:
    """The form is that of datasets' own fingerprints, and the same in every process."""
    assert re.fullmatch(r"[0-9a-f]{32}", content_digest(EDITION))
    assert re.fullmatch(r"[0-9a-f]{32}", split_fingerprint(EDITION, Split.TRAIN))
    assert fingerprint(EDITION) == "4203ed88dc02601387178b8b6e5a1316"


def test_tracks_of_a_split_come_in_row_order() -> None:
    """Rows follow ordinals, whatever order tracks are given in."""
    shuffled = EDITION.tracks[5:] + EDITION.tracks[:5]

    assert [one.ordinal for one in tracks_of(shuffled, Split.VALIDATE)] == [1, 4, 7]
