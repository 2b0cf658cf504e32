from __future__ import annotations

import asyncio
import itertools
import logging
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any

import msgspec

from wayside.clock import Clock, MonoNs
from wayside.link import Flag, FrameKind, LinkRules, Receipt, Warning
from wayside.mec.core import EdgeCore, lanes_of_groups, live_view
from wayside.mec.dispatch import CancelPush, Push
from wayside.mec.linkserver import LinkServer, Outgoing, SessionInfo
from wayside.mec.rollup import EventLedger, Outbox, OutboxSettings, RollupError, Uplink, make_uplink
from wayside.mec.sensors import Scan, ScanIntake
from wayside.mec.sensors.receivers import UdpSensorReceiver, WebSocketSensorReceiver
from wayside.mec.service._host_clock import ClockWatch, kernel_clock_error_ms
from wayside.mec.service._report import SummaryWindow
from wayside.mec.service._steps import StepTrigger
from wayside.mec.service._tscbm import ControllerReceiver
from wayside.mec.service._units import RoadsideUnits
from wayside.mec.site import Site
from wayside.observe import Containment, Counters, LatencySamples, LatencySummary, timer_lateness
from wayside.records import Body, DeviceRecord, SiteRecord
from wayside.rsu import Envelope
from wayside.runtime import BoundedQueue, Full, TaskOwner

_log = logging.getLogger(__name__)

# Messages of T/CSAE 159 go out every 100 ms; the composer decides what is due.
BROADCAST_S = 0.1
LIVE_S = 0.2
WATCH_S = 1.0
SUMMARY_S = 10.0
# What the centre has not taken by then stays in the outbox for the next start.
DRAIN_S = 3.0
# Records that wait for the outbox; far beyond what a site reports while one transaction runs.
_WAITING_RECORDS = 4_096
# After so many faults in a row the service ends, to be started anew: what it holds in memory is unsound.
_GIVE_UP = 50


class ServiceSettings(msgspec.Struct, frozen=True):
    """Rhythms of the service. summary_s: window of the summaries. drain_s: at most so long the end waits for
    the centre."""

    summary_s: float = SUMMARY_S
    drain_s: float = DRAIN_S


