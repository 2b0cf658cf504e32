from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from wayside.clock import Clock
from wayside.mec.core import EdgeCore
from wayside.mec.linkserver import LinkServer
from wayside.mec.ports import REPORT_S, Family, ProcessState
from wayside.mec.service._core_part import CorePart
from wayside.mec.service._link_part import LinkPart
from wayside.mec.service._part import Part
from wayside.mec.service._settings import ServiceSettings
from wayside.mec.service._side_part import SidePart
from wayside.mec.service._units import RoadsideUnits
from wayside.mec.site import Site
from wayside.mec.supervisor import Census
from wayside.observe import Counters, LatencySummary
from wayside.runtime import TaskOwner


class EdgeService:
    """One site's edge in one process: its three parts on the loop that made it, each with counters of its
    own, joined by the same ports as in processes of their own.

    counters: of the core. `ports` names the addresses listened on. See docs/architecture.md for the way of a
    warning.
    """

    def __init__(
        self, site: Site, clock: Clock, counters: Counters, settings: ServiceSettings | None = None
    ) -> None:
        self.site = site
        self.clock = clock
        self.settings = settings or ServiceSettings()
        self.ports: dict[str, int] = {}
        self._census = Census()
        self._tasks = TaskOwner("edge")
        self._ends = AsyncExitStack()
        # On a path that is short enough for a socket; mkdtemp lets nobody else in.
        self._run = Path(tempfile.mkdtemp(prefix="wayside-"))
        self._core = CorePart(site, clock, counters, self._run, self.settings)
        self._link = LinkPart(site, clock, Counters(), self._run)
        self._side = SidePart(site, clock, Counters(), self._run, self.settings)
        self._parts: tuple[Part, ...] = (self._core, self._link, self._side)
        self._started: list[Part] = []

    async def start(self) -> None:
        """Open everything. Raises SiteError for a missing secret or certificate, RollupError for the disk,
        OSError for an address that cannot be had; what was opened is closed again then."""
        self._ends.callback(shutil.rmtree, self._run, ignore_errors=True)
        try:
            for part in self._parts:
                await part.start()
                self._started.append(part)
                self.ports |= part.ports
        except BaseException:
            await self._close_parts()
            await self._ends.aclose()
            raise
        self._ends.push_async_callback(self._close_parts)
        self._ends.push_async_callback(self._tasks.close)
        self._tasks.start(self._report(), "reports")

    async def close(self) -> None:
        """End in order: nothing new comes in, vehicles are told, what is known is on disk and, within
        `drain_s`, at the centre. Idempotent."""
        await self._ends.aclose()

    async def wait_failed(self) -> None:
        """Return never, but raise when a part of the service has failed for good."""
        waits = [asyncio.ensure_future(part.wait_failed()) for part in self._parts]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            await next(iter(done))
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    @property
    def core(self) -> EdgeCore:
        """The edge's core."""
        return self._core.core

    @property
    def link(self) -> LinkServer:
        """The vehicles' link."""
        return self._link.link

    @property
    def units(self) -> RoadsideUnits:
        """The roadside units."""
        return self._side.units

    @property
    def counters(self) -> Counters:
        """Sum of what the parts have counted, as it is now."""
        return Counters.summed(part.counters for part in self._parts)

    def figures(self) -> dict[str, Any]:
        """What this run came to, JSON-able: records, counts, drops, latency."""
        self._look()
        return self._census.figures(self.site.id)

    def latency(self) -> dict[str, LatencySummary]:
        """Latency by stage, and this process's timer lateness as `timer_lateness`."""
        return self._core.latency()

    def _look(self) -> tuple[ProcessState, ...]:
        for part in self._started:
            self._census.take(part.name, part.report())
        pid = os.getpid()
        return tuple(ProcessState(name, pid, True, 0, "", r) for name, r in self._census.reports.items())

    async def _report(self) -> None:
        while True:
            family = Family(self._look())
            self._core.others(self._census.others("core"))
            self._side.family(family)
            await self.clock.sleep(REPORT_S)

    async def _close_parts(self) -> None:
        """In the order in which nothing gets lost: vehicles, units, what the core knows, the centre, the
        disk."""
        started, self._started = self._started, []
        early: tuple[Part, ...] = (self._link, self._side)
        for part in early:
            if part in started:
                await part.finish()
        if self._core in started:
            for part in started:
                self._census.take(part.name, part.report())
            self._core.others(self._census.others("core"))
            await self._core.finish()
        late: tuple[Part, ...] = (self._side, self._core, self._link)
        for part in late:
            if part in started:
                await part.close()
                self._census.take(part.name, part.report(last=True))
