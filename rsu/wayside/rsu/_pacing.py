from __future__ import annotations

from wayside.clock import MonoNs


class RateBudget:
    """Token bucket: `per_s` tokens a second, at most `burst` saved up. The caller says the time."""

    def __init__(self, per_s: float, burst: float, now: MonoNs) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._at = now

    def take(self, now: MonoNs) -> bool:
        """Take one token; False when there is none."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def wait_s(self, now: MonoNs) -> float:
        """Seconds until a token is there, 0 when one is."""
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) / self._per_s)

    def _fill(self, now: MonoNs) -> None:
        self._tokens = min(self._burst, self._tokens + max(0, now - self._at) / 1e9 * self._per_s)
        # A hair below one is one: sleeping exactly `wait_s` must be enough.
        if 1.0 - 1e-6 < self._tokens < 1.0:
            self._tokens = 1.0
        self._at = now
