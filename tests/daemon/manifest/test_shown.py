"""The table for those who look: in step with what passes work out, quick, and not written without need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from melwatch.manifest import shown, tracks
from melwatch.manifest.database import open_manifest, writing
from melwatch.manifest.shown import Shown, Wanted
from melwatch.track import FileStamp, RelPath, SeenFile, Tags

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    import pytest

STAMP = FileStamp(size=1, mtime_ns=1, changed_ns=1, inode=1)
FATES = st.sampled_from(["in_dataset", "duplicate", "pending"])
TABLES = st.dictionaries(st.binary(min_size=1, max_size=3).filter(lambda path: b"/" not in path), FATES, max_size=30)


def row(path: bytes, fate: str = "in_dataset") -> Shown:
    return Shown(path=RelPath(path), genre="Rock", split=None, label=None, fate=fate, search=path.hex())


def rows(table: dict[bytes, str]) -> list[Shown]:
    return [row(path, fate) for path, fate in sorted(table.items())]


def bring_in_step(db: sqlite3.Connection, table: dict[bytes, str]) -> None:
    given = [(one.path, one.genre, one.split, one.label, one.fate) for one in rows(table)]
    shown.bring_in_step(db, given, bytes.hex)


def all_rows(db: sqlite3.Connection) -> list[Shown]:
    found = db.execute("SELECT * FROM shown ORDER BY path")
    return [Shown(**dict(one)) for one in found]


@settings(max_examples=60)
@given(before=TABLES, after=TABLES)
def test_it_ends_as_the_last_pass_worked_it_out(
    tmp_path_factory: pytest.TempPathFactory, before: dict[bytes, str], after: dict[bytes, str]
) -> None:
    """Whatever was shown before, in chunks of any size."""
    with pytest_chunks(3), open_manifest(tmp_path_factory.mktemp("shown")) as db:
        bring_in_step(db, before)
        bring_in_step(db, after)
        assert all_rows(db) == rows(after)


def test_what_is_so_already_is_not_written(tmp_path: Path) -> None:
    """A pass over a library that is as it was writes no row."""
    with open_manifest(tmp_path) as db:
        bring_in_step(db, {b"a": "pending", b"b": "in_dataset"})
        changes = db.total_changes
        bring_in_step(db, {b"a": "pending", b"b": "in_dataset"})
        assert db.total_changes == changes
        bring_in_step(db, {b"a": "in_dataset", b"b": "in_dataset"})
        assert db.total_changes == changes + 1


def test_a_new_tag_can_be_searched_for_after_the_next_pass(tmp_path: Path) -> None:
    """The text to search is made anew where the tags on record have changed since, and only there."""
    with open_manifest(tmp_path) as db:
        tracks.add_tracks(db, [SeenFile(path=RelPath(path), stamp=STAMP) for path in (b"a", b"b")])
        bring_in_step(db, {b"a": "in_dataset", b"b": "in_dataset"})
        with writing(db):
            db.execute("UPDATE track SET title = 'new' WHERE path = ?", (b"a",))
        asked: list[bytes] = []
        given = [
            (one.path, one.genre, one.split, one.label, one.fate)
            for one in rows(dict.fromkeys((b"a", b"b"), "in_dataset"))
        ]
        shown.bring_in_step(db, given, lambda path: asked.append(path) or "new")  # type: ignore[func-returns-value]
        assert set(asked) == {b"a"}
        assert [one.search for one in all_rows(db)] == ["new", b"b".hex()]


def test_new_tracks_show_at_once_and_their_outcome_as_it_comes(tmp_path: Path) -> None:
    """Pending from when they are found, then extracted or failed, before the pass has ended."""
    with open_manifest(tmp_path) as db:
        tracks.add_tracks(db, [SeenFile(path=RelPath(f"Rock/{n}".encode()), stamp=STAMP) for n in range(3)])
        with writing(db):
            db.execute("UPDATE track SET audio_id = 'one' WHERE path = ?", (b"Rock/1",))
            shown.note_outcome(db, "one", "not_mp3")
        assert [one.fate for one in all_rows(db)] == ["pending", "not_mp3", "pending"]
        with writing(db):
            shown.note_outcome(db, "one", "extracted")
        assert [one.fate for one in all_rows(db)][1] == "not_mp3"


def test_noting_an_outcome_looks_up_only_its_own_tracks(tmp_path: Path) -> None:
    """Not all that are pending: a first import of many songs would take the square of their number."""
    with open_manifest(tmp_path) as db:
        seen: list[str] = []
        db.set_trace_callback(seen.append)
        shown.note_outcome(db, "one", "extracted")
        db.set_trace_callback(None)
        plan = [step["detail"] for step in db.execute(f"EXPLAIN QUERY PLAN {seen[0]}")]
        assert any("PRIMARY KEY (path=?)" in step for step in plan), plan


def test_looking_for_what_is_held_reads_no_other_track(tmp_path: Path) -> None:
    """It is asked at each look at the status."""
    with open_manifest(tmp_path) as db:
        plan = db.execute("EXPLAIN QUERY PLAN SELECT count(*) FROM track WHERE gone = 'held'").fetchone()["detail"]
        assert "track_gone" in plan


def test_a_search_finds_all_words_in_any_order_and_is_never_a_pattern(tmp_path: Path) -> None:
    """Signs that mean something to SQL are letters like others."""
    with open_manifest(tmp_path) as db:
        files = [
            SeenFile(path=RelPath(name.encode()), stamp=STAMP) for name in ("R/100%_a.mp3", "R/100 b.mp3", "R/Ü.mp3")
        ]
        tracks.add_tracks(db, files)

        def found(text: str) -> int:
            return shown.find(db, Wanted(text=text), skip=0, limit=10)[0]

        assert [found(text) for text in ("100", "100%", "%", "_", "b 100", "ü", "'", "100 zzz", "\x00")] == [
            2, 1, 1, 1, 1, 1, 0, 0, 0,
        ]  # fmt: skip
        assert shown.search_text(RelPath(b"R/\xff"), Tags(title="Ä")) == "r/\\xff\nä\n\n"


class pytest_chunks:  # noqa: N801  reads as what it does
    """Make the table be brought in step a few rows at a time."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        self.before, shown._AT_ONCE = shown._AT_ONCE, self.size

    def __exit__(self, *_: object) -> None:
        shown._AT_ONCE = self.before
