from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wayside.asn1.messages import Light
from wayside.geo import Polyline
from wayside.mec.sensors import ParticipantClass
from wayside.sim._participants import Way
from wayside.sim._plan import SignalPlan
from wayside.sim.corridor._actors import ScriptedVehicle
from wayside.sim.corridor._demand import route
from wayside.sim.corridor._frames import Stop
from wayside.sim.corridor._legs import leg_frame
from wayside.sim.corridor._net import corridor_net
from wayside.sim.corridor._places import (
    BUS_STOP_FRONT_M,
    FIRST_VEHICLE_LANE,
    JUNCTIONS,
    VEHICLE_LANE_M,
    Side,
    edge_id,
)
from wayside.sim.corridor._scene import CorridorScenario, CorridorScene, meeting
from wayside.sim.corridor._types import EMERGENCY
from wayside.sim.corridor._users import Passage, passage

if TYPE_CHECKING:
    from wayside.sim.corridor._simulation import CorridorSimulation

_OUTER, _MIDDLE, _INNER = FIRST_VEHICLE_LANE, FIRST_VEHICLE_LANE + 1, FIRST_VEHICLE_LANE + 2
_KERB_M = 12.25
_GREENS = (Light.PROTECTED_GREEN, Light.PERMISSIVE_GREEN)


class PedestrianBehindBus(CorridorScene):
    """A pedestrian walks across the western leg of the campus gate, in front of a bus at its stop; who comes
    from behind the bus cannot see him before he steps out of its shadow."""

    scenario = CorridorScenario.PEDESTRIAN
    duration_s = 34.0
    _COMES_S = 14.0

    def place(self, road: CorridorSimulation) -> None:
        leg = leg_frame("b", Side.WEST)
        self._bus_front_m = BUS_STOP_FRONT_M - leg.stop_m
        start, length_m = leg.into, corridor_net().lanes[f"{leg.into}_{_OUTER}"].line.length_m
        self._bus = road.enter(
            "bus",
            (start, *route("b", "c")),
            _OUTER,
            place_m=length_m - self._bus_front_m - 40.0,
            speed_mps=8.0,
            connected=False,
        )
        self._stop_place_m = length_m - self._bus_front_m
        self._stopped = False
        self._speed = self.rng.uniform(13.5, 16.0)
        self._pace = self.rng.uniform(1.3, 1.8)
        across_m = _KERB_M - VEHICLE_LANE_M * 1.5
        self._lead_s = across_m / self._pace + self.rng.uniform(-0.5, 0.5)
        self._walker_at_m = BUS_STOP_FRONT_M - 1.6

    def step(self, road: CorridorSimulation) -> None:
        bus = road.sumo_vehicle(self._bus)
        if bus is not None and not self._stopped:
            road.order(Stop(bus.id, f"{edge_id('a', 'b')}_{_OUTER}", self._stop_place_m, 45.0))
            self._stopped = True
        if not self.subject and bus is not None and bus.speed_mps < 0.2 and self.elapsed_s(road) > 2.0:
            before_m = self._walker_at_m - leg_frame("b", Side.WEST).stop_m + self._COMES_S * self._speed
            self.subject = self.enter_on(road, "a", "b", "e", _MIDDLE, before_m, self._speed)
            self.began_s = road.now_s
        subject = self.keep_lane(road, _MIDDLE) if self.subject else None
        if subject is None or self.hazards or subject.lane.startswith(":"):
            return
        leg = leg_frame("b", Side.WEST)
        left_m = subject.route.stop_m - subject.front_m - (self._walker_at_m - leg.stop_m)
        if left_m / max(subject.speed_mps, 1.0) <= self._lead_s:
            ends = [leg.at(self._walker_at_m, side * _KERB_M) for side in (1.0, -1.0)]
            self.hazards.add(road.add_walker(Way(Polyline(ends)), self._pace).id)


