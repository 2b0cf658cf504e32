from __future__ import annotations

import math
import random
from typing import NamedTuple

import numpy as np

from wayside.asn1.messages import Light
from wayside.geo import Polyline
from wayside.mec.sensors import ParticipantClass
from wayside.sim._crossing import KERB_M, SPEED_LIMIT_MPS, Crossing, RouteKey, Turn
from wayside.sim._driver import EMERGENCY_MPS2, FIRM_MPS2, Driver, draw_reactions
from wayside.sim._idm import idm_mps2
from wayside.sim._participants import Participant, Vehicle, Walker, Way
from wayside.sim._plan import SignalPlan
from wayside.sim._reacting import following_mps2, signal_mps2, surprised_mps2
from wayside.sim._shapes import Box

_YIELD_S = np.arange(0.0, 5.1, 0.5)
_ACCEL_MAX_MPS2 = 2.0
_MIX = ((ParticipantClass.CAR, 0.84), (ParticipantClass.TRUCK, 0.08), (ParticipantClass.BUS, 0.08))


class Demand(NamedTuple):
    """How much traffic comes. vehicles_per_s: over all ingress lanes. pedestrians_per_s, cyclists_per_s: over
    all crosswalks and legs. connected: share of vehicles on the link. closed: (leg, lane) without traffic."""

    vehicles_per_s: float = 0.3
    pedestrians_per_s: float = 0.08
    cyclists_per_s: float = 0.04
    connected: float = 0.7
    closed: frozenset[tuple[int, int]] = frozenset()


