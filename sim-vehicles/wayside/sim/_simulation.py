from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from wayside.asn1.messages import BasicSafety, IntersectionId, Light
from wayside.clock import UtcNs
from wayside.geo import LocalPlane
from wayside.link import Warning
from wayside.sim._basic_safety import SatelliteReceivers
from wayside.sim._conflicts import ConflictMeter, PairMeasure
from wayside.sim._crossing import Crossing
from wayside.sim._driver import Heard
from wayside.sim._participants import Participant, Vehicle
from wayside.sim._plan import SignalPlan
from wayside.sim._road_map import CROSSING_ID
from wayside.sim._scenes import SCENE_LANES, SCENES, Scenario, Scene, plan_offset_s
from wayside.sim._sensors import Look, SimulatedSensor, sensor_set
from wayside.sim._shapes import Box
from wayside.sim._traffic import Demand, Traffic
from wayside.sim._travel import Travel, TravelMeter
from wayside.sim._world import PlayedScene, RoadVehicle

STEP_S = 0.05
FIRST_SCENE_S = 6.0
_BETWEEN_SCENES_S = 2.0
_PLACE_WITHIN_M = 12.0


class Simulation:
    """The road with its traffic, its scripted conflicts one after the other, its sensors and its signals.

    One step is 50 ms. Nothing in it reads a clock: simulation time starts at 0, and who runs it says what
    that is in UTC. measure: whether conflicts are measured.
    """

    def __init__(
        self,
        *,
        seed: int,
        scenes: Iterable[Scene],
        demand: Demand,
        plan: SignalPlan,
        first_scene_s: float = FIRST_SCENE_S,
        measure: bool = True,
    ) -> None:
        self.crossing = Crossing()
        self.plan = plan
        self.traffic = Traffic(self.crossing, plan, demand, seed)
        self.meter = ConflictMeter()
        self._travel = TravelMeter()
        self._measure = measure
        self.sensors = [SimulatedSensor(spec, seed) for spec in sensor_set(self.crossing)]
        self.played: list[Scene] = []
        self._coming: Iterator[Scene] = iter(scenes)
        self._next: Scene | None = next(self._coming, None)
        self._active: Scene | None = None
        self._free_s = first_scene_s
        self._steps = 0
        self._receivers = SatelliteReceivers(self.crossing.plane, seed)
        self._ignored: set[tuple[int, int]] = set()

    @property
    def now_s(self) -> float:
        """Simulation time."""
        return self.traffic.now_s

    @property
    def plane(self) -> LocalPlane:
        """Local plane of the crossing."""
        return self.crossing.plane

    @property
    def step_s(self) -> float:
        """Length of one step."""
        return STEP_S

    @property
    def plans(self) -> Mapping[IntersectionId, SignalPlan]:
        """The plan of the one intersection."""
        return {CROSSING_ID: self.plan}

    @property
    def vehicles(self) -> Mapping[int, Vehicle]:
        """Motor vehicles on the road now, by id."""
        return self.traffic.vehicles

    @property
    def scene_name(self) -> str:
        """Name of the scripted conflict under way, "" for none."""
        return "" if self._active is None else self._active.scenario.value

    @property
    def scenes_played(self) -> Sequence[PlayedScene]:
        """Scripted conflicts that have begun, in order."""
        return [
            PlayedScene(
                s.scenario.value, s.began_s, frozenset() if s.hazard is None else frozenset({s.hazard.id})
            )
            for s in self.played
        ]

    def everyone(self) -> list[Participant]:
        """All participants, by id."""
        return self.traffic.everyone()

    def travel(self) -> Travel:
        """What driving cost so far."""
        return self._travel.travel()

    def close(self) -> None:
        """Nothing to end: the road lives in this process."""

    @property
    def scene(self) -> Scene | None:
        """The scripted conflict under way."""
        return self._active

    def advance(self) -> list[Look]:
        """One step; returns what the sensors saw that looked in it."""
        self._direct()
        self.traffic.step(STEP_S)
        if self._active is not None:
            self._active.step(self.traffic)
        self._steps += 1
        self._travelled()
        everyone = self.traffic.everyone()
        if self._measure and self._steps % 2 == 0:
            self.meter.observe(self.now_s, [p.motion() for p in everyone])
        boxes: dict[int, Box] | None = None
        looks: list[Look] = []
        for sensor in self.sensors:
            if sensor.due(self.now_s):
                boxes = boxes or {p.id: p.box() for p in everyone}
                looks.append(sensor.look(self.now_s, everyone, boxes))
        for vehicle in self.traffic.vehicles.values():
            self._ignored |= {(min(vehicle.id, other), max(vehicle.id, other)) for other in vehicle.ignores}
        return looks

    def connected(self) -> dict[str, Vehicle]:
        """Vehicles on the link now, by their session."""
        return {v.session: v for v in self.traffic.vehicles.values() if v.session}

    def basic_safety(self, vehicle: RoadVehicle, utc: UtcNs, msg_count: int) -> BasicSafety:
        """What a vehicle says of itself, with the error of its satellite receiver."""
        return self._receivers.said(vehicle, utc, msg_count)

    def warn(self, session: str, key: int, warning: Warning, ttl_s: float) -> bool:
        """Show a warning to a driver; False when the vehicle has left.

        ttl_s: what is left of its lifetime.
        """
        vehicle = self.connected().get(session)
        if vehicle is None:
            return False
        front = vehicle.front_m
        if warning.distance_m is not None:
            place = front + warning.distance_m
        else:
            x, y = self.crossing.plane.to_xy(warning.place.lat_deg, warning.place.lon_deg)
            foot = vehicle.way.line.project(x, y)
            place = foot.along_m if math.fabs(foot.across_m) <= _PLACE_WITHIN_M else front
        vehicle.driver.warn(
            key, Heard(self.now_s, self.now_s + ttl_s, warning.severity, warning.action, place)
        )
        return True

    def cancel(self, session: str, key: int) -> None:
        """Take a warning back."""
        vehicle = self.connected().get(session)
        if vehicle is not None:
            vehicle.driver.cancel(key, self.now_s)

    def pairs(self) -> list[PairMeasure]:
        """All measured pairs, without those that the script leads past each other."""
        return [pair for key, pair in sorted(self.meter.pairs.items()) if key not in self._ignored]

    def _travelled(self) -> None:
        scripted = {id(v) for scene in self.played for v in (scene.hazard, *scene.subjects)}
        for vehicle in self.traffic.vehicles.values():
            if id(vehicle) not in scripted:
                self._travel.observe(STEP_S, vehicle.id, vehicle.speed_mps, vehicle.desired_mps)
            room_m = vehicle.route.stop_m - vehicle.front_m
            passed = room_m <= 0.0 < room_m + vehicle.speed_mps * STEP_S
            light = self.plan.group(vehicle.route.group, self.now_s).light
            if passed and light is Light.RED:
                self._travel.red_run()

    def _direct(self) -> None:
        if self._active is not None:
            if self._active.done(self.traffic):
                self._active.end(self.traffic)
                self._active = None
                self._free_s = self.now_s + _BETWEEN_SCENES_S
            return
        if self._next is None or self.now_s < self._free_s:
            return
        if self._next.ready(self.plan, self.now_s):
            self._active, self._next = self._next, next(self._coming, None)
            self.played.append(self._active)
            self._active.start(self.traffic)


def single(scenario: Scenario, seed: int) -> Simulation:
    """A run of one scripted conflict, or of clean traffic on all lanes."""
    if scenario is Scenario.CLEAN:
        return Simulation(seed=seed, scenes=(), demand=Demand(), plan=SignalPlan())
    scene = SCENES[scenario](seed)
    plan = SignalPlan(plan_offset_s(scene, FIRST_SCENE_S))
    return Simulation(seed=seed, scenes=(scene,), demand=Demand(closed=SCENE_LANES), plan=plan)


def usual_duration_s(scenario: Scenario) -> float:
    """How long a run of a scenario lasts unless told otherwise."""
    if scenario is Scenario.CLEAN:
        return 300.0
    return FIRST_SCENE_S + SCENES[scenario].duration_s + 2.0