class _Crossing(CorridorScene):
    """At Hehui South Road one from the south runs the red light and meets one from the west on green. A truck
    that waits to turn left hides the one from the other."""

    duration_s = 20.0
    closed = frozenset({edge_id("cs", "c")})
    _COMES_S = 9.0

    def ready(self, plans: Mapping[str, SignalPlan], now_s: float) -> bool:
        group = Side.WEST.through_group
        before, then = plans["c"].group(group, now_s - 4.0), plans["c"].group(group, now_s + self._COMES_S)
        return before.light in _GREENS and then.light in _GREENS and then.remaining_s > 4.0

    def place(self, road: CorridorSimulation) -> None:
        self._own = self.rng.uniform(13.5, 15.5)
        self._speed = self.rng.uniform(14.0, 16.0)
        self._late_s = self.rng.uniform(-0.2, 0.2)
        runner, subject = (
            passage(f"{edge_id('cs', 'c')}_{_MIDDLE}", edge_id("c", "cn")),
            self._way_of_subject(),
        )
        self._runner_meets_m, self._subject_meets_m = meeting(runner.way, subject.way)
        start = edge_id("cs", "c")
        length_m = corridor_net().lanes[f"{start}_{_INNER}"].line.length_m
        road.enter(
            "truck",
            (start, *route("c", "b")),
            _INNER,
            place_m=length_m - 25.0,
            speed_mps=5.0,
            connected=False,
        )
        before_m = subject.route.stop_m - self._subject_meets_m + self._COMES_S * self._own
        self.subject = self.enter_on(road, "b", "c", "e", _MIDDLE, before_m, self._own)

    def step(self, road: CorridorSimulation) -> None:
        subject = self.keep_lane(road, _MIDDLE)
        if subject is None or self.hazards:
            return
        comes_s = (self._subject_meets_m - subject.s_m) / max(subject.speed_mps, 1.0)
        if comes_s <= self._COMES_S - 0.5:
            runner = road.add_vehicle(
                ("cs", "c", "cn"),
                _MIDDLE,
                s_m=self._runner_meets_m - self._speed * (comes_s + self._late_s),
                speed_mps=self._speed,
                connected=self.scenario is CorridorScenario.RED_RUNNER,
                obeys=False,
                surprising=True,
                rng=self.rng,
            )
            self.hazards.add(runner.id)

    def _way_of_subject(self) -> Passage:
        return passage(f"{edge_id('b', 'c')}_{_MIDDLE}", edge_id("c", "e"))


class RedRunner(_Crossing):
    """The one who runs the red light is connected: the warning reaches that driver."""

    scenario = CorridorScenario.RED_RUNNER


class CrossingVehicle(_Crossing):
    """The one who runs the red light is not connected: only those whose way it crosses can be warned."""

    scenario = CorridorScenario.CROSSING


class LeftTurn(CorridorScene):
    """One who turns left into the campus misjudges the gap, and cuts across one who comes straight on."""

    scenario = CorridorScenario.LEFT_TURN
    duration_s = 18.0
    closed = frozenset()
    _COMES_S = 8.0

    def ready(self, plans: Mapping[str, SignalPlan], now_s: float) -> bool:
        group = Side.EAST.through_group
        before, then = plans["b"].group(group, now_s - 10.0), plans["b"].group(group, now_s + self._COMES_S)
        return before.light in _GREENS and then.light in _GREENS and then.remaining_s > 5.0

    def place(self, road: CorridorSimulation) -> None:
        self._own = self.rng.uniform(13.5, 15.5)
        self._late_s = self.rng.uniform(-0.3, 0.3)
        subject = passage(f"{edge_id('c', 'b')}_{_MIDDLE}", edge_id("b", "a"))
        turner = passage(f"{edge_id('a', 'b')}_{_INNER}", edge_id("b", "bn"))
        self._turner_meets_m, self._subject_meets_m = meeting(turner.way, subject.way)
        self._turner_speed = turner.route.turn_speed_mps
        before_m = subject.route.stop_m - self._subject_meets_m + self._COMES_S * self._own
        self.subject = self.enter_on(road, "c", "b", "w", _MIDDLE, before_m, self._own)

    def step(self, road: CorridorSimulation) -> None:
        subject = self.keep_lane(road, _MIDDLE)
        if subject is None or self.hazards:
            return
        comes_s = (self._subject_meets_m - subject.s_m) / max(subject.speed_mps, 1.0)
        if comes_s <= self._COMES_S - 0.5:
            turner = road.add_vehicle(
                ("a", "b", "bn"),
                _INNER,
                s_m=self._turner_meets_m - self._turner_speed * (comes_s + self._late_s),
                speed_mps=self._turner_speed,
                connected=True,
                obeys=False,
                surprising=True,
                rng=self.rng,
            )
            self.hazards.add(turner.id)


