from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack

from wayside.clock import Clock
from wayside.mec.ports import Lack, Report
from wayside.mec.site import Site
from wayside.observe import (
    Containment,
    Counters,
    LatencySamples,
    LatencySummary,
    snapshot,
    timer_lateness,
)
from wayside.runtime import TaskOwner

_log = logging.getLogger(__name__)


class Part(ABC):
    """One of the three parts of a running edge: opened once, told to finish, closed.

    A part meets the others by its ports only, so it runs in a process of its own or beside the others on one
    loop. All methods belong to the loop that made it. `ports` names the addresses listened on.
    """

    name: str

    def __init__(self, site: Site, clock: Clock, counters: Counters) -> None:
        self.site = site
        self.clock = clock
        self.counters = counters
        self.ports: dict[str, int] = {}
        self.lateness = LatencySamples()
        self._tasks = TaskOwner(self.name, self._failed)
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends = AsyncExitStack()
        self._containment = Containment(clock, counters)

    async def start(self) -> None:
        """Open everything. Raises SiteError for a missing secret or certificate, RollupError for the disk,
        OSError for an address that cannot be had; what was opened is closed again then."""
        try:
            await self._start()
            self._tasks.start(timer_lateness(self.clock, self.lateness), "timer lateness")
        except BaseException:
            await self.close()
            raise

    @abstractmethod
    async def finish(self) -> None:
        """Take nothing more in, and pass on what is known. Idempotent."""

    async def close(self) -> None:
        """End in order. Idempotent."""
        await self._ends.aclose()

    async def wait_failed(self) -> None:
        """Return never, but raise when something of the part has failed for good."""
        await asyncio.shield(self._failure)

    def report(self, *, last: bool = False) -> Report:
        """What it has come to, now."""
        return Report(
            snapshot(f"edge-{self.name}", self.counters, self.latency(), self.gauges()),
            self.clock.mono(),
            tuple(self.lacks()),
            last=last,
        )

    def latency(self) -> dict[str, LatencySummary]:
        """Its distributions; `timer_lateness` is this process's own."""
        return {"timer_lateness": self.lateness.summary()}

    def gauges(self) -> dict[str, float]:
        """Values now, by name with unit."""
        return {}

    @abstractmethod
    def lacks(self) -> list[Lack]:
        """What is not as it should be."""

    @abstractmethod
    async def _start(self) -> None:
        """Open what the part needs; `_ends` undoes it in reverse."""

    def _failed(self, task: str, error: BaseException) -> None:
        _log.error("task %s failed", task, exc_info=error)
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()  # nobody may come for it
