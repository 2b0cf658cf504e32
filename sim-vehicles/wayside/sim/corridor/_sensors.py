from __future__ import annotations

import math

from wayside.sim._sensors import SensorSpec, camera, lidar, radar
from wayside.sim.corridor._legs import leg_frame
from wayside.sim.corridor._places import BUS_STOP_FRONT_M, Side

_KERB_M = 14.5
_CORNER_M = 17.0
# Where queues before the last crossing have their ends: there a lidar sees what stands, and that it stands.
_TAIL_M = 110.0


def corridor_sensors() -> dict[str, tuple[SensorSpec, ...]]:
    """Sensors of each crossing by its node, placed from the net: beside the kerbs, on the corners, and radars
    on the arm opposite to the leg along which they look."""

    def corner(node: str, side: Side) -> tuple[float, float]:
        return leg_frame(node, side).at(_CORNER_M, -_CORNER_M)

    def towards_middle(node: str, side: Side) -> float:
        x_m, y_m = corner(node, side)
        mx, my = leg_frame(node, side).at(0.0, 0.0)
        return math.atan2(my - y_m, mx - x_m)

    def leg_radar(node: str, side: Side) -> SensorSpec:
        frame = leg_frame(node, side)
        return radar(f"{node}-radar-{side.value[0]}", frame.at(-20.0, -1.0), frame.yaw_rad)

    stop = leg_frame("b", Side.WEST)
    tail = leg_frame("c", Side.WEST)
    return {
        "a": (
            camera("a-cam", corner("a", Side.NORTH), towards_middle("a", Side.NORTH), 100.0, 90.0),
            leg_radar("a", Side.WEST),
            leg_radar("a", Side.EAST),
        ),
        "b": (
            camera("b-cam", stop.at(BUS_STOP_FRONT_M - 50.0, -_KERB_M), stop.yaw_rad, 75.0, 110.0),
            lidar("b-lidar-stop", stop.at(BUS_STOP_FRONT_M - 10.0, -_KERB_M)),
            lidar("b-lidar", corner("b", Side.NORTH)),
            leg_radar("b", Side.EAST),
        ),
        "c": (
            camera("c-cam", corner("c", Side.NORTH), towards_middle("c", Side.NORTH), 100.0, 90.0),
            lidar("c-lidar", corner("c", Side.SOUTH)),
            lidar("c-lidar-w", tail.at(_TAIL_M, -_KERB_M)),
            leg_radar("c", Side.SOUTH),
        ),
    }
