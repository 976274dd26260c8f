"""Commands that tell and change nothing: status, why, failures, missing."""

from __future__ import annotations

import csv
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melwatch import status
from melwatch.assemble import open_for_reading
from melwatch.library.rules import Reason
from melwatch.manifest import tracks
from melwatch.names import display, printable
from melwatch.passes.renewal import find_change, in_force, workshop_in_force
from melwatch.publishing import publication
from melwatch.publishing.compose import DUPLICATE, IN_DATASET
from melwatch_service.commands.app import Given, command, utc_now
from melwatch_service.tell import balance_lines, sentence_of, tell

if TYPE_CHECKING:
    from melwatch.passes.workshop import Workshop

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  spreadsheets take either form

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@command("status")
def show_status(
    given: Given,
    *,
    as_json: AsJson = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Fill the terminal with it until Ctrl-C; elsewhere print it whenever it changes.",
        ),
    ] = False,
) -> None:
    """Tell how things stand: what the daemon is at, version, tracks, genres, the last pass."""
    shop = given.workshop()
    if watch:
        with suppress(KeyboardInterrupt):  # which is how one ends it
            _watch(shop, as_json=as_json)
        return
    with open_for_reading(shop) as db:
        facts = status.overview(shop, db)
    if as_json:
        print_json(facts)
    else:
        tell(status_lines(facts))


def _watch(shop: Workshop, *, as_json: bool) -> None:
    from melwatch_service import watching

    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not as_json:
        watching.watch_in_terminal(shop, utc_now)
    else:
        watching.watch_in_pipe(shop, None if as_json else status_lines)


def _daemon_lines(facts: dict[str, Any]) -> list[str]:
    """What a running daemon says of itself; nothing where none is running."""
    if facts["pid"] is None:
        return []
    lost = f"; events were lost {facts['event_overflows']:,} times" if facts["event_overflows"] else ""
    lines = [f"Daemon   process {facts['pid']}, {printable(facts['watching'])}{lost}"]
    progress = facts["progress"]
    if progress is not None and progress["seconds_left"] is not None:
        lines.append(
            f"{progress['what']:8} {progress['done']:,} of {progress['total']:,}, "
            f"{progress['songs_per_s']:.1f} songs/s, about {progress['seconds_left']:,.0f} s left"
        )
    lines += [
        f"Waiting  {printable(file['path'])}: {file['what']} (for {file['age_s']:.0f} s)" for file in facts["unsettled"]
    ]
    more = facts["unsettled_files"] - len(facts["unsettled"])
    return [*lines, f"Waiting  {more:,} more files"] if more else lines


def status_lines(facts: dict[str, Any]) -> list[str]:
    """Say how things stand."""
    counts = facts["tracks"]
    version = f"version {facts['version']} of {facts['published_at']}" if facts["version"] else "nothing published yet"
    lines = [
        f"State    {facts['state']}" + (f": {printable(facts['sentence'])}" if facts["sentence"] else ""),
        *_daemon_lines(facts),
        f"Music    {printable(facts['music'])}",
        f"Dataset  {printable(facts['dataset'])}: {version}",
        (
            f"Tracks   {counts['ready']:,} ready, {counts['pending']:,} pending, {counts['failed']:,} failed, "
            f"{counts['excluded']:,} excluded"
        ),
    ]
    if facts["recipe_change"] is not None and facts["recipe_change"]["is_accepted"]:
        lines.append(f"Recipe   {facts['recipe_change']['sentence']}")
    lines += [f"  {number:>6,}  {printable(genre)}" for genre, number in facts["genres"].items()]
    lines += [f"  {number:>6,}  {printable(genre)} (too few)" for genre, number in facts["waiting"].items()]
    last = facts["last_pass"]
    if last["started_at"]:
        lines.append(
            f"Last pass {last['started_at']}: {last['extracted']:,} extracted, {last['reused']:,} reused, "
            f"{last['failed']:,} failed, {last['seconds']:.1f} s"
        )
        lines += balance_lines(last["found"], last["balance"])
    return lines


