"""Watching a real folder with the real watchdog; only limits, file systems and the clock are pretended."""

from __future__ import annotations

import ctypes
import errno
import os
import queue
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from melwatch.library.observation import _reporting
from melwatch.library.rules import Rules
from melwatch.library.watch import Mode, Watch
from melwatch.platform import mounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 20.0
QUEUE_LIMIT = Path("/proc/sys/fs/inotify/max_queued_events")

linux = pytest.mark.skipif(sys.platform != "linux", reason="about inotify")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Return the time of this clock."""
        return self.now_s


class Gathered:
    """All hints of a watch so far."""

    def __init__(self) -> None:
        self.folders: set[bytes] = set()
        self.closed: set[bytes] = set()
        self.everything: str | None = None


def gather(watch: Watch, enough: Callable[[Gathered], bool]) -> Gathered:
    """Take hints until they are enough."""
    gathered = Gathered()
    deadline_s = time.monotonic() + PATIENCE_S
    while not enough(gathered):
        assert time.monotonic() < deadline_s, vars(gathered)
        watch.wait(0.2)
        hints = watch.take()
        gathered.folders |= hints.folders
        gathered.closed |= hints.closed
        gathered.everything = hints.everything or gathered.everything
    return gathered


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def inside(watch: Watch) -> Any:
    """Return what a watch keeps to itself."""
    return watch._observation


def key_of(root: Path) -> tuple[int, int]:
    facts = root.stat()
    return facts.st_dev, facts.st_ino


def assert_sees(watch: Watch, folder: Path) -> None:
    """Prove that a watch is at work: files that are written from now on are hinted at."""

    def is_hinted_at() -> bool:
        (folder / "proof.mp3").unlink(missing_ok=True)  # again and again: what is still to be taken may cover it
        (folder / "proof.mp3").write_bytes(b"proof")
        watch.wait(0.2)
        return os.fsencode(folder.name) in watch.take().folders

    until(is_hinted_at)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A music folder of two genres."""
    for genre in ("Rock", "Jazz"):
        (tmp_path / "music" / genre).mkdir(parents=True)
        (tmp_path / "music" / genre / "old.mp3").write_bytes(b"old")
    return tmp_path / "music"


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


@pytest.fixture
def make(root: Path, clock: Clock) -> Iterator[Callable[..., Watch]]:
    """Make started watches, of the music folder unless told otherwise, and stop them at the end."""
    made = []

    def start(path: Path = root, mode: Literal["auto", "events", "poll"] = "events", **more: Any) -> Watch:
        made.append(Watch(os.fsencode(path), mode=mode, clock=clock, **more))
        made[-1].start()
        return made[-1]

    yield start
    for watch in made:
        watch.stop()


@pytest.fixture
def watch(make: Callable[..., Watch]) -> Watch:
    """A watch that is at work."""
    made = make()
    assert (made.mode, made.reason) == (Mode.WATCHING, "")
    return made


def fail_inotify(
    monkeypatch: pytest.MonkeyPatch, number: int, concerns: Callable[[bytes], bool] = lambda _: True
) -> list[bytes]:
    """Let the kernel refuse to watch folders; return those that were asked for."""
    from watchdog.observers import inotify_c

    real, asked = inotify_c.inotify_add_watch, []

    def refuse(fd: int, path: bytes, mask: int) -> Any:
        asked.append(path)
        if not concerns(path):
            return real(fd, path, mask)
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_add_watch", refuse)
    return asked


def test_a_new_file_marks_its_folder(watch: Watch, root: Path) -> None:
    """A file that is written marks the folder that holds it, and nothing else."""
    (root / "Rock" / "new.mp3").write_bytes(b"new")
    assert gather(watch, lambda hints: bool(hints.folders)).folders == {b"Rock"}


