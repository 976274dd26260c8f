"""Making a version the current one, in the order that keeps every moment in between readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from melwatch.dataset import layout
from melwatch.dataset.layout import FROM_VERSION
from melwatch.edition import Split
from melwatch.errors import StoreError
from melwatch.platform.disk import make_folder, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from melwatch.dataset.layout import DatasetFolder

    _Read = Callable[[Path], bytes]


def install(folder: DatasetFolder, number: int) -> int:
    """Make a whole version the current one; in this order every state in between opens."""
    home = folder.version(number)
    written = _install_splits(home, folder.library, f"../{FROM_VERSION}")
    written += _replace(_top_files(folder, home))
    audio = home / layout.AUDIO
    if audio.exists():
        written += _install_splits(audio, folder.audio.library, layout.from_version_to_audio(folder))
        written += _replace(_audio_files(folder, home))
    return written + _replace({folder.current: (home / layout.CURRENT).read_bytes()})


def differences(folder: DatasetFolder, number: int, read: _Read = Path.read_bytes) -> list[Path]:
    """Return the files that do not say what they would if a version, as `read` finds it, were the current one."""
    home = folder.version(number)
    expected = _top_files(folder, home, read) | {folder.current: read(home / layout.CURRENT)}
    expected |= _split_files(home, folder.library, f"../{FROM_VERSION}", read)
    if (home / layout.AUDIO).exists():
        expected |= _audio_files(folder, home, read)
        expected |= _split_files(home / layout.AUDIO, folder.audio.library, layout.from_version_to_audio(folder), read)
    return [path for path, content in expected.items() if not path.exists() or path.read_bytes() != content]


def _top_files(folder: DatasetFolder, home: Path, read: _Read = Path.read_bytes) -> dict[Path, bytes]:
    return {
        folder.library / layout.CARD: _at_top(read(home / layout.CARD), FROM_VERSION),
        folder.path / layout.GENRES: read(home / layout.GENRES),
        folder.library / layout.TRACKS: read(home / layout.TRACKS),
        folder.library / layout.DATASET_DICT: read(home / layout.DATASET_DICT),
    }


def _audio_files(folder: DatasetFolder, home: Path, read: _Read = Path.read_bytes) -> dict[Path, bytes]:
    names = (layout.CARD, layout.DATASET_DICT)
    return {folder.audio.library / name: read(home / layout.AUDIO / name) for name in names}


def _split_files(home: Path, library: Path, prefix: str, read: _Read) -> dict[Path, bytes]:
    return _states(home, library, prefix, read) | _infos(home, library, read)


def _states(home: Path, library: Path, prefix: str, read: _Read = Path.read_bytes) -> dict[Path, bytes]:
    return {
        library / split / layout.STATE: _at_top(read(home / split / layout.STATE), f"{prefix}{split}/")
        for split in Split
    }


def _infos(home: Path, library: Path, read: _Read = Path.read_bytes) -> dict[Path, bytes]:
    return {library / split / layout.INFO: read(home / split / layout.INFO) for split in Split}


def _install_splits(home: Path, library: Path, prefix: str) -> int:
    """Put what describes the splits in place; `prefix` leads from a version's split to `library`."""
    states, infos = _states(home, library, prefix), _infos(home, library)  # read first: its disk may be gone
    make_folder(library, parents=False)
    for split in Split:
        make_folder(library / split, parents=False)
    if not _features_change(infos):
        return _replace(infos) + _replace(states)
    written = _replace(dict.fromkeys(infos, layout.info_json(None)))
    return written + _replace(states) + _replace(infos)


def _replace(files: Mapping[Path, bytes]) -> int:
    return sum(replace_file(path, content) for path, content in files.items())


def _at_top(content: bytes, prefix: str) -> bytes:
    return content.replace(b'"' + prefix.encode(), b'"')


def _features_change(infos: Mapping[Path, bytes]) -> bool:
    """Whether columns change in more than their class names."""
    for path, content in infos.items():
        try:
            before = layout.read_json(path)["features"]
        except (FileNotFoundError, StoreError):
            return False
        after = json.loads(content)["features"]
        if before is None or before | {"labels": None} != after | {"labels": None}:
            return True
    return False
