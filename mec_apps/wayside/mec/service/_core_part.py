from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path

from wayside.clock import Clock, MonoNs
from wayside.link import Flag
from wayside.mec.core import EdgeCore, lanes_of_groups, live_sensors, live_view
from wayside.mec.downlink import Downlink
from wayside.mec.orders import Orders
from wayside.mec.ports import Lack, ListeningPort, Others, Report
from wayside.mec.ports.link import link_to_core
from wayside.mec.ports.side import (
    Broadcast,
    CommandUp,
    Confirmed,
    EnvelopeUp,
    Live,
    PageWanted,
    RecordUp,
    SetAside,
    SideToCore,
    UnitsUp,
    side_to_core,
)
from wayside.mec.rollup import EventLedger, Outbox, OutboxSettings
from wayside.mec.sensors import Scan, ScanIntake, SensorHealth
from wayside.mec.sensors.receivers import UdpSensorReceiver, WebSocketSensorReceiver
from wayside.mec.service._host_clock import ClockWatch, kernel_clock_error_ms
from wayside.mec.service._keeping import Keeping
from wayside.mec.service._part import Part
from wayside.mec.service._report import Nested, SummaryWindow
from wayside.mec.service._settings import ServiceSettings, link_socket, side_socket
from wayside.mec.service._steps import StepTrigger
from wayside.mec.service._tscbm import ControllerReceiver
from wayside.mec.service._vehicles import Vehicles
from wayside.mec.site import Site
from wayside.observe import Counters, LatencySamples, LatencySummary, sum_counts
from wayside.records import DeviceRecord, LiveRsu, SiteRecord
from wayside.runtime import TaskOwner

_log = logging.getLogger(__name__)

# Messages of T/CSAE 159 go out every 100 ms; the composer decides what is due.
BROADCAST_S = 0.1
LIVE_S = 0.2
WATCH_S = 1.0
# After so many faults in a row the service ends, to be started anew: what it holds in memory is unsound.
_GIVE_UP = 50