@linux
def test_a_file_closed_after_writing_is_named(watch: Watch, root: Path) -> None:
    """On Linux a file rewritten in place marks its folder when it is closed, and is named itself."""
    with (root / "Rock" / "old.mp3").open("r+b") as file:
        file.write(b"tag")
    hints = gather(watch, lambda hints: bool(hints.closed))
    assert (hints.folders, hints.closed) == ({b"Rock"}, {b"Rock/old.mp3"})


def test_a_file_that_stays_open_marks_its_folder(watch: Watch, root: Path) -> None:
    """A recording that goes on is hinted at when it begins."""
    with (root / "Rock" / "long.mp3").open("wb") as file:
        file.write(b"begins")
        file.flush()
        assert gather(watch, lambda hints: bool(hints.folders)).folders == {b"Rock"}


def test_both_ends_of_a_move_are_marked(watch: Watch, root: Path) -> None:
    """A song that changes its genre marks the old folder and the new one."""
    (root / "Rock" / "old.mp3").rename(root / "Jazz" / "moved.mp3")
    gather(watch, lambda hints: hints.folders == {b"Rock", b"Jazz"})


def test_a_deleted_file_marks_its_folder(watch: Watch, root: Path) -> None:
    """A song that is deleted marks its folder."""
    (root / "Jazz" / "old.mp3").unlink()
    assert gather(watch, lambda hints: bool(hints.folders)).folders == {b"Jazz"}


def test_files_that_come_and_go_over_the_border_mark_their_folder(watch: Watch, root: Path) -> None:
    """A song moved in or out marks the folder inside; the one outside is no concern."""
    outside = root.parent / "outside.mp3"
    (root / "Jazz" / "old.mp3").rename(outside)
    assert gather(watch, lambda hints: bool(hints.folders)).folders == {b"Jazz"}
    outside.rename(root / "Rock" / "back.mp3")
    assert gather(watch, lambda hints: bool(hints.folders)).folders == {b"Rock"}


def test_a_new_folder_is_watched_too(watch: Watch, root: Path) -> None:
    """A new album marks the genre above it, and what is added to it later marks the album."""
    (root / "Rock" / "Album").mkdir()
    gather(watch, lambda hints: b"Rock" in hints.folders)
    (root / "Jazz" / "marker.mp3").write_bytes(b"")
    gather(watch, lambda hints: b"Jazz" in hints.folders)
    (root / "Rock" / "Album" / "song.mp3").write_bytes(b"song")
    gather(watch, lambda hints: b"Rock/Album" in hints.folders)


def test_a_renamed_genre_marks_the_root(watch: Watch, root: Path) -> None:
    """Renaming a folder marks what holds it; what is added to it afterwards bears its new name."""
    (root / "Rock").rename(root / "Metal")
    gather(watch, lambda hints: b"" in hints.folders)
    assert_sees(watch, root / "Metal")


def test_a_deleted_genre_marks_the_root(watch: Watch, root: Path) -> None:
    """Deleting a folder marks what holds it."""
    shutil.rmtree(root / "Rock")
    gather(watch, lambda hints: b"" in hints.folders)


@linux
def test_reading_gives_no_hint(watch: Watch, root: Path) -> None:
    """What is listed and read, which is what we do ourselves, causes no event at all."""
    for _ in range(3):
        for file in root.rglob("*.mp3"):
            file.read_bytes()
    (root / "Jazz" / "marker.mp3").write_bytes(b"")
    hints = gather(watch, lambda hints: bool(hints.closed))
    assert hints.folders == {b"Jazz"}


@linux
def test_what_does_not_matter_gives_no_hint(make: Callable[..., Watch], root: Path) -> None:
    """Downloads under way, covers and excluded folders do not keep the library from being quiet."""
    rules = Rules.of(extensions=(".mp3",), exclude=("downloads",), ignore=())
    watch = make(matters=rules.matters)
    for name in ("downloads/a.mp3", "Rock/cover.jpg", "Rock/b.mp3.part", "Rock/.hidden.mp3", "in the root.mp3"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"")
    (root / "Rock" / "b.mp3.part").rename(root / "Rock" / "b.mp3")
    (root / "Jazz" / "marker.mp3").write_bytes(b"")
    hints = gather(watch, lambda hints: b"Jazz/marker.mp3" in hints.closed)
    assert hints.folders == {b"Rock", b"Jazz"}
    assert hints.closed == {b"Jazz/marker.mp3"}


