from __future__ import annotations

from collections.abc import Mapping

from wayside.clock import Clock, UtcNs
from wayside.observe import Counters, LatencySummary
from wayside.records import SummaryRecord

Nested = dict[str, dict[str, int]]


class SummaryWindow:
    """Turns running counts into summaries of one window after the other."""

    def __init__(self, clock: Clock, counters: Counters) -> None:
        self._clock = clock
        self._counters = counters
        self._from: UtcNs = clock.utc()
        self._counts: Nested = {}
        self._drops: Nested = {}

    def close(self, latency: Mapping[str, LatencySummary]) -> SummaryRecord:
        """Summary of what was counted since the last one; latency: as it stands since the start."""
        now = self._clock.utc()
        counts, drops = self._counters.counts(), self._counters.drops()
        summary = SummaryRecord(
            from_utc_ns=self._from,
            to_utc_ns=now,
            counts=_since(counts, self._counts),
            dropped=_since(drops, self._drops),
            latency=dict(latency),
        )
        self._from, self._counts, self._drops = now, counts, drops
        return summary


def _since(now: Nested, before: Nested) -> Nested:
    out: Nested = {}
    for name, labels in now.items():
        old = before.get(name, {})
        grown = {label: n - old.get(label, 0) for label, n in labels.items() if n != old.get(label, 0)}
        if grown:
            out[name] = grown
    return out
