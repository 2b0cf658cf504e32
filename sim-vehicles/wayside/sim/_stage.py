from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator

from wayside.asn1.translate import J2735_2024
from wayside.clock import Clock, UtcNs
from wayside.observe import Counters, LatencySamples, timer_lateness
from wayside.rsu import Broadcast
from wayside.rsu.vendors.usdot_rsu41 import UsdotRsu41Emulator
from wayside.runtime import TaskOwner
from wayside.sim._demo_site import Ports
from wayside.sim._fleet import BSM_PERIOD_S, Fleet, Shown
from wayside.sim._plan import SignalPlan
from wayside.sim._scenes import SCENE_LANES, SCENES, Scenario, Scene
from wayside.sim._senders import ScanPost, SocketSender, UdpSender
from wayside.sim._simulation import STEP_S, Simulation
from wayside.sim._traffic import Demand
from wayside.sim._tscbm import tscbm

WARM_S = 40.0
DEMAND = Demand(0.8, 0.12, 0.06, 0.8, SCENE_LANES)
SOCKET_SENSOR = "lidar-c"
RSU = "rsu-1"
CONTROLLER = "controller-1"
_ORDER = (Scenario.PEDESTRIAN, Scenario.RED_RUNNER, Scenario.STOPPED, Scenario.CROSSING)
_TSCBM_PERIOD_S = 0.1
_POLL_S = 0.004


def scenes(seed: int) -> Iterator[Scene]:
    """All scripted conflicts one after the other, again and again: the first round with `seed`."""
    for round_ in itertools.count():
        for scenario in _ORDER:
            yield SCENES[scenario](seed + round_)


def plan_for(seed: int) -> SignalPlan:
    """A plan whose phase suits the second scene right after the first."""
    first, second = SCENES[_ORDER[0]](seed), SCENES[_ORDER[1]](seed)
    begin_s = WARM_S + 1.0 + first.duration_s + 2.2
    for offset in range(int(SignalPlan().cycle_s)):
        plan = SignalPlan(float(offset))
        if second.ready(plan, begin_s) and second.ready(plan, begin_s + 1.0):
            return plan
    return SignalPlan()


