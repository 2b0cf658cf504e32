from __future__ import annotations

from collections.abc import Callable, Mapping

from wayside.clock import Clock, UtcNs
from wayside.observe import LatencySummary, sum_counts
from wayside.records import SummaryRecord

Nested = dict[str, dict[str, int]]


class SummaryWindow:
    """Turns running counts into summaries of one window after the other.

    read: gives counts and drops as they stand; they only grow.
    """

    def __init__(self, clock: Clock, read: Callable[[], tuple[Nested, Nested]]) -> None:
        self._clock = clock
        self._read = read
        self._from: UtcNs = clock.utc()
        self._counts: Nested = {}
        self._drops: Nested = {}

    def rebase(self, counts: Nested, drops: Nested) -> None:
        """Leave out what others had counted before this run began, and what they say is in from now on."""
        self._counts = sum_counts(self._counts, counts)
        self._drops = sum_counts(self._drops, drops)

    def close(self, latency: Mapping[str, LatencySummary]) -> SummaryRecord:
        """Summary of what was counted since the last one; latency: as it stands since the start."""
        now = self._clock.utc()
        counts, drops = self._read()
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
