"""Whether a version's own files are as they were written, and putting them back from copies. Imports no Arrow.

A file that cannot be read for now is not damaged: `OSError` is raised.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import xxhash

from melwatch.dataset import layout
from melwatch.dataset.layout import FROM_VERSION
from melwatch.edition import Split
from melwatch.errors import StoreError
from melwatch.platform.disk import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from melwatch.dataset.layout import DatasetFolder

_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What says that a file is not there. Any other error, as of a disk that fails, says nothing of it."""
_PARQUET = b"PAR1"
"""What such a file begins and ends with."""
_TOP_FILES = (layout.CARD, layout.DATASET_DICT)
_SPLIT_FILES = tuple(f"{split}/{name}" for split in Split for name in (layout.STATE, layout.INFO))
_SAID = {"dataset_id", "version", "fingerprint", "content", "recipe", "complete", "pending", "published_at"}
_MADE = {"version", "recipe_id", "recipe", "columns"}


def digest_of(content: bytes) -> str:
    """Return the digest by which `version.json` knows the other files of a version."""
    return xxhash.xxh3_128(content).hexdigest()


def faults(folder: DatasetFolder, number: int) -> list[str]:
    """Return the files of a version, by their names in its folder, that are missing or not as they were written."""
    home, digests = folder.version(number), digests_of(folder, number)
    names = {layout.CURRENT, layout.PROVENANCE, layout.GENRES, layout.TRACKS, layout.LEDGER, *_TOP_FILES, *_SPLIT_FILES}
    if (home / layout.AUDIO).exists():
        names |= {f"{layout.AUDIO}/{name}" for name in (*_TOP_FILES, *_SPLIT_FILES)}
    else:
        digests = {name: digest for name, digest in digests.items() if not name.startswith(f"{layout.AUDIO}/")}
    return [name for name in sorted(names | digests.keys()) if not _is_whole(home / name, number, digests.get(name))]


def restore(folder: DatasetFolder, number: int, set_aside: Callable[[Path], object]) -> list[str]:
    """Put back what is damaged in a version where a copy of just that content is left; return the names."""
    restored = copies(folder, number)
    for name, content in restored.items():
        put_back(folder.version(number) / name, content, set_aside)
    return list(restored)


def copies(folder: DatasetFolder, number: int) -> dict[str, bytes]:
    """Return what is damaged in a version and can be put back, by name: a copy of just that content is left."""
    found: dict[str, bytes] = {}
    digests = digests_of(folder, number)
    for name in faults(folder, number):
        for content in _copies(folder, number, name):
            if digest_of(content) == digests.get(name) or (name == layout.CURRENT and _says(content, number)):
                found[name] = content
                break
    return found


def put_back(file: Path, content: bytes, set_aside: Callable[[Path], object]) -> None:
    """Put content in the place of what is damaged, which is set aside first."""
    set_aside(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, content)


def was_complete(folder: DatasetFolder, number: int) -> bool:
    """Whether a version was written to its end, though its `current.json` may be lost since."""
    return folder.is_complete(number) or any(_says(content, number) for content in _read(folder.current))


def can_be_shown(folder: DatasetFolder, number: int) -> bool:
    """Whether all is as it was written that readers get to see of a version."""
    return not set(faults(folder, number)) - {layout.LEDGER, layout.PROVENANCE}


def require_sound(folder: DatasetFolder, number: int, also: Collection[str] = ()) -> None:
    """Raise `StoreError` where what tells a version's rows, and `also` these files, is not as it was written."""
    needed = {layout.CURRENT, layout.PROVENANCE, layout.DATASET_DICT, *_SPLIT_FILES, *also}
    if damaged := [name for name in faults(folder, number) if name in needed]:
        what = ", ".join(str(folder.version(number) / name) for name in damaged)
        raise StoreError(f"{what}: missing or damaged", "Run `melwatch repair`.")


def require_whole_shard(folder: DatasetFolder, path: str) -> None:
    """Raise `StoreError` where a shard is there and holds other bytes than were written."""
    if not is_whole_shard(folder, path):
        raise StoreError(f"The shard {folder.shard(path)} is damaged", "Run `melwatch repair`.")


def is_sealed(folder: DatasetFolder, number: int) -> bool:
    """Whether a version's `current.json` is as it was written."""
    return _is_whole(folder.version(number) / layout.CURRENT, number, None)


def dataset_id(folder: DatasetFolder) -> str | None:
    """Return the id of a dataset as its newest version tells it; None where none does."""
    for number in reversed(folder.version_numbers()):
        for content in _read(folder.version(number) / layout.CURRENT):
            if _says(content, number):
                return str(json.loads(content)["dataset_id"])
    return None


