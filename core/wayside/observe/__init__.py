"""What can be seen of a running system: counters, drop reasons, latency, traces, metrics and logs."""

from __future__ import annotations

from wayside.observe._containment import Containment
from wayside.observe._counters import Counters, sum_counts
from wayside.observe._latency import LatencySamples, LatencySummary, timer_lateness
from wayside.observe._logs import LogFormat, RepeatLimit, configure_logs
from wayside.observe._metrics import (
    METRICS_CONTENT_TYPE,
    ProcessSnapshot,
    SnapshotCollector,
    metrics_text,
    snapshot,
)
from wayside.observe._reasons import Reason, WaysideError, all_reasons, stage_of
from wayside.observe._trace import STAGES, Stage, TraceMark, TraceStep, new_trace_id, stage_durations_ms
from wayside.observe._usage import Usage, own_usage

__all__ = [
    "METRICS_CONTENT_TYPE",
    "STAGES",
    "Containment",
    "Counters",
    "LatencySamples",
    "LatencySummary",
    "LogFormat",
    "ProcessSnapshot",
    "Reason",
    "RepeatLimit",
    "SnapshotCollector",
    "Stage",
    "TraceMark",
    "TraceStep",
    "Usage",
    "WaysideError",
    "all_reasons",
    "configure_logs",
    "metrics_text",
    "new_trace_id",
    "own_usage",
    "snapshot",
    "stage_durations_ms",
    "stage_of",
    "sum_counts",
    "timer_lateness",
]
