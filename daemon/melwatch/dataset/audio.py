"""The audio dataset beside the spectrograms: one row a track, naming its file, with the same splits and classes.

Its versions lie in `versions/N/audio/`, its shards, which hold no sound, in `music_lib_audio/`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from melwatch.dataset import arrow, layout
from melwatch.dataset.card import audio_card
from melwatch.dataset.fingerprint import audio_fingerprint, tracks_of
from melwatch.edition import Split
from melwatch.errors import DegradedError
from melwatch.names import display
from melwatch.platform.disk import make_folder, replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melwatch.dataset.layout import DatasetFolder
    from melwatch.edition import DatasetTrack, Edition

_AUDIO = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def features(class_names: Sequence[str]) -> dict[str, Any]:
    """Return the columns as `datasets` writes them down in `dataset_info.json`."""
    return {
        "audio": {"sampling_rate": 16_000, "_type": "Audio"},
        "labels": {"names": list(class_names), "_type": "ClassLabel"},
    }


def refuse_foreign(folder: DatasetFolder) -> None:
    """Raise `DegradedError` where somebody else's dataset lies in the place of the audio dataset."""
    library = folder.audio.library
    if not any((library / name).exists() for name in (layout.DATASET_DICT, layout.STATE, layout.CARD)):
        return
    try:
        is_ours = b" by melwatch " in (library / layout.CARD).read_bytes()
    except FileNotFoundError:
        is_ours = not (library / layout.DATASET_DICT).exists()  # a first publish that was cut off
    if not is_ours:
        what = f"{library} holds a dataset that melwatch did not write"
        raise DegradedError(what, "Move it away, or switch dataset.audio off. The last version stays current.")


def write_audio(folder: DatasetFolder, edition: Edition) -> dict[str, bytes]:
    """Write an edition's audio shards; return the files of `versions/N/` that describe them, none without a root."""
    if edition.music_root is None:
        return {}
    info = layout.info_json(features(edition.class_names))
    files = {}
    names: dict[Split, list[str]] = {}
    sizes: dict[Split, int] = {}
    for split in Split:
        content = _shard(edition, tracks_of(edition.tracks, split))
        name = f"{arrow.checksum(content)}.arrow"
        place = folder.audio.shard(f"{split}/{name}")
        make_folder(place.parent)
        replace_file(place, content)
        names[split], sizes[split] = [name], len(content)
        digest = audio_fingerprint(edition, split)
        home = f"{layout.AUDIO}/{split}"
        prefix = f"{layout.from_version_to_audio(folder)}{split}/"
        files[f"{home}/{layout.STATE}"] = layout.state_json([name], digest, split, prefix, None)
        files[f"{home}/{layout.INFO}"] = info
    return files | {
        f"{layout.AUDIO}/{layout.CARD}": audio_card(edition, names, sizes),
        f"{layout.AUDIO}/{layout.DATASET_DICT}": layout.dataset_dict_json(list(Split)),
    }


def _shard(edition: Edition, tracks: Sequence[DatasetTrack]) -> bytes:
    """Return the tracks of a split as an Arrow stream."""
    fields = [pa.field("audio", _AUDIO), pa.field("labels", pa.int64())]
    schema = pa.schema(fields, metadata=layout.huggingface_metadata(features(edition.class_names)))
    files = [{"bytes": None, "path": f"{edition.music_root}/{display(track.path)}"} for track in tracks]
    table = pa.table([pa.array(files, _AUDIO), pa.array([track.label for track in tracks], pa.int64())], schema=schema)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