class CorePart(Part):
    """Sensors and signals in, fusion, world, apps, dispatch, receipts, and the outbox with its ledger.

    Everything runs on its loop, but for the outbox, which writes on a thread of its own. What is reported is
    on disk here before anyone else hears of it. run: folder of the ports' socket files, where link and side
    connect.
    """

    name = "core"

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
        self.step_time = LatencySamples()
        self._run = run
        self._finished = False
        self._steps = StepTrigger(clock, self._run_step)
        self._device_states: dict[str, str] = {}
        self._units: tuple[LiveRsu, ...] = ()
        self._inputs = AsyncExitStack()
        # What makes records; ends before the last of them is written.
        self._work = TaskOwner("core work", self._failed)
        self._others = Others({}, {})
        self._others_known = False
        self._window = SummaryWindow(clock, self._all_counts)
        self.link = ListeningPort(
            "core to link",
            link_to_core,
            clock,
            counters,
            on_message=lambda message: self._vehicles.take(message),
            on_up=lambda: None,
            on_down=lambda: self._vehicles.gone(),
        )
        self.side = ListeningPort(
            "core to side",
            side_to_core,
            clock,
            counters,
            on_message=self._from_side,
            on_up=lambda: self._keeping.side_came(),
            on_down=lambda: None,
        )
        clocks = site.model.clock
        self._host_clock = (
            ClockWatch(kernel_clock_error_ms, clocks.max_error_ms, counters)
            if clocks.error == "kernel"
            else None
        )

    async def _start(self) -> None:
        # `_ends` undoes in reverse: what is opened first is closed last.
        site, clock, counters = self.site, self.clock, self.counters
        for warning in site.warnings():
            _log.warning("%s: %s", site.path, warning)
        cap = OutboxSettings(cap_bytes=int(site.model.outbox.max_mb * 1e6))
        self.outbox = await Outbox.open(site.outbox_path, site.id, clock, counters, cap)
        self._ends.push_async_callback(self.outbox.close)
        ledger = await EventLedger.adopt(self.outbox, site.id, counters=counters)
        adopted = len(ledger.open_events())
        if adopted:
            _log.info("goes on with %d event(s) left open by the run before", adopted)
        self.core = EdgeCore(site, clock, counters, ledger=ledger)
        kept = site.outbox_path.with_name(f"{site.outbox_path.name}.orders")
        self.orders = await Orders.open(self.core, kept, clock, counters)
        self._keeping = Keeping(
            self.side,
            self.outbox,
            ledger,
            self.orders,
            clock,
            counters,
            site=site.id,
            on_order=self._steps.touch,
        )
        self._vehicles = Vehicles(
            self.link,
            self.core,
            clock,
            counters,
            on_moved=lambda: self._steps.touch(soon=False),
            on_delivered=self._keeping.touch,
        )
        self._look_at_clock()
        # The first step builds what the apps derive from the map: now, not when the first danger comes.
        self.core.decide()
        self._ends.push_async_callback(self._close_ports)
        self._ends.push_async_callback(self._tasks.close)
        self._ends.push_async_callback(self.finish)
        await self._open_inputs()
        await self.link.listen(link_socket(self._run))
        await self.side.listen(side_socket(self._run))
        self._work.start(self._steps.run(), "steps")
        self._work.start(self._steps.gather(), "gathered steps")
        self._work.start(self._broadcast(), "broadcast")
        self._work.start(self._watch(), "watch")
        self._work.start(self._summarize(), "summaries")
        self._tasks.start(self._keeping.keep(), "records")
        self._tasks.start(self._keeping.answer(), "answers to the side")
        if site.model.uplink is not None:
            self._work.start(self._show(), "live view")
        self._keeping.record(self._site_record())

    async def _open_inputs(self) -> None:
        site, clock, counters = self.site, self.clock, self.counters
        intake = ScanIntake(site.sensor_specs(), self.core.plane, clock, counters)
        udp = UdpSensorReceiver(intake, clock, self._on_scan)
        self._inputs.push_async_callback(udp.close)
        self.ports["sensors_udp"] = (await udp.open(*site.endpoint("sensors_udp")))[1]
        tokens = site.sensor_tokens()
        if tokens:
            websocket = WebSocketSensorReceiver(intake, clock, counters, tokens, self._on_scan)
            self._inputs.push_async_callback(websocket.close)
            self.ports["sensors_ws"] = (await websocket.open(*site.endpoint("sensors_ws")))[1]
        if any(signal.source == "tscbm" for signal in site.model.signals):
            controller = ControllerReceiver(clock, self._on_tscbm)
            self._inputs.push_async_callback(controller.close)
            self.ports["tscbm"] = (await controller.open(*site.endpoint("tscbm")))[1]

    async def finish(self) -> None:
        """Take no sensors and signals in any more, and commit all that is known; the outbox stays open."""
        if self._finished:
            return
        self._finished = True
        await self._inputs.aclose()
        await self._work.close()
        self._keeping.record(self._window.close(self.latency()))
        await self._keeping.commit()

    async def _close_ports(self) -> None:
        await self.link.close()
        await self.side.close()

    # what is seen of it

    def report(self, *, last: bool = False) -> Report:
        """See Part; with the outbox's records."""
        base = super().report(last=last)
        state = self.outbox.state
        return Report(
            base.snapshot,
            base.at,
            base.lacks,
            committed=state.last,
            waiting=state.rows + state.held,
            boot=self.outbox.boot,
            last=last,
        )

    def latency(self) -> dict[str, LatencySummary]:
        """Latency by stage, time of a step of the apps, and this process's timer lateness."""
        return {
            **self.core.receipts.latency(),
            "step": self.step_time.summary(),
            "timer_lateness": self.lateness.summary(),
        }

    def gauges(self) -> dict[str, float]:
        """The outbox, the vehicles and the events."""
        state = self.outbox.state
        return {
            "outbox_rows": state.rows,
            "outbox_bytes": state.bytes,
            "outbox_held_records": state.held,
            "open_events": len(self.core.open_events()),
            "sessions": len(self._vehicles),
            "clock_error_ms": self.core.world.clock_error_ms,
        }

    def lacks(self) -> list[Lack]:
        """Sensors that are not heard, a disk that takes no records, processes that are not there."""
        found = []
        states = self.core.world.health()
        heard = {SensorHealth.OK, SensorHealth.LATE}
        none = bool(states) and not any(status.health in heard for status in states)
        found += [
            Lack(f"sensor {status.sensor_id}", status.health.value, none)
            for status in states
            if status.health is not SensorHealth.OK
        ]
        if self._keeping.unkept is not None or self.outbox.state.held:
            found.append(
                Lack("outbox", str(self._keeping.unkept or "records wait in memory for the disk"), True)
            )
        if not self.link.up:
            found.append(Lack("core", "has no connection to the link", True))
        if not self.side.up:
            found.append(Lack("core", "has no connection to the side", True))
        return found

    def others(self, others: Others) -> None:
        """What the other processes have counted, for the summaries."""
        if not self._others_known:
            self._others_known = True
            self._window.rebase(others.counts, others.dropped)
        self._others = others

    def _all_counts(self) -> tuple[Nested, Nested]:
        return (
            sum_counts(self.counters.counts(), self._others.counts),
            sum_counts(self.counters.drops(), self._others.dropped),
        )

    # inputs

    def _on_scan(self, scan: Scan) -> None:
        with self._containment.around("scan"):
            if self.core.on_scan(scan):
                self._steps.touch()

    def _on_tscbm(self, data: bytes, arrived: MonoNs, host: str) -> None:
        with self._containment.around("tscbm"):
            if self.core.on_tscbm(data, arrived, host):
                self._steps.touch()

    def _from_side(self, message: SideToCore) -> None:
        match message:
            case EnvelopeUp(envelope):
                if self.core.on_rsu_envelope(envelope):
                    self._steps.touch()
            case UnitsUp(units):
                self._units = units
            case RecordUp():
                self._keeping.side_record(message)
            case CommandUp() | PageWanted() | Confirmed() | SetAside():
                self._keeping.ask(message)

    # outputs

    def _run_step(self) -> None:
        with self._containment.around("step", give_up=_GIVE_UP):
            self._step()

    def _step(self) -> None:
        began = self.clock.mono()
        result = self.core.decide()
        for cancel in result.cancels:
            self._vehicles.cancel(cancel)
        flags = Flag.DEGRADED if result.world.degraded else Flag(0)
        for push in sorted(result.pushes, key=lambda push: -push.priority):
            self._vehicles.push(push, flags)
        self._send_out(self.core.compose(result.world))
        self.counters.count("steps")
        self.step_time.add_ms((self.clock.mono() - began) / 1e6)
        self._keeping.touch()

    def _send_out(self, messages: Sequence[Downlink]) -> None:
        if not self.side.up:
            return  # a broadcast that is not sent now is composed anew when it is due again
        now = self.clock.mono()
        for message in messages:
            expires = MonoNs(now + message.ttl_ms * 1_000_000)
            self.side.send_newest((message.dialect, message.key), Broadcast(message, expires))

    # tasks

    async def _broadcast(self) -> None:
        while True:
            with self._containment.around("broadcast", give_up=_GIVE_UP):
                self._send_out(self.core.broadcast())
                if self.core.overdue():
                    self._steps.touch()
            await self.clock.sleep(BROADCAST_S)

    async def _show(self) -> None:
        groups = lanes_of_groups(self.core.geometry)
        for seq in itertools.count(1):
            if self.side.up:
                with self._containment.around("live view"):
                    world, events = self.core.world.snapshot(), self.core.open_events()
                    sensors = live_sensors(self.site, self.core.world.health())
                    view = live_view(self.site.id, seq, world, events, self._units, groups, sensors)
                    self.side.send_newest("live", Live(view))
            await self.clock.sleep(LIVE_S)

    async def _watch(self) -> None:
        while True:
            self._look_at_clock()
            self._keeping.tell_outbox()
            for status in self.core.world.health():
                if self._device_states.get(status.sensor_id) != status.health.value:
                    self._device_states[status.sensor_id] = status.health.value
                    self._keeping.record(DeviceRecord(status.sensor_id, status.kind, status.health.value))
            await self.clock.sleep(WATCH_S)

    def _look_at_clock(self) -> None:
        if self._host_clock is not None:
            self.core.world.clock_error_ms = self._host_clock.look()

    async def _summarize(self) -> None:
        while True:
            await self.clock.sleep(self.settings.summary_s)
            self._keeping.record(self._window.close(self.latency()))

    def _site_record(self) -> SiteRecord:
        origin = self.site.model.origin
        return SiteRecord(
            name=self.site.name,
            lat_deg=origin.lat,
            lon_deg=origin.lon,
            software=f"wayside {version('wayside')}",
            lanes=self.core.geometry.to_geojson(),
        )