class EdgeService:
    """One site's edge on real sockets and a real disk; see docs/architecture.md for the way of a warning.

    Everything runs on the loop that called `start`, but for the outbox, which writes on a thread of its own.
    `ports` names the addresses listened on.
    """

    def __init__(
        self, site: Site, clock: Clock, counters: Counters, settings: ServiceSettings | None = None
    ) -> None:
        self.site = site
        self.clock = clock
        self.counters = counters
        self.settings = settings or ServiceSettings()
        self.ports: dict[str, int] = {}
        self.lateness = LatencySamples()
        self._tasks = TaskOwner("edge", self._failed)
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._commit = asyncio.Event()
        self._records: BoundedQueue[tuple[str, Body]] = BoundedQueue(
            _WAITING_RECORDS, Full.DROP_OLDEST, lambda _: counters.count("records_lost_before_outbox")
        )
        self._containment = Containment(clock, counters)
        self._steps = StepTrigger(clock, self._run_step)
        self._ends = AsyncExitStack()
        self._device_states: dict[str, str] = {}
        clocks = site.model.clock
        self._host_clock = (
            ClockWatch(kernel_clock_error_ms, clocks.max_error_ms, counters)
            if clocks.error == "kernel"
            else None
        )

    async def start(self) -> None:
        """Open everything. Raises SiteError for a missing secret or certificate, RollupError for the disk,
        OSError for an address that cannot be had; what was opened is closed again then."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End in order: nothing new comes in, vehicles are told, what is known is on disk and, within
        `drain_s`, at the centre. Idempotent."""
        await self._ends.aclose()

    async def wait_failed(self) -> None:
        """Return never, but raise when a part of the service has failed for good."""
        await asyncio.shield(self._failure)

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
        self._look_at_clock()
        # The first step builds what the apps derive from the map: now, not when the first danger comes.
        self.core.decide()
        self._window = SummaryWindow(clock, counters)
        uplink = self._make_uplink()
        self._ends.push_async_callback(self._tasks.close)
        if uplink is not None:
            self._ends.push_async_callback(uplink.drain, self.settings.drain_s)
        self._ends.push_async_callback(self._keep_last)
        self.units = RoadsideUnits(site, clock, counters, self._on_envelope, self._on_record)
        self._ends.push_async_callback(self.units.close)
        await self._open_link()
        await self._open_inputs()
        self.units.start(self._tasks)
        if uplink is not None:
            uplink.start(self._tasks)
            self._tasks.start(self._show(uplink), "live view")
        self._tasks.start(self._steps.run(), "steps")
        self._tasks.start(self._steps.gather(), "gathered steps")
        self._tasks.start(self._broadcast(), "broadcast")
        self._tasks.start(self._watch(), "watch")
        self._tasks.start(self._summarize(), "summaries")
        self._tasks.start(self._keep_records(), "records")
        self._tasks.start(timer_lateness(clock, self.lateness), "timer lateness")
        self._on_record(self._site_record())

    def _make_uplink(self) -> Uplink | None:
        uplink = make_uplink(self.site, self.outbox, self.clock, self.counters)
        if uplink is not None:
            self._ends.push_async_callback(uplink.close)
        return uplink

    async def _open_link(self) -> None:
        model = self.site.model.link
        limits = model.limits
        self.link = LinkServer(
            LinkRules(
                max_sessions=limits.max_sessions,
                up_rate_hz=limits.up_rate_hz,
                up_burst=limits.up_burst,
                mailbox_limit=limits.mailbox_limit,
                resume_window_s=limits.resume_window_s,
            ),
            self.clock,
            self.counters,
            site=self.site.id,
            token=self.site.secret(model.token) or None,
            dialects=model.dialects,
            on_message=self._on_message,
            on_receipt=self._on_receipt,
            on_session=self._on_session,
            ssl_context=self.site.link_tls(),
        )
        self._ends.push_async_callback(self.link.close)
        await self.link.start(*self.site.endpoint("link"))
        self.ports["link"] = self.link.port

    async def _open_inputs(self) -> None:
        site, clock, counters = self.site, self.clock, self.counters
        intake = ScanIntake(site.sensor_specs(), self.core.plane, clock, counters)
        udp = UdpSensorReceiver(intake, clock, self._on_scan)
        self._ends.push_async_callback(udp.close)
        self.ports["sensors_udp"] = (await udp.open(*site.endpoint("sensors_udp")))[1]
        tokens = site.sensor_tokens()
        if tokens:
            websocket = WebSocketSensorReceiver(intake, clock, counters, tokens, self._on_scan)
            self._ends.push_async_callback(websocket.close)
            self.ports["sensors_ws"] = (await websocket.open(*site.endpoint("sensors_ws")))[1]
        if any(signal.source == "tscbm" for signal in site.model.signals):
            controller = ControllerReceiver(clock, self._on_tscbm)
            self._ends.push_async_callback(controller.close)
            self.ports["tscbm"] = (await controller.open(*site.endpoint("tscbm")))[1]

    async def _keep_last(self) -> None:
        self._on_record(self._window.close(self.latency()))
        await self._commit_all()

    def latency(self) -> dict[str, LatencySummary]:
        """Latency by stage, and this process's timer lateness as `timer_lateness`."""
        return {**self.core.receipts.latency(), "timer_lateness": self.lateness.summary()}

    def figures(self) -> dict[str, Any]:
        """What this run came to, JSON-able: records, counts, drops, latency."""
        state = self.outbox.state
        return {
            "site": self.site.id,
            "boot": self.outbox.boot,
            "records": {"committed": state.last, "waiting": state.rows + state.held},
            "counts": self.counters.counts(),
            "dropped": self.counters.drops(),
            "latency": msgspec.to_builtins(self.latency()),
        }

    # inputs

    def _on_scan(self, scan: Scan) -> None:
        with self._containment.around("scan"):
            if self.core.on_scan(scan):
                self._steps.touch()

    def _on_tscbm(self, data: bytes, arrived: MonoNs, host: str) -> None:
        with self._containment.around("tscbm"):
            if self.core.on_tscbm(data, arrived, host):
                self._steps.touch()

    def _on_envelope(self, envelope: Envelope) -> None:
        with self._containment.around("envelope"):
            if self.core.on_rsu_envelope(envelope):
                self._steps.touch()

    def _on_message(self, session: SessionInfo, frame: bytes, arrived: MonoNs) -> None:
        # A vehicle's own word moves its track; the apps look at it with the next scan or signal, or here
        # when nothing else comes: vehicles alone can be in danger too.
        if self.core.on_vehicle_frame(session.session_id, frame, arrived):
            self._steps.touch(soon=False)

    def _on_session(self, session: SessionInfo, up: bool) -> None:
        self.core.on_session(session.session_id, up, session.dialect)

    def _on_receipt(self, session: SessionInfo, receipt: Receipt) -> None:
        delivered = self.core.receipts.received(session.session_id, receipt)
        if delivered is not None:
            self.core.delivered(delivered)
            self._commit.set()

    # outputs

    def _run_step(self) -> None:
        with self._containment.around("step", give_up=_GIVE_UP):
            self._step()

    def _step(self) -> None:
        result = self.core.decide()
        for cancel in result.cancels:
            self._cancel(cancel)
        flags = Flag.DEGRADED if result.world.degraded else Flag(0)
        for push in sorted(result.pushes, key=lambda push: -push.priority):
            self._push(push, flags)
        self.units.broadcast(self.core.compose(result.world))
        self.counters.count("steps")
        self._commit.set()

    def _push(self, push: Push, flags: Flag) -> None:
        warning = push.warning
        on_written = None
        if isinstance(warning, Warning):
            self.counters.count("warnings", warning.kind.value)
            subject = self.core.subject_of(warning.event_id)

            def on_written(session: str, seq: int, at: MonoNs) -> None:
                self.core.receipts.wrote(session, seq, at, subject, warning, first=bool(warning.marks))

        now = self.clock.mono()
        age_ns = self.clock.utc() - push.created
        expires = MonoNs(now - age_ns + push.ttl_ms * 1_000_000)
        self.link.send(
            push.session,
            Outgoing(
                push.kind,
                push.key,
                push.priority,
                push.created,
                expires,
                push.ttl_ms,
                push.body,
                on_written,
                flags=flags,
            ),
        )

    def _cancel(self, cancel: CancelPush) -> None:
        self.counters.count("cancels")
        self.link.send(
            cancel.session,
            Outgoing(
                FrameKind.CANCEL,
                cancel.key,
                cancel.priority,
                self.clock.utc(),
                self.clock.mono(),
                0,
                cancel.body,
            ),
        )

    def _on_record(self, body: Body) -> None:
        self._records.put((self.site.id, body))
        self._commit.set()

    # tasks

    async def _broadcast(self) -> None:
        while True:
            with self._containment.around("broadcast", give_up=_GIVE_UP):
                self.units.broadcast(self.core.broadcast())
                if self.core.overdue():
                    self._steps.touch()
            await self.clock.sleep(BROADCAST_S)

    async def _show(self, uplink: Uplink) -> None:
        groups = lanes_of_groups(self.core.geometry)
        for seq in itertools.count(1):
            with self._containment.around("live view"):
                world, events = self.core.world.snapshot(), self.core.open_events()
                uplink.show(live_view(self.site.id, seq, world, events, self.units.adapters, groups))
            await self.clock.sleep(LIVE_S)

    async def _watch(self) -> None:
        while True:
            self._look_at_clock()
            for status in self.core.world.health():
                self._tell_state(status.sensor_id, status.kind, status.health.value)
            for adapter in self.units.adapters.values():
                config = adapter.config
                self._tell_state(
                    adapter.device_id,
                    "rsu",
                    adapter.state.value,
                    adapter.vendor,
                    config.lat_deg,
                    config.lon_deg,
                )
            await self.clock.sleep(WATCH_S)

    def _look_at_clock(self) -> None:
        if self._host_clock is not None:
            self.core.world.clock_error_ms = self._host_clock.look()

    def _tell_state(
        self,
        device_id: str,
        kind: str,
        state: str,
        vendor: str = "",
        lat_deg: float | None = None,
        lon_deg: float | None = None,
    ) -> None:
        if self._device_states.get(device_id) == state:
            return
        self._device_states[device_id] = state
        self._on_record(DeviceRecord(device_id, kind, state, vendor, lat_deg, lon_deg))

    async def _summarize(self) -> None:
        while True:
            await self.clock.sleep(self.settings.summary_s)
            self._on_record(self._window.close(self.latency()))

    async def _keep_records(self) -> None:
        while True:
            await self._commit.wait()
            self._commit.clear()
            await self._commit_all()

    async def _commit_all(self) -> None:
        try:
            await self.core.ledger.commit()
            records = self._records.take_all()
            if records:
                await self.outbox.append(records)
        except RollupError as error:
            # Counted by the outbox, which keeps what it can and tries again by itself.
            _log.warning("records: %s", error)

    def _site_record(self) -> SiteRecord:
        origin = self.site.model.origin
        return SiteRecord(
            name=self.site.name,
            lat_deg=origin.lat,
            lon_deg=origin.lon,
            software=f"wayside {version('wayside')}",
            lanes=self.core.geometry.to_geojson(),
        )

    def _failed(self, task: str, error: BaseException) -> None:
        _log.error("task %s failed", task, exc_info=error)
        if not self._failure.done():
            self._failure.set_exception(error)
