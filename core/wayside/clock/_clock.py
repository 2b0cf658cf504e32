from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import NewType, Protocol

UtcNs = NewType("UtcNs", int)
"""Nanoseconds since 1970-01-01T00:00:00Z, without leap seconds."""

MonoNs = NewType("MonoNs", int)
"""Nanoseconds of this host's monotonic clock; only differences have a meaning."""


class Clock(Protocol):
    """What every part takes its time from."""

    def utc(self) -> UtcNs:
        """Now in UTC nanoseconds."""

    def mono(self) -> MonoNs:
        """Now in monotonic nanoseconds."""

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` (≥ 0) of monotonic time have passed."""


class SystemClock:
    """The host's own clocks."""

    def utc(self) -> UtcNs:
        """Now in UTC nanoseconds."""
        return UtcNs(time.time_ns())

    def mono(self) -> MonoNs:
        """Now in monotonic nanoseconds (`CLOCK_MONOTONIC`, the same for all processes of a host)."""
        return MonoNs(time.monotonic_ns())

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` (≥ 0) have passed."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that moves only when told to: for lockstep runs and tests.

    UTC and monotonic time advance together; `step_utc` moves UTC alone, as a clock step would.
    """

    def __init__(self, utc_ns: int = 1_764_000_000_000_000_000, mono_ns: int = 1_000_000_000) -> None:
        self._utc_ns = utc_ns
        self._mono_ns = mono_ns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def utc(self) -> UtcNs:
        """Virtual now in UTC nanoseconds."""
        return UtcNs(self._utc_ns)

    def mono(self) -> MonoNs:
        """Virtual now in monotonic nanoseconds."""
        return MonoNs(self._mono_ns)

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` has moved the clock by `seconds` (≥ 0); 0 only yields."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._mono_ns + round(seconds * 1e9), next(self._order), future))
        await future

    def advance(self, seconds: float) -> None:
        """Move both clocks on by `seconds` (≥ 0) and wake the sleepers that are due, in order."""
        if seconds < 0:
            raise ValueError("a clock does not run backwards; use step_utc for a UTC step")
        step_ns = round(seconds * 1e9)
        self._mono_ns += step_ns
        self._utc_ns += step_ns
        while self._sleepers and self._sleepers[0][0] <= self._mono_ns:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)

    def step_utc(self, seconds: float) -> None:
        """Move UTC alone by `seconds` (either sign), as a clock correction does."""
        self._utc_ns += round(seconds * 1e9)
