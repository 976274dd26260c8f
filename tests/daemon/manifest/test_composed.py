"""Whether anything has changed of what a version is composed of: never missed, and not seen where it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from melwatch.manifest import composed, tracks
from melwatch.manifest.database import open_manifest, writing
from melwatch.track import FileStamp, RelPath, SeenFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

STAMP = FileStamp(size=1, mtime_ns=1, changed_ns=1, inode=1)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Two tracks, one of them made and one failed, in a dataset."""
    with open_manifest(tmp_path) as db:
        tracks.add_tracks(db, [SeenFile(path=RelPath(path), stamp=STAMP) for path in (b"a", b"b")])
        with writing(db):
            db.execute("UPDATE track SET audio_id = 'song' WHERE path = x'61'")
            db.execute("INSERT INTO spectrogram VALUES ('song', 'recipe', 6, 'sum', 1.0, 1.0, 'slices', NULL, NULL)")
            db.execute("INSERT INTO failure VALUES ('other', 'recipe', 'crash', 'what', 'hint', 1, 'now')")
            db.execute("INSERT INTO placement VALUES ('song', 'train')")
            db.execute("INSERT INTO genre VALUES (0, 'Rock')")
            db.execute("INSERT INTO adopted VALUES (x'61', 'train')")
            db.execute("INSERT INTO epoch VALUES (1, 'first', 'track', '')")
        yield db


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO track (path, ordinal, size, mtime_ns, changed_ns, inode) VALUES (x'63', 9, 1, '1', '1', '1')",
        "DELETE FROM track WHERE path = x'61'",
        "UPDATE track SET path = x'41' WHERE path = x'61'",
        "UPDATE track SET ordinal = 8 WHERE path = x'61'",
        "UPDATE track SET audio_id = 'new' WHERE path = x'61'",
        "UPDATE track SET audio_id = 'new' WHERE path = x'62'",
        "UPDATE track SET replaced = 'former'",
        "UPDATE track SET problem = '{}'",
        "UPDATE track SET title = 'new' WHERE path = x'61'",
        "UPDATE track SET artist = 'new' WHERE path = x'61'",
        "UPDATE track SET album = 'new' WHERE path = x'61'",
        "INSERT INTO spectrogram VALUES ('new', 'recipe', 6, 'sum', 1.0, 1.0, 'slices', NULL, NULL)",
        "INSERT OR REPLACE INTO spectrogram VALUES ('song', 'recipe', 6, 'new', 1.0, 1.0, 'slices', NULL, NULL)",
        "UPDATE spectrogram SET checksum = 'new'",
        "DELETE FROM spectrogram",
        "INSERT INTO failure VALUES ('new', 'recipe', 'crash', 'what', 'hint', 1, 'now')",
        "UPDATE failure SET reason = 'timeout'",
        "DELETE FROM failure",
        "INSERT INTO placement VALUES ('new', 'test')",
        "INSERT OR REPLACE INTO placement VALUES ('song', 'test')",
        "UPDATE placement SET split = 'test'",
        "DELETE FROM placement",
        "INSERT INTO genre VALUES (1, 'Jazz')",
        "UPDATE genre SET name = 'Jazz'",
        "DELETE FROM genre",
        "INSERT INTO adopted VALUES (x'62', 'test')",
        "DELETE FROM adopted",
        "INSERT INTO epoch VALUES (2, 'spring', 'album', '')",
        "UPDATE epoch SET group_by = 'album'",
        "DELETE FROM epoch",
    ],
)
def test_each_change_counts(db: sqlite3.Connection, change: str) -> None:
    """Whoever makes it, and by whatever statement."""
    before = composed.changes(db)
    db.execute(change)
    assert composed.changes(db) != before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE track SET size = 2, mtime_ns = '2', changed_ns = '2', inode = '2', read_ns = 2, file_digest = 'new'",
        "UPDATE track SET title = title, artist = artist, album = album, audio_id = audio_id, problem = NULL",
        "UPDATE track SET gone = 'held'",
        "UPDATE spectrogram SET shard = 'train/new.arrow', first_row = 6",
        "INSERT INTO shard VALUES ('train/new.arrow', 1)",
        "INSERT INTO left_out VALUES (x'64', 'hidden')",
    ],
)
def test_what_no_version_says_does_not_count(db: sqlite3.Connection, change: str) -> None:
    """A file that is touched, marked or packed otherwise has nothing composed anew."""
    before = composed.changes(db)
    db.execute(change)
    assert composed.changes(db) == before


def test_what_came_of_it_is_told_only_while_all_is_the_same(db: sqlite3.Connection) -> None:
    """Another mark finds nothing."""
    composed.note(db, "mark", {"due": None})
    assert composed.last(db, "mark") == {"due": None}
    assert composed.last(db, "other") is None
