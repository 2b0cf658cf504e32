from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np

from wayside.geo import LocalPlane, Polyline, heading_from_yaw

# Tongyan Road (同砚路) and Hehui South Road (和慧南路), south-eastern corner of Nankai University's Jinnan
# campus in the Haihe Education Park. Which of these numbers are public and which are assumed:
# docs/simulation.md.
CENTRE_LAT_DEG = 38.9811
CENTRE_LON_DEG = 117.3518
CROSSING_NAME = "同砚路-和慧南路"
SPEED_LIMIT_MPS = 60.0 / 3.6

INGRESS_WIDTH_M = 3.25
EGRESS_WIDTH_M = 3.5
BIKE_WIDTH_M = 2.5
CROSSWALK_WIDTH_M = 5.0
INGRESS_OFFSETS_M = (0.625, 3.875, 7.125)
EGRESS_OFFSETS_M = (3.75, 7.25)
BIKE_OFFSET_M = 11.0
KERB_M = 12.5
STOP_LINE_M = 22.0
EGRESS_START_M = 14.0
CROSSWALK_M = 17.0
LEG_END_M = 320.0
_CURVE_STEPS = 12


class Turn(StrEnum):
    """Movement at the crossing."""

    LEFT = "left"
    STRAIGHT = "straight"
    RIGHT = "right"


class Leg(NamedTuple):
    """One arm. number: clockwise from north. yaw_rad: outwards from the centre."""

    number: int
    name: str
    road: str
    yaw_rad: float

    @property
    def through_group(self) -> int:
        """Signal group of straight and right-turning traffic that comes from this leg (2, 4, 6, 8)."""
        return 2 * self.number + 2

    @property
    def left_group(self) -> int:
        """Signal group of left-turning traffic that comes from this leg (1, 3, 5, 7)."""
        return 2 * self.number + 1


class RouteKey(NamedTuple):
    """A way through the crossing. lane: 1 is the innermost ingress lane."""

    leg: int
    lane: int
    turn: Turn


class Route(NamedTuple):
    """A way through the crossing as one line.

    stop_m: stop line, along the line. merge_m: where the egress lane begins. turn_speed_mps: what a driver
    takes the curve with. lane_ids: ingress and egress lane of the MAP.
    """

    key: RouteKey
    line: Polyline
    stop_m: float
    merge_m: float
    group: int
    turn_speed_mps: float
    lane_ids: tuple[int, int]
    exit_leg: int


# Bearings follow the campus boundary: west to east 0.0001° north over 0.0253° of longitude, south to north
# 0.0006° of longitude west over 0.0130°.
_EAST_YAW_RAD = math.radians(0.29)
_NORTH_YAW_RAD = math.radians(92.06)
_TURN_SPEED_MPS = {Turn.LEFT: 7.0, Turn.STRAIGHT: SPEED_LIMIT_MPS, Turn.RIGHT: 5.0}
_ALLOWED = {1: (Turn.LEFT,), 2: (Turn.STRAIGHT,), 3: (Turn.STRAIGHT, Turn.RIGHT)}


def lane_id(leg: int, kind: str, number: int = 1) -> int:
    """Lane number in the MAP, ten a leg: ingress 1..3, egress 4..5, bike in 6, bike out 7, crosswalk 8."""
    return (
        10 * leg
        + {"ingress": number, "egress": 3 + number, "bike_in": 6, "bike_out": 7, "crosswalk": 8}[kind]
    )