class Stage:
    """Everything outside the edge, in real time over sockets: road, sensors, controller, RSU, vehicles.

    Sensors send over UDP, one over a WebSocket; the signal controller sends its datagrams; vehicles with a
    link have a real client each, and those without it are heard by the emulated roadside unit. told: called
    with lines for the person who watches.
    """

    def __init__(
        self,
        *,
        seed: int,
        ports: Ports,
        clock: Clock,
        link_token: str,
        sensor_token: str,
        told: Callable[[str], None],
    ) -> None:
        self.clock = clock
        self.counters = Counters()
        self.lateness = LatencySamples()
        self.scenes_played: Counter[str] = Counter()
        self.simulation = Simulation(
            seed=seed,
            scenes=scenes(seed),
            demand=DEMAND,
            plan=plan_for(seed),
            first_scene_s=WARM_S + 1.0,
            measure=False,
        )
        self.fleet = Fleet(
            self.simulation, f"ws://127.0.0.1:{ports.link}/", link_token, clock, self.counters, J2735_2024
        )
        self.fleet.told = self._shown
        self.emulator = UsdotRsu41Emulator(
            clock,
            port=ports.rsu_down,
            uplink=("127.0.0.1", {"any": ports.rsu_up}),
            sent_over_air=self._on_air,
        )
        self._told = told
        self._udp = UdpSender(ports.sensors_udp)
        self._controller = UdpSender(ports.tscbm)
        self._socket = SocketSender(f"ws://127.0.0.1:{ports.sensors_ws}/sensors", sensor_token, clock)
        ways: dict[str, UdpSender | SocketSender] = {s.spec.id: self._udp for s in self.simulation.sensors}
        ways[SOCKET_SENSOR] = self._socket
        self._post = ScanPost(ways)
        self._tasks = TaskOwner("stage", self._failed)
        self._radio: dict[str, float] = {}
        self._radio_count: Counter[int] = Counter()
        self._base_s = 0.0
        self._begun_ns = 0
        self._begun_utc = UtcNs(0)
        self.problems: list[str] = []
        self.behind_s = 0.0

    async def open(self) -> None:
        """Let the road fill, without sending anything, and open all sockets."""
        while self.simulation.now_s < WARM_S:
            self.simulation.advance()
            await asyncio.sleep(0)
        await self.emulator.start()
        await self._udp.open()
        await self._controller.open()
        self._tasks.start(self._socket.run(), "socket sensor")
        self._tasks.start(timer_lateness(self.clock, self.lateness), "timer lateness")

    async def run(self, until: asyncio.Event, duration_s: float | None) -> float:
        """Go on in real time until the event is set or the time is over; seconds that it took."""
        self._base_s = self.simulation.now_s
        self._begun_ns, self._begun_utc = self.clock.mono(), self.clock.utc()
        posting = self._tasks.start(self._send_scans(), "scans")
        next_word_s, next_tscbm_s, sequence = 5.0, 0.0, 0
        scene: Scene | None = None
        while not until.is_set() and (duration_s is None or self.elapsed_s < duration_s):
            wait_s = self.simulation.now_s - self._base_s - self.elapsed_s
            if wait_s > 0.0:
                await self.clock.sleep(wait_s)
            else:
                await asyncio.sleep(0)
            for look in self.simulation.advance():
                self._post.take(look, self._utc(look.looked_s))
            now_s = self.simulation.now_s - self._base_s
            self.behind_s = max(self.behind_s, self.elapsed_s - now_s)
            utc = self._utc(self.simulation.now_s)
            if now_s >= next_tscbm_s:
                next_tscbm_s += _TSCBM_PERIOD_S
                sequence += 1
                self._controller.send(tscbm(self.simulation.plan, self.simulation.now_s, utc, sequence))
            self.fleet.step(utc)
            self._radio_step(utc)
            if self.simulation.scene is not scene:
                scene = self.simulation.scene
                if scene is not None:
                    self.scenes_played[scene.scenario.value] += 1
                    self._told(f"[{now_s:4.0f} s] scripted conflict: {scene.scenario.value}")
            if now_s >= next_word_s:
                next_word_s += 5.0
                linked, shown = len(self.fleet), len(self.fleet.shown)
                self._told(f"[{now_s:4.0f} s] {linked} vehicles linked, {shown} warnings shown")
        took_s = self.elapsed_s
        posting.cancel()
        return took_s

    async def close(self) -> None:
        """Close vehicles and sockets, end tasks."""
        await self.fleet.close()
        await self._tasks.close()
        await self.emulator.close()
        await self._udp.close()
        await self._controller.close()

    def messages(self) -> dict[str, dict[str, int]]:
        """Messages by type and device, as the devices count them."""
        out: dict[str, dict[str, int]] = {
            "scan": dict(sorted(self._post.sent.items())),
            "TSCBM": {CONTROLLER: self._controller.sent},
            "BSM": {
                "vehicles (5G)": self.counters.value("fleet_bsm"),
                f"{RSU} (heard)": self.counters.value("radio_bsm"),
            },
        }
        for name, number in self.emulator.counters.counts().get("emulator_broadcast", {}).items():
            out.setdefault(name, {})[f"{RSU} (broadcast)"] = number
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

    def _radio_step(self, utc: UtcNs) -> None:
        """Vehicles without a link, every second one of them with a radio: the roadside unit hears them."""
        now_s = self.simulation.now_s
        vehicles = [v for v in self.simulation.traffic.vehicles.values() if not v.session and v.id % 2 == 0]
        for vehicle in vehicles:
            session = f"radio-{vehicle.id}"
            if now_s < self._radio.setdefault(session, now_s + (vehicle.id % 10) * 0.01):
                continue
            self._radio[session] = now_s + BSM_PERIOD_S - STEP_S / 2
            self._radio_count[vehicle.id] += 1
            self.emulator.send_up(self.fleet.bsm(vehicle, utc, self._radio_count[vehicle.id]))
            self.counters.count("radio_bsm")

    def _on_air(self, broadcast: Broadcast) -> None:
        self.counters.count("on_air", broadcast.message)

    def _shown(self, shown: Shown) -> None:
        after = f", {shown.latency.total_ms:.1f} ms after the detection" if shown.latency else ""
        self._told(
            f"         warning {shown.kind} to {shown.session}, severity {shown.severity}{after}"
            f" (wayside trace {shown.trace_id})"
        )

    def _failed(self, name: str, error: BaseException) -> None:
        self.problems.append(f"{name} failed: {error!r}")
