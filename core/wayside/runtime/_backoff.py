from __future__ import annotations

import random


class Backoff:
    """Delays between attempts: exponential with full jitter, reset by success.

    first_s: the first delay's upper bound. ceiling_s: the largest upper bound. Each delay is uniform in
    [floor_s, bound], so that a thousand vehicles cut off together do not return together. Source: own.
    """

    def __init__(
        self, *, first_s: float = 0.2, ceiling_s: float = 10.0, floor_s: float = 0.05, seed: int | None = None
    ) -> None:
        self._first_s = first_s
        self._ceiling_s = ceiling_s
        self._floor_s = floor_s
        self._random = random.Random(seed)
        self.attempts = 0

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        bound = min(self._first_s * 2.0 ** min(self.attempts, 32), self._ceiling_s)
        self.attempts += 1
        return self._random.uniform(min(self._floor_s, bound), bound)

    def reset(self) -> None:
        """Start over after a success."""
        self.attempts = 0