class Crossing:
    """Geometry of the crossing on its local plane: legs, lanes, and the ways through it.

    Right-hand traffic. Per leg three ingress lanes (left; straight; straight and right), two egress lanes, a
    bike lane each way and a crosswalk. The centre line is shifted by 1.5 m before the stop lines, so that
    the straight lanes meet the egress lanes without a side step.
    """

    def __init__(self) -> None:
        self.plane = LocalPlane(CENTRE_LAT_DEG, CENTRE_LON_DEG)
        yaws = (_NORTH_YAW_RAD, _EAST_YAW_RAD, _NORTH_YAW_RAD - math.pi, _EAST_YAW_RAD + math.pi)
        names = ("north", "east", "south", "west")
        roads = ("和慧南路", "同砚路", "和慧南路", "同砚路")
        self.legs = tuple(
            Leg(i, n, r, math.remainder(y, math.tau))
            for i, (n, r, y) in enumerate(zip(names, roads, yaws, strict=True))
        )

    def at(
        self, leg: int, distance_m: float, right_m: float, *, outbound: bool = False
    ) -> tuple[float, float]:
        """Point of a leg: `distance_m` from the centre, `right_m` to the right of the centre line as seen in
        driving direction (towards the centre, or away from it when `outbound`)."""
        ux, uy = math.cos(self.legs[leg].yaw_rad), math.sin(self.legs[leg].yaw_rad)
        side = -right_m if outbound else right_m
        return distance_m * ux - side * uy, distance_m * uy + side * ux

    def ingress(self, leg: int, lane: int) -> Polyline:
        """Ingress lane 1..3 of a leg, towards its stop line."""
        off = INGRESS_OFFSETS_M[lane - 1]
        return Polyline(
            [self.at(leg, LEG_END_M, off), self.at(leg, 150.0, off), self.at(leg, STOP_LINE_M, off)]
        )

    def egress(self, leg: int, lane: int) -> Polyline:
        """Egress lane 1..2 of a leg, away from the crossing."""
        off = EGRESS_OFFSETS_M[lane - 1]
        ends = (EGRESS_START_M, 150.0, LEG_END_M)
        return Polyline([self.at(leg, d, off, outbound=True) for d in ends])

    def bike(self, leg: int, *, outbound: bool) -> Polyline:
        """Bike lane of a leg in driving direction."""
        ends = (STOP_LINE_M, LEG_END_M) if outbound else (LEG_END_M, STOP_LINE_M)
        return Polyline([self.at(leg, d, BIKE_OFFSET_M, outbound=outbound) for d in ends])

    def crosswalk(self, leg: int) -> Polyline:
        """Crosswalk of a leg, kerb to kerb, from the ingress side to the egress side."""
        return Polyline([self.at(leg, CROSSWALK_M, KERB_M), self.at(leg, CROSSWALK_M, -KERB_M)])

    def exit_of(self, leg: int, turn: Turn) -> int:
        """Leg on which a movement leaves."""
        return (leg + {Turn.LEFT: 1, Turn.STRAIGHT: 2, Turn.RIGHT: 3}[turn]) % 4

    def egress_lane_of(self, lane: int) -> int:
        """Egress lane 1..2 that an ingress lane leads to."""
        return 2 if lane == 3 else 1

    def keys(self) -> Iterator[RouteKey]:
        """All ways for motor vehicles."""
        for leg in range(4):
            for lane, turns in _ALLOWED.items():
                for turn in turns:
                    yield RouteKey(leg, lane, turn)

    @cached_property
    def routes(self) -> dict[RouteKey, Route]:
        """All ways for motor vehicles by their key."""
        return {key: self._route(key) for key in self.keys()}

    @cached_property
    def bike_routes(self) -> dict[int, Route]:
        """Straight way of a cyclist from each leg."""
        out: dict[int, Route] = {}
        for leg in range(4):
            start, end = self.bike(leg, outbound=False), self.bike((leg + 2) % 4, outbound=True)
            line = Polyline(np.vstack((start.points, end.points)))
            merge = line.length_m - end.length_m
            ids = (lane_id(leg, "bike_in"), lane_id((leg + 2) % 4, "bike_out"))
            key = RouteKey(leg, 0, Turn.STRAIGHT)
            group = self.legs[leg].through_group
            out[leg] = Route(key, line, start.length_m, merge, group, SPEED_LIMIT_MPS, ids, (leg + 2) % 4)
        return out

    def heading_in_deg(self, leg: int) -> float:
        """Compass heading of traffic that comes from a leg."""
        return heading_from_yaw(self.legs[leg].yaw_rad + math.pi)

    def _route(self, key: RouteKey) -> Route:
        leg, lane, turn = key
        out_leg, out_lane = self.exit_of(leg, turn), self.egress_lane_of(lane)
        start, end = self.ingress(leg, lane), self.egress(out_leg, out_lane)
        curve = _curve(start, end, straight=turn is Turn.STRAIGHT)
        line = Polyline(np.vstack((start.points, curve, end.points)))
        leg_of = self.legs[leg]
        group = leg_of.left_group if turn is Turn.LEFT else leg_of.through_group
        ids = (lane_id(leg, "ingress", lane), lane_id(out_leg, "egress", out_lane))
        merge = line.length_m - end.length_m
        return Route(key, line, start.length_m, merge, group, _TURN_SPEED_MPS[turn], ids, out_leg)


def _curve(
    start: Polyline, end: Polyline, *, straight: bool
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    a, b = start.points[-1], end.points[0]
    if straight:
        return np.array([a, b])
    ya, yb = start.yaw_at(start.length_m), end.yaw_at(0.0)
    da, db = np.array((math.cos(ya), math.sin(ya))), np.array((math.cos(yb), math.sin(yb)))
    along = np.linalg.solve(np.stack((da, db), axis=1), b - a)[0]
    corner = a + along * da
    t = np.linspace(0.0, 1.0, _CURVE_STEPS)[1:-1, None]
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * corner + t**2 * b)
