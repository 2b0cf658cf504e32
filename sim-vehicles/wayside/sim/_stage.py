from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from wayside.clock import Clock, UtcNs
from wayside.mec.site import Site
from wayside.observe import Counters, LatencySamples, timer_lateness
from wayside.runtime import TaskOwner
from wayside.sim._addresses import LOOPBACK, controller_hosts
from wayside.sim._demo_site import Ports
from wayside.sim._fleet import BSM_PERIOD_S, Fleet, Shown
from wayside.sim._senders import ScanPost, SocketSender, UdpSender
from wayside.sim._tscbm import tscbm
from wayside.sim._units import EmulatedUnits
from wayside.sim._world import RoadVehicle, SimulatedRoad

_TSCBM_PERIOD_S = 0.1
_POLL_S = 0.004
_WORD_EVERY_S = 5.0


class Stage:
    """Everything outside the edge, in real time over sockets: road, sensors, controllers, RSUs, vehicles.

    Sensors send over UDP or a WebSocket, as the site says; each intersection's signal controller sends its
    datagrams from a host of its own; vehicles with a link have a real client each, and those without it are
    heard by the emulated roadside units. warm_s: so long the road fills before anything is sent. told: called
    with lines for the person who watches.
    """

    def __init__(
        self,
        road: SimulatedRoad,
        site: Site,
        *,
        warm_s: float,
        ports: Ports,
        clock: Clock,
        link_token: str,
        sensor_token: str,
        told: Callable[[str], None],
    ) -> None:
        self.road = road
        self.clock = clock
        self.counters = Counters()
        self.lateness = LatencySamples()
        self.fleet = Fleet(
            road,
            f"ws://{LOOPBACK}:{ports.link}/",
            link_token,
            clock,
            self.counters,
            site.model.link.dialects,
        )
        self.fleet.told = self._shown
        self.units = EmulatedUnits(site, ports, clock, road.plane)
        self._warm_s = warm_s
        self._told = told
        self._udp = UdpSender(ports.sensors_udp)
        self._controllers = {
            name: UdpSender(ports.tscbm, host) for name, host in controller_hosts(site).items()
        }
        self._sockets: list[SocketSender] = []
        ways: dict[str, UdpSender | SocketSender] = {}
        for spec in site.sensor_specs():
            if spec.transport == "websocket":
                socket = SocketSender(f"ws://{LOOPBACK}:{ports.sensors_ws}/sensors", sensor_token, clock)
                self._sockets.append(socket)
                ways[spec.sensor_id] = socket
            else:
                ways[spec.sensor_id] = self._udp
        self._post = ScanPost(ways)
        self._tasks = TaskOwner("stage", self._failed)
        self._radio_next_s: dict[int, float] = {}
        self._radio_count: Counter[int] = Counter()
        self._base_s = 0.0
        self._begun_ns = 0
        self._begun_utc = UtcNs(0)
        self.problems: list[str] = []
        self.behind_s = 0.0

    async def open(self) -> None:
        """Let the road fill, without sending anything, and open all sockets."""
        while self.road.now_s < self._warm_s:
            self.road.advance()
            await asyncio.sleep(0)
        await self.units.start()
        await self._udp.open()
        for controller in self._controllers.values():
            await controller.open()
        for socket in self._sockets:
            self._tasks.start(socket.run(), "socket sensor")
        self._tasks.start(timer_lateness(self.clock, self.lateness), "timer lateness")

    async def run(self, until: asyncio.Event, duration_s: float | None) -> float:
        """Go on in real time until the event is set or the time is over; seconds that it took."""
        self._base_s = self.road.now_s
        self._begun_ns, self._begun_utc = self.clock.mono(), self.clock.utc()
        posting = self._tasks.start(self._send_scans(), "scans")
        next_word_s, next_tscbm_s, sequence, scene = _WORD_EVERY_S, 0.0, 0, ""
        while not until.is_set() and (duration_s is None or self.elapsed_s < duration_s):
            wait_s = self.road.now_s - self._base_s - self.elapsed_s
            if wait_s > 0.0:
                await self.clock.sleep(wait_s)
            else:
                await asyncio.sleep(0)
            for look in self.road.advance():
                self._post.take(look, self._utc(look.looked_s))
            now_s = self.road.now_s - self._base_s
            self.behind_s = max(self.behind_s, self.elapsed_s - now_s)
            utc = self._utc(self.road.now_s)
            if now_s >= next_tscbm_s:
                next_tscbm_s += _TSCBM_PERIOD_S
                sequence += 1
                self._send_signals(utc, sequence)
            self.fleet.step(utc)
            self._radio_step(utc)
            if self.road.scene_name != scene:
                scene = self.road.scene_name
                if scene:
                    self._told(f"[{now_s:4.0f} s] scripted conflict: {scene}")
            if now_s >= next_word_s:
                next_word_s += _WORD_EVERY_S
                linked, shown = len(self.fleet), len(self.fleet.shown)
                self._told(f"[{now_s:4.0f} s] {linked} vehicles linked, {shown} warnings shown")
        took_s = self.elapsed_s
        posting.cancel()
        return took_s

    async def close(self) -> None:
        """Close vehicles and sockets, end tasks and the road."""
        await self.fleet.close()
        await self._tasks.close()
        await self.units.close()
        await self._udp.close()
        for controller in self._controllers.values():
            await controller.close()
        self.road.close()

    def scenes_played(self) -> dict[str, int]:
        """Scripted conflicts that have begun since the road was filled, by name."""
        return dict(Counter(s.name for s in self.road.scenes_played if s.began_s >= self._base_s))

    def messages(self) -> dict[str, dict[str, int]]:
        """Messages by type and device, as the devices count them."""
        out: dict[str, dict[str, int]] = {
            "scan": dict(sorted(self._post.sent.items())),
            "TSCBM": {f"controller {name}": sender.sent for name, sender in self._controllers.items()},
            "BSM": {"vehicles (5G)": self.counters.value("fleet_bsm")},
        }
        for message, devices in self.units.messages().items():
            out.setdefault(message, {}).update(devices)
        down = self.counters.value("fleet_messages")
        if down:
            out["message"] = {"vehicles (5G)": down}
        return out

    @property
    def elapsed_s(self) -> float:
        """Real time since `run` began."""
        return (self.clock.mono() - self._begun_ns) / 1e9

    def _utc(self, at_s: float) -> UtcNs:
        return UtcNs(self._begun_utc + round((at_s - self._base_s) * 1e9))

    async def _send_scans(self) -> None:
        while True:
            self._post.send_due(self._base_s + self.elapsed_s)
            await self.clock.sleep(_POLL_S)

    def _send_signals(self, utc: UtcNs, sequence: int) -> None:
        for intersection, plan in self.road.plans.items():
            self._controllers[str(intersection)].send(tscbm(plan, self.road.now_s, utc, sequence))

    def _radio_step(self, utc: UtcNs) -> None:
        """Vehicles without a link, every second one of them with a radio: the units in reach hear them."""
        now_s = self.road.now_s
        with_radio = {v.id: v for v in self.road.vehicles.values() if not v.session and v.id % 2 == 0}
        for gone in self._radio_next_s.keys() - with_radio.keys():
            del self._radio_next_s[gone], self._radio_count[gone]
        for vehicle in with_radio.values():
            if now_s < self._radio_next_s.setdefault(vehicle.id, now_s + (vehicle.id % 10) * 0.01):
                continue
            self._radio_next_s[vehicle.id] = now_s + BSM_PERIOD_S - self.road.step_s / 2
            self._radio_count[vehicle.id] += 1
            self._say_by_radio(vehicle, utc)

    def _say_by_radio(self, vehicle: RoadVehicle, utc: UtcNs) -> None:
        """One message of a vehicle, in the dialect of each unit that hears it."""
        box = vehicle.box()
        said: dict[str, bytes] = {}
        for unit in self.units.in_reach(box.x_m, box.y_m):
            if unit.dialect not in said:
                count = self._radio_count[vehicle.id]
                said[unit.dialect] = self.fleet.bsm(vehicle, utc, count, unit.dialect)
            self.units.heard(unit, said[unit.dialect])

    def _shown(self, shown: Shown) -> None:
        after = f", {shown.latency.total_ms:.1f} ms after the detection" if shown.latency else ""
        self._told(
            f"         warning {shown.kind} to {shown.session}, severity {shown.severity}{after}"
            f" (wayside trace {shown.trace_id})"
        )

    def _failed(self, name: str, error: BaseException) -> None:
        self.problems.append(f"{name} failed: {error!r}")