class Traffic:
    """Everybody on the road, moved on in time steps.

    Vehicles follow the Intelligent Driver Model, the signals and their way through the crossing; when turning
    they give way to people on foot and on bicycles. Draws of the demand do not depend on what happens on the
    road, so a run with warnings meets the same arrivals as one without.
    """

    def __init__(self, crossing: Crossing, plan: SignalPlan, demand: Demand, seed: int) -> None:
        self.crossing = crossing
        self.plan = plan
        self.demand = demand
        self.now_s = 0.0
        self._steps = 0
        self.vehicles: dict[int, Vehicle] = {}
        self.walkers: dict[int, Walker] = {}
        self._rng = random.Random(seed)
        self._next_id = 1
        self._ways: dict[RouteKey, Way] = {key: Way(route.line) for key, route in crossing.routes.items()}
        self._bike_ways = {leg: Way(route.line) for leg, route in crossing.bike_routes.items()}
        self._due = {kind: self._rng.expovariate(rate) for kind, rate in self._rates().items() if rate > 0.0}

    def everyone(self) -> list[Participant]:
        """All participants, by id."""
        return sorted([*self.vehicles.values(), *self.walkers.values()], key=lambda p: p.id)

    def step(self, dt_s: float) -> None:
        """Move everybody on by a time step (0.02 to 0.1 s)."""
        self._arrive()
        participants = self.everyone()
        boxes = {p.id: p.box() for p in participants}
        self._steps += 1
        for vehicle in self.vehicles.values():
            # A driver decides in every second step, half of them in each.
            if (self._steps + vehicle.id) % 2 == 0:
                vehicle.accel_mps2 = self._decide(vehicle, participants, boxes)
        for walker in self.walkers.values():
            self._walk(walker)
        for participant in participants:
            participant.move(dt_s)
        for vehicle in self.vehicles.values():
            side = vehicle.target_left_m - vehicle.left_m
            vehicle.left_m += math.copysign(min(abs(side), vehicle.swerve_mps * dt_s), side)
        self.now_s += dt_s
        self.vehicles = {i: v for i, v in self.vehicles.items() if not v.ended}
        self.walkers = {i: w for i, w in self.walkers.items() if not w.ended}

    def add_vehicle(
        self,
        key: RouteKey,
        *,
        kind: ParticipantClass = ParticipantClass.CAR,
        s_m: float = 0.0,
        speed_mps: float = 0.9 * SPEED_LIMIT_MPS,
        desired_mps: float | None = None,
        connected: bool = True,
        obeys: bool = True,
        surprising: bool = False,
        rng: random.Random | None = None,
    ) -> Vehicle:
        """Put a vehicle on a way. rng: source of its driver's reactions."""
        driver = Driver(draw_reactions(rng or self._rng))
        number = self._new_id()
        vehicle = Vehicle(
            number,
            kind,
            self._ways[key],
            s_m,
            speed_mps,
            route=self.crossing.routes[key],
            driver=driver,
            desired_mps=speed_mps if desired_mps is None else desired_mps,
            session=f"sim-{number:05d}" if connected else "",
            obeys=obeys,
            surprising=surprising,
        )
        self.vehicles[number] = vehicle
        return vehicle

    def add_walker(
        self,
        way: Way,
        pace_mps: float,
        *,
        kind: ParticipantClass = ParticipantClass.PEDESTRIAN,
        waits_for: int | None = None,
        wait_m: float = 0.0,
        surprising: bool = False,
    ) -> Walker:
        """Put somebody on foot or on a bicycle on a line."""
        walker = Walker(
            self._new_id(), kind, way, pace_mps, waits_for=waits_for, wait_m=wait_m, surprising=surprising
        )
        self.walkers[walker.id] = walker
        return walker

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _rates(self) -> dict[str, float]:
        demand = self.demand
        return {
            "vehicle": demand.vehicles_per_s,
            "pedestrian": demand.pedestrians_per_s,
            "cyclist": demand.cyclists_per_s,
        }

    def _arrive(self) -> None:
        rates = self._rates()
        for kind, due_s in self._due.items():
            while due_s <= self.now_s:
                rng = random.Random(self._rng.getrandbits(64))
                {"vehicle": self._drive_in, "pedestrian": self._walk_in, "cyclist": self._ride_in}[kind](rng)
                due_s += self._rng.expovariate(rates[kind])
            self._due[kind] = due_s

    def _drive_in(self, rng: random.Random) -> None:
        key = rng.choice(list(self.crossing.routes))
        kind = rng.choices([k for k, _ in _MIX], [w for _, w in _MIX])[0]
        desired = SPEED_LIMIT_MPS * rng.uniform(0.8, 1.0)
        connected = rng.random() < self.demand.connected
        if (key.leg, key.lane) in self.demand.closed:
            return
        last = [
            v for v in self.vehicles.values() if (v.route.key.leg, v.route.key.lane) == (key.leg, key.lane)
        ]
        nearest = min(last, key=lambda v: v.s_m, default=None)
        speed = desired
        if nearest is not None:
            gap = nearest.s_m - 0.5 * nearest.size.length_m - 8.0
            if gap < 12.0:
                return
            speed = min(desired, max(nearest.speed_mps, 0.5 * gap))
        self.add_vehicle(key, kind=kind, speed_mps=speed, desired_mps=desired, connected=connected, rng=rng)

    def _walk_in(self, rng: random.Random) -> None:
        leg = rng.randrange(4)
        line = self.crossing.crosswalk(leg)
        if rng.random() < 0.5:
            line = line.reversed()
        pace = rng.uniform(1.2, 1.5)
        # Who waits stands beside the others, and behind them when the kerb is full.
        for slot in range(10):
            row, column = divmod(slot, 5)
            lane = line.offset(0.9 * (column - 2))
            place = lane.point_at(0.0)
            back = lane.yaw_at(0.0) + math.pi
            at = (place[0] + 0.9 * row * math.cos(back), place[1] + 0.9 * row * math.sin(back))
            if all(math.dist(at, w.box()[:2]) > 0.8 for w in self.walkers.values()):
                group = self.crossing.legs[(leg + 1) % 4].through_group
                way = Way(Polyline([at, *map(tuple, lane.points.tolist())]))
                self.add_walker(way, pace, waits_for=group)
                return

    def _ride_in(self, rng: random.Random) -> None:
        leg = rng.randrange(4)
        route = self.crossing.bike_routes[leg]
        pace = rng.uniform(4.0, 5.0)
        if any(w.way is self._bike_ways[leg] and w.s_m < 8.0 for w in self.walkers.values()):
            return
        self.add_walker(
            self._bike_ways[leg],
            pace,
            kind=ParticipantClass.BICYCLE,
            waits_for=route.group,
            wait_m=route.stop_m,
        )

    def _walk(self, walker: Walker) -> None:
        wanted = walker.pace_mps
        if walker.waits_for is not None and walker.front_m <= walker.wait_m + 0.5:
            room = walker.wait_m - walker.front_m
            near = room < max(1.0, walker.pace_mps**2 / 2.0)
            if near and not self._may_go(walker):
                wanted = 0.0
        if walker.kind is ParticipantClass.BICYCLE:
            for other in self.walkers.values():
                ahead = other.s_m - walker.s_m
                if other.way is walker.way and other is not walker and 0.0 < ahead < 3.5:
                    wanted = min(wanted, other.speed_mps if ahead > 2.3 else 0.0)
        walker.accel_mps2 = (wanted - walker.speed_mps) / 0.5

    def _may_go(self, walker: Walker) -> bool:
        assert walker.waits_for is not None
        now = self.plan.group(walker.waits_for, self.now_s)
        if walker.kind is ParticipantClass.BICYCLE:
            return now.light is Light.PROTECTED_GREEN and now.remaining_s > 10.0
        return now.walking

    def _decide(self, vehicle: Vehicle, participants: list[Participant], boxes: dict[int, Box]) -> float:
        front, speed, route = vehicle.front_m, vehicle.speed_mps, vehicle.route
        if vehicle.standing:
            return -FIRM_MPS2
        desired = vehicle.desired_mps
        if route.key.turn is not Turn.STRAIGHT:
            if front > route.stop_m - 60.0 and vehicle.s_m < route.merge_m:
                ahead = max(0.0, route.stop_m - front)
                desired = min(desired, math.sqrt(route.turn_speed_mps**2 + 3.6 * ahead))
        accel = idm_mps2(speed, desired, math.inf, 0.0)
        if vehicle.driver.alert(self.now_s):
            vehicle.obeys = True
        light = self.plan.group(route.group, self.now_s).light
        accel = min(accel, signal_mps2(vehicle, light))
        if vehicle.obeys:
            accel = min(accel, following_mps2(vehicle, desired, participants, boxes, self.now_s))
            accel = min(accel, surprised_mps2(vehicle, participants, boxes, self.now_s))
        if route.key.turn is not Turn.STRAIGHT and route.stop_m - 30.0 < front < route.merge_m + 4.0:
            accel = min(accel, self._give_way(vehicle, desired, boxes[vehicle.id]))
        braking = vehicle.driver.braking(self.now_s, front, speed)
        if braking is not None:
            accel = min(accel, -braking)
        return min(max(accel, -EMERGENCY_MPS2), _ACCEL_MAX_MPS2)

    def _give_way(self, vehicle: Vehicle, desired: float, own: Box) -> float:
        accel = math.inf
        for walker in self.walkers.values():
            if walker.speed_mps < 0.3:
                continue
            way = walker.way.points(walker.s_m + walker.speed_mps * _YIELD_S, 0.0)
            if math.hypot(way[0, 0] - own.x_m, way[0, 1] - own.y_m) > 35.0:
                continue
            places = vehicle.way.line.project_many(way)
            for t, (along, across) in zip(_YIELD_S.tolist(), places.tolist(), strict=True):
                room = along - 2.0 - vehicle.front_m
                if abs(across) > 2.2 or room < -0.5:
                    continue
                arrival = room / max(vehicle.speed_mps, 2.5)
                if t - 3.0 < arrival < t + 2.5 or room < 12.0:
                    accel = min(
                        accel, idm_mps2(vehicle.speed_mps, desired, max(room, 0.1), 0.0, standstill_m=1.0)
                    )
                    break
        return accel


def kerb_to_kerb(crossing: Crossing, leg: int, distance_m: float, *, from_ingress: bool) -> Way:
    """Line straight across a leg at a distance from the centre, from one kerb to the other."""
    a, b = crossing.at(leg, distance_m, KERB_M), crossing.at(leg, distance_m, -KERB_M)
    return Way(Polyline([a, b] if from_ingress else [b, a]))
