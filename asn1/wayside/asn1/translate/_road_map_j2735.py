"""RoadMap: SAE J2735 MSG_MapData.

On the wire every lane runs away from the stop line or the intersection, ingress lanes included, and each
node is an offset from the one before it. In a RoadMap ingress lanes are turned into driving direction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from wayside.asn1.messages import (
    Connection,
    Direction,
    Intersection,
    IntersectionId,
    Lane,
    LaneKind,
    Position,
    RoadMap,
)
from wayside.asn1.translate._errors import TranslateError, TranslateReason
from wayside.asn1.translate._lanes import (
    SHARE_J2735,
    read_id,
    read_lane_type,
    read_limits,
    read_maneuvers,
    write_id,
    write_lane_type,
    write_limits,
    write_maneuvers,
)
from wayside.asn1.translate._names import alternative, enum_name, write_ascii
from wayside.asn1.translate._nodes import NODES, NodeLine, read_xy, thin, transform, write_xy
from wayside.asn1.translate._places import read_reference, write_position
from wayside.asn1.translate._times import read_moy, write_moy
from wayside.asn1.translate._units import LANE_WIDTH_M, Lost, count, limit
from wayside.clock import UtcNs

Fields = dict[str, Any]
LaneName = tuple[IntersectionId | None, int]

_INGRESS, _EGRESS = 0x80, 0x40
_DIRECTIONS = {
    0: Direction.NONE,
    _INGRESS: Direction.INGRESS,
    _EGRESS: Direction.EGRESS,
    _INGRESS | _EGRESS: Direction.BOTH,
}
_DIRECTION_BITS = {direction: bits for bits, direction in _DIRECTIONS.items()}
_SCALE_STEP = 0.0005
_COMPUTED_DEPTH = 8
_WIDTH_STEP = 512
_APPROACHES = 15


def read_j2735(value: Fields, near: UtcNs, lost: Lost) -> RoadMap:
    """RoadMap of a J2735 MAP. A lane whose nodes cannot be placed keeps its other members, without points.

    Raises TranslateError(NO_POSITION) where a reference point is unavailable.
    """
    for name in ("roadSegments", "dataParameters", "restrictionList", "regional"):
        if name in value:
            lost.append(name)
    if enum_name(value.get("layerType", "intersectionData")) != "intersectionData":
        lost.append("layerType")
    return RoadMap(
        value["msgIssueRevision"],
        tuple(
            _read_intersection(entry, lost, f"intersections[{i}]")
            for i, entry in enumerate(value.get("intersections", ()))
        ),
        read_moy(value.get("timeStamp"), near),
        value.get("layerID"),
    )


def _read_intersection(entry: Fields, lost: Lost, at: str) -> Intersection:
    reference = read_reference(entry["refPoint"], at + ".refPoint")
    for name in ("preemptPriorityData", "regional", "roadAuthorityID"):
        if name in entry:
            lost.append(f"{at}.{name}")
    width_m = LANE_WIDTH_M.read(entry.get("laneWidth"))
    lines = _read_lines(reference, entry["laneSet"], lost, at)
    return Intersection(
        read_id(entry["id"]),
        reference,
        tuple(
            _read_lane(lane, lines[i], width_m, lost, f"{at}.lanes[{i}]")
            for i, lane in enumerate(entry["laneSet"])
        ),
        entry.get("name", ""),
        entry["revision"],
        width_m,
        read_limits(entry.get("speedLimits"), lost, at),
    )


def _read_lines(reference: Position, lanes: list[Fields], lost: Lost, at: str) -> list[NodeLine | None]:
    """Node line of each lane in wire order; computed lanes by way of the lane they refer to."""
    lines: list[NodeLine | None] = [None] * len(lanes)
    index: dict[int, int] = {}
    waiting: list[int] = []
    for i, lane in enumerate(lanes):
        index.setdefault(lane["laneID"], i)
        form, nodes = alternative(lane["nodeList"])
        if form == "nodes":
            lines[i] = read_xy(reference, nodes, lost, f"{at}.lanes[{i}]")
            if lines[i] is None:
                lost.append(f"{at}.lanes[{i}].nodes: a node has no place")
        elif form == "computed":
            waiting.append(i)
        else:
            lost.append(f"{at}.lanes[{i}].nodes: unknown form")
    for _ in range(_COMPUTED_DEPTH):
        waiting = [i for i in waiting if not _compute(reference, lanes, lines, index, i)]
    lost.extend(f"{at}.lanes[{i}].nodes: computed from a lane that has no place" for i in waiting)
    return lines


def _compute(
    reference: Position, lanes: list[Fields], lines: list[NodeLine | None], index: dict[int, int], i: int
) -> bool:
    computed = alternative(lanes[i]["nodeList"])[1]
    source = index.get(computed["referenceLaneId"])
    line = None if source is None or source == i else lines[source]
    if line is None:
        return False
    shift = tuple(alternative(computed[axis])[1] / 100 for axis in ("offsetXaxis", "offsetYaxis"))
    stretch = tuple(1.0 + computed.get(axis, 0) * _SCALE_STEP for axis in ("scaleXaxis", "scaleYaxis"))
    turn_deg = computed.get("rotateXY", 0) / 80
    points = transform(reference, line.points, (shift[0], shift[1]), turn_deg, (stretch[0], stretch[1]))
    if points is None:
        return False
    lines[i] = NodeLine(points, {})
    return True


def _read_lane(lane: Fields, line: NodeLine | None, width_m: float | None, lost: Lost, at: str) -> Lane:
    attributes = lane["laneAttributes"]
    bits = attributes["directionalUse"][0][0] & (_INGRESS | _EGRESS)
    direction = _DIRECTIONS[bits]
    typed = read_lane_type(attributes["laneType"], lost, at)
    if typed is None:
        lost.append(f"{at}.kind: unknown, taken for striping, which nothing drives on")
        typed = LaneKind.STRIPING, ()
    for name in ("overlays", "regional"):
        if name in lane:
            lost.append(f"{at}.{name}")
    if "regional" in attributes:
        lost.append(f"{at}.laneAttributes.regional")
    ingress, egress = lane.get("ingressApproach"), lane.get("egressApproach")
    approach = egress if direction is Direction.EGRESS or ingress is None else ingress
    if ingress is not None and egress is not None and ingress != egress:
        lost.append(f"{at}.approach: {egress if approach == ingress else ingress}")
    points = () if line is None else line.points
    first = {} if line is None else line.first
    own_width = None
    if first.get("dWidth"):
        own_width = (width_m or 0.0) + first["dWidth"] / 100
    limits: list[Fields] = []
    for item in first.get("data", ()):
        name, data = alternative(item)
        if name == "speedLimits":
            limits += data
        else:
            lost.append(f"{at}.nodes: {name or 'unknown'} of the first")
    return Lane(
        lane["laneID"],
        typed[0],
        direction,
        points[::-1] if direction is Direction.INGRESS else points,
        own_width,
        read_maneuvers(lane.get("maneuvers"), lost, at),
        tuple(
            _read_connection(entry, lost, f"{at}.connections[{i}]")
            for i, entry in enumerate(lane.get("connectsTo", ()))
        ),
        read_limits(limits, lost, at),
        approach,
        None,
        SHARE_J2735.read(attributes["sharedWith"], lost, at + ".share"),
        typed[1],
        lane.get("name", ""),
    )


def _read_connection(entry: Fields, lost: Lost, at: str) -> Connection:
    if "userClass" in entry:
        lost.append(f"{at}.userClass")
    target = entry["connectingLane"]
    remote = entry.get("remoteIntersection")
    return Connection(
        target["lane"],
        None if remote is None else read_id(remote),
        read_maneuvers(target.get("maneuver"), lost, at),
        entry.get("signalGroup"),
        entry.get("connectionID"),
    )


class _Numbers:
    """Lane numbers of one intersection on the wire: a lane keeps its own where that is free."""

    def __init__(self) -> None:
        self._of: dict[tuple[IntersectionId, IntersectionId | None, int], int] = {}
        self._used: set[int] = set()

    def give(self, home: IntersectionId, lane: Lane, lost: Lost, at: str) -> int:
        number = lane.lane_id
        if number in self._used or not 0 <= number <= 255:
            free = next((n for n in range(1, 255) if n not in self._used), None)
            if free is None:
                raise TranslateError(TranslateReason.TOO_MANY, "no free lane number is left", where=at)
            lost.append(f"{at}.lane_id: {number} carried as {free}")
            number = free
        self._used.add(number)
        self._of.setdefault((home, lane.upstream, lane.lane_id), number)
        return number

    def find(self, home: IntersectionId, upstream: IntersectionId | None, lane_id: int | None) -> int | None:
        return None if lane_id is None else self._of.get((home, upstream, lane_id))


class _Placed(NamedTuple):
    lane: Lane
    number: int
    egress: bool
    at: str


def write_j2735(message: RoadMap, lost: Lost) -> Fields:
    """J2735 MAP.

    Lanes of a link that leaves an intersection for another (CSAE: they stand with the node they lead to)
    become egress lanes of the intersection they leave; a node that has nothing but such lanes is no
    intersection of its own. Raises TranslateError: MISSING without a lane, TOO_MANY, OUT_OF_RANGE.
    """
    leaving: dict[IntersectionId, list[tuple[IntersectionId, Lane, str]]] = {}
    for i, node in enumerate(message.intersections):
        for k, lane in enumerate(node.lanes):
            if lane.upstream is not None and lane.direction is Direction.INGRESS:
                leaving.setdefault(lane.upstream, []).append(
                    (node.id, lane, f"intersections[{i}].lanes[{k}]")
                )
    present = {node.id for node in message.intersections}
    entries: list[Fields] = []
    for i, node in enumerate(message.intersections):
        at = f"intersections[{i}]"
        if not node.lanes and node.id not in leaving:
            lost.append(f"{at}: no lanes")
            continue
        if _only_receives(node, present) and node.id not in leaving:
            continue
        entry = _write_intersection(node, leaving.get(node.id, []), lost, at)
        if entry["laneSet"]:
            entries.append(entry)
        else:
            lost.append(f"{at}: no lane with two points")
    if not entries:
        raise TranslateError(TranslateReason.MISSING, "no intersection with a lane", where="intersections")
    limit(len(entries), 32, "intersections")
    value: Fields = {}
    if message.utc_ns is not None:
        value["timeStamp"] = write_moy(message.utc_ns).minute
    value |= {
        "msgIssueRevision": count(message.msg_count, 127, "msg_count"),
        "layerType": "intersectionData",
    }
    if message.layer_id is not None:
        value["layerID"] = count(message.layer_id, 100, "layer_id")
    value["intersections"] = entries
    return value


def _only_receives(node: Intersection, present: set[IntersectionId]) -> bool:
    """Whether a node does nothing but end the links that leave other intersections of the message."""
    return all(lane.upstream in present and not lane.connections for lane in node.lanes)


def _write_intersection(
    node: Intersection, leaving: list[tuple[IntersectionId, Lane, str]], lost: Lost, at: str
) -> Fields:
    numbers = _Numbers()
    placed: list[_Placed] = []
    for k, lane in enumerate(node.lanes):
        place = f"{at}.lanes[{k}]"
        if len(lane.points) < 2:
            lost.append(f"{place}: fewer than two points")
            continue
        egress = lane.direction is Direction.EGRESS
        placed.append(_Placed(lane, numbers.give(node.id, lane, lost, place), egress, place))
    for home, lane, place in leaving:
        if len(lane.points) >= 2 and home != node.id:
            placed.append(_Placed(lane, numbers.give(home, lane, lost, place), True, place))
    limit(len(placed), 255, at + ".lanes")
    width_m = node.width_m if node.width_m is not None else _usual_width(lane for lane, *_ in placed)
    value: Fields = {
        "id": write_id(node.id, at + ".id"),
        "revision": count(node.revision, 127, at + ".revision"),
        "refPoint": write_position(node.reference, lost, at + ".reference"),
    }
    name = write_ascii(node.name, 63, lost, at + ".name")
    if name is not None:
        value = {"name": name} | value
    if width_m is not None:
        value["laneWidth"] = LANE_WIDTH_M.write(width_m, lost, at + ".width_m")
    if node.speed_limits:
        value["speedLimits"] = write_limits(node.speed_limits, lost, at)
    approaches = _Approaches(placed)
    value["laneSet"] = [_write_lane(p, node, numbers, approaches.of(p), width_m, lost) for p in placed]
    return value


def _usual_width(lanes: Iterable[Lane]) -> float | None:
    widths = Counter(lane.width_m for lane in lanes if lane.width_m is not None)
    return widths.most_common(1)[0][0] if widths else None


class _Approaches:
    """Approach numbers: a lane's own, else one for each link, counted up."""

    def __init__(self, placed: list[_Placed]) -> None:
        self._of: dict[tuple[bool, IntersectionId | None], int] = {}
        taken = {p.lane.approach for p in placed}
        free = iter([n for n in range(1, _APPROACHES + 1) if n not in taken])
        for p in placed:
            key = (p.egress, p.lane.upstream)
            if p.lane.approach is None and p.lane.upstream is not None and key not in self._of:
                number = next(free, None)
                if number is not None:
                    self._of[key] = number

    def of(self, placed: _Placed) -> int | None:
        lane = placed.lane
        return lane.approach if lane.approach is not None else self._of.get((placed.egress, lane.upstream))


