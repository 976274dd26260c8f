"""How things stand as lines for a terminal of any size: values in, styled lines out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from melwatch.config.durations import seconds_of
from melwatch.daemon.schedule import trigger_of
from melwatch.extraction.estimate import spoken_time
from melwatch.names import printable
from melwatch_service.needs import needs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from melwatch.config.sections import ScheduleSection

_STYLES = {
    "idle": "green", "scanning": "cyan", "extracting": "cyan", "publishing": "cyan", "paused": "yellow",
    "degraded": "red", "root_offline": "red", "needs_confirmation": "yellow",
}  # fmt: skip
_LABEL = 11
_NAME_SHARE = 0.3
_FEWEST_GENRES = 3
_SHARES = 19
"""How wide `train/validate/test` in per cent are."""


def board_lines(facts: Mapping[str, Any], *, next_publish: str, now: datetime, width: int, height: int) -> list[Text]:
    """Return at most `height` lines of at most `width` cells; what there is no room for is counted."""
    top = [
        *_state(facts, width),
        *_progress(facts, width),
        _labelled("Tracks", _tracks(facts["tracks"])),
        *_folded("Version", _version(facts, now), width),
        *_folded("Next", next_publish, width),
        *(line for need in needed(facts) for line in _folded("Needs you", need, width, style="yellow")),
        Text(),
    ]
    few = max(1, min(len(facts["passes"]), (height - len(top)) // 4))
    bottom = _passes(facts["passes"][:few], now) if facts["passes"] else []
    genres = _genres(facts, width, max(_FEWEST_GENRES, height - len(top) - len(bottom) - 1))
    lines = [*top, *genres, *([Text()] if genres and bottom else []), *bottom]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def needed(facts: Mapping[str, Any]) -> list[str]:
    """Say what only a person can do, but for what the state itself says."""
    is_said = facts["state"] == "needs_confirmation"
    return [
        f"{need.what}: `melwatch {need.command}`" if need.command else need.what
        for need in needs(facts)
        if not (is_said and need.command.startswith("accept-"))
    ]


def next_publish(schedule: ScheduleSection, now: datetime, *, is_running: bool) -> str:
    """Say when the next version may be published."""
    if not is_running:
        return "when `melwatch run` or `sync` runs; no daemon is at work"
    if schedule.publish is None:
        longest = spoken_time(schedule.max_wait_s)
        return f"after {spoken_time(schedule.quiet_s)} without changes, {longest} after the first one at the latest"
    if seconds_of(schedule.publish) is not None:
        return f"every {schedule.publish}, if something has changed"
    at = trigger_of(schedule.publish).get_next_fire_time(None, now)
    return f"{at.astimezone():%a %d %b %H:%M} ({schedule.publish})" if at else f"never ({schedule.publish})"


def _state(facts: Mapping[str, Any], width: int) -> list[Text]:
    name = facts["state"]
    word = Text.assemble(("melwatch", "bold"), "   ", (name.replace("_", " "), f"bold {_STYLES.get(name, '')}".strip()))
    process = f"process {facts['pid']}" if facts["pid"] is not None else "no daemon runs"
    room = width - word.cell_len - len(process)
    head = Text.assemble(word, " " * max(1, room), (process, "dim"))
    sentence = facts["sentence"] or (facts["watching"] or "")
    return [head, *_wrapped(sentence, width, 3), Text()]


def _progress(facts: Mapping[str, Any], width: int) -> list[Text]:
    done = facts["progress"]
    if done is None:
        return []
    share = min(1.0, done["done"] / max(1, done["total"]))
    left = f", about {spoken_time(done['seconds_left'])} left" if done["seconds_left"] is not None else ""
    words = f" {share:4.0%}  {done['done']:,} of {done['total']:,}, {done['songs_per_s']:.1f} songs/s{left}"
    return [_labelled(printable(done["what"]), Text.assemble(_bar(share, max(8, width - _LABEL - len(words))), words))]


def _tracks(counts: Mapping[str, int]) -> Text:
    styles = {"ready": "green", "pending": "cyan", "failed": "red", "excluded": "dim"}
    parts = [(f"{counts[name]:,} {name}", style if counts[name] else "dim") for name, style in styles.items()]
    return Text("   ").join(Text(words, style) for words, style in parts)


def _version(facts: Mapping[str, Any], now: datetime) -> str:
    if not facts["version"]:
        return "nothing is published yet"
    complete = "" if facts["complete"] else ", not all songs are in it yet"
    return f"{facts['version']}, published {_ago(facts['published_at'], now)}{complete}: {printable(facts['dataset'])}"


def _genres(facts: Mapping[str, Any], width: int, room: int) -> list[Text]:
    sizes = sorted(facts["genres"].items(), key=lambda item: (-item[1], item[0]))
    waiting = [f"{printable(genre)} ({number})" for genre, number in facts["waiting"].items()]
    rows = room - 1 - bool(waiting)
    shown = sizes if len(sizes) <= rows else sizes[: rows - 1]
    if not sizes and not waiting:
        return []
    lines = [
        Text(f"{len(sizes):,} genre{'' if len(sizes) == 1 else 's'}, {sum(facts['genres'].values()):,} songs", "bold")
    ]
    lines[0].append(" " * max(1, width - lines[0].cell_len - _SHARES))
    lines[0].append("train/validate/test", "dim")
    name_width = max(8, min(int(width * _NAME_SHARE), max((cell_len(printable(name)) for name, _ in shown), default=8)))
    most = max([1, *(number for _, number in sizes)])
    bar = max(4, width - name_width - 12 - _SHARES)
    for name, number in shown:
        line = Text.assemble(f"  {set_cell_size(printable(name), name_width)} {number:>6,} ", _bar(number / most, bar))
        line.append(f"  {_shares(facts['splits'].get(name, {})):>{_SHARES}}", "dim")
        lines.append(line)
    if len(shown) < len(sizes):
        rest = sizes[len(shown) :]
        lines.append(Text(f"  and {len(rest):,} more with {sum(number for _, number in rest):,} songs", "dim"))
    if waiting:
        lines.append(Text(f"  too few songs: {', '.join(waiting)}", "dim"))
    return lines


def _shares(splits: Mapping[str, int]) -> str:
    total = sum(splits.values())
    return "/".join(f"{number / total:.0%}" for number in splits.values()) if total else ""


def _passes(passes: Sequence[Mapping[str, Any]], now: datetime) -> list[Text]:
    lines = [Text("Last passes", "bold")]
    for done in passes:
        version = f", version {done['version']} published" if done["is_published"] else ""
        lines.append(
            Text(
                f"  {_ago(done['started_at'], now):>12}  {done['extracted']:,} extracted, {done['reused']:,} reused, "
                f"{done['failed']:,} failed, {done['seconds']:.1f} s{version}"
            )
        )
    return lines


def _ago(at: str, now: datetime) -> str:
    seconds = (now - datetime.fromisoformat(at)).total_seconds()
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:,.0f} days ago"
    return "just now" if seconds < 1 else f"{spoken_time(seconds)} ago"


def _bar(share: float, width: int) -> Text:
    full = round(share * width)
    return Text.assemble(("█" * full, "cyan"), ("░" * (width - full), "dim"))


def _labelled(label: str, words: Text) -> Text:
    return Text.assemble((f"{label:{_LABEL}}", "bold"), words)


def _folded(label: str, words: str, width: int, style: str = "") -> Iterable[Text]:
    first, *more = _wrapped(words, max(10, width - _LABEL), 2) or [Text()]
    for number, line in enumerate([first, *more]):
        line.stylize(style)
        yield _labelled("" if number else label, line)


def _wrapped(words: str, width: int, most: int) -> list[Text]:
    """Break a sentence into a few lines, the last one cut where it does not fit."""
    lines: list[Text] = []
    rest = printable(words).strip()
    while rest and len(lines) < most:
        cut = _fitting(rest, width)
        if len(lines) == most - 1:
            cut = len(rest)
        lines.append(Text(rest[:cut].rstrip()))
        rest = rest[cut:].lstrip()
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _fitting(words: str, width: int) -> int:
    """Return how many characters go on a line, whole words where there are any."""
    if cell_len(words) <= width:
        return len(words)
    fits = len(words)
    while cell_len(words[:fits]) > width:
        fits -= 1
    space = words.rfind(" ", 0, fits + 1)
    return space if space > 0 else max(1, fits)
