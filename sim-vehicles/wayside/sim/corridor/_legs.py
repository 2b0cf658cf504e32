from __future__ import annotations

import math
from functools import cache

from wayside.sim.corridor._net import corridor_net
from wayside.sim.corridor._places import FIRST_VEHICLE_LANE, JUNCTION_OF, Side, edge_id


class LegFrame:
    """A leg of a crossing as the net has it: places by distance from the middle and from the centre line.

    yaw_rad: outwards. stop_m: of the stop lines, from the middle. into, out: edges of the leg.
    """

    def __init__(self, node: str, side: Side) -> None:
        junction = JUNCTION_OF[node]
        leg = junction.legs[side]
        net = corridor_net()
        self.into, self.out = edge_id(leg.other, node), edge_id(node, leg.other)
        inner = net.lanes[f"{self.into}_{FIRST_VEHICLE_LANE + leg.lanes - 1}"].line
        self.yaw_rad = math.remainder(inner.yaw_at(inner.length_m) + math.pi, math.tau)
        self._x_m, self._y_m = net.nodes[node]
        x_m, y_m = inner.points[-1].tolist()
        self.stop_m = (x_m - self._x_m) * math.cos(self.yaw_rad) + (y_m - self._y_m) * math.sin(self.yaw_rad)

    def at(self, distance_m: float, right_m: float) -> tuple[float, float]:
        """Point at a distance from the middle (negative: beyond it), `right_m` to the right of the centre
        line as one drives in."""
        ux, uy = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return self._x_m + distance_m * ux - right_m * uy, self._y_m + distance_m * uy + right_m * ux


@cache
def leg_frame(node: str, side: Side) -> LegFrame:
    """A leg of a crossing."""
    return LegFrame(node, side)