class StoppedVehicle(CorridorScene):
    """A car has broken down before Hehui South Road. A truck comes up, a car close behind it; the truck
    changes lanes late, and only then can the car's driver see what stands in the lane."""

    scenario = CorridorScenario.STOPPED
    duration_s = 26.0
    _STOP_M = 110.0
    _RUN_UP_M = 190.0

    def place(self, road: CorridorSimulation) -> None:
        stop_m = passage(f"{edge_id('b', 'c')}_{_MIDDLE}", edge_id("c", "e")).route.stop_m
        self._at_m = stop_m - self._STOP_M
        self._speed = self.rng.uniform(13.5, 15.0)
        self._gap_m = self.rng.uniform(7.0, 10.0)
        self._cut_out_m = self.rng.uniform(20.0, 25.0)
        broken = road.add_vehicle(
            ("b", "c", "e"),
            _MIDDLE,
            s_m=self._at_m,
            speed_mps=0.0,
            connected=False,
            surprising=True,
            rng=self.rng,
        )
        broken.desired_mps = 12.0
        broken.standing = True
        self._broken = broken
        self.hazards.add(broken.id)
        before_m = self._STOP_M + self._RUN_UP_M
        self.subject = self.enter_on(road, "b", "c", "e", _MIDDLE, before_m, self._speed)
        self._truck: ScriptedVehicle | None = None

    def step(self, road: CorridorSimulation) -> None:
        subject = self.keep_lane(road, _MIDDLE)
        if self._truck is None and subject is not None:
            self._truck = road.add_vehicle(
                ("b", "c", "e"),
                _MIDDLE,
                kind=ParticipantClass.TRUCK,
                s_m=subject.front_m + self._gap_m + 5.0,
                speed_mps=self._speed,
                connected=False,
                rng=self.rng,
            )
            self._truck.ignores.add(self._broken.id)
            self._truck.swerve_mps = 2.2
            subject.headway_s = max(0.5, (self._gap_m - 2.0) / self._speed)
        if self._truck is not None:
            rear_m = self._broken.s_m - 0.5 * self._broken.size.length_m
            if rear_m - self._truck.front_m <= self._cut_out_m:
                self._truck.target_left_m = -VEHICLE_LANE_M


class JamTail(CorridorScene):
    """Vehicles stand on all lanes before Hehui South Road for a while, and a queue grows behind them."""

    scenario = CorridorScenario.JAM
    duration_s = 70.0
    _AHEAD_M = 90.0
    _STANDS_S = 55.0

    def place(self, road: CorridorSimulation) -> None:
        start = edge_id("b", "c")
        self._stop_place_m = corridor_net().lanes[f"{start}_{_MIDDLE}"].line.length_m - self._AHEAD_M
        ends = {_OUTER: "e", _MIDDLE: "e", _INNER: "cn"}
        self._lane_of = {
            road.enter(
                "truck" if lane == _OUTER else "car",
                (start, *route("c", end)),
                lane,
                place_m=self._stop_place_m - 45.0,
                speed_mps=8.0,
                connected=False,
            ): lane
            for lane, end in ends.items()
        }
        self._ordered: set[int] = set()

    def step(self, road: CorridorSimulation) -> None:
        for number, lane in self._lane_of.items():
            vehicle = road.sumo_vehicle(number)
            if vehicle is not None and number not in self._ordered and not vehicle.lane.startswith(":"):
                self._ordered.add(number)
                road.order(Stop(number, f"{edge_id('b', 'c')}_{lane}", self._stop_place_m, self._STANDS_S))


class EmergencyRun(CorridorScene):
    """An ambulance on an errand goes the whole corridor from the west, faster than the rest, and over red."""

    scenario = CorridorScenario.EMERGENCY
    duration_s = 150.0

    def place(self, road: CorridorSimulation) -> None:
        edges = route("w", "e")
        number = road.enter(EMERGENCY, edges, _MIDDLE, place_m=20.0, speed_mps=14.0, speed_factor=1.2)
        self.subject = number

    def step(self, road: CorridorSimulation) -> None:
        """Nothing to lead: SUMO drives the ambulance."""


SCENES: dict[CorridorScenario, type[CorridorScene]] = {
    scene.scenario: scene
    for scene in (
        PedestrianBehindBus,
        RedRunner,
        CrossingVehicle,
        LeftTurn,
        StoppedVehicle,
        JamTail,
        EmergencyRun,
    )
}


def begin_for(scene: CorridorScene, at_s: float) -> float:
    """Where in the signals' programs time 0 has to lie, whole seconds, for a scene to begin at `at_s`."""
    cycle_s = int(JUNCTIONS[0].plan.cycle_s)
    for begin_s in range(cycle_s):
        plans = {j.node: SignalPlan(j.plan.offset_s + begin_s, j.plan.phases) for j in JUNCTIONS}
        if scene.ready(plans, at_s):
            return float(begin_s)
    raise ValueError(f"the signals never stand as {scene.scenario} needs them")
