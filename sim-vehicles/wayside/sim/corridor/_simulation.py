from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from wayside.asn1.messages import BasicSafety, Emergency, IntersectionId, Light
from wayside.clock import UtcNs
from wayside.geo import LocalPlane
from wayside.link import Warning
from wayside.mec.sensors import ParticipantClass
from wayside.sim._basic_safety import SatelliteReceivers
from wayside.sim._conflicts import ConflictMeter, PairMeasure
from wayside.sim._driver import Driver, Heard, draw_reactions
from wayside.sim._participants import Participant, Walker, Way
from wayside.sim._plan import SignalPlan
from wayside.sim._sensors import Look, SimulatedSensor
from wayside.sim._shapes import Box
from wayside.sim._travel import Travel, TravelMeter
from wayside.sim._world import PlayedScene, RoadVehicle
from wayside.sim.corridor._actors import (
    ScriptedVehicle,
    bound_mps2,
    decide_scripted,
    scripted_vehicle,
    walk_on,
)
from wayside.sim.corridor._frames import (
    Enter,
    Entered,
    KeepLane,
    Moved,
    Order,
    Resume,
    SetSpeed,
    Setup,
    SlowDown,
    State,
    Stop,
)
from wayside.sim.corridor._net import NET_FILE, corridor_net
from wayside.sim.corridor._places import JUNCTIONS, PLANE
from wayside.sim.corridor._process import TrafficProcess
from wayside.sim.corridor._scene import CorridorScene
from wayside.sim.corridor._sensors import corridor_sensors
from wayside.sim.corridor._types import EMERGENCY, KINDS, PEDESTRIAN
from wayside.sim.corridor._users import SumoRider, SumoVehicle, SumoWalker, passage

STEP_S = 0.1
FIRST_SCENE_S = 8.0
_BETWEEN_SCENES_S = 4.0
_PLACE_WITHIN_M = 12.0
_SCRIPTED_ID = 1_000_000
# Comfort of all types; what brakes harder than that needs leave.
_COMFORT_MPS2 = 2.0
_ERRAND = Emergency("emergency", "inUse", "inUse")
_TIDY_STEPS = 600


class CorridorDemand(NamedTuple):
    """How much traffic comes. present: motor vehicles at once, 30 to 300. walkers_per_s, cyclists_per_s: over
    the whole corridor. connected: share of vehicles on the link. closed: edges where nobody starts."""

    present: float = 100.0
    walkers_per_s: float = 0.12
    cyclists_per_s: float = 0.06
    connected: float = 0.7
    closed: frozenset[str] = frozenset()


DEFAULT_DEMAND = CorridorDemand()


