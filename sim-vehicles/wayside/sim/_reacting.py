from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from wayside.asn1.messages import Light
from wayside.sim._conflicts import time_to_collision
from wayside.sim._driver import EMERGENCY_MPS2, FIRM_MPS2
from wayside.sim._idm import idm_mps2, stopping_mps2
from wayside.sim._participants import Participant, Vehicle
from wayside.sim._shapes import Box, sees

_LOOK_M = 90.0
_BEHIND_M = 20.0
_FAR_ASIDE_M = 10.0


def signal_mps2(vehicle: Vehicle, light: Light) -> float:
    """Acceleration for the light that governs the vehicle's way; infinite when it may go on.

    On yellow who would have to brake harder than 3.5 m/s² drives on.
    """
    room = vehicle.route.stop_m - vehicle.front_m
    if not vehicle.obeys or room < -0.5 or room > _LOOK_M:
        return math.inf
    if light in (Light.PROTECTED_GREEN, Light.PERMISSIVE_GREEN):
        vehicle.committed = False
        return math.inf
    needed = stopping_mps2(vehicle.speed_mps, room)
    if vehicle.committed or (light is Light.YELLOW and needed > 3.5) or needed > 2.0 * EMERGENCY_MPS2:
        vehicle.committed = True
        return math.inf
    gentle = idm_mps2(vehicle.speed_mps, vehicle.desired_mps, room, 0.0, standstill_m=1.0)
    return min(gentle, -needed) if needed > 3.0 else gentle


def following_mps2(
    vehicle: Vehicle,
    desired_mps: float,
    participants: Iterable[Participant],
    boxes: Mapping[int, Box],
    now_s: float,
) -> float:
    """Acceleration that keeps a gap to everybody ahead on the vehicle's way whom its driver has noticed;
    infinite for none. boxes: of all participants."""
    own, reach = boxes[vehicle.id], 1.5 * _LOOK_M
    cos, sin = math.cos(own.yaw_rad), math.sin(own.yaw_rad)
    others: list[Participant] = []
    at: list[tuple[float, float]] = []
    for p in participants:
        box = boxes[p.id]
        dx, dy = box.x_m - own.x_m, box.y_m - own.y_m
        if abs(dx) + abs(dy) > reach or dx * cos + dy * sin < -_BEHIND_M or p.id == vehicle.id:
            continue
        if p.id in vehicle.ignores or (p.surprising and not vehicle.driver.reacts_to(p.id, now_s)):
            continue
        others.append(p)
        at.append((box.x_m, box.y_m))
    if not others:
        return math.inf
    places = vehicle.way.line.project_many(np.array(at))
    accel = math.inf
    for other, (along, across) in zip(others, places.tolist(), strict=True):
        if along <= vehicle.s_m or along > vehicle.s_m + _LOOK_M or abs(across) > _FAR_ASIDE_M:
            continue
        box = boxes[other.id]
        facing = math.cos(box.yaw_rad - vehicle.way.line.yaw_at(along))
        same = abs(facing) > 0.7
        half = 0.5 * (box.length_m if same else box.width_m)
        side = 0.5 * (box.width_m if same else box.length_m)
        if abs(across - vehicle.left_m) > side + 0.5 * vehicle.size.width_m + 0.2:
            continue
        if isinstance(other, Vehicle) and facing < 0.0 and other.route.key.leg != vehicle.route.key.leg:
            continue
        gap = along - half - vehicle.front_m
        if gap < -half:
            continue
        accel = min(
            accel,
            idm_mps2(
                vehicle.speed_mps,
                desired_mps,
                gap,
                max(0.0, other.speed_mps * facing),
                headway_s=vehicle.headway_s,
            ),
        )
    return accel


def surprised_mps2(
    vehicle: Vehicle, participants: Iterable[Participant], boxes: Mapping[int, Box], now_s: float
) -> float:
    """Acceleration for those whom nobody expects: from the moment at which one is in sight and on a course to
    meet, and the driver's reaction time later; infinite for none. boxes: of all that may stand between."""
    accel = math.inf
    own = boxes[vehicle.id]
    for other in participants:
        if not other.surprising or other.id == vehicle.id or other.id in vehicle.ignores:
            continue
        box = boxes[other.id]
        dx, dy = box.x_m - own.x_m, box.y_m - own.y_m
        behind = dx * math.cos(own.yaw_rad) + dy * math.sin(own.yaw_rad) < -_BEHIND_M
        if behind or math.hypot(dx, dy) > _LOOK_M:
            continue
        ttc = time_to_collision(vehicle.motion(at_least_mps=5.0), other.motion())
        if ttc == math.inf:
            continue
        eye = (own.x_m, own.y_m, vehicle.eye_m)
        between = [b for i, b in boxes.items() if i not in (vehicle.id, other.id)]
        if sees(eye, (box.x_m, box.y_m, 0.8 * box.height_m), between):
            vehicle.driver.see(other.id, now_s)
        if vehicle.driver.reacts_to(other.id, now_s):
            room = max(vehicle.speed_mps, 5.0) * ttc - 1.0
            accel = min(accel, -max(FIRM_MPS2, stopping_mps2(vehicle.speed_mps, room)))
    return accel
