"""Places that fsspec can write to or read from, by URL, and local folders through the same door.

fsspec and its drivers are imported when a place is opened, so that no resident process has them.
"""

from __future__ import annotations

import json
import posixpath
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from melwatch.config.secret import without_password
from melwatch.errors import ConfigError, DegradedError, MelwatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from melwatch.progress import Progress

DRIVERS = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs",
    "adl": "adlfs", "sftp": "paramiko", "ssh": "paramiko", "smb": "smbprotocol", "http": "aiohttp", "https": "aiohttp",
    "oss": "ossfs", "webdav": "webdav4", "box": "boxfs", "dropbox": "dropboxdrivefs", "gdrive": "gdrivefs",
}  # fmt: skip
"""What has to be installed for a scheme; fsspec itself comes with `datasets`."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+._-]+(?:::[A-Za-z][A-Za-z0-9+._-]+)*://")
"""A scheme has two letters at least: `C:/Music` is a path."""
_FLAT = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory"}
"""Where there are no folders; to ask s3fs for one would make a missing bucket."""
_REFUSED = re.compile(r"credential|forbidden|denied|authenti|authoriz|unauthori|accesskey|signature", re.IGNORECASE)
_BLOCK = 1 << 22
_MEGABYTE = 1_000_000
SMALL_BYTES = 1 << 24
"""What lists a hundred thousand shards has less."""
_WORDS = {"true": True, "false": False, "null": None}


def is_url(where: str) -> bool:
    r"""Whether this names a place by URL; `C:\Music` and `\\server\share` do not."""
    return _URL.match(where) is not None and not where.startswith("file://")


def local_path(where: str) -> Path:
    """Return the folder that a path or a `file://` URL names."""
    path = where
    if where.startswith("file://"):
        parts = urlsplit(where)
        if parts.netloc not in {"", "localhost"}:
            raise ConfigError(f"{where} names a folder of another machine", "Write file:///, or the path of a share.")
        path = url2pathname(parts.path)
    return Path(path).expanduser().absolute()


def storage_options(given: Sequence[str]) -> dict[str, Any]:
    """Read `key=value` for a driver: true, false, null, objects and lists as in JSON, all else as text."""
    options: dict[str, Any] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ConfigError("A --storage-option is not key=value", "As in endpoint_url=https://...")
        options[key] = _WORDS.get(value, value)
        if value.startswith(("{", "[")):
            try:
                options[key] = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise ConfigError(f"--storage-option {key}: {error}", "An object is written as in JSON.") from None
    return options


class Storage:
    """A folder somewhere, whose files are known by their names below it; raises `MelwatchError` in sentences."""

    def __init__(self, file_system: Any, root: str, shown: str, *, has_folders: bool) -> None:  # noqa: ANN401  of fsspec
        self._files, self._root, self.shown, self._has_folders = file_system, root, shown, has_folders

    @property
    def folder(self) -> Path | None:
        """The folder of this machine that it is, None where it is none."""
        from fsspec.implementations.local import LocalFileSystem

        return Path(self._root) if isinstance(self._files, LocalFileSystem) else None

    @classmethod
    def open(cls, where: str, options: Mapping[str, Any] | None = None) -> Storage:
        """Open a place by URL or path; raises `ConfigError` where the driver is missing or refuses the options."""
        import fsspec

        if not is_url(where):
            files = fsspec.filesystem("file")
            path = str(local_path(where))
            return cls(files, files._strip_protocol(path), path, has_folders=True)  # noqa: SLF001  what url_to_fs calls
        scheme, shown = where.partition("://")[0].rpartition("::")[2].lower(), without_password(where)
        try:
            files, root = fsspec.core.url_to_fs(where, **(options or {}))
        except ImportError as error:
            package = DRIVERS.get(scheme)
            hint = f"pip install {package}" if package else str(error)
            raise ConfigError(f"{scheme}:// needs a driver that is not installed here", hint) from None
        except (TypeError, ValueError) as error:
            what = without_password(str(error).partition("\n")[0])
            raise ConfigError(f"{shown} cannot be opened: {what}", "Look at the URL and --storage-option.") from None
        except Exception as error:
            raise _told(error, shown) from error
        return cls(files, root, shown, has_folders=scheme not in _FLAT)

    def below(self, name: str) -> Storage:
        """Return a folder in it."""
        return Storage(self._files, self._at(name), f"{self.shown.rstrip('/')}/{name}", has_folders=self._has_folders)

    def is_empty(self) -> bool:
        """Whether there is nothing yet; a bucket that is missing shows when it is written to."""
        with self._asking():
            try:
                names = self._files.ls(self._root, detail=False)
                return all(name.rstrip("/") == self._root.rstrip("/") for name in names)
            except FileNotFoundError:
                return True

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, None where there is none; folders, pipes and devices are none."""
        with self._asking():
            try:
                facts = self._files.info(self._at(name))
                return int(facts["size"]) if facts["type"] == "file" else None
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read(self, name: str, at_most: int = SMALL_BYTES) -> bytes | None:
        """Return the content of a small file, None for none; raises `DegradedError` where it is not small."""
        if self.size(name) is None:
            return None
        content = bytearray()
        try:
            for block in self.blocks(name):
                content += block
                if len(content) > at_most:
                    what = f"{self.shown}/{name} has more than {at_most:,} bytes, so it is not as melwatch wrote it"
                    raise DegradedError(what, "Look at what it is.")
        except FileNotFoundError:
            return None
        return bytes(content)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a file in pieces; raises `FileNotFoundError` where it is not, or no longer, there."""
        try:
            with self._files.open(self._at(name), "rb", block_size=_BLOCK, cache_type="readahead") as file:
                while block := file.read(_BLOCK):
                    yield block
        except (FileNotFoundError, MelwatchError):
            raise
        except Exception as error:
            raise _told(error, f"{self.shown}/{name}") from error

    def write(self, name: str, content: bytes) -> None:
        """Write a small file in one go."""
        with self._asking(f"/{name}"):
            self._make_folder(name)
            self._files.pipe_file(self._at(name), content)
        self.require(name, len(content))

    @contextmanager
    def writing(self, name: str, size: int, count: Megabytes) -> Iterator[Sink]:
        """Write a file piece by piece, to be found `size` bytes long; after an exception it counts as not written."""
        with self._asking(f"/{name}"):
            self._make_folder(name)
            file = self._files.open(self._at(name), "wb")
        try:
            yield Sink(file, f"{self.shown}/{name}", count)
        except BaseException:
            # Closing would give what there is the name of the whole.
            with suppress(Exception):
                file.discard()
            with suppress(Exception):
                file.closed = True
            with suppress(Exception):
                if not file.closed:
                    file.close()
            raise
        with self._asking(f"/{name}"):
            file.close()
        self.require(name, size)

    def require(self, name: str, size: int) -> None:
        """Raise `DegradedError` where a file has not arrived as long as it was sent."""
        found = self.size(name)
        if found != size:
            came = "did not arrive" if found is None else f"has {found:,} bytes instead of {size:,}"
            raise DegradedError(f"{self.shown}/{name} {came}", _AGAIN)

    def _at(self, name: str) -> str:
        return posixpath.join(self._root, name)

    def _make_folder(self, name: str) -> None:
        if self._has_folders:
            self._files.makedirs(posixpath.dirname(self._at(name)), exist_ok=True)

    @contextmanager
    def _asking(self, name: str = "") -> Iterator[None]:
        try:
            self._files.invalidate_cache()
            yield
        except MelwatchError:
            raise
        except Exception as error:
            raise _told(error, self.shown + name) from error


class Sink:
    """A file for Arrow to write to, far away; raises `MelwatchError` in sentences."""

    closed = False

    def __init__(self, file: Any, shown: str, count: Megabytes) -> None:  # noqa: ANN401  of fsspec
        self._file, self._shown, self._count = file, shown, count

    def write(self, data: Any) -> int:  # noqa: ANN401  anything with a buffer
        """Send bytes on, in blocks."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _BLOCK):
            block = view[start : start + _BLOCK]
            try:
                self._file.write(bytes(block))
            except Exception as error:
                raise _told(error, self._shown) from error
            self._count.add(len(block))
        return len(view)

    def flush(self) -> None:
        """Left to the driver."""

    def close(self) -> None:
        """Left to the owner of the file."""


class Megabytes:
    """Tells a progress of bytes, a step a megabyte."""

    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress, self._bytes = progress, 0
        progress.begin(what, -(-total // _MEGABYTE), "MB")

    def add(self, n_bytes: int) -> None:
        """Count what was moved."""
        before, self._bytes = self._bytes // _MEGABYTE, self._bytes + n_bytes
        for _ in range(self._bytes // _MEGABYTE - before):
            self._progress.advance()

    def end(self) -> None:
        """Count what is left of the last one."""
        if self._bytes % _MEGABYTE:
            self._progress.advance()
        self._progress.end()


_AGAIN = "Run the same command again: what has arrived is not sent again."


def _told(error: Exception, shown: str) -> MelwatchError:
    """Say what a driver met: what a person has to put right, or what may pass."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = without_password(said)
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, PermissionError) or _REFUSED.search(what):
        hint = "Give credentials as the driver expects them (for s3 AWS_ACCESS_KEY_ID and so on), or another place."
        return ConfigError(f"{shown} refuses access ({what})", hint)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ConfigError(f"{shown} cannot be found ({what})", "Look at the URL; a bucket has to be made first.")
    return DegradedError(f"{shown} cannot be reached or fails ({what})", _AGAIN)
