"""Finished spectrograms on their way into a shard: one file a song, numbers first, facts behind.

A spool file is complete once it has its name; what it holds is trusted only while it matches the
checksum on record, so nothing here waits for the disk.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import xxhash

from melwatch.platform.disk import replacing
from melwatch.track import Made, Sound

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from melwatch.track import AudioId, RecipeId


def spool_file(spool: Path, audio_id: AudioId, recipe: RecipeId) -> Path:
    """Return where a song's spectrograms lie while no shard has them."""
    return spool / f"{audio_id}.{recipe}"


def write_spool(file: Path, values: NDArray[np.floating], sound: Sound) -> Made:
    """Put spectrograms, (windows, frames, bins), into the spool."""
    numbers = values.data.cast("B")
    made = Made(windows=len(values), checksum=xxhash.xxh3_128(numbers).hexdigest(), sound=sound)
    with replacing(file, durable=False) as out:
        out.write(numbers)
        out.write(json.dumps(asdict(made)).encode())
    return made


def receive_spool(file: Path, content: bytes, numbers_bytes: int, made: Made) -> bool:
    """Put what `write_spool` wrote elsewhere into the spool; False where it is not what was made."""
    if xxhash.xxh3_128(memoryview(content)[:numbers_bytes]).hexdigest() != made.checksum:
        return False
    with replacing(file, durable=False) as out:
        out.write(content)
    return True


def read_facts(file: Path, numbers_bytes: int) -> Made | None:
    """Return what lies behind the numbers of a spool file, or None if there is no such file, or half of one."""
    try:
        with file.open("rb") as opened:
            opened.seek(numbers_bytes)
            facts = json.loads(opened.read())
        return Made(windows=facts["windows"], checksum=facts["checksum"], sound=Sound(**facts["sound"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
