"""Counters and latencies as a Prometheus server reads them."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from wayside.observe import (
    Counters,
    LatencySamples,
    ProcessSnapshot,
    Reason,
    metrics_text,
    own_usage,
    snapshot,
)


class _Reason(Reason, stage="test_metrics"):
    BAD = "bad"


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def key(metric: str, /, **labels: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    return metric, tuple(sorted({"site": "haihe", "process": "edge-core", **labels}.items()))


def test_everything_of_a_snapshot_is_there() -> None:
    counters = Counters()
    counters.count("steps", by=3)
    counters.drop(_Reason.BAD, 2)
    latency = LatencySamples()
    for ms in (1.0, 2.0, 30.0):
        latency.add_ms(ms)
    one = snapshot("edge-core", counters, {"total": latency.summary()}, {"outbox_rows": 7.0})
    found = samples(metrics_text([one], site="haihe"))
    assert found[key("wayside_counts_total", name="steps", label="")] == 3
    assert found[key("wayside_dropped_total", stage="test_metrics", reason="bad")] == 2
    assert found[key("wayside_latency_seconds", stage="total", quantile="0.5")] == 0.002
    assert found[key("wayside_latency_seconds", stage="total", quantile="1")] == 0.03
    assert found[key("wayside_latency_seconds_count", stage="total")] == 3
    assert found[key("wayside_outbox_rows")] == 7
    assert found[key("wayside_process_resident_memory_bytes")] > 1e6
    assert found[key("wayside_process_cpu_seconds_total")] > 0.0


def test_processes_stand_beside_each_other() -> None:
    found = samples(
        metrics_text([ProcessSnapshot(name, {"n": {"": 1}}) for name in ("edge-core", "edge-link")])
    )
    assert {dict(labels)["process"] for _, labels in found} == {"edge-core", "edge-link"}


def test_this_process_is_measured() -> None:
    usage = own_usage()
    assert usage.rss_bytes > 1_000_000
    assert usage.cpu_s > 0.0
