from __future__ import annotations

from typing import NamedTuple

from wayside.asn1.messages import (
    Connection,
    Direction,
    Intersection,
    IntersectionId,
    Lane,
    LaneKind,
    Maneuver,
    Position,
    RoadMap,
    SpeedLimit,
)
from wayside.geo import Polyline
from wayside.sim._crossing import Turn
from wayside.sim.corridor._movements import Link, group_of, links
from wayside.sim.corridor._net import corridor_net
from wayside.sim.corridor._places import (
    ARTERIAL_MPS,
    BIKE_LANE,
    END_OF,
    FIRST_VEHICLE_LANE,
    JUNCTION_OF,
    JUNCTIONS,
    PLANE,
    VEHICLE_LANE_M,
    Junction,
    Leg,
    Side,
    edge_id,
)

REVISION = 1
# Offsets from node to node are bounded in J2735 (327.67 m): long lanes get nodes between.
_NODE_EVERY_M = 150.0
_MANEUVER = {Turn.LEFT: Maneuver.LEFT, Turn.STRAIGHT: Maneuver.STRAIGHT, Turn.RIGHT: Maneuver.RIGHT}


class _Numbers(NamedTuple):
    """Numbers of the lanes of a leg: ingress from the innermost, then what the family puts behind."""

    family: str
    side: Side

    def ingress(self, leg: Leg, lane: int) -> int:
        """Number of a lane of the net that leads to the crossing."""
        inner = leg.lanes + 1 if lane == BIKE_LANE else FIRST_VEHICLE_LANE + leg.lanes - lane
        if self.family == "csae":
            return inner
        return 10 * self.side.number + (7 if lane == BIKE_LANE else inner)

    def egress(self, leg: Leg, lane: int) -> int:
        """Number of a lane of the net that leaves the crossing towards a rim of the corridor."""
        inner = leg.lanes + 1 if lane == BIKE_LANE else FIRST_VEHICLE_LANE + leg.lanes - lane
        if self.family == "csae":
            return inner
        return 10 * self.side.number + (8 if lane == BIKE_LANE else 3 + inner)

    def crosswalk(self, leg: Leg) -> int:
        """Number of the crosswalk over the leg."""
        return leg.lanes + 2 if self.family == "csae" else 10 * self.side.number + 9


def j2735_maps() -> tuple[RoadMap, ...]:
    """Each crossing as a message of its own: lanes to it, crosswalks, and lanes to the rims of the corridor.

    Ten lane numbers a leg, clockwise from north: ingress 1 to 3, egress 4 to 6, bicycles 7 in and 8 out,
    crosswalk 9. What leads to another crossing is an ingress lane there, of the remote intersection.
    """
    return tuple(RoadMap(1, (_j2735(junction),)) for junction in JUNCTIONS)


def csae_maps() -> tuple[RoadMap, ...]:
    """Each crossing as a message of its own: its node with the links to it, and the nodes of the rims beside
    it with the links that leave to them.

    Lanes are numbered per link from the innermost: motor vehicles, bicycles, crosswalk.
    """
    return tuple(
        RoadMap(
            1,
            (
                _csae(junction),
                *(_rim(junction, s) for s, leg in junction.legs.items() if leg.other in END_OF),
            ),
        )
        for junction in JUNCTIONS
    )


def node_id(node: str) -> IntersectionId:
    """Number of a crossing, or of a rim in the CSAE map."""
    return JUNCTION_OF[node].id if node in JUNCTION_OF else END_OF[node].id


def _j2735(junction: Junction) -> Intersection:
    lanes: list[Lane] = []
    for side, leg in junction.legs.items():
        lanes += _into(junction, side, "j2735")
        if leg.other in END_OF:
            lanes += _out(junction, side, "j2735")
        lanes.append(_crosswalk(junction, side, "j2735"))
    return _intersection(junction, lanes)


def _csae(junction: Junction) -> Intersection:
    lanes: list[Lane] = []
    for side in junction.legs:
        lanes += _into(junction, side, "csae")
        lanes.append(_crosswalk(junction, side, "csae"))
    return _intersection(junction, lanes)


def _rim(junction: Junction, side: Side) -> Intersection:
    leg = junction.legs[side]
    return Intersection(
        node_id(leg.other),
        _position(*corridor_net().nodes[leg.other]),
        tuple(_out(junction, side, "csae")),
        name=f"{side.value} of {_NAMES[junction.node]}",
        speed_limits=(SpeedLimit("vehicleMaxSpeed", leg.limit_mps),),
    )


def _intersection(junction: Junction, lanes: list[Lane]) -> Intersection:
    return Intersection(
        junction.id,
        _position(*corridor_net().nodes[junction.node]),
        tuple(lanes),
        name=_NAMES[junction.node],
        revision=REVISION,
        width_m=VEHICLE_LANE_M,
        speed_limits=(SpeedLimit("vehicleMaxSpeed", ARTERIAL_MPS),),
    )


