"""The dataset card, `README.md`: what the dataset is, and for `load_dataset` which files it consists of. Pure."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from melwatch.edition import COLUMN_DTYPES, Split
from melwatch.names import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from melwatch.edition import Edition

SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
"""The hub's words for numbers of rows below a limit."""

_COLUMN_SENTENCES = {
    "track_id": "`track_id`, the digest of the song's sound",
    "window": "`window`, which of the track's windows it is, from 0",
    "start_s": "`start_s`, where in the track the window begins, in seconds",
}


def card(
    edition: Edition, shards: Mapping[Split, Sequence[str]], sizes: Mapping[Split, int], prefix: str = ""
) -> bytes:
    """Return the card; `shards` are file names, `sizes` bytes, both by split.

    `prefix` leads from the card to the split folders.
    """
    frames, bins = edition.shape
    features = [
        "  - name: input_values",
        "    dtype:",
        "      array2_d:",
        f"        shape: [{frames}, {bins}]",
        f"        dtype: {edition.dtype}",
        *_label_and_path(edition, "paths"),
        *(line for name in edition.columns for line in (f"  - name: {name}", f"    dtype: {COLUMN_DTYPES[name]}")),
    ]
    rows = {split: sum(track.windows for track in edition.tracks if track.split is split) for split in Split}
    front = _front_matter("Log-mel spectrograms of a music library", features, shards, sizes, rows, prefix)
    optional = "".join(f"; {_COLUMN_SENTENCES[name]}" for name in edition.columns)
    prose = [
        "# Log-mel spectrograms of a music library, by genre",
        "",
        *_summary(edition, f"{edition.rows:,} rows of {len(edition.tracks):,} tracks"),
        (
            f"Each row is one window of a track: `input_values`, ({frames}, {bins}) {edition.dtype}, normalised "
            "log-mel energies as `ASTFeatureExtractor` computes them; `labels`, the genre; `paths`, the file"
            f"{optional}. The rows of a track follow one another."
        ),
        "",
        "`tracks.parquet` has a line for each track: path, genre, split, title, artist, album, length, and where",
        "its rows begin.",
        "",
        *_genres(edition),
        *_splits(edition),
        "## How it was made",
        "",
        f"By the recipe `{edition.recipe}`, of which `version.json` in the folder of the version says more:",
        "",
        "```json",
        edition.recipe_json,
        "```",
        "",
        *_LICENCE,
    ]
    return "\n".join([*front, *prose]).encode()


def audio_card(edition: Edition, shards: Mapping[Split, Sequence[str]], sizes: Mapping[Split, int]) -> bytes:
    """Return the card of the audio dataset, whose rows are tracks."""
    rows = {split: sum(track.split is split for track in edition.tracks) for split in Split}
    features = [
        "  - name: audio",
        "    dtype:",
        "      audio:",
        "        sampling_rate: 16000",
        *_label_and_path(edition),
    ]
    front = _front_matter("Tracks of a music library", features, shards, sizes, rows, "")
    prose = [
        "# Tracks of a music library, by genre",
        "",
        *_summary(edition, f"{len(edition.tracks):,} tracks"),
        "Each row names one audio file, which is decoded when the row is read: `audio`, 16 kHz; `labels`, the genre.",
        "Splits and classes are those of the spectrograms beside it.",
        "",
        *_genres(edition),
        *_splits(edition),
        *_LICENCE,
    ]
    return "\n".join([*front, *prose]).encode()


_MARKUP = frozenset("\\`*_[]<>|~&$")

_LICENCE = (
    "## Licence",
    "",
    "Not stated here. The music belongs to whoever holds its rights; this card grants none.",
    "",
)


def _front_matter(
    title: str,
    features: Sequence[str],
    shards: Mapping[Split, Sequence[str]],
    sizes: Mapping[Split, int],
    rows: Mapping[Split, int],
    prefix: str,
) -> list[str]:
    total = sum(sizes.values())
    files = {split: [f"    - {_quoted(f'{prefix}{split}/{name}')}" for name in shards[split]] for split in Split}
    counts = {split: [f"    num_bytes: {sizes[split]}", f"    num_examples: {rows[split]}"] for split in Split}
    size = next((word for limit, word in SIZES.items() if sum(rows.values()) < limit), "n>10M")
    return [
        "---",
        f"pretty_name: {title}",
        "task_categories:",
        "- audio-classification",
        "size_categories:",
        f"- {size}",
        "tags:",
        "- audio",
        "- music",
        "- genre",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(line for split in Split for line in (f"  - split: {split}", "    path:", *files[split])),
        "dataset_info:",
        "  features:",
        *features,
        "  splits:",
        *(line for split in Split for line in (f"  - name: {split}", *counts[split])),
        f"  download_size: {total}",
        f"  dataset_size: {total}",
        "---",
    ]


def _label_and_path(edition: Edition, *paths: str) -> list[str]:
    return [
        "  - name: labels",
        "    dtype:",
        "      class_label:",
        "        names:",
        *(f"          '{number}': {_quoted(name)}" for number, name in enumerate(edition.class_names)),
        *(line for name in paths for line in (f"  - name: {name}", "    dtype: string")),
    ]


def _summary(edition: Edition, content: str) -> list[str]:
    hours = sum(track.sound.duration_s for track in edition.tracks) / 3600
    genres = len({track.genre for track in edition.tracks})
    pending = f" {edition.pending:,} more tracks are still to be extracted." if edition.pending else ""
    return [
        (
            f"Version {edition.number}, published {edition.published_at} by melwatch from a music library with one "
            f"folder per genre: {content} ({hours:,.1f} hours of music) in {genres:,} genres.{pending}"
        ),
        "",
    ]


def _genres(edition: Edition) -> list[str]:
    by_genre = Counter((track.genre, track.split) for track in edition.tracks)
    hours: Counter[str] = Counter()
    for track in edition.tracks:
        hours[track.genre] += track.sound.duration_s / 3600  # type: ignore[assignment]  # counts need not be whole
    labels = {name: label for label, name in enumerate(edition.class_names)}
    return [
        "## Genres",
        "",
        "Tracks by genre, with the class id in `labels`:",
        "",
        "| genre | class | train | validate | test | hours |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {_cell(genre)} | {labels[genre]} | "
            + "".join(f"{by_genre[genre, split]} | " for split in Split)
            + f"{hours[genre]:.1f} |"
            for genre in sorted({track.genre for track in edition.tracks})
        ),
        "",
        "Class ids never change their meaning: new genres get new ids, and one that is gone keeps its own.",
        "",
    ]


def _splits(edition: Edition) -> list[str]:
    asked = edition.config.get("splits")
    settings = ["It was asked for:", "", "```json", json.dumps(asked, sort_keys=True), "```", ""] if asked else []
    return [
        "## Splits",
        "",
        "A track is in one split only. With the sticky policy, the default, it stays there while the library",
        "grows, and new tracks are placed where their genre lacks most.",
        "",
        *settings,
    ]


def _quoted(text: str) -> str:
    """Return a YAML double-quoted string. JSON would write what lies beyond 16 bits as two halves."""
    return '"' + "".join(_escaped(c) for c in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if " " <= character <= "~" else f"\\U{ord(character):08X}"


def _cell(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, no formula, one line."""
    return "".join(f"\\{c}" if c in _MARKUP else c for c in printable(text))
