from __future__ import annotations

import asyncio
from collections.abc import Callable

from wayside.clock import Clock, MonoNs

# Inputs that come together, such as the scans of one trigger, make one step of the apps. The wait is a
# bound, not a delay: a lone scan is worked on at the end of the loop's round it came in.
COALESCE_S = 0.002
# What may wait a little: a hundred vehicles speak a thousand times a second, and a step for each of them
# would leave no time for the scans that show what no vehicle says.
GATHER_S = 0.02


class StepTrigger:
    """Says when the apps shall run: after an input at once when the last run is longer ago than
    `COALESCE_S`, else as soon as that has passed; for an input that may wait at most `GATHER_S` later."""

    def __init__(self, clock: Clock, step: Callable[[], None]) -> None:
        self._clock = clock
        self._step = step
        self._due = asyncio.Event()
        self._gathered = False
        self._ran = MonoNs(0)

    def touch(self, *, soon: bool = True) -> None:
        """Something has arrived. soon: whether it is worth a step of its own."""
        if soon:
            self._due.set()
        else:
            self._gathered = True

    async def run(self) -> None:
        """Call `step` whenever it is time, until cancelled."""
        while True:
            await self._due.wait()
            since_s = (self._clock.mono() - self._ran) / 1e9
            if since_s < COALESCE_S:
                await self._clock.sleep(COALESCE_S - since_s)
            self._due.clear()
            self._gathered = False
            self._ran = self._clock.mono()
            self._step()

    async def gather(self) -> None:
        """See to the inputs that may wait, until cancelled."""
        while True:
            await self._clock.sleep(GATHER_S)
            if self._gathered:
                self._due.set()
