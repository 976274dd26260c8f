"""The dataset card, `README.md`: what the dataset is, and for `load_dataset` which files it consists of. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from melwatch.edition import Split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from melwatch.edition import Edition


def card(
    edition: Edition, shards: Mapping[Split, Sequence[str]], sizes: Mapping[Split, int], prefix: str = ""
) -> bytes:
    """Return the card; `shards` are file names, `sizes` bytes, both by split.

    `prefix` leads from the card to the split folders.
    """
    return "\n".join([*_front_matter(edition, shards, sizes, prefix), *_prose(edition)]).encode()


def _front_matter(
    edition: Edition, shards: Mapping[Split, Sequence[str]], sizes: Mapping[Split, int], prefix: str
) -> list[str]:
    rows = {split: sum(track.windows for track in edition.tracks if track.split is split) for split in Split}
    frames, bins = edition.shape
    total = sum(sizes.values())
    return [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(
            line
            for split in Split
            for line in (
                f"  - split: {split}",
                "    path:",
                *(f"    - {_quoted(f'{prefix}{split}/{name}')}" for name in shards[split]),
            )
        ),
        "dataset_info:",
        "  features:",
        "  - name: input_values",
        "    dtype:",
        "      array2_d:",
        f"        shape: [{frames}, {bins}]",
        "        dtype: float32",
        "  - name: labels",
        "    dtype:",
        "      class_label:",
        "        names:",
        *(f"          '{number}': {_quoted(name)}" for number, name in enumerate(edition.class_names)),
        "  - name: paths",
        "    dtype: string",
        "  splits:",
        *(
            line
            for split in Split
            for line in (
                f"  - name: {split}",
                f"    num_bytes: {sizes[split]}",
                f"    num_examples: {rows[split]}",
            )
        ),
        f"  download_size: {total}",
        f"  dataset_size: {total}",
        "task_categories:",
        "- audio-classification",
        "tags:",
        "- audio",
        "- music",
        "- genre",
        "---",
    ]


def _prose(edition: Edition) -> list[str]:
    by_genre = Counter((track.genre, track.split) for track in edition.tracks)
    hours = sum(track.sound.duration_s for track in edition.tracks) / 3600
    frames, bins = edition.shape
    labels = {name: label for label, name in enumerate(edition.class_names)}
    genres = sorted({track.genre for track in edition.tracks})
    table = [
        f"| {_cell(genre)} | {labels[genre]} | " + " | ".join(str(by_genre[genre, split]) for split in Split) + " |"
        for genre in genres
    ]
    return [
        "# Log-mel spectrograms of a music library, by genre",
        "",
        (
            f"Version {edition.number}, published {edition.published_at} by melwatch: {len(edition.tracks)} tracks "
            f"({hours:.1f} hours) of {len(genres)} genres."
        ),
        "",
        (
            f"Each row is one window of a track: `input_values`, ({frames}, {bins}) float32, normalised log-mel "
            "energies as `ASTFeatureExtractor` computes them; `labels`, the genre; `paths`, the file."
        ),
        "The rows of a track follow one another. A track is in one split only and stays there.",
        "",
        "| genre | class | train | validate | test |",
        "|---|---:|---:|---:|---:|",
        *table,
        "",
        f"Recipe `{edition.recipe}`:",
        "",
        "```json",
        edition.recipe_json,
        "```",
        "",
        "The music belongs to whoever holds its rights; this card grants none.",
        "",
    ]


def _quoted(text: str) -> str:
    """Return a YAML double-quoted string. JSON would write what lies beyond 16 bits as two halves."""
    return '"' + "".join(_escaped(c) for c in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if " " <= character <= "~" else f"\\U{ord(character):08X}"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