@linux
def test_a_folder_that_may_not_be_read_is_told_until_it_may(
    make: Callable[..., Watch], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said that a folder is not watched; a renewal watches it."""
    fail_inotify(monkeypatch, errno.EACCES, lambda path: path.endswith(b"Rock"))
    watch = make()
    assert watch.mode is Mode.WATCHING
    assert watch.words == "watching, but for 1 folder that may not be read"
    monkeypatch.undo()
    watch.renew("folders can be looked at that could not")
    assert watch.words == "watching"
    assert watch.take().everything == "folders can be looked at that could not"
    assert_sees(watch, root / "Rock")


@linux
def test_names_that_are_not_utf8_survive(watch: Watch, root: Path) -> None:
    """Names of any bytes come through as they are, and the watch goes on."""
    folder = os.path.join(os.fsencode(root), b"R\xe9tro")
    os.mkdir(folder)
    gather(watch, lambda hints: b"" in hints.folders)
    with open(os.path.join(folder, b"caf\xe9\n.mp3"), "wb") as file:
        file.write(b"song")
    hints = gather(watch, lambda hints: bool(hints.closed))
    assert hints.closed == {b"R\xe9tro/caf\xe9\n.mp3"}
    assert hints.folders <= {b"", b"R\xe9tro"}
    assert_sees(watch, root / "Jazz")


@linux
def test_a_root_whose_name_is_not_utf8_is_watched(make: Callable[..., Watch], tmp_path: Path) -> None:
    """The root too may have any name."""
    root = tmp_path / os.fsdecode(b"mus\xefque")
    (root / "Rock").mkdir(parents=True)
    watch = make(root)
    assert_sees(watch, root / "Rock")


@linux
def test_a_root_that_is_a_link_is_watched(make: Callable[..., Watch], root: Path, tmp_path: Path) -> None:
    """Of a root reached through a link all is seen, and when the link leads elsewhere, that."""
    link = tmp_path / "link"
    link.symlink_to(root)
    watch = make(link)
    (root / "top.mp3").write_bytes(b"top")
    assert gather(watch, lambda hints: bool(hints.closed)).closed == {b"top.mp3"}
    (tmp_path / "other" / "Blues").mkdir(parents=True)
    link.unlink()
    link.symlink_to(tmp_path / "other")
    watch.check(key_of(link))
    assert watch.take().everything == "watching has resumed"
    assert_sees(watch, tmp_path / "other" / "Blues")


def test_a_root_renamed_away_and_back_is_watched(watch: Watch, root: Path) -> None:
    """A root that comes back is watched again, without or with the watch being renewed."""
    key = key_of(root)
    root.rename(root.with_name("away"))
    watch.check(None)
    root.with_name("away").rename(root)
    watch.check(key)
    until(lambda: watch.mode is Mode.WATCHING)
    assert_sees(watch, root / "Rock")


def test_a_root_that_was_replaced_is_watched_anew(watch: Watch, root: Path) -> None:
    """Where a scan sees another folder in the place of the root, that one is watched, and all of it looked at."""
    root.rename(root.with_name("away"))
    (root / "Blues").mkdir(parents=True)
    watch.check(key_of(root))
    assert watch.mode is Mode.WATCHING
    assert watch.take().everything == "watching has resumed"
    assert_sees(watch, root / "Blues")


def test_a_root_that_is_deleted_is_polled_until_it_is_back(watch: Watch, root: Path) -> None:
    """The end of the root ends the watch; it begins again as soon as a scan sees a root there."""
    shutil.rmtree(root)

    def is_polled() -> bool:
        watch.check(None)
        return watch.mode is Mode.POLLING

    until(is_polled)
    assert "cannot be reached" in watch.reason
    assert (watch.take().everything or "").startswith("the watch was lost")
    (root / "Blues").mkdir(parents=True)
    watch.check(key_of(root))
    assert (watch.mode, watch.reason) == (Mode.WATCHING, "")
    assert watch.take().everything == "watching has resumed"
    assert_sees(watch, root / "Blues")


def test_a_root_that_is_missing_at_start_is_polled(make: Callable[..., Watch], tmp_path: Path, clock: Clock) -> None:
    """A missing root is no error: it is tried again, in time even if no scan has seen it."""
    root = tmp_path / "later"
    watch = make(root)
    assert watch.mode is Mode.POLLING
    assert "cannot be reached" in watch.reason
    (root / "Rock").mkdir(parents=True)
    watch.check(None)
    assert watch.mode is Mode.POLLING
    clock.now_s += 60
    watch.check(None)
    assert watch.mode is Mode.WATCHING
    assert_sees(watch, root / "Rock")


def test_a_root_that_is_a_file_is_polled(make: Callable[..., Watch], root: Path) -> None:
    """A file cannot be watched as a folder."""
    watch = make(root / "Rock" / "old.mp3")
    assert watch.reason.endswith("is not a folder")


def test_a_dead_emitter_is_replaced_and_then_less_eagerly(watch: Watch, root: Path, clock: Clock) -> None:
    """The first time at once; if the new one dies soon, after a minute; all is looked at each time."""
    for emitter in inside(watch)._observer.emitters:
        emitter.stop()
        emitter.join()
    watch.check(key_of(root))
    assert watch.mode is Mode.WATCHING
    assert watch.take().everything == "watching has resumed"
    assert_sees(watch, root / "Rock")

    for emitter in inside(watch)._observer.emitters:
        emitter.stop()
        emitter.join()
    watch.check(key_of(root))
    assert watch.mode is Mode.POLLING
    assert watch.take().everything == "the watch was lost: a thread that watches has ended"
    clock.now_s += 59
    watch.check(key_of(root))
    assert watch.mode is Mode.POLLING
    clock.now_s += 1
    watch.check(key_of(root))
    assert watch.mode is Mode.WATCHING
    assert watch.take().everything == "watching has resumed"


@linux
def test_a_dead_reader_is_noticed(watch: Watch, root: Path) -> None:
    """The thread that reads from the kernel is looked after too, although watchdog's observer outlives it."""
    inside(watch)._reader.stop()
    inside(watch)._reader.join()
    watch.check(key_of(root))
    assert watch.take().everything == "watching has resumed"
    assert_sees(watch, root / "Rock")


@linux
def test_lost_events_make_everything_a_hint(make: Callable[..., Watch], root: Path) -> None:
    """When the kernel's queue overflows, all is looked at, and the watch goes on."""
    if not os.access(QUEUE_LIMIT, os.W_OK):
        pytest.skip("the kernel's queue may not be shrunk")
    limit = QUEUE_LIMIT.read_text()
    try:
        QUEUE_LIMIT.write_text("8")
        watch = make()
    finally:
        QUEUE_LIMIT.write_text(limit)
    for n in range(20_000):
        (root / "Rock" / f"{n % 100}.mp3").write_bytes(b"")
        if watch.overflows:
            break
    assert gather(watch, lambda hints: hints.everything is not None).everything == "events were lost"
    assert watch.overflows >= 1
    assert_sees(watch, root / "Jazz")


@linux
def test_folders_made_while_events_were_lost_are_watched(watch: Watch, root: Path, clock: Clock) -> None:
    """After an overflow the folders that the watch does not know of are watched too."""
    from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, WatchDescriptor

    reader = inside(watch)._reader
    (emitter,) = inside(watch)._observer.emitters
    for descriptor in list(reader._watch_for_wd)[1:]:  # as if the folders had been made while events were lost
        reader.remove_callbacks([(descriptor, emitter._inotify._id)])
    reader.handle_event(InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b""))
    assert watch.overflows == 1
    assert watch.take().everything == "events were lost"
    watch.check(key_of(root))
    assert watch.take().everything is None  # it may go on
    clock.now_s += 2
    watch.check(key_of(root))
    assert watch.take().everything == "events had been lost, and the watch was renewed"
    assert_sees(watch, root / "Jazz")


