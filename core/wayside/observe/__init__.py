"""What can be seen of a running system: counters, drop reasons, latency, and the trace of a warning."""

from __future__ import annotations

from wayside.observe._containment import Containment
from wayside.observe._counters import Counters
from wayside.observe._latency import LatencySamples, LatencySummary, timer_lateness
from wayside.observe._reasons import Reason, WaysideError, all_reasons, stage_of
from wayside.observe._trace import STAGES, Stage, TraceMark, TraceStep, new_trace_id, stage_durations_ms

__all__ = [
    "STAGES",
    "Containment",
    "Counters",
    "LatencySamples",
    "LatencySummary",
    "Reason",
    "Stage",
    "TraceMark",
    "TraceStep",
    "WaysideError",
    "all_reasons",
    "new_trace_id",
    "stage_durations_ms",
    "stage_of",
    "timer_lateness",
]
