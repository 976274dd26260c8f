"""Places by URL, and what is said when they cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from melwatch.dataset.storage import Storage, is_url, local_path, storage_options
from melwatch.errors import ConfigError, DegradedError, MelwatchError


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("s3://bucket/data", True),
        ("gs://bucket", True),
        ("simplecache::s3://bucket/data", True),
        ("sftp://me@host:22/data", True),
        ("memory://data", True),
        ("/data", False),
        ("data/x", False),
        (r"C:\Music", False),
        ("C:/Music", False),
        ("C://Music", False),
        (r"\\server\share", False),
        ("//server/share", False),
        ("file:///data", False),
        ("odd: name", False),
        ("a::b", False),
    ],
)
def test_urls_are_told_from_paths(where: str, *, expected: bool) -> None:
    """A drive's letter is no scheme, and `file://` is a path too."""
    assert is_url(where) is expected


def test_a_file_url_names_its_folder() -> None:
    """Escapes are read."""
    assert local_path("file:///srv/My%20Music") == Path("/srv/My Music").absolute()


def test_storage_options_are_read_as_they_are_meant() -> None:
    """Numbers stay text, as keys may be numbers; objects are JSON."""
    given = ["endpoint_url=http://h:1/?a=b", "anon=true", "key=123", 'client_kwargs={"region_name": "eu"}', "x="]
    assert storage_options(given) == {
        "endpoint_url": "http://h:1/?a=b", "anon": True, "key": "123", "client_kwargs": {"region_name": "eu"}, "x": "",
    }  # fmt: skip


@pytest.mark.parametrize("given", ["endpoint_url", "=x", "a={"])
def test_bad_storage_options_are_refused(given: str) -> None:
    """Without repeating what may be a secret."""
    with pytest.raises(ConfigError) as caught:
        storage_options([given])
    assert "endpoint_url" not in caught.value.what


def test_a_file_url_of_another_machine_is_refused() -> None:
    """It would be taken for a folder of this one."""
    with pytest.raises(ConfigError, match="another machine"):
        local_path("file://nas/music")


def test_what_a_driver_says_is_told_without_passwords() -> None:
    """Some repeat the whole URL."""
    fsspec.register_implementation("unwilling", Unwilling, clobber=True)
    Unwilling.error = OSError("no answer from unwilling://me:hunter2@place/name?sig=hunter2")
    with pytest.raises(DegradedError) as caught:
        Storage.open("unwilling://me:hunter2@place").write("name", b"content")
    assert "no answer" in caught.value.what
    assert "hunter2" not in caught.value.what


@pytest.mark.timeout(20)
def test_only_small_files_are_read_whole(tmp_path: Path) -> None:
    """Neither what is too large nor pipes and devices, which may never end."""
    (tmp_path / "large").write_bytes(bytes(101))
    (tmp_path / "endless").symlink_to("/dev/zero")
    storage = Storage.open(str(tmp_path))
    assert storage.read("large", 101) == bytes(101)
    assert storage.read("endless") is None
    assert storage.size("endless") is None
    with pytest.raises(DegradedError, match="more than 100 bytes"):
        storage.read("large", 100)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""

    def refuse(protocol: str) -> None:
        raise ImportError(f"Install the driver of {protocol}")

    monkeypatch.setattr("fsspec.core.get_filesystem_class", refuse)
    with pytest.raises(ConfigError) as caught:
        Storage.open("s3://bucket/data")
    assert (caught.value.hint, caught.value.exit_code) == ("pip install s3fs", 2)


def test_an_unknown_scheme_is_refused() -> None:
    """As a wrong use, in a sentence."""
    with pytest.raises(ConfigError, match="nosuch://x cannot be opened"):
        Storage.open("nosuch://x")


class NoCredentialsError(Exception):
    """As one of botocore's is called."""


class Unwilling(MemoryFileSystem):
    """A place where everything goes wrong in one way."""

    protocol = "unwilling"
    error: Exception = OSError()

    def pipe_file(self, *_: Any, **__: Any) -> None:
        raise self.error

    def open(self, *_: Any, **__: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (PermissionError("Access Denied"), ConfigError, "refuses access"),
        (NoCredentialsError("Unable to locate them"), ConfigError, "refuses access"),
        (OSError("The provided token: SignatureDoesNotMatch"), ConfigError, "refuses access"),
        (FileNotFoundError("The specified bucket does not exist"), ConfigError, "cannot be found"),
        (ConnectionResetError("by peer"), DegradedError, "cannot be reached"),
        (TimeoutError(), DegradedError, "TimeoutError"),
        (RuntimeError("several\nlines"), DegradedError, "RuntimeError: several)"),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(error: Exception, kind: type[MelwatchError], words: str) -> None:
    """What a person has to put right is a wrong use; what may pass is not; each names the place, and a hint."""
    fsspec.register_implementation("unwilling", Unwilling, clobber=True)
    Unwilling.error = error
    with pytest.raises(kind, match=r"unwilling://place/name") as caught:
        Storage.open("unwilling://place").write("name", b"content")
    assert words in caught.value.what
    assert caught.value.hint
    if not isinstance(error, FileNotFoundError):
        with pytest.raises(kind):
            list(Storage.open("unwilling://place").blocks("name"))
