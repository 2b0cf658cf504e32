from __future__ import annotations

import asyncio
from collections.abc import Callable

from wayside.clock import Clock, MonoNs

# Inputs that come together, such as the scans of one trigger, make one step of the apps. The wait is a
# bound, not a delay: a lone scan is worked on at the end of the loop's round it came in.
COALESCE_S = 0.002


class StepTrigger:
    """Says when the apps shall run: after each input, at once when the last run is longer ago than
    `COALESCE_S`, else as soon as that has passed."""

    def __init__(self, clock: Clock, step: Callable[[], None]) -> None:
        self._clock = clock
        self._step = step
        self._dirty = asyncio.Event()
        self._ran = MonoNs(0)

    def touch(self) -> None:
        """Something has arrived."""
        self._dirty.set()

    async def run(self) -> None:
        """Call `step` whenever it is time, until cancelled."""
        while True:
            await self._dirty.wait()
            since_s = (self._clock.mono() - self._ran) / 1e9
            if since_s < COALESCE_S:
                await self._clock.sleep(COALESCE_S - since_s)
            self._dirty.clear()
            self._ran = self._clock.mono()
            self._step()
