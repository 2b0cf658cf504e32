from __future__ import annotations

import math

import numpy as np

from wayside.asn1.messages import Connection, Maneuver
from wayside.geo import Polyline, wrap_rad

_STEP_M = 1.0
_MOST_POINTS = 64
_LEAST_M = 0.1
_STRAIGHT_RAD = math.radians(30.0)
_U_TURN_RAD = math.radians(150.0)
_TURNS = (Maneuver.STRAIGHT, Maneuver.LEFT, Maneuver.RIGHT, Maneuver.U_TURN)


def turning_path(
    start: tuple[float, float], start_yaw_rad: float, end: tuple[float, float], end_yaw_rad: float
) -> Polyline | None:
    """Smooth line that leaves `start` and reaches `end` in the given directions; None for less than 0.1 m.

    A cubic Bézier curve whose handles make it an arc of a circle where one fits. Sampled about every metre.
    """
    chord = math.hypot(end[0] - start[0], end[1] - start[1])
    if chord < _LEAST_M:
        return None
    turn = abs(wrap_rad(end_yaw_rad - start_yaw_rad))
    handle = chord / 3 if turn < 1e-3 else chord * (2 / 3) * math.tan(turn / 4) / math.sin(turn / 2)
    handle = min(handle, chord)
    p0, p3 = np.array(start), np.array(end)
    p1 = p0 + handle * np.array((math.cos(start_yaw_rad), math.sin(start_yaw_rad)))
    p2 = p3 - handle * np.array((math.cos(end_yaw_rad), math.sin(end_yaw_rad)))
    samples = min(max(2, math.ceil(chord * (1.0 + turn / 4) / _STEP_M)) + 1, _MOST_POINTS)
    t = np.linspace(0.0, 1.0, samples)[:, None]
    s = 1.0 - t
    return Polyline(s**3 * p0 + 3 * s * s * t * p1 + 3 * s * t * t * p2 + t**3 * p3)


def maneuver_of(
    connection: Connection, lane_maneuvers: tuple[Maneuver, ...], start_yaw_rad: float, end_yaw_rad: float
) -> Maneuver:
    """Manoeuvre of a connection: as the map states it for the connection, for a lane with a single one,
    else by the turn, straight up to 30° and a U-turn from 150° on."""
    for stated in (connection.maneuvers, lane_maneuvers):
        turns = [m for m in stated if m in _TURNS]
        if len(turns) == 1:
            return turns[0]
    turn = wrap_rad(end_yaw_rad - start_yaw_rad)
    if abs(turn) <= _STRAIGHT_RAD:
        return Maneuver.STRAIGHT
    if abs(turn) >= _U_TURN_RAD:
        return Maneuver.U_TURN
    return Maneuver.LEFT if turn > 0 else Maneuver.RIGHT