def _write_lane(
    placed: _Placed,
    node: Intersection,
    numbers: _Numbers,
    approach: int | None,
    width_m: float | None,
    lost: Lost,
) -> Fields:
    lane, at = placed.lane, placed.at
    direction = Direction.EGRESS if placed.egress else lane.direction
    points = lane.points[::-1] if direction is Direction.INGRESS else lane.points
    try:
        nodes = write_xy(node.reference, thin(points, NODES, lost, at + ".points"), lost, at + ".points")
    except ValueError as error:
        raise TranslateError(TranslateReason.OUT_OF_RANGE, str(error), where=at) from error
    first: Fields = {}
    if lane.speed_limits:
        first["data"] = [("speedLimits", write_limits(lane.speed_limits, lost, at))]
    if lane.width_m is not None:
        wider = round((lane.width_m - (width_m or 0.0)) * 100)
        if not -_WIDTH_STEP <= wider < _WIDTH_STEP:
            lost.append(f"{at}.width_m: {lane.width_m:g}")
        elif wider:
            first["dWidth"] = wider
    if first:
        nodes[0]["attributes"] = first | nodes[0].get("attributes", {})
    value: Fields = {"laneID": placed.number}
    name = write_ascii(lane.name, 63, lost, at + ".name")
    if name is not None:
        value["name"] = name
    if approach is not None:
        side = "egressApproach" if direction is Direction.EGRESS else "ingressApproach"
        value[side] = count(approach, 15, at + ".approach")
    value["laneAttributes"] = {
        "directionalUse": (bytes((_DIRECTION_BITS[direction],)), 2),
        "sharedWith": SHARE_J2735.write(lane.share, lost, at + ".share"),
        "laneType": write_lane_type(lane.kind, lane.attributes, lost, at),
    }
    if lane.maneuvers:
        value["maneuvers"] = write_maneuvers(lane.maneuvers, lost, at)
    value["nodeList"] = ("nodes", nodes)
    if not placed.egress or lane.direction is Direction.EGRESS:
        connections = [
            entry
            for i, connection in enumerate(lane.connections)
            if (entry := _write_connection(connection, node, numbers, lost, f"{at}.connections[{i}]"))
        ]
        limit(len(connections), 16, at + ".connections")
        if connections:
            value["connectsTo"] = connections
    return value


def _write_connection(
    connection: Connection, node: Intersection, numbers: _Numbers, lost: Lost, at: str
) -> Fields | None:
    remote: IntersectionId | None = connection.remote
    number = connection.lane_id
    if remote is not None and remote != node.id:
        leaving = numbers.find(remote, node.id, connection.lane_id)
        if leaving is not None:
            number, remote = leaving, None
    if number is None:
        lost.append(f"{at}: no target lane")
        return None
    target: Fields = {"lane": count(number, 255, at)}
    if connection.maneuvers:
        target["maneuver"] = write_maneuvers(connection.maneuvers, lost, at)
    value: Fields = {"connectingLane": target}
    if remote is not None:
        value["remoteIntersection"] = write_id(remote, at)
    if connection.signal_group is not None:
        value["signalGroup"] = count(connection.signal_group, 255, at + ".signal_group")
    if connection.connection_id is not None:
        value["connectionID"] = count(connection.connection_id, 255, at + ".connection_id")
    return value
