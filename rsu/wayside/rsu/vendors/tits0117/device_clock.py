"""How far a unit's clock is from this host's. Pure."""

from __future__ import annotations

import statistics
from collections import deque

from wayside.clock import UtcNs

_STAMPS = 5


class DeviceClock:
    """Watches a unit's clock by its last stamps: one that came late on its way does not count alone.

    limit_ms: beyond it the clock is off.
    """

    def __init__(self, limit_ms: float) -> None:
        self._limit_ms = limit_ms
        self._offsets_ms: deque[float] = deque(maxlen=_STAMPS)

    @property
    def offset_ms(self) -> float | None:
        """The unit's clock ahead of this host's, median of the last stamps; None before the first."""
        return statistics.median(self._offsets_ms) if self._offsets_ms else None

    @property
    def is_off(self) -> bool:
        """Whether the clock is off."""
        return abs(self.offset_ms or 0.0) > self._limit_ms

    def compare(self, stamp_ms: int, utc_ns: UtcNs) -> None:
        """Take a stamp that arrived now."""
        self._offsets_ms.append(stamp_ms - utc_ns / 1e6)