class CorridorSimulation:
    """The corridor: SUMO's traffic in a process of its own, scripted conflicts, drivers, sensors and signals.

    One step is 100 ms. SUMO drives everybody but the scripted participants, whom it does not know: drivers
    answer to these and to warnings by the stated driver model, through orders about their speed. begin_s:
    where in the signals' programs time 0 is. measure: whether conflicts are measured. Raises TrafficError,
    here and in `advance`.
    """

    def __init__(
        self,
        *,
        seed: int,
        scenes: Iterable[CorridorScene] = (),
        demand: CorridorDemand = DEFAULT_DEMAND,
        begin_s: float = 0.0,
        first_scene_s: float = FIRST_SCENE_S,
        measure: bool = True,
    ) -> None:
        self.seed = seed
        self.demand = demand
        self.now_s = 0.0
        self.users: dict[int, SumoVehicle | SumoRider | SumoWalker] = {}
        self.actors: dict[int, ScriptedVehicle | Walker] = {}
        self.meter = ConflictMeter()
        self.played: list[CorridorScene] = []
        self.lights: dict[str, str] = {}
        self._net = corridor_net()
        self._plans = {j.id: SignalPlan(j.plan.offset_s + begin_s, j.plan.phases) for j in JUNCTIONS}
        self._plan_at = {j.node: self._plans[j.id] for j in JUNCTIONS}
        self._measure = measure
        self._specs = corridor_sensors()
        self._sensors = [SimulatedSensor(spec, seed) for specs in self._specs.values() for spec in specs]
        self._travel = TravelMeter()
        self._receivers = SatelliteReceivers(PLANE, seed)
        self._coming: Iterator[CorridorScene] = iter(scenes)
        self._next: CorridorScene | None = next(self._coming, None)
        self._active: CorridorScene | None = None
        self._free_s = first_scene_s
        self._steps = 0
        self._orders: list[Order] = []
        self._boxes: dict[int, Box] = {}
        self._vehicles: dict[int, SumoVehicle | ScriptedVehicle] = {}
        self._ignored: set[tuple[int, int]] = set()
        self._entering: dict[int, bool] = {}
        self._next_scripted = _SCRIPTED_ID
        closed = tuple(lane.id for lane in self._net.lanes.values() if lane.edge in demand.closed)
        self._process = TrafficProcess(
            Setup(
                net=str(NET_FILE),
                seed=seed,
                present=demand.present,
                walkers_per_s=demand.walkers_per_s,
                cyclists_per_s=demand.cyclists_per_s,
                step_s=STEP_S,
                begin_s=begin_s,
                closed=closed,
            )
        )

    @property
    def plane(self) -> LocalPlane:
        """Local plane of the corridor; its origin is the middle crossing."""
        return PLANE

    @property
    def step_s(self) -> float:
        """Length of one step."""
        return STEP_S

    @property
    def plans(self) -> Mapping[IntersectionId, SignalPlan]:
        """The signal plan of each crossing."""
        return self._plans

    @property
    def sensors(self) -> Sequence[SimulatedSensor]:
        """All roadside sensors."""
        return self._sensors

    @property
    def vehicles(self) -> Mapping[int, SumoVehicle | ScriptedVehicle]:
        """Motor vehicles on the road now, by id."""
        return self._vehicles

    @property
    def process(self) -> TrafficProcess:
        """The traffic process."""
        return self._process

    @property
    def scene_name(self) -> str:
        """Name of the scripted conflict under way, "" for none."""
        return "" if self._active is None else self._active.scenario.value

    @property
    def scenes_played(self) -> Sequence[PlayedScene]:
        """Scripted conflicts that have begun, in order."""
        return [PlayedScene(s.scenario.value, s.began_s, frozenset(s.hazards)) for s in self.played]

    def advance(self) -> list[Look]:
        """One step; returns what the sensors saw that looked in it."""
        self._direct()
        self._drive()
        self._process.send(tuple(self._orders))
        self._orders.clear()
        self._move_scripted()
        self._take(self._process.receive())
        self._steps += 1
        everyone = self.everyone()
        self._boxes = {p.id: p.box() for p in everyone}
        if self._measure:
            self.meter.observe(self.now_s, [p.motion() for p in everyone])
        if self._steps % _TIDY_STEPS == 0:
            self._travel.forget(set(self._vehicles))
            self._receivers.keep(set(self._vehicles))
        for vehicle in self._vehicles.values():
            if vehicle.ignores:
                self._ignored |= {(min(vehicle.id, o), max(vehicle.id, o)) for o in vehicle.ignores}
        return [s.look(self.now_s, everyone, self._boxes) for s in self._sensors if s.due(self.now_s)]

    def everyone(self) -> list[Participant]:
        """All road users, by id."""
        return sorted([*self.users.values(), *self.actors.values()], key=lambda p: p.id)

    def connected(self) -> Mapping[str, SumoVehicle | ScriptedVehicle]:
        """Vehicles on the link now, by their session."""
        return {v.session: v for v in self._vehicles.values() if v.session}

    def basic_safety(self, vehicle: RoadVehicle, utc: UtcNs, msg_count: int) -> BasicSafety:
        """What a vehicle says of itself, with the error of its satellite receiver."""
        if not isinstance(vehicle, SumoVehicle):
            return self._receivers.said(vehicle, utc, msg_count)
        return self._receivers.said(
            vehicle,
            utc,
            msg_count,
            yaw_rate_dps=-math.degrees(vehicle.yaw_rate_rps),
            emergency=_ERRAND if vehicle.type == EMERGENCY else None,
        )

    def warn(self, session: str, key: int, warning: Warning, ttl_s: float) -> bool:
        """Show a warning to a driver; False when the vehicle has left. ttl_s: what is left of its life."""
        vehicle = self.connected().get(session)
        if vehicle is None:
            return False
        place_m = vehicle.driven_m
        if warning.distance_m is not None:
            place_m += warning.distance_m
        else:
            foot = vehicle.way.line.project(*PLANE.to_xy(warning.place.lat_deg, warning.place.lon_deg))
            if abs(foot.across_m) <= _PLACE_WITHIN_M:
                place_m += foot.along_m - vehicle.front_m
        vehicle.driver.warn(
            key, Heard(self.now_s, self.now_s + ttl_s, warning.severity, warning.action, place_m)
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

    def travel(self) -> Travel:
        """What driving cost so far."""
        return self._travel.travel()

    def close(self) -> None:
        """End the traffic process."""
        self._process.close()

    # What scenes do.

    def plan_of(self, node: str) -> SignalPlan:
        """Plan of a crossing."""
        return self._plan_at[node]

    def enter(
        self,
        type_: str,
        edges: tuple[str, ...],
        lane: int,
        *,
        place_m: float,
        speed_mps: float,
        connected: bool = True,
        speed_factor: float = 1.0,
    ) -> int:
        """Put a vehicle of SUMO on the road as soon as there is room; its id. place_m: of its front on the
        first edge."""
        number = self._new_id()
        self._entering[number] = connected
        self._orders.append(Enter(number, type_, edges, lane, place_m, speed_mps, speed_factor))
        return number

    def sumo_vehicle(self, number: int) -> SumoVehicle | None:
        """A vehicle of SUMO that is on the road."""
        user = self.users.get(number)
        return user if isinstance(user, SumoVehicle) else None

    def order(self, order: Stop | KeepLane | SlowDown) -> None:
        """Give an order with the next step."""
        self._orders.append(order)

    def add_vehicle(
        self,
        nodes: tuple[str, str, str],
        lane: int,
        *,
        kind: ParticipantClass = ParticipantClass.CAR,
        s_m: float,
        speed_mps: float,
        connected: bool,
        obeys: bool = True,
        surprising: bool = False,
        rng: random.Random,
    ) -> ScriptedVehicle:
        """Put a scripted vehicle on a way over a crossing: nodes before it, of it, and behind it."""
        start, node, end = nodes
        ahead = passage(f"{start}-{node}_{lane}", f"{node}-{end}")
        number = self._new_id()
        vehicle = scripted_vehicle(
            number,
            kind,
            ahead.way,
            ahead.route,
            self._plan_at[node],
            s_m=s_m,
            speed_mps=speed_mps,
            driver=Driver(draw_reactions(rng)),
            session=f"sim-{number:05d}" if connected else "",
            obeys=obeys,
            surprising=surprising,
        )
        self.actors[number] = vehicle
        return vehicle

    def add_walker(self, way: Way, pace_mps: float) -> Walker:
        """Put somebody on foot on a line, whom nobody expects."""
        walker = Walker(self._new_id(), ParticipantClass.PEDESTRIAN, way, pace_mps, surprising=True)
        self.actors[walker.id] = walker
        return walker

    def _new_id(self) -> int:
        self._next_scripted += 1
        return self._next_scripted

    def _direct(self) -> None:
        if self._active is not None:
            self._active.step(self)
            if self._active.done(self):
                self._active.end(self)
                self._active = None
                self._free_s = self.now_s + _BETWEEN_SCENES_S
            return
        if self._next is None or self.now_s < self._free_s:
            return
        if self._next.ready(self._plan_at, self.now_s):
            self._active, self._next = self._next, next(self._coming, None)
            self.played.append(self._active)
            self._active.start(self)

    def _drive(self) -> None:
        actors = list(self.actors.values())
        if actors:
            everyone = self.everyone()
            self._boxes = {p.id: p.box() for p in everyone}
            for actor in actors:
                if isinstance(actor, ScriptedVehicle):
                    actor.accel_mps2 = decide_scripted(actor, everyone, self._boxes, self.now_s)
                else:
                    walk_on(actor)
        for vehicle in self._vehicles.values():
            if isinstance(vehicle, SumoVehicle):
                self._bound(vehicle, actors)

    def _bound(self, vehicle: SumoVehicle, actors: Sequence[Participant]) -> None:
        if not actors and not vehicle.driver.alert(self.now_s):
            accel = math.inf
        else:
            accel = bound_mps2(vehicle, actors, self._boxes, self.now_s)
        if accel < math.inf:
            speed = min(vehicle.speed_mps + accel * STEP_S, max(vehicle.desired_mps, vehicle.speed_mps))
            self._orders.append(SetSpeed(vehicle.id, max(0.0, speed), hard=accel < -_COMFORT_MPS2))
            vehicle.held = True
        elif vehicle.held:
            self._orders.append(Resume(vehicle.id))
            vehicle.held = False

    def _take(self, state: State) -> None:
        self.now_s = state.now_s
        self.lights = {node: lights.state for node, lights in state.lights.items()}
        new = {entered.id: entered for entered in state.entered}
        for gone in state.left:
            self.users.pop(gone, None)
        for moved in state.moved:
            user = self.users.get(moved.id)
            if user is None:
                self.users[moved.id] = self._come_up(new[moved.id], moved)
            elif isinstance(user, SumoVehicle):
                self._go_on(user, moved)
            else:
                user.take(moved, STEP_S)
        self._vehicles = {
            p.id: p
            for p in (*self.users.values(), *self.actors.values())
            if isinstance(p, SumoVehicle | ScriptedVehicle)
        }

    def _come_up(self, entered: Entered, moved: Moved) -> SumoVehicle | SumoRider | SumoWalker:
        if entered.type == PEDESTRIAN:
            return SumoWalker(entered, moved)
        if KINDS[entered.type] is ParticipantClass.BICYCLE:
            return SumoRider(self._net, entered, moved)
        rng = random.Random(f"{self.seed}/driver/{entered.id}")
        scripted = entered.id in self._entering
        connected = self._entering.pop(entered.id) if scripted else rng.random() < self.demand.connected
        driver = Driver(draw_reactions(rng))
        session = f"sim-{entered.id:05d}" if connected else ""
        limit_mps = self._net.lanes[moved.lane].limit_mps
        vehicle = SumoVehicle(self._net, entered, moved, driver, limit_mps, session)
        vehicle.scripted = scripted
        return vehicle

    def _go_on(self, vehicle: SumoVehicle, moved: Moved) -> None:
        junction, group, inside = vehicle.junction, vehicle.route.group, vehicle.lane.startswith(":")
        vehicle.take(moved, STEP_S)
        vehicle.desired_mps = self._net.lanes[vehicle.lane].limit_mps * vehicle.wish_factor
        if junction is not None and not inside and vehicle.lane.startswith(":"):
            self._count_red(self._plan_at[junction.node], group)
        if not vehicle.scripted:
            self._travel.observe(STEP_S, vehicle.id, vehicle.speed_mps, vehicle.desired_mps)

    def _count_red(self, plan: SignalPlan, group: int) -> None:
        # The light that the driver had when the front passed the line, at the middle of the step.
        if plan.group(group, self.now_s - 0.5 * STEP_S).light is Light.RED:
            self._travel.red_run()

    def _move_scripted(self) -> None:
        for actor in list(self.actors.values()):
            before_m = actor.front_m
            actor.move(STEP_S)
            if isinstance(actor, ScriptedVehicle):
                side = actor.target_left_m - actor.left_m
                actor.left_m += math.copysign(min(abs(side), actor.swerve_mps * STEP_S), side)
                if before_m < actor.route.stop_m <= actor.front_m:
                    self._count_red(actor.plan, actor.route.group)
            if actor.ended:
                del self.actors[actor.id]