# Both families take ASCII only.
_NAMES = {
    "a": "Tongyan Rd / Yashen Rd",
    "b": "Tongyan Rd / campus gate",
    "c": "Tongyan Rd / Hehui South Rd",
}


def _into(junction: Junction, side: Side, family: str) -> list[Lane]:
    leg, net = junction.legs[side], corridor_net()
    edge = edge_id(leg.other, junction.node)
    ways = [link for link in links(junction) if link.side is side]
    out: list[Lane] = []
    for number in (*range(FIRST_VEHICLE_LANE + leg.lanes - 1, FIRST_VEHICLE_LANE - 1, -1), BIKE_LANE):
        lane = net.lanes[f"{edge}_{number}"]
        connections = tuple(_connection(junction, link, family) for link in ways if link.from_lane == number)
        out.append(
            Lane(
                _Numbers(family, side).ingress(leg, number),
                LaneKind.BIKE if number == BIKE_LANE else LaneKind.VEHICLE,
                Direction.INGRESS,
                _points(lane.line),
                lane.width_m,
                tuple(m for connection in connections for m in connection.maneuvers),
                connections,
                _limits(leg),
                approach=1 + side.number if family == "j2735" else None,
                upstream=node_id(leg.other) if family == "csae" else None,
            )
        )
    return out


def _out(junction: Junction, side: Side, family: str) -> list[Lane]:
    leg, net = junction.legs[side], corridor_net()
    edge = edge_id(junction.node, leg.other)
    out: list[Lane] = []
    for number in (*range(FIRST_VEHICLE_LANE + leg.lanes - 1, FIRST_VEHICLE_LANE - 1, -1), BIKE_LANE):
        lane = net.lanes[f"{edge}_{number}"]
        out.append(
            Lane(
                _Numbers(family, side).egress(leg, number),
                LaneKind.BIKE if number == BIKE_LANE else LaneKind.VEHICLE,
                Direction.EGRESS if family == "j2735" else Direction.INGRESS,
                _points(lane.line),
                lane.width_m,
                speed_limits=_limits(leg),
                approach=5 + side.number if family == "j2735" else None,
                upstream=junction.id if family == "csae" else None,
            )
        )
    return out


def _crosswalk(junction: Junction, side: Side, family: str) -> Lane:
    leg, net = junction.legs[side], corridor_net()
    edge = edge_id(leg.other, junction.node)
    crossing = next(c for c in net.crossings.values() if c.node == junction.node and edge in c.edges)
    return Lane(
        _Numbers(family, side).crosswalk(leg),
        LaneKind.CROSSWALK,
        Direction.BOTH,
        _points(crossing.line),
        crossing.width_m,
        approach=1 + side.number if family == "j2735" else None,
        upstream=node_id(leg.other) if family == "csae" else None,
    )


def _connection(junction: Junction, link: Link, family: str) -> Connection:
    leg = junction.legs[link.out_side]
    maneuvers: tuple[Maneuver, ...] = (_MANEUVER[link.turn],)
    if link.turn is Turn.RIGHT and link.from_lane != BIKE_LANE:
        # A right turn on a round red light is allowed in China (implementing regulations, art. 38).
        maneuvers = (Maneuver.RIGHT, Maneuver.RIGHT_ON_RED)
    group = group_of(link.side, link.turn)
    if family == "csae":
        target = _Numbers(family, link.out_side).egress(leg, link.to_lane)
        return Connection(target, node_id(leg.other), maneuvers, group)
    number = 1 + links(junction).index(link)
    if leg.other in END_OF:
        target = _Numbers(family, link.out_side).egress(leg, link.to_lane)
        return Connection(target, None, maneuvers, group, number)
    other = JUNCTION_OF[leg.other]
    side = next(s for s, back in other.legs.items() if back.other == junction.node)
    target = _Numbers(family, side).ingress(other.legs[side], link.to_lane)
    return Connection(target, other.id, maneuvers, group, number)


def _limits(leg: Leg) -> tuple[SpeedLimit, ...]:
    return () if leg.limit_mps == ARTERIAL_MPS else (SpeedLimit("vehicleMaxSpeed", leg.limit_mps),)


def _points(line: Polyline) -> tuple[Position, ...]:
    pieces = max(1, -int(-line.length_m // _NODE_EVERY_M))
    between = {line.length_m * k / pieces for k in range(pieces + 1)}
    return tuple(_position(*line.point_at(along)) for along in sorted(between | set(_bends(line))))


def _bends(line: Polyline) -> list[float]:
    along = [line.project(float(x), float(y)).along_m for x, y in line.points]
    return along[1:-1]


def _position(x_m: float, y_m: float) -> Position:
    lat, lon = PLANE.to_lat_lon(x_m, y_m)
    return Position(round(lat, 7), round(lon, 7))
