from __future__ import annotations

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
from wayside.sim._crossing import (
    BIKE_WIDTH_M,
    CROSSWALK_WIDTH_M,
    EGRESS_WIDTH_M,
    INGRESS_WIDTH_M,
    LEG_END_M,
    SPEED_LIMIT_MPS,
    Crossing,
    RouteKey,
    Turn,
    lane_id,
)

# Region: province code of Tianjin (GB/T 2260). The numbers of the nodes are our own.
REGION = 12
CROSSING_ID = IntersectionId(11201, REGION)
NEIGHBOUR_IDS = tuple(IntersectionId(11202 + leg, REGION) for leg in range(4))
REVISION = 1
NAME = "Tongyan Rd / Hehui South Rd"

_MANEUVER = {Turn.LEFT: Maneuver.LEFT, Turn.STRAIGHT: Maneuver.STRAIGHT, Turn.RIGHT: Maneuver.RIGHT}
_LIMITS = (SpeedLimit("vehicleMaxSpeed", SPEED_LIMIT_MPS),)


def j2735_map(crossing: Crossing) -> RoadMap:
    """The crossing as one intersection: ingress, egress, bike lanes and crosswalks of all legs."""
    lanes: list[Lane] = []
    for leg in range(4):
        lanes += [_ingress(crossing, leg, lane, csae=False) for lane in (1, 2, 3)]
        for lane in (1, 2):
            points = _points(crossing, crossing.egress(leg, lane))
            lanes.append(
                Lane(
                    lane_id(leg, "egress", lane),
                    LaneKind.VEHICLE,
                    Direction.EGRESS,
                    points,
                    EGRESS_WIDTH_M,
                    approach=5 + leg,
                )
            )
        lanes.append(_bike(crossing, leg, csae=False))
        lanes.append(
            Lane(
                lane_id(leg, "bike_out"),
                LaneKind.BIKE,
                Direction.EGRESS,
                _points(crossing, crossing.bike(leg, outbound=True)),
                BIKE_WIDTH_M,
                approach=5 + leg,
            )
        )
        lanes.append(_crosswalk(crossing, leg, lane_id(leg, "crosswalk"), None))
    return RoadMap(1, (_intersection(crossing, lanes),))


def csae_map(crossing: Crossing) -> RoadMap:
    """The crossing as a node with the links that lead to it, and four neighbours with those that leave it.

    Lanes are numbered per link: 1..3 (or 1..2 when leaving), then the bike lane, then the crosswalk.
    """
    lanes: list[Lane] = []
    neighbours: list[Intersection] = []
    for leg in range(4):
        lanes += [_ingress(crossing, leg, lane, csae=True) for lane in (1, 2, 3)]
        lanes.append(_bike(crossing, leg, csae=True))
        lanes.append(_crosswalk(crossing, leg, 5, NEIGHBOUR_IDS[leg]))
        leaving = [
            (LaneKind.VEHICLE, crossing.egress(leg, 1), EGRESS_WIDTH_M),
            (LaneKind.VEHICLE, crossing.egress(leg, 2), EGRESS_WIDTH_M),
            (LaneKind.BIKE, crossing.bike(leg, outbound=True), BIKE_WIDTH_M),
        ]
        neighbours.append(
            Intersection(
                NEIGHBOUR_IDS[leg],
                _position(crossing, *crossing.at(leg, LEG_END_M, 0.0)),
                tuple(
                    Lane(n, kind, Direction.INGRESS, _points(crossing, line), width, upstream=CROSSING_ID)
                    for n, (kind, line, width) in enumerate(leaving, start=1)
                ),
                name=f"{crossing.legs[leg].name} of {NAME}",
                speed_limits=_LIMITS,
            )
        )
    return RoadMap(1, (_intersection(crossing, lanes), *neighbours))


def _intersection(crossing: Crossing, lanes: list[Lane]) -> Intersection:
    return Intersection(
        CROSSING_ID,
        _position(crossing, 0.0, 0.0),
        tuple(lanes),
        name=NAME,
        revision=REVISION,
        width_m=INGRESS_WIDTH_M,
        speed_limits=_LIMITS,
    )


def _ingress(crossing: Crossing, leg: int, lane: int, *, csae: bool) -> Lane:
    connections: list[Connection] = []
    maneuvers: list[Maneuver] = []
    for key in crossing.keys():
        if (key.leg, key.lane) == (leg, lane):
            connections.append(_connection(crossing, key, csae=csae))
            maneuvers += connections[-1].maneuvers
    return Lane(
        lane if csae else lane_id(leg, "ingress", lane),
        LaneKind.VEHICLE,
        Direction.INGRESS,
        _points(crossing, crossing.ingress(leg, lane)),
        INGRESS_WIDTH_M,
        tuple(maneuvers),
        tuple(connections),
        approach=None if csae else 1 + leg,
        upstream=NEIGHBOUR_IDS[leg] if csae else None,
    )


def _connection(crossing: Crossing, key: RouteKey, *, csae: bool) -> Connection:
    route = crossing.routes[key]
    maneuvers: tuple[Maneuver, ...] = (_MANEUVER[key.turn],)
    if key.turn is Turn.RIGHT:
        # A right turn on a round red light is allowed in China (implementing regulations, art. 38).
        maneuvers = (Maneuver.RIGHT, Maneuver.RIGHT_ON_RED)
    if csae:
        target = crossing.egress_lane_of(key.lane)
        return Connection(target, NEIGHBOUR_IDS[route.exit_leg], maneuvers, route.group)
    number = 8 * key.leg + 2 * key.lane + (1 if key.turn is Turn.RIGHT else 0)
    return Connection(route.lane_ids[1], None, maneuvers, route.group, number)


def _bike(crossing: Crossing, leg: int, *, csae: bool) -> Lane:
    route = crossing.bike_routes[leg]
    straight = (Maneuver.STRAIGHT,)
    if csae:
        connection = Connection(3, NEIGHBOUR_IDS[route.exit_leg], straight, route.group)
    else:
        connection = Connection(route.lane_ids[1], None, straight, route.group, 8 * leg + 8)
    return Lane(
        4 if csae else route.lane_ids[0],
        LaneKind.BIKE,
        Direction.INGRESS,
        _points(crossing, crossing.bike(leg, outbound=False)),
        BIKE_WIDTH_M,
        straight,
        (connection,),
        approach=None if csae else 1 + leg,
        upstream=NEIGHBOUR_IDS[leg] if csae else None,
    )


def _crosswalk(crossing: Crossing, leg: int, number: int, upstream: IntersectionId | None) -> Lane:
    return Lane(
        number,
        LaneKind.CROSSWALK,
        Direction.BOTH,
        _points(crossing, crossing.crosswalk(leg)),
        CROSSWALK_WIDTH_M,
        approach=1 + leg if upstream is None else None,
        upstream=upstream,
    )


def _points(crossing: Crossing, line: Polyline) -> tuple[Position, ...]:
    return tuple(_position(crossing, float(x), float(y)) for x, y in line.points)


def _position(crossing: Crossing, x_m: float, y_m: float) -> Position:
    lat, lon = crossing.plane.to_lat_lon(x_m, y_m)
    return Position(round(lat, 7), round(lon, 7))