def shard_sizes(folder: DatasetFolder, number: int) -> dict[str, int]:
    """Return the bytes of a version's shards, by `split/name`, as it noted them when it was written."""
    sizes: dict[str, int] = _made(folder, number).get("shards", {})
    return sizes


def damaged_audio_shards(folder: DatasetFolder, number: int) -> list[str]:
    """Return the audio shards of a version, `split/name`, that are missing or damaged; they are small, so all is read.

    Those that a damaged version does not tell are not among them.
    """
    try:
        shards = sorted(layout.audio_shards(folder, number))
    except (StoreError, KeyError):
        return []
    return [path for path in shards if not is_whole_audio_shard(folder, path)]


def is_whole_audio_shard(folder: DatasetFolder, path: str) -> bool:
    """Whether an audio shard is there and holds what its name is the digest of."""
    file = folder.audio.shard(path)
    return any(digest_of(content) == file.stem for content in _read(file))


def is_whole_shard(folder: DatasetFolder, path: str) -> bool:
    """Whether all bytes of a shard are as they were written: its name is their digest.

    Raises `OSError` where they cannot be read, which may be for its disk.
    """
    file, digest = folder.shard(path), xxhash.xxh3_128()
    with file.open("rb") as content:
        while block := content.read(1 << 22):
            digest.update(block)
    return digest.hexdigest() == file.stem


def shards_of(folder: DatasetFolder, number: int) -> dict[str, int | None]:
    """Return the shards of a version, `split/name`, with their bytes as far as somebody noted them."""
    try:
        named = layout.shards_of_version(folder, number)
    except (StoreError, KeyError):
        named = set()
    sizes = shard_sizes(folder, number)
    return {path: sizes.get(path) for path in sorted(named | sizes.keys())}


def digests_of(folder: DatasetFolder, number: int) -> dict[str, str]:
    """Return what a version's files should digest to, by name; empty where it does not tell."""
    digests: dict[str, str] = _made(folder, number).get("files", {})
    return digests


def _made(folder: DatasetFolder, number: int) -> dict[str, Any]:
    try:
        return layout.read_provenance(folder, number)
    except StoreError:
        return {}


def _is_whole(file: Path, number: int, digest: str | None) -> bool:
    try:
        content = file.read_bytes()
    except _GONE:
        return False
    return is_as_written(file.name, content, number, digest)


def is_as_written(name: str, content: bytes, number: int, digest: str | None) -> bool:
    """Whether a file of a version is as it was written; without a digest, as far as its form tells."""
    if name == layout.CURRENT:
        return _says(content, number)
    if name == layout.PROVENANCE:
        made = _parsed(content)
        return isinstance(made, dict) and made.keys() >= _MADE and made["version"] == number
    if digest is not None:
        return digest_of(content) == digest
    if name.endswith(".parquet"):
        return content[:4] == content[-4:] == _PARQUET and len(content) > 2 * len(_PARQUET)
    return bool(content) and (not name.endswith(".json") or _parsed(content) is not None)


def _says(content: bytes, number: int) -> bool:
    """Whether this is what `current.json` says of a version."""
    said = _parsed(content)
    return isinstance(said, dict) and said.keys() >= _SAID and said["version"] == number


def _parsed(content: bytes) -> object:
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value


def _copies(folder: DatasetFolder, number: int, name: str) -> Iterator[bytes]:
    """Yield what may be the content of a version's file: from the folder that readers open, and from other versions."""
    top, part = folder.library, name
    if name.startswith(f"{layout.AUDIO}/"):
        top, part = folder.audio.library, name.removeprefix(f"{layout.AUDIO}/")
    for content in _read(folder.path / name if name == layout.GENRES else top / part):
        yield content
        if part.endswith(layout.STATE):
            split = part.split("/", maxsplit=1)[0]
            prefix = f"../{FROM_VERSION}" if part == name else layout.from_version_to_audio(folder)
            yield content.replace(b'"filename": "', f'"filename": "{prefix}{split}/'.encode())
        elif part == layout.CARD:
            splits = "|".join(Split).encode()
            yield re.sub(rb'"(?=(?:' + splits + rb")/)", f'"{FROM_VERSION}'.encode(), content)
    for other in folder.version_numbers():
        if other != number:
            yield from _read(folder.version(other) / name)


def _read(file: Path) -> Iterator[bytes]:
    """Yield a file's content if it is there."""
    try:
        yield file.read_bytes()
    except _GONE:
        return