@command()
def why(
    given: Given,
    path: Annotated[Path, typer.Argument(help="A file; relative to here, or to the music root.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell why a file is, or is not, in the dataset: which rule, state or error applies."""
    shop = given.workshop()
    with open_for_reading(shop) as db:
        answer = status.why(shop, db, path)
    if as_json:
        facts = {"path": display(answer.path), "reason": answer.reason, "sentence": answer.sentence}
        print_json(facts | answer.details)
        return
    tell([f"{printable(display(answer.path))}: {answer.sentence}"])
    tell(
        f"  {key.replace('_', ' ')}: {printable(str(value))}"
        for key, value in answer.details.items()
        if value is not None
    )


@command()
def failures(given: Given, *, as_json: AsJson = False) -> None:
    """List the tracks that something is wrong with, and what."""
    shop = given.workshop()
    with open_for_reading(shop) as db:
        change = find_change(shop, db)
        if change is None or not change.is_accepted:
            shop = in_force(shop, change)  # otherwise what fails by the new recipe is of interest
        records = [record for record in tracks.track_records(db, shop.recipe.id) if status.is_failure(record)]
        partial = [
            record for record in tracks.track_records(db, shop.recipe.id) if record.sound and record.sound.is_partial
        ]
    rows = [
        {
            "path": display(record.path), "reason": trouble.reason, "what": trouble.what, "hint": trouble.hint,
            "audio_id": record.audio_id, "in_dataset": False,
        }
        for record in records if (trouble := record.trouble)
    ] + [
        {
            "path": display(record.path), "reason": "partial",
            "what": f"Only {sound.duration_s:.1f} s of {sound.promised_s:.1f} s could be decoded", "hint": "",
            "audio_id": record.audio_id, "in_dataset": True,
        }
        for record in partial if (sound := record.sound)
    ]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    tell(f"{printable(str(row['path']))}: {printable(str(row['what']))} {row['hint']}".rstrip() for row in rows)
    tell([f"{len(records):,} failed, {len(partial):,} in the dataset only in part."])


@command()
def missing(
    given: Given,
    *,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: path, reason, sentence.")] = False,
) -> None:
    """List every audio file that is not in the dataset, with its reason."""
    shop = given.workshop()
    with open_for_reading(shop) as db:
        shop = workshop_in_force(shop, db)
        composition = publication.compose_version(shop, db, list(tracks.track_records(db, shop.recipe.id)))
        noted = {
            path: reason for path, reason in tracks.left_out(db).items()
            # What is out of sight just now may be in the dataset as it was last read.
            if reason != Reason.NOT_AUDIO and composition.fates.get(path) != IN_DATASET
        }  # fmt: skip
    reasons = {**noted, **{path: fate for path, fate in composition.fates.items() if fate != IN_DATASET}}
    rows = [(display(path), reason, sentence_of(reason)) for path, reason in sorted(reasons.items())]
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_ALL)  # else it forgets to quote \r
        writer.writerow(["path", "reason", "sentence"])
        writer.writerows((_for_table(path), reason, sentence) for path, reason, sentence in rows)
        return
    tell(f"{printable(path)}: {sentence}" for path, _, sentence in rows)
    duplicates = sum(reason == DUPLICATE for _, reason, _ in rows)
    tell([f"{len(rows):,} left out, {duplicates:,} of them duplicates of songs in the dataset."])


def _for_table(path: str) -> str:
    """Return a path that no spreadsheet takes for a formula, and every program for the same file."""
    path = f"./{path}" if path.startswith(_FORMULA) else path
    return printable(path) if sys.stdout.isatty() else path


def print_json(value: object) -> None:
    """Print JSON that any program can read, whatever the file names hold."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, indent=2) + "\n")
