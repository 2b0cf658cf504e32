from __future__ import annotations

import math
from collections import deque

import msgspec

from wayside.clock import Clock


class LatencySummary(msgspec.Struct, frozen=True):
    """Distribution of a latency, milliseconds; `count` 0 leaves the others at 0."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class LatencySamples:
    """The newest `limit` samples of a latency."""

    def __init__(self, limit: int = 100_000) -> None:
        self._samples_ms: deque[float] = deque(maxlen=limit)

    def add_ms(self, sample_ms: float) -> None:
        """Add one sample, milliseconds."""
        self._samples_ms.append(sample_ms)

    def summary(self) -> LatencySummary:
        """Median, 99th percentile (nearest rank) and maximum."""
        if not self._samples_ms:
            return LatencySummary(0, 0.0, 0.0, 0.0)
        ordered = sorted(self._samples_ms)
        n = len(ordered)

        def rank(q: float) -> float:
            return ordered[min(max(math.ceil(q * n) - 1, 0), n - 1)]

        return LatencySummary(n, rank(0.5), rank(0.99), ordered[-1])


async def timer_lateness(clock: Clock, samples: LatencySamples, period_s: float = 0.01) -> None:
    """Measure until cancelled how late this process's timers fire: the floor of any latency it reports.

    Each sample is the time beyond `period_s` that a sleep took, milliseconds.
    """
    while True:
        before = clock.mono()
        await clock.sleep(period_s)
        samples.add_ms(max(0.0, (clock.mono() - before) / 1e6 - period_s * 1e3))
