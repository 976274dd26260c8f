"""Figures for Prometheus: base units, every series from the start, and never a path or name of the music."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from melwatch import status
from melwatch.manifest import shown, versions
from melwatch.publishing.compose import DUPLICATE, IN_DATASET
from melwatch.publishing.showing import READY, UNDER_WAY, tally
from melwatch.version import __version__
from melwatch_service.page.facts import space
from melwatch_service.page.render import STATE_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from sqlite3 import Connection

    from prometheus_client.core import Metric

    from melwatch.passes.workshop import Workshop

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SPLITS = ("train", "validate", "test")


def gather(shop: Workshop, db: Connection) -> dict[str, Any]:
    """Return the figures as they are now."""
    live = status.running(shop, db) or {}
    current = versions.newest_version(db)
    last = versions.last_pass(db) or {}
    known = tally(db)
    splits = dict.fromkeys(SPLITS, 0)
    for parts in known.splits.values():
        for split, number in parts.items():
            splits[split] = splits.get(split, 0) + number
    waiting = sum(known.fates.get(fate, 0) for fate in READY if fate not in {IN_DATASET, DUPLICATE})
    return {
        "state": live.get("state", "idle"),
        "tracks": {
            "in_dataset": known.fates.get(IN_DATASET, 0),
            "waiting": waiting,
            "duplicate": known.fates.get(DUPLICATE, 0),
            "pending": sum(known.fates.get(fate, 0) for fate in UNDER_WAY),
            "failed": known.failed,
        },
        "splits": splits,
        "genres": {"in_dataset": len(known.genres), "waiting": len(known.waiting)},
        "excluded": shown.count_left_out(db),
        "unsettled": live.get("unsettled_files", 0),
        "held": shown.count_gone(db),
        "progress": live.get("progress") or {},
        "overflows": live.get("overflows", 0),
        "totals": versions.totals(db),
        "passes": last.get("number", 0),
        "version": current.number if current else 0,
        "published_s": _seconds(current.published_at if current else None),
        "pass_began_s": _seconds(last.get("started_at")),
        "pass_took_s": last.get("seconds") or 0.0,
        **space(shop),
    }


def exposition(figures: dict[str, Any]) -> bytes:
    """Return the figures, and those of the process, as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(lambda: _families(figures)))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Figures:
    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self.collect = families


def _families(figures: dict[str, Any]) -> Iterator[Metric]:
    yield _by("melwatch_info", "The melwatch that is running.", "version", {__version__: 1})
    states = {state: int(state == figures["state"]) for state in STATE_WORDS}
    yield _by("melwatch_state", "What the daemon is at: 1 for the state it is in.", "state", states)
    yield _by("melwatch_tracks", "Tracks on record, by what became of them.", "state", figures["tracks"])
    yield _by("melwatch_dataset_tracks", "Tracks in the dataset, by split.", "split", figures["splits"])
    yield _by("melwatch_genres", "Genres in the dataset, and those with too few songs.", "state", figures["genres"])
    for name, help_text, key in (
        ("melwatch_excluded_files", "Audio files that the last scan left out.", "excluded"),
        ("melwatch_unsettled_files", "Files that are still being written.", "unsettled"),
        ("melwatch_held_deletions", "Vanished tracks whose deletion waits for a person.", "held"),
        ("melwatch_version", "The version published last; 0 before the first.", "version"),
        ("melwatch_last_publish_timestamp_seconds", "When it was published; 0 before the first.", "published_s"),
        ("melwatch_last_pass_timestamp_seconds", "When the last pass began.", "pass_began_s"),
        ("melwatch_last_pass_duration_seconds", "How long the last pass took.", "pass_took_s"),
        ("melwatch_dataset_bytes", "What the dataset takes on disk.", "dataset_bytes"),
        ("melwatch_reader_cache_bytes", "What readers have cached in its folder.", "reader_cache_bytes"),
        ("melwatch_free_bytes", "Free space on the dataset's disk.", "free_bytes"),
    ):
        yield GaugeMetricFamily(name, help_text, value=figures[key] or 0)
    progress = figures["progress"]
    yield GaugeMetricFamily("melwatch_pass_files", "Files that the pass at work has to do.", progress.get("total", 0))
    yield GaugeMetricFamily("melwatch_pass_files_done", "How many of them are done.", progress.get("done", 0))
    for name, help_text, count in (
        ("melwatch_passes", "Passes on record since the manifest was made.", figures["passes"]),
        ("melwatch_extracted", "Songs extracted since the manifest was made.", figures["totals"]["extracted"]),
        ("melwatch_failures", "Songs that could not be worked on, each time.", figures["totals"]["failed"]),
        ("melwatch_publishes", "Versions published since the dataset was made.", figures["version"]),
        ("melwatch_event_overflows", "How often events of the file system were lost.", figures["overflows"]),
    ):
        yield CounterMetricFamily(name, help_text, value=count)


def _by(name: str, help_text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def _seconds(moment: str | None) -> float:
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
