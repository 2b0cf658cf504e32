"""Those on foot, as SUMO moves them and as they are seen."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from wayside.sim._shapes import Box
from wayside.sim.corridor._frames import Entered, Moved
from wayside.sim.corridor._users import SumoWalker

STEP_S = 0.1
PACE_MPS = 1.4


def moved(x_m: float, y_m: float, yaw_deg: float, speed_mps: float) -> Moved:
    return Moved(1, x_m, y_m, math.radians(yaw_deg), speed_mps, 0.0, "", 0.0, 0.0, 0)


def walk(places: list[tuple[float, float, float, float]]) -> tuple[list[Box], list[float]]:
    """Footprints and speeds after each of SUMO's places: x, y, yaw in degrees, speed."""
    walker = SumoWalker(Entered(1, "pedestrian", (), 1.0), moved(*places[0]))
    boxes, speeds = [walker.box()], [walker.speed_mps]
    for place in places[1:]:
        walker.take(moved(*place), STEP_S)
        boxes.append(walker.box())
        speeds.append(walker.speed_mps)
    return boxes, speeds


def test_a_step_aside_of_sumo_is_walked() -> None:
    # Along a sidewalk, then set down 1.5 m to the left where the crosswalk begins.
    along = [(STEP_S * PACE_MPS * i, 0.0, 0.0, PACE_MPS) for i in range(30)]
    across = [(4.1, 1.5 + STEP_S * PACE_MPS * i, 90.0, PACE_MPS) for i in range(30)]
    boxes, speeds = walk(along + across)
    ways = [math.hypot(b.x_m - a.x_m, b.y_m - a.y_m) for a, b in pairwise(boxes)]
    assert max(ways) <= 1.25 * PACE_MPS * STEP_S + 1e-9
    # Its speed is that of its places, and it comes to where SUMO has it.
    assert [speed * STEP_S for speed in speeds[1:]] == pytest.approx(ways, abs=1e-9)
    assert boxes[-1].y_m == pytest.approx(across[-1][1], abs=1.0)
    assert boxes[-1].yaw_rad == pytest.approx(math.pi / 2, abs=0.1)


def test_who_stops_at_the_kerb_slows_down_and_comes_to_it() -> None:
    along = [(STEP_S * PACE_MPS * i, 0.0, 0.0, PACE_MPS) for i in range(30)]
    boxes, speeds = walk(along + [(along[-1][0], 0.0, 0.0, 0.0)] * 30)
    slowing = speeds[31:40]
    assert slowing == sorted(slowing, reverse=True) and slowing[0] > 0.7
    assert speeds[-1] < 0.05
    assert boxes[-1].x_m == pytest.approx(along[-1][0], abs=0.3)
    assert max(box.x_m for box in boxes) <= along[-1][0]