@linux
def test_a_watch_that_loses_events_without_end_is_renewed_now_and_then(watch: Watch, root: Path, clock: Clock) -> None:
    """A storm that never calms down does not keep new folders from being watched for good."""
    for _ in range(60):
        watch._lose_events()
        watch.check(key_of(root))
        assert watch.take().everything == "events were lost"
        clock.now_s += 1
    watch._lose_events()
    watch.check(key_of(root))
    assert watch.take().everything == "events had been lost, and the watch was renewed"


@linux
def test_more_folders_than_the_queue_holds_events_are_no_endless_loss(
    make: Callable[..., Watch], root: Path, clock: Clock
) -> None:
    """Taking the watches off and on again, each of which is an event, does not lose events in its turn."""
    if not os.access(QUEUE_LIMIT, os.W_OK):
        pytest.skip("the kernel's queue may not be shrunk")
    limit = QUEUE_LIMIT.read_text()
    for n in range(100):
        (root / "Rock" / str(n)).mkdir()
    try:
        QUEUE_LIMIT.write_text("8")
        watch = make()
        for n in range(20_000):
            (root / "Rock" / f"{n % 100}.mp3").write_bytes(b"")
            if watch.overflows:
                break
        time.sleep(1)
        lost = watch.overflows
        clock.now_s += 3
        for _ in range(20):
            watch.check(key_of(root))
            time.sleep(0.05)
        assert watch.mode is Mode.WATCHING
        assert watch.overflows == lost
        assert_sees(watch, root / "Jazz")
    finally:
        QUEUE_LIMIT.write_text(limit)


