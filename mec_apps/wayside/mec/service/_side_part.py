from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from wayside.asn1 import CodecError, load
from wayside.clock import Clock
from wayside.mec.ports import ConnectingPort, Family, Lack
from wayside.mec.ports.side import (
    Broadcast,
    CommandTaken,
    CoreToSide,
    EnvelopeUp,
    Live,
    OutboxIs,
    PageIs,
    RecordsKept,
    Settled,
    UnitsUp,
    core_to_side,
)
from wayside.mec.rollup import CommandSource, Uplink, UplinkState, make_commands, make_uplink
from wayside.mec.service._handover import CommandHandover, RecordHandover
from wayside.mec.service._health import Health
from wayside.mec.service._http import HealthServer
from wayside.mec.service._part import Part
from wayside.mec.service._remote_outbox import RemoteOutbox
from wayside.mec.service._settings import ServiceSettings, side_socket
from wayside.mec.service._units import RoadsideUnits
from wayside.mec.site import Site
from wayside.observe import Counters
from wayside.records import DeliveryRecord, DeviceRecord
from wayside.rsu import DeviceState, Envelope, RsuReason

LIVE_S = 0.2
WATCH_S = 1.0
_THERE = frozenset({DeviceState.ONLINE, DeviceState.DEGRADED})
_FAILING = frozenset({UplinkState.FAILING, UplinkState.SITE_TAKEN})


class SidePart(Part):
    """All that may be slow: roadside units, the uplink to the centre, operators' commands, health over HTTP.

    When it ends nobody is warned the less: vehicles hang on the link and the core, and what is to reach the
    centre lies in the core's outbox. run: folder of the ports' socket files.
    """

    name = "side"

    def __init__(
        self,
        site: Site,
        clock: Clock,
        counters: Counters,
        run: Path,
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__(site, clock, counters)
        self.settings = settings or ServiceSettings()
        self.health = Health(site.id, clock)
        self._run = run
        self._finished = False
        self._device_states: dict[str, str] = {}
        self.core = ConnectingPort(
            "side to core",
            core_to_side,
            clock,
            counters,
            on_message=self._from_core,
            on_up=self._core_came,
            on_down=lambda: None,
        )
        self._outbox = RemoteOutbox(self.core)
        self._records = RecordHandover(self.core, counters)
        self._commands = CommandHandover(self.core)
        self._instance = ""
        self._source: CommandSource | None = None
        self.uplink: Uplink | None = None

    async def _start(self) -> None:
        site, clock, counters = self.site, self.clock, self.counters
        self._ends.push_async_callback(self.core.close)
        self.units = RoadsideUnits(site, clock, counters, self._on_envelope, self._on_delivery)
        server = HealthServer(self.health)
        self.ports["http"] = await server.open(*site.endpoint("http"))
        self._ends.push_async_callback(self._close_clients)
        self._ends.push_async_callback(self._tasks.close)
        self._ends.push_async_callback(server.close)
        server.start(self._tasks)
        self.core.start(side_socket(self._run), self._tasks)
        await self._outbox.known()
        self._instance = self._outbox.instance
        await self._start_uplink()
        self._ends.push_async_callback(self.finish)
        self.units.start(self._tasks)
        self._tasks.start(self._watch(), "watch")
        self._tasks.start(self._show_units(), "live units")

    async def _start_uplink(self) -> None:
        uplink = make_uplink(self.site, self._outbox, self.clock, self.counters)
        if uplink is None:
            return
        self.uplink = uplink
        self._ends.push_async_callback(self._drain, uplink)
        uplink.start(self._tasks)
        source = make_commands(self.site, self._instance, self.clock, self.counters)
        if source is not None:
            self._source = source
            self._tasks.start(self._commands.run(source), "commands")

    async def _close_clients(self) -> None:
        for client in (self._source, self.uplink):
            if client is not None:
                await client.close()

    async def finish(self) -> None:
        """End the roadside units' connections, and pass on the last records."""
        if self._finished:
            return
        self._finished = True
        await self.units.close()
        await self._in_time(self._records.wait_kept())

    async def _drain(self, uplink: Uplink) -> None:
        # The uplink keeps to the time by itself, but for a core that does not answer.
        await self._in_time(uplink.drain(self.settings.drain_s), 1.0)

    async def _in_time(self, work: Coroutine[Any, Any, Any], more_s: float = 0.0) -> None:
        task = asyncio.ensure_future(work)
        limit = asyncio.ensure_future(self.clock.sleep(self.settings.drain_s + more_s))
        await asyncio.wait({task, limit}, return_when=asyncio.FIRST_COMPLETED)
        for each in (task, limit):
            each.cancel()
        await asyncio.gather(task, limit, return_exceptions=True)

    def gauges(self) -> dict[str, float]:
        """Roadside units, and how many of them are there."""
        adapters = self.units.adapters.values()
        return {"rsus": len(adapters), "rsus_there": sum(a.state in _THERE for a in adapters)}

    def lacks(self) -> list[Lack]:
        """Roadside units that are not there, a core that is not, a centre that takes nothing."""
        found = [
            Lack(f"rsu {adapter.device_id}", adapter.state.value)
            for adapter in self.units.adapters.values()
            if adapter.state not in _THERE
        ]
        if not self.core.up:
            found.append(Lack("side", "has no connection to the core", True))
        if self.uplink is not None and self.uplink.state in _FAILING:
            found.append(Lack("uplink", self.uplink.state.value))
        return found

    def family(self, family: Family) -> None:
        """How all processes do, for the health."""
        self.health.take(family)

    # from the core

    def _from_core(self, message: CoreToSide) -> None:
        match message:
            case Broadcast(due, expires):
                if not self._finished:
                    self.units.broadcast(due, expires)
            case Live(view):
                if self.uplink is not None:
                    self.uplink.show(view)
            case OutboxIs():
                if self._instance and message.instance != self._instance:
                    self._fail(RuntimeError("the outbox is another one"))
                self._outbox.state(message)
            case PageIs() | Settled():
                self._outbox.answer(message)
            case RecordsKept(number):
                self._records.kept(number)
            case CommandTaken(number):
                self._commands.taken(number)

    def _core_came(self) -> None:
        self._records.came()
        self._outbox.came()
        self._commands.came()

    # from the roadside units

    def _on_envelope(self, envelope: Envelope) -> None:
        """Pass a message on as octets: the decoded value does not outlive the way."""
        uper = envelope.uper
        if uper is None:
            try:
                uper = load(envelope.dialect).encode(envelope.value)
            except CodecError:
                self.counters.drop(RsuReason.DECODE)
                return
        self.core.send_oldest(EnvelopeUp(replace(envelope, uper=uper, value=None)))

    def _on_delivery(self, record: DeliveryRecord) -> None:
        self._records.tell(self.site.id, record)

    async def _show_units(self) -> None:
        while True:
            if self.core.up:
                self.core.send_newest("units", UnitsUp(self.units.live()))
            await self.clock.sleep(LIVE_S)

    async def _watch(self) -> None:
        while True:
            for adapter in self.units.adapters.values():
                state = adapter.state.value
                if self._device_states.get(adapter.device_id) != state:
                    self._device_states[adapter.device_id] = state
                    config = adapter.config
                    self._records.tell(
                        self.site.id,
                        DeviceRecord(
                            adapter.device_id, "rsu", state, adapter.vendor, config.lat_deg, config.lon_deg
                        ),
                    )
            await self.clock.sleep(WATCH_S)
