from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from wayside.asn1.messages import IntersectionId
from wayside.geo import LocalPlane
from wayside.sim._plan import Phase, SignalPlan

# Three crossings of Tongyan Road (同砚路) along the southern edge of Nankai University's Jinnan campus. Which
# of these numbers are public, computed and assumed: docs/simulation.md.
ORIGIN_LAT_DEG = 38.98105
ORIGIN_LON_DEG = 117.3397
PLANE = LocalPlane(ORIGIN_LAT_DEG, ORIGIN_LON_DEG)
REGION = 12

ARTERIAL_MPS = 60.0 / 3.6
CAMPUS_MPS = 40.0 / 3.6
VEHICLE_LANE_M = 3.25
BIKE_LANE_M = 2.5
SIDEWALK_M = 3.0
CROSSWALK_M = 5.0
# Lanes of an edge count from the kerb: sidewalk, bicycles, then motor vehicles.
SIDEWALK_LANE = 0
BIKE_LANE = 1
FIRST_VEHICLE_LANE = 2


class Side(StrEnum):
    """Where a leg lies, clockwise from north as the legs' numbers in groups and lanes are."""

    NORTH = "north"
    EAST = "east"
    SOUTH = "south"
    WEST = "west"

    @property
    def number(self) -> int:
        """0 to 3."""
        return list(Side).index(self)

    @property
    def through_group(self) -> int:
        """Signal group of straight and right-turning traffic from this leg (2, 4, 6, 8)."""
        return 2 * self.number + 2

    @property
    def left_group(self) -> int:
        """Signal group of left-turning traffic from this leg (1, 3, 5, 7)."""
        return 2 * self.number + 1


class Leg(NamedTuple):
    """An arm of a crossing: the node at its other end, its road, and motor-vehicle lanes each way."""

    other: str
    road: str
    lanes: int = 3
    limit_mps: float = ARTERIAL_MPS


class Junction(NamedTuple):
    """A signalised crossing of the corridor. node: its name in the net."""

    node: str
    id: IntersectionId
    name: str
    x_m: float
    y_m: float
    legs: dict[Side, Leg]
    plan: SignalPlan


class End(NamedTuple):
    """Where a leg leaves the corridor. id: number of the node in the CSAE map."""

    node: str
    id: IntersectionId
    x_m: float
    y_m: float


def _yaw_rad(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.atan2(b[1] - a[1], b[0] - a[0])


# The campus gate has two phases: along Tongyan Road, left turns into the campus giving way; out of the gate.
_GATE_PHASES = (Phase((4, 7, 8), 58.0, 7.0, frozenset({7})), Phase((1, 2), 28.0, 7.0))

_A = PLANE.to_xy(38.9810, 117.3265)
_B = (0.0, 0.0)
_C = PLANE.to_xy(38.9811, 117.3518)
# Directions of the roads that lead north, from points of the campus' boundary and of its axis.
_YASHEN_YAW_RAD = math.atan2(
    PLANE.to_xy(38.9952, 117.3328)[1] - _A[1], PLANE.to_xy(38.9952, 117.3328)[0] - _A[0]
)
_HEHUI_YAW_RAD = math.atan2(
    PLANE.to_xy(38.9941, 117.3512)[1] - _C[1], PLANE.to_xy(38.9941, 117.3512)[0] - _C[0]
)
_AXIS = PLANE.to_xy(38.9812, 117.3397), PLANE.to_xy(38.9831, 117.3403)
_GATE_YAW_RAD = math.atan2(_AXIS[1][1] - _AXIS[0][1], _AXIS[1][0] - _AXIS[0][0])
_ALONG_YAW_RAD = math.atan2(_C[1] - _A[1], _C[0] - _A[0])
LEG_M = 320.0
GATE_LEG_M = 200.0


def _away(x_m: float, y_m: float, yaw_rad: float, length_m: float) -> tuple[float, float]:
    return x_m + length_m * math.cos(yaw_rad), y_m + length_m * math.sin(yaw_rad)


TONGYAN, YASHEN, HEHUI, AXIS = "同砚路", "雅深路", "和慧南路", "南开大学津南校区南门"

JUNCTIONS = (
    Junction(
        "a",
        IntersectionId(11301, REGION),
        f"{TONGYAN}-{YASHEN}",
        *_A,
        {
            Side.NORTH: Leg("an", YASHEN),
            Side.EAST: Leg("b", TONGYAN),
            Side.SOUTH: Leg("as", YASHEN),
            Side.WEST: Leg("w", TONGYAN),
        },
        SignalPlan(0.0),
    ),
    Junction(
        "b",
        IntersectionId(11302, REGION),
        f"{TONGYAN}-{AXIS}",
        *_B,
        {
            Side.NORTH: Leg("bn", AXIS, 2, CAMPUS_MPS),
            Side.EAST: Leg("c", TONGYAN),
            Side.WEST: Leg("a", TONGYAN),
        },
        SignalPlan(48.0, _GATE_PHASES),
    ),
    Junction(
        "c",
        IntersectionId(11201, REGION),
        f"{TONGYAN}-{HEHUI}",
        *_C,
        {
            Side.NORTH: Leg("cn", HEHUI),
            Side.EAST: Leg("e", TONGYAN),
            Side.SOUTH: Leg("cs", HEHUI),
            Side.WEST: Leg("b", TONGYAN),
        },
        SignalPlan(30.0),
    ),
)
JUNCTION_OF = {junction.node: junction for junction in JUNCTIONS}

ENDS = tuple(
    End(name, IntersectionId(number, REGION), *_away(*at, yaw, length))
    for name, number, at, yaw, length in (
        ("w", 11311, _A, _ALONG_YAW_RAD + math.pi, LEG_M),
        ("an", 11312, _A, _YASHEN_YAW_RAD, LEG_M),
        ("as", 11313, _A, _YASHEN_YAW_RAD + math.pi, LEG_M),
        ("bn", 11314, _B, _GATE_YAW_RAD, GATE_LEG_M),
        ("e", 11315, _C, _ALONG_YAW_RAD, LEG_M),
        ("cn", 11316, _C, _HEHUI_YAW_RAD, LEG_M),
        ("cs", 11317, _C, _HEHUI_YAW_RAD + math.pi, LEG_M),
    )
)
END_OF = {end.node: end for end in ENDS}

# Where buses stop on the way to the campus gate: distance of their fronts from the gate's centre.
BUS_STOP = "gate-west"
BUS_STOP_FRONT_M = 130.0
BUS_STOP_LENGTH_M = 30.0


def edge_id(from_node: str, to_node: str) -> str:
    """Name of an edge of the net."""
    return f"{from_node}-{to_node}"