def test_an_empty_answer_of_windows_is_a_loss() -> None:
    """An answer without content is handed on, and reported as a loss; others are handed on."""
    answers: queue.Queue[tuple[bytes, bool]] = queue.Queue()
    losses: list[None] = []
    put = _reporting(answers.put, lambda: losses.append(None))
    put((b"event", True))
    assert not losses
    put((b"", True))
    assert len(losses) == 1
    assert answers.qsize() == 2


@linux
def test_a_disk_that_is_unmounted_renews_the_watch(watch: Watch, root: Path) -> None:
    """That a disk went, which watchdog passes over, counts as a loss."""
    from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, WatchDescriptor

    reader = inside(watch)._reader
    reader.handle_event(InotifyEvent(WatchDescriptor(1), InotifyConstants.IN_UNMOUNT, 0, b""))
    watch.check(key_of(root))
    assert watch.take().everything == "watching has resumed"


@linux
def test_too_many_watches_mean_polling_with_advice(
    make: Callable[..., Watch], root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the limit of watches the advice is exact, and trying again is delayed by 60 s, doubling to an hour."""
    now = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    before = threading.active_count()
    with monkeypatch.context() as patch:
        asked = fail_inotify(patch, errno.ENOSPC)
        watch = make()
        assert watch.mode is Mode.POLLING
        assert watch.reason == (
            "polling because inotify's limit of watches is reached; raise it with: "
            f"sudo sysctl fs.inotify.max_user_watches={max(524288, 2 * now)} (now {now})"
        )
        until(lambda: threading.active_count() == before)
        for delay_s in (60, 120, 240, 480, 960, 1920, 3600, 3600):
            asked.clear()
            clock.now_s += delay_s - 1
            watch.check(key_of(root))
            assert not asked
            clock.now_s += 1
            watch.check(key_of(root))
            assert asked
        assert watch.take().everything is None
    clock.now_s += 3600
    watch.check(key_of(root))
    assert (watch.mode, watch.reason) == (Mode.WATCHING, "")
    assert watch.take().everything == "watching has resumed"


@linux
def test_a_folder_too_many_at_start_means_polling(make: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the limit is reached below the root, which watchdog keeps to itself, nothing half is watched."""
    fail_inotify(monkeypatch, errno.ENOSPC, lambda path: path.endswith(b"Jazz"))
    watch = make()
    assert watch.mode is Mode.POLLING
    assert "max_user_watches" in watch.reason


@linux
def test_a_folder_too_many_later_means_polling(watch: Watch, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a new folder cannot be watched, which watchdog keeps to itself, the watch counts as lost."""
    fail_inotify(monkeypatch, errno.ENOSPC, lambda path: path.endswith(b"Album"))
    (root / "Rock" / "Album").mkdir()

    def is_polled() -> bool:
        watch.check(key_of(root))
        return watch.mode is Mode.POLLING

    until(is_polled)
    assert "max_user_watches" in watch.reason
    assert "max_user_watches" in (watch.take().everything or "")


@linux
def test_too_many_instances_mean_polling_with_advice(
    make: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the limit of instances the advice names that one."""
    from watchdog.observers import inotify_c

    def refuse() -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_init", refuse)
    watch = make()
    assert watch.mode is Mode.POLLING
    assert "limit of instances is reached" in watch.reason
    assert "sudo sysctl fs.inotify.max_user_instances=" in watch.reason


@linux
def test_folders_that_may_not_be_read_do_not_matter(
    make: Callable[..., Watch], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders that may not be read are not watched, and those beside them are."""
    fail_inotify(monkeypatch, errno.EACCES, lambda path: b"Secret" in path)
    for name in ("Secret1", "Secret2"):
        (root / name).mkdir()
    watch = make()
    assert watch.mode is Mode.WATCHING
    assert_sees(watch, root / "Rock")


@linux
def test_a_root_that_may_not_be_read_is_polled(
    make: Callable[..., Watch], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root that may not be read cannot be watched, although watchdog does not say so."""
    fail_inotify(monkeypatch, errno.EACCES, lambda path: path == os.fsencode(root))
    watch = make()
    assert watch.reason == "polling because watching failed: Permission denied"


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "network"])
def test_what_may_change_unseen_is_polled(
    kind: str, make: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shares are polled, unless events are asked for."""
    monkeypatch.setattr(mounts, "file_system", lambda _: kind)
    before = threading.active_count()
    watch = make(mode="auto")
    assert (watch.mode, watch.reason) == (Mode.POLLING, f"polling because the music lies on {kind}")
    assert threading.active_count() == before
    assert make(mode="events").mode is Mode.WATCHING


def test_a_local_disk_is_watched(make: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself, melwatch watches a local disk."""
    monkeypatch.setattr(mounts, "file_system", lambda _: "ext4")
    assert make(mode="auto").mode is Mode.WATCHING


def test_polling_on_request_starts_nothing(make: Callable[..., Watch], root: Path, clock: Clock) -> None:
    """Where polling is asked for, no thread is started, then or later."""
    before = threading.active_count()
    watch = make(mode="poll")
    clock.now_s += 10_000
    watch.check(key_of(root))
    assert (watch.mode, watch.reason) == (Mode.POLLING, "polling because the configuration says so")
    assert threading.active_count() == before


def test_stopping_gives_back_all_threads(root: Path) -> None:
    """After `stop`, which may be called twice, no thread is left, and nothing starts one."""
    before = threading.active_count()
    watch = Watch(os.fsencode(root), mode="events")
    watch.stop()
    watch.start()
    assert threading.active_count() > before
    watch.stop()
    watch.stop()
    until(lambda: threading.active_count() == before)
    watch.check(key_of(root))
    assert watch.mode is Mode.POLLING
    assert threading.active_count() == before
