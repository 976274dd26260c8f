"""A music library that people and their programs change at random, and what melwatch should make of it."""

from __future__ import annotations

import os
import shutil
import threading
import time
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from soak_songs import UNKNOWN, is_bad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from soak_place import Place
    from soak_songs import Songs

MIN_GENRE = 6
FEWEST, MOST = 45, 100
GENRES = ("Blues", "Folk", "Jazz", "Rock & Roll", "Ska", "Çeçen müziği")
OTHER_AUDIO = (".flac", ".m4a", ".ogg")
PARTIAL = (".part", ".crdownload", ".tmp")
ODD_NAMES = (
    "emoji \U0001f3b5 {}", "new\nline {}", "quote's \"{}\"", "<script>alert({})</script>", "dot {}.", "%s %d {}",
    "e\u0301 apart {}", "-rf {}", "\udcff\udcfe {}", "back\\slash {}", "  blank {}  ", "CON.{}", "l" * 190 + "{}",
    "{}.mp3", "semi;colon,{}", "tab\t{}", "\u202eright to left {}",
)  # fmt: skip


@dataclass(kw_only=True)
class Model:
    """What melwatch should say of a tree: the song of every track, and the reason of every file left out."""

    tracks: dict[bytes, str] = field(default_factory=dict)
    left_out: dict[bytes, str] = field(default_factory=dict)
    others: int = 0

    def shown(self) -> dict[bytes, str]:
        """Return the tracks in the dataset with their songs: of large enough genres, each song once."""
        genres: dict[str, dict[str, bytes]] = defaultdict(dict)
        for path, song in sorted(self.tracks.items()):
            if not is_bad(song):
                genres[genre_of(path)].setdefault(song, path)
        return {path: song for songs in genres.values() if len(songs) >= MIN_GENRE for song, path in songs.items()}

    def reasons(self) -> dict[bytes, str]:
        """Return why each audio file is not in the dataset."""
        shown = self.shown()
        there = {(genre_of(path), song) for path, song in shown.items()}
        first: set[tuple[str, str]] = set()
        reasons = dict(self.left_out)
        for path, song in sorted(self.tracks.items()):
            key = (genre_of(path), song)
            if is_bad(song):
                reasons[path] = song.split()[1]
            elif path not in shown:
                reasons[path] = "duplicate" if key in there or key in first else "genre_too_small"
            first.add(key)
        return reasons


