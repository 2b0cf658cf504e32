from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from wayside.mec.sensors import ParticipantClass
from wayside.sim._crossing import Route, Turn
from wayside.sim._driver import EMERGENCY_MPS2, FIRM_MPS2, Driver
from wayside.sim._idm import idm_mps2
from wayside.sim._participants import Participant, Vehicle, Walker, Way
from wayside.sim._plan import SignalPlan
from wayside.sim._reacting import following_mps2, signal_mps2, surprised_mps2
from wayside.sim._shapes import Box
from wayside.sim.corridor._users import SumoVehicle

_ACCEL_MAX_MPS2 = 2.0
_NEAR_M = 120.0


class ScriptedVehicle(Vehicle):
    """A vehicle that a scene leads and SUMO does not know of; it goes straight through everything that its
    driver does not heed. plan: of the crossing ahead. driven_m: place of its front, on which warnings name
    places."""

    plan: SignalPlan

    @property
    def driven_m(self) -> float:
        """Place of its front along its way."""
        return self.front_m


def decide_scripted(
    vehicle: ScriptedVehicle, others: Sequence[Participant], boxes: Mapping[int, Box], now_s: float
) -> float:
    """Acceleration of a scripted vehicle. Who does not obey sees nothing until a warning is understood."""
    if vehicle.standing:
        return -FIRM_MPS2
    route = vehicle.route
    desired = vehicle.desired_mps
    if route.key.turn is not Turn.STRAIGHT and vehicle.s_m < route.merge_m:
        ahead_m = max(0.0, route.stop_m - vehicle.front_m)
        desired = min(desired, math.sqrt(route.turn_speed_mps**2 + 3.6 * ahead_m))
    accel = idm_mps2(vehicle.speed_mps, max(desired, 0.1), math.inf, 0.0)
    if vehicle.driver.alert(now_s):
        vehicle.obeys = True
    accel = min(accel, signal_mps2(vehicle, vehicle.plan.group(route.group, now_s).light))
    if vehicle.obeys:
        accel = min(accel, following_mps2(vehicle, desired, others, boxes, now_s))
        accel = min(accel, surprised_mps2(vehicle, others, boxes, now_s))
    braking = vehicle.driver.braking(now_s, vehicle.front_m, vehicle.speed_mps)
    if braking is not None:
        accel = min(accel, -braking)
    return min(max(accel, -EMERGENCY_MPS2), _ACCEL_MAX_MPS2)


def bound_mps2(
    vehicle: SumoVehicle, actors: Sequence[Participant], boxes: Mapping[int, Box], now_s: float
) -> float:
    """Upper bound of the acceleration of a vehicle of SUMO: what its driver does about warnings, and about
    scripted participants, whom SUMO does not know; infinite for none."""
    accel = math.inf
    braking = vehicle.driver.braking(now_s, vehicle.driven_m, vehicle.speed_mps)
    if braking is not None:
        accel = -braking
    own = boxes[vehicle.id]
    near = [a for a in actors if math.hypot(boxes[a.id].x_m - own.x_m, boxes[a.id].y_m - own.y_m) < _NEAR_M]
    if near:
        desired = max(vehicle.desired_mps, 0.1)
        accel = min(accel, following_mps2(vehicle, desired, near, boxes, now_s))
        accel = min(accel, surprised_mps2(vehicle, near, boxes, now_s))
    return max(accel, -EMERGENCY_MPS2)


def scripted_vehicle(
    id: int,
    kind: ParticipantClass,
    way: Way,
    route: Route,
    plan: SignalPlan,
    *,
    s_m: float,
    speed_mps: float,
    driver: Driver,
    session: str,
    obeys: bool,
    surprising: bool,
) -> ScriptedVehicle:
    """A scripted vehicle on a way; it wishes to keep its speed."""
    vehicle = ScriptedVehicle(
        id, kind, way, s_m, speed_mps, route=route, driver=driver, desired_mps=max(speed_mps, 0.1),
        session=session, obeys=obeys, surprising=surprising,
    )  # fmt: skip
    vehicle.plan = plan
    return vehicle


def walk_on(walker: Walker) -> None:
    """Have a scripted walker go on at its pace."""
    walker.accel_mps2 = (walker.pace_mps - walker.speed_mps) / 0.5
