from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from wayside.observe._counters import Counters
from wayside.observe._latency import LatencySummary
from wayside.observe._usage import Usage, own_usage

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ProcessSnapshot(msgspec.Struct, frozen=True):
    """What one process has counted and measured since it began.

    counts, dropped: see Counters. latency: stage → distribution. gauges: name → value now, with its unit in
    the name (`outbox_rows`, `link_sessions`).
    """

    process: str
    counts: dict[str, dict[str, int]] = {}
    dropped: dict[str, dict[str, int]] = {}
    latency: dict[str, LatencySummary] = {}
    gauges: dict[str, float] = {}
    usage: Usage | None = None


def snapshot(
    process: str,
    counters: Counters,
    latency: dict[str, LatencySummary] | None = None,
    gauges: dict[str, float] | None = None,
) -> ProcessSnapshot:
    """Snapshot of this process, now."""
    return ProcessSnapshot(
        process, counters.counts(), counters.drops(), latency or {}, gauges or {}, own_usage()
    )


class SnapshotCollector:
    """Prometheus metrics of snapshots, taken anew at each scrape.

    `wayside_dropped_total{process,stage,reason}`, `wayside_counts_total{process,name,label}`, the summary
    `wayside_latency_seconds{process,stage,quantile}`, a gauge `wayside_<name>{process}` for each gauge, and
    `wayside_process_resident_memory_bytes`, `wayside_process_cpu_seconds_total`,
    `wayside_process_open_fds`. labels: added to each (`site`). Needs prometheus-client.
    """

    def __init__(self, take: Callable[[], Iterable[ProcessSnapshot]], labels: dict[str, str]) -> None:
        self._take = take
        self._names = list(labels)
        self._values = list(labels.values())

    def collect(self) -> Iterator[Metric]:
        """The metrics, now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
        from prometheus_client.metrics_core import Metric

        taken = list(self._take())

        def counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
            return CounterMetricFamily(name, text, labels=[*self._names, "process", *labels])

        def gauge(name: str, text: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(name, text, labels=[*self._names, "process"])

        dropped = counter("wayside_dropped", "Dropped or refused, by stage and reason.", "stage", "reason")
        counts = counter("wayside_counts", "Things that happened, by name and label.", "name", "label")
        latency = Metric("wayside_latency_seconds", "Time spent in a stage.", "summary")
        gauges: dict[str, GaugeMetricFamily] = {}
        rss = gauge("wayside_process_resident_memory_bytes", "Resident memory.")
        cpu = counter("wayside_process_cpu_seconds", "Processor time of all threads.")
        files = gauge("wayside_process_open_fds", "Open file descriptors.")
        for one in taken:
            who = [*self._values, one.process]
            for stage, reasons in one.dropped.items():
                for reason, number in reasons.items():
                    dropped.add_metric([*who, stage, reason], number)
            for name, labels in one.counts.items():
                for label, number in labels.items():
                    counts.add_metric([*who, name, label], number)
            for stage, summary in one.latency.items():
                self._add_latency(latency, one.process, stage, summary)
            for name, value in one.gauges.items():
                family = gauges.setdefault(name, gauge(f"wayside_{name}", f"{name}, now."))
                family.add_metric(who, value)
            if one.usage is not None:
                rss.add_metric(who, one.usage.rss_bytes)
                cpu.add_metric(who, one.usage.cpu_s)
                files.add_metric(who, one.usage.open_files)
        yield from (dropped, counts, latency, *gauges.values(), rss, cpu, files)

    def _add_latency(self, metric: Metric, process: str, stage: str, summary: LatencySummary) -> None:
        labels = {**dict(zip(self._names, self._values, strict=True)), "process": process, "stage": stage}
        for quantile, ms in (("0.5", summary.p50_ms), ("0.99", summary.p99_ms), ("1", summary.max_ms)):
            metric.add_sample(metric.name, {**labels, "quantile": quantile}, ms / 1e3)
        metric.add_sample(f"{metric.name}_count", labels, summary.count)


def metrics_text(snapshots: Iterable[ProcessSnapshot], **labels: str) -> bytes:
    """Prometheus text of snapshots; labels: added to each metric. Content type: METRICS_CONTENT_TYPE."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    taken = list(snapshots)
    registry.register(SnapshotCollector(lambda: taken, labels))
    return generate_latest(registry)