class Library:
    """Changes files below a root; `place.library()` says where that is just now."""

    def __init__(self, place: Place, songs: Songs, chance: Random) -> None:
        self.place, self.songs, self.chance = place, songs, chance
        self.made = 0
        self.writers: list[threading.Thread] = []
        self.being_written: set[int] = set()
        self.renamed: list[tuple[str, str]] = []
        self._cache: dict[tuple[int, int, int, int], str] = {}

    @property
    def root(self) -> Path:
        """Where the genre folders are."""
        return self.place.library()

    def begin(self) -> None:
        """Fill it."""
        for number in range(FEWEST + 10):
            self._write_new(self.root / GENRES[number % len(GENRES)] / self._name())

    # What it should be.

    def model(self) -> Model:
        """Walk the tree and say what melwatch should make of it."""
        model = Model()
        root = os.fsencode(self.root)
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                self._judge(path, os.path.relpath(path, root), model)
        return model

    def _judge(self, path: bytes, relative: bytes, model: Model) -> None:
        name = os.fsdecode(os.path.basename(relative))
        *folders, _ = relative.split(b"/")
        suffix = os.path.splitext(name)[1].lower()
        is_audio = suffix == ".mp3" or suffix in OTHER_AUDIO
        if folders and folders[0] == b"System Volume Information":
            return
        if not name.startswith(".") and suffix in PARTIAL:
            model.left_out[relative] = self._above(folders) or "partial"
        elif not is_audio:
            model.others += 1
        elif above := self._above(folders):
            model.left_out[relative] = above
        elif name.startswith("."):
            model.left_out[relative] = "hidden"
        elif suffix in OTHER_AUDIO:
            model.left_out[relative] = "extension"
        elif not folders:
            model.left_out[relative] = "in_root"
        elif not os.path.exists(path):
            model.left_out[relative] = "broken_link"
        elif not os.path.isfile(path):
            model.left_out[relative] = "not_regular"
        else:
            model.tracks[relative] = self._song_at(path)

    @staticmethod
    def _above(folders: list[bytes]) -> str | None:
        if folders and folders[0] == b"Mixes":
            return "excluded"
        return "hidden" if any(folder.startswith(b".") for folder in folders) else None

    def _song_at(self, path: bytes) -> str:
        facts = os.stat(path)
        key = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        if key in self._cache:
            return self._cache[key]
        with open(path, "rb") as file:
            song = self.songs.song_in(file.read())
        if song != UNKNOWN:
            self._cache[key] = song
        return song

    # What people and programs do.

    def actions(self) -> dict[str, tuple[int, Callable[[], str]]]:
        """Return every kind of change: how often compared to others, and what does it and tells about it."""
        count = len(self._tracks())
        grow, shrink = (3, 0) if count < FEWEST else (0, 3) if count > MOST else (1, 1)
        return {
            "add": (6 * grow, self.add),
            "add slowly": (3 * grow, self.add_slowly),
            "add oddly named": (2 * grow, self.add_oddly_named),
            "copy": (2 * grow, self.copy),
            "move in an album": (grow, self.move_in_album),
            "delete a few": (4 * shrink, self.delete_few),
            "delete many": (shrink, self.delete_many),
            "delete a genre": (shrink, self.delete_genre),
            "retag in place": (2, self.retag_in_place),
            "retag beside": (2, self.retag_beside),
            "rename": (3, self.rename),
            "rename in case only": (1, self.rename_case),
            "move to another genre": (3, self.move),
            "swap": (2, self.swap),
            "rename a genre": (1, self.rename_genre),
            "rename an album": (1, self.rename_album),
            "replace": (2, self.replace),
            "break": (2, self.break_file),
            "mend": (1, self.mend),
            "touch": (1, self.touch),
            "other files": (2, self.add_other),
            "links": (1, self.add_link),
        }  # fmt: skip

    def add(self) -> str:
        """Copy in a few new songs at once."""
        return self._told(self._write_new(self._folder() / self._name()) for _ in range(self.chance.randint(1, 4)))

    def add_oddly_named(self) -> str:
        """Copy in a song with a name that programs trip over."""
        self.made += 1
        name = self.chance.choice(ODD_NAMES).format(self.made) + ".mp3"
        return self._told([self._write_new(self._folder() / name)])

    def add_slowly(self) -> str:
        """Copy in a song bit by bit, its size preallocated or not, its time set back at the end or not."""
        path, content = self._folder() / self._name(), self._content()
        pauses = [self.chance.uniform(0.2, 2.0) for _ in range(self.chance.randint(2, 6))]
        is_preallocated, is_old = self.chance.random() < 0.5, self.chance.random() < 0.5
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
        inode = os.fstat(file.fileno()).st_ino
        self.being_written.add(inode)

        def write() -> None:
            step = len(content) // len(pauses) + 1
            with file:
                if is_preallocated:
                    file.truncate(len(content))
                for number, pause_s in enumerate(pauses):
                    file.write(content[number * step : (number + 1) * step])
                    file.flush()
                    time.sleep(pause_s)
                if is_old:
                    os.utime(file.fileno(), (1e9, 1e9))
            self.being_written.discard(inode)

        self.writers.append(threading.Thread(target=write))
        self.writers[-1].start()
        return self._told([path])

    def finish_writing(self) -> None:
        """Wait until no file is being written any more."""
        while self.writers:
            self.writers.pop().join()

    def copy(self) -> str:
        """Copy songs that are there already, in the same genre or another."""
        done = []
        for path in self._some(self.chance.randint(1, 3)):
            target = self._folder() / f"copy {self._name()}"
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copy2 if self.chance.random() < 0.5 else shutil.copyfile)(path, target)
            done.append(target)
        return self._told(done)

    def move_in_album(self) -> str:
        """Move a whole folder of new songs in from elsewhere on the disk."""
        self.made += 1
        album = self.place.folder / f"album {self.made}"
        for _ in range(self.chance.randint(3, 9)):
            self._write_new(album / self._name())
        target = self._genre() / album.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(album, target)
        return self._told([target])

    def delete_few(self) -> str:
        """Delete up to three."""
        return self._told(self._delete(path) for path in self._some(self.chance.randint(1, 3)))

    def delete_many(self) -> str:
        """Delete more than may go without being asked about."""
        return self._told(self._delete(path) for path in self._some(self.chance.randint(12, 30)))

    def delete_genre(self) -> str:
        """Delete a whole genre folder."""
        genre = self._genre()
        if genre.is_dir() and not self._is_busy(genre):
            shutil.rmtree(genre)
        return self._told([genre])

    def retag_in_place(self) -> str:
        """Write other tags into songs, as tag editors without padding do."""
        done = []
        for path in self._some(self.chance.randint(1, 5)):
            content = self._retagged(path)
            with path.open("r+b") as file:
                file.write(content)
                file.truncate()
            done.append(path)
        return self._told(done)

    def retag_beside(self) -> str:
        """Write other tags by way of a temporary file, as careful tag editors do."""
        done = []
        for path in self._some(self.chance.randint(1, 5)):
            beside = path.with_name(f"{self.made}.tmp")
            beside.write_bytes(self._retagged(path))
            beside.replace(path)
            done.append(path)
        return self._told(done)

    def rename(self) -> str:
        """Give songs other names in the same folder."""
        return self._told(path.rename(path.with_name(self._name())) for path in self._some(self.chance.randint(1, 6)))

    def rename_case(self) -> str:
        """Rename a song only in its case."""
        done = []
        for path in self._some(1):
            target = path.with_name(path.stem.swapcase() + path.suffix)
            done.append(path if target.exists() else path.rename(target))
        return self._told(done)

    def move(self) -> str:
        """Move songs to another genre."""
        done = []
        for path in self._some(self.chance.randint(1, 4)):
            target = self._folder() / self._name()
            target.parent.mkdir(parents=True, exist_ok=True)
            done.append(path.rename(target))
        return self._told(done)

    def swap(self) -> str:
        """Have two songs change names."""
        two = self._some(2)
        if len(two) == 2 and two[0].parent.exists():
            aside = self.place.folder / "aside.mp3"
            shutil.move(two[0], aside)
            two[1].rename(two[0])
            shutil.move(aside, two[1])
        return self._told(two)

    def rename_genre(self) -> str:
        """Rename a genre folder."""
        genre = self._genre()
        self.made += 1
        target = self.root / f"{genre.name.split(' no.')[0]} no. {self.made}"
        if genre.is_dir():
            genre.rename(target)
            self.renamed.append((genre_name(genre), genre_name(target)))
        return self._told([genre, target])

    def rename_album(self) -> str:
        """Rename a folder in a genre, or move it to another one."""
        albums = [folder for folder in sorted(self.root.glob("*/*")) if folder.is_dir() and not folder.is_symlink()]
        if not albums:
            return "none"
        self.made += 1
        album, target = self.chance.choice(albums), self._genre() / f"album {self.made}"
        target.parent.mkdir(parents=True, exist_ok=True)
        album.rename(target)
        return self._told([album, target])

    def replace(self) -> str:
        """Put another song in the place of one."""
        done = []
        for path in self._some(self.chance.randint(1, 2)):
            times = path.stat()
            path.write_bytes(self._content())
            if self.chance.random() < 0.3:
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            done.append(path)
        return self._told(done)

    def break_file(self) -> str:
        """Add a file that is no song, or make a song one."""
        content = self.chance.choice(self.songs.bad)
        path = self._folder() / self._name()
        if self.chance.random() < 0.3:
            path = next(iter(self._some(1)), path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return self._told([path])

    def mend(self) -> str:
        """Put songs where files are broken."""
        bad = [path for path in self._tracks() if is_bad(self._song_at(os.fsencode(path)))]
        return self._told(self._write_new(path) for path in bad[:2])

    def touch(self) -> str:
        """Change times and modes only."""
        done = []
        for path in self._some(self.chance.randint(1, 5)):
            stamp_s = self.chance.choice((0, 1e9, time.time(), time.time() + 1e6))
            os.utime(path, (stamp_s, stamp_s))
            path.chmod(self.chance.choice((0o644, 0o640, 0o600)))
            done.append(path)
        return self._told(done)

    def add_other(self) -> str:
        """Add what is no track: covers, other formats, hidden and unfinished files."""
        self.made += 1
        number, genre = self.made, self._folder()
        path = self.chance.choice((
            genre / f"cover {number}.jpg", genre / f"{number}.flac", genre / f".{number}.mp3",
            genre / f"._{number}.mp3",
            genre / f"{number}.mp3.part", self.root / f"{number}.mp3", self.root / "Mixes" / f"{number}.mp3",
            genre / ".hidden" / f"{number}.mp3", self.root / f"notes {number}.txt", genre / f"{number}.M4A",
        ))  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._content())
        return self._told([path])

    def add_link(self) -> str:
        """Add links: to songs, in a circle, to nowhere; and remove one."""
        self.made += 1
        links = [path for path in sorted(self.root.rglob("*")) if path.is_symlink()]
        if len(links) > 3:
            return self._told([self._delete(self.chance.choice(links))])
        genre = self._genre()
        genre.mkdir(parents=True, exist_ok=True)
        link = genre / f"link {self.made}.mp3"
        kind = self.chance.choice(("song", "nowhere", "circle"))
        if kind == "circle":
            link = genre / f"circle {self.made}"
            link.symlink_to(self.chance.choice((".", "..")))
        elif kind == "nowhere":
            link.symlink_to("nowhere")
        else:
            link.symlink_to(self.place.folder / "linked.mp3")
        return self._told([link])

    # What that is made of.

    def _tracks(self) -> list[Path]:
        """Return the songs that may be changed: those that nobody is writing just now."""
        return [
            path
            for path in sorted(self.root.rglob("*.[mM][pP]3"))
            if path.is_file() and not path.is_symlink() and path.stat().st_ino not in self.being_written
        ]

    def _some(self, count: int) -> list[Path]:
        tracks = self._tracks()
        return self.chance.sample(tracks, min(count, len(tracks)))

    def _is_busy(self, folder: Path) -> bool:
        return any(path.lstat().st_ino in self.being_written for path in folder.rglob("*"))

    def _genre(self) -> Path:
        hidden = {"Mixes"}
        there = [folder for folder in sorted(self.root.iterdir()) if folder.is_dir() and folder.name not in hidden]
        if len(there) < 4 or self.chance.random() < 0.05:
            return self.root / self.chance.choice(GENRES)
        return self.chance.choice(there)

    def _folder(self) -> Path:
        return self._genre() / self.chance.choice(("", "", "Album", "Live", "Album/CD 2"))

    def _name(self) -> str:
        self.made += 1
        return f"Song {self.made}.{self.chance.choice(('mp3', 'mp3', 'mp3', 'MP3'))}"

    def _content(self) -> bytes:
        content = self.chance.choice(self.songs.good)
        return self.songs.retag(content, f"Title {self.made}") if self.chance.random() < 0.3 else content

    def _write_new(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._content())
        return path

    def _retagged(self, path: Path) -> bytes:
        self.made += 1
        content = path.read_bytes()
        return content if is_bad(self.songs.song_in(content)) else self.songs.retag(content, f"Title {self.made}")

    @staticmethod
    def _delete(path: Path) -> Path:
        path.unlink()
        return path

    def _told(self, paths: Iterator[Path] | list[Path]) -> str:
        return ", ".join(repr(str(path.relative_to(self.root))) for path in paths) or "none"


def genre_of(path: bytes) -> str:
    """Return the genre of a path below the root."""
    return unicodedata.normalize("NFC", path.split(b"/")[0].decode("utf-8", "backslashreplace"))


def genre_name(folder: Path) -> str:
    """Return the genre that a top-level folder stands for."""
    return genre_of(os.fsencode(folder.name))
