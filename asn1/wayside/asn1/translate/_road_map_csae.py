"""RoadMap: T/CSAE 53-2020 Msg_MAP.

A node has the links that lead to it; points are offsets from the node's position, in driving direction.
What leaves an intersection stands with the node it leads to, so the egress lanes of a J2735 intersection
need a node at their other end: a neighbour that the caller names, or one that stands in for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    SHARE_CSAE,
    read_id,
    read_lane_type,
    read_limits,
    read_maneuvers,
    write_id,
    write_lane_type,
    write_limits,
    write_maneuvers,
)
from wayside.asn1.translate._names import write_ascii
from wayside.asn1.translate._nodes import thin
from wayside.asn1.translate._places import read_offset, read_reference, write_offset, write_position
from wayside.asn1.translate._times import read_moy, write_moy
from wayside.asn1.translate._units import LANE_WIDTH_M, Lost, count, limit
from wayside.clock import UtcNs

Fields = dict[str, Any]
Neighbours = Mapping[tuple[IntersectionId, int], IntersectionId]

_POINTS = 31
_DRIVEN = (LaneKind.VEHICLE, LaneKind.BIKE, LaneKind.TRACKED)
_WALKED = (LaneKind.CROSSWALK, LaneKind.SIDEWALK)


def read_csae(value: Fields, near: UtcNs, lost: Lost) -> RoadMap:
    """RoadMap of a CSAE MAP: every driven lane is an ingress lane of its node, with its upstream node.

    A lane without points takes those of its link. Raises TranslateError(NO_POSITION) where a node's
    position is unavailable.
    """
    return RoadMap(
        value["msgCnt"],
        tuple(_read_node(node, lost, f"nodes[{i}]") for i, node in enumerate(value["nodes"])),
        read_moy(value.get("timeStamp"), near),
    )


def _read_node(node: Fields, lost: Lost, at: str) -> Intersection:
    reference = read_reference(node["refPos"], at + ".refPos")
    lanes: list[Lane] = []
    for i, link in enumerate(node.get("inLinks", ())):
        lanes += _read_link(link, reference, lost, f"{at}.inLinks[{i}]")
    return Intersection(read_id(node["id"]), reference, tuple(lanes), node.get("name", ""))


def _read_link(link: Fields, reference: Position, lost: Lost, at: str) -> list[Lane]:
    for name in ("name", "linkWidth"):
        if name in link:
            lost.append(f"{at}.{name}")
    upstream = read_id(link["upstreamNodeId"])
    limits = read_limits(link.get("speedLimits"), lost, at)
    line = _read_points(link.get("points"), reference, lost, at)
    phases = {read_id(m["remoteIntersection"]): m.get("phaseId") for m in link.get("movements", ())}
    detailed = any("connectsTo" in lane for lane in link["lanes"])
    lanes: list[Lane] = []
    for i, lane in enumerate(link["lanes"]):
        place = f"{at}.lanes[{i}]"
        points = _read_points(lane.get("points"), reference, lost, place)
        if not points and line:
            lost.append(f"{place}.points: none, the link's are taken")
            points = line
        attributes = lane.get("laneAttributes")
        kind, marks = LaneKind.VEHICLE, tuple[str, ...]()
        if attributes is not None:
            typed = read_lane_type(attributes["laneType"], lost, place)
            if typed is None:
                lost.append(f"{place}.kind: unknown, taken for striping, which nothing drives on")
                typed = LaneKind.STRIPING, ()
            kind, marks = typed
        connections = tuple(
            _read_connection(entry, phases, lost, f"{place}.connections[{k}]")
            for k, entry in enumerate(lane.get("connectsTo", ()))
        )
        if not detailed and kind in _DRIVEN:
            connections = tuple(Connection(None, remote, (), phase) for remote, phase in phases.items())
        shared = None if attributes is None else attributes.get("shareWith")
        lanes.append(
            Lane(
                lane["laneID"],
                kind,
                _direction(kind),
                points,
                LANE_WIDTH_M.read(lane.get("laneWidth")),
                read_maneuvers(lane.get("maneuvers"), lost, place),
                connections,
                read_limits(lane.get("speedLimits"), lost, place) or limits,
                None,
                upstream,
                SHARE_CSAE.read(shared, lost, place + ".share"),
                marks,
            )
        )
    return lanes


def _direction(kind: LaneKind) -> Direction:
    if kind in _DRIVEN:
        return Direction.INGRESS
    return Direction.BOTH if kind in _WALKED else Direction.NONE


def _read_points(
    points: list[Fields] | None, reference: Position, lost: Lost, at: str
) -> tuple[Position, ...]:
    found: list[Position] = []
    for i, point in enumerate(points or ()):
        position = read_offset(reference, point["posOffset"], lost, f"{at}.points[{i}]")
        if position is None:
            lost.append(f"{at}.points[{i}]: no position")
        else:
            found.append(position)
    return tuple(found)


def _read_connection(
    entry: Fields, phases: dict[IntersectionId, int | None], lost: Lost, at: str
) -> Connection:
    remote = read_id(entry["remoteIntersection"])
    target = entry.get("connectingLane", {})
    phase = entry.get("phaseId")
    return Connection(
        target.get("lane"),
        remote,
        read_maneuvers(target.get("maneuver"), lost, at),
        phase if phase is not None else phases.get(remote),
    )


class _Nodes:
    """The nodes of the message to be: lanes by the link they stand on, in order of appearance."""

    def __init__(self, message: RoadMap, neighbours: Neighbours, lost: Lost) -> None:
        self.heads: dict[IntersectionId, Intersection | Position] = {n.id: n for n in message.intersections}
        self.links: dict[tuple[IntersectionId, IntersectionId], list[tuple[Lane, str]]] = {}
        self.ends: dict[tuple[IntersectionId, int], IntersectionId] = {}
        self._neighbours = neighbours
        self._lost = lost
        self._stand_ins: dict[tuple[IntersectionId, str, int | None], IntersectionId] = {}
        self._used = set(self.heads) | set(neighbours.values())
        self._used |= {
            identity
            for node in message.intersections
            for lane in node.lanes
            for identity in (lane.upstream, *(c.remote for c in lane.connections))
            if identity is not None
        }
        for i, node in enumerate(message.intersections):
            for k, lane in enumerate(node.lanes):
                self._place(node, lane, f"intersections[{i}].lanes[{k}]")

    def _place(self, node: Intersection, lane: Lane, at: str) -> None:
        if len(lane.points) < 2:
            self._lost.append(f"{at}: fewer than two points")
            return
        if lane.direction is Direction.EGRESS:
            end = self._neighbour(node.id, "egress", lane.approach)
            if (end, node.id) in self.links and isinstance(self.heads.get(end), Intersection):
                self._lost.append(f"{at}: the link to {end} has its own lanes")
                return
            self.heads.setdefault(end, lane.points[-1])
            self.ends[(node.id, lane.lane_id)] = end
            self.links.setdefault((end, node.id), []).append((lane, at))
            return
        if lane.direction is not _direction(lane.kind):
            self._lost.append(f"{at}.direction: {lane.direction}")
        start = lane.upstream
        if start is None:
            start = self._neighbour(node.id, "ingress", lane.approach)
        self.links.setdefault((node.id, start), []).append((lane, at))

    def _neighbour(self, home: IntersectionId, side: str, approach: int | None) -> IntersectionId:
        if approach is not None and (home, approach) in self._neighbours:
            return self._neighbours[(home, approach)]
        key = (home, side, approach)
        if key not in self._stand_ins:
            number = next(
                (n for n in range(65535, -1, -1) if IntersectionId(n, home.region) not in self._used), None
            )
            if number is None:
                raise TranslateError(TranslateReason.TOO_MANY, "no free node number is left", where=str(home))
            stand_in = IntersectionId(number, home.region)
            self._used.add(stand_in)
            self._stand_ins[key] = stand_in
            self._lost.append(f"neighbour of {home} by {side} {approach}: unknown, {stand_in} stands in")
        return self._stand_ins[key]


def write_csae(message: RoadMap, lost: Lost, neighbours: Neighbours) -> Fields:
    """CSAE MAP. neighbours: node at the other end of an approach, by intersection and approach number.

    Raises TranslateError: MISSING without a lane, TOO_MANY, OUT_OF_RANGE.
    """
    nodes = _Nodes(message, neighbours, lost)
    if not nodes.links:
        raise TranslateError(TranslateReason.MISSING, "no lane with two points", where="intersections")
    if message.layer_id:
        lost.append(f"layer_id: {message.layer_id}")
    limit(len(nodes.heads), 63, "nodes")
    entries: list[Fields] = []
    for identity, head in nodes.heads.items():
        known = head if isinstance(head, Intersection) else None
        reference = known.reference if known is not None else head
        assert isinstance(reference, Position)
        entry: Fields = {
            "id": write_id(identity, f"node {identity}"),
            "refPos": write_position(reference, lost, f"node {identity}"),
        }
        if known is not None:
            name = write_ascii(known.name, 63, lost, f"node {identity}.name")
            if name is not None:
                entry = {"name": name} | entry
            if known.revision:
                lost.append(f"node {identity}.revision: {known.revision}")
        links = [
            _write_link(start, lanes, known or _home(message, start), reference, nodes, lost)
            for (end, start), lanes in nodes.links.items()
            if end == identity
        ]
        limit(len(links), 32, f"node {identity}")
        if links:
            entry["inLinks"] = links
        entries.append(entry)
    value: Fields = {"msgCnt": count(message.msg_count, 127, "msg_count")}
    if message.utc_ns is not None:
        value["timeStamp"] = write_moy(message.utc_ns).minute
    value["nodes"] = entries
    return value


def _home(message: RoadMap, identity: IntersectionId) -> Intersection | None:
    return next((node for node in message.intersections if node.id == identity), None)


def _write_link(
    start: IntersectionId,
    lanes: list[tuple[Lane, str]],
    home: Intersection | None,
    reference: Position,
    nodes: _Nodes,
    lost: Lost,
) -> Fields:
    limit(len(lanes), 32, lanes[0][1])
    entries = [_write_lane(lane, home, reference, nodes, lost, at) for lane, at in lanes]
    value: Fields = {"upstreamNodeId": write_id(start, lanes[0][1])}
    if home is not None and home.speed_limits:
        value["speedLimits"] = write_limits(home.speed_limits, lost, lanes[0][1])
    movements: dict[tuple[int, int | None], Fields] = {}
    for entry in entries:
        for connection in entry.get("connectsTo", ()):
            remote = connection["remoteIntersection"]
            key = (remote["id"], remote.get("region"))
            movement = movements.setdefault(key, {"remoteIntersection": remote})
            if "phaseId" in connection:
                movement.setdefault("phaseId", connection["phaseId"])
    driven = [entry for (lane, _), entry in zip(lanes, entries, strict=True) if lane.kind in _DRIVEN]
    if driven:
        value["points"] = driven[len(driven) // 2]["points"]
    if movements:
        value["movements"] = list(movements.values())[:32]
    value["lanes"] = entries
    return value


def _write_lane(
    lane: Lane, home: Intersection | None, reference: Position, nodes: _Nodes, lost: Lost, at: str
) -> Fields:
    if lane.name:
        lost.append(f"{at}.name")
    if lane.approach is not None:
        lost.append(f"{at}.approach: {lane.approach}")
    value: Fields = {"laneID": count(lane.lane_id, 255, at + ".lane_id")}
    width_m = lane.width_m if lane.width_m is not None or home is None else home.width_m
    if width_m is not None:
        value["laneWidth"] = LANE_WIDTH_M.write(width_m, lost, at + ".width_m")
    attributes: Fields = {"laneType": write_lane_type(lane.kind, lane.attributes, lost, at)}
    if lane.share:
        attributes["shareWith"] = SHARE_CSAE.write(lane.share, lost, at + ".share")
    value["laneAttributes"] = attributes
    if lane.maneuvers:
        value["maneuvers"] = write_maneuvers(lane.maneuvers, lost, at)
    connections = [
        entry
        for i, connection in enumerate(lane.connections)
        if (entry := _write_connection(connection, home, nodes, lost, f"{at}.connections[{i}]"))
    ]
    limit(len(connections), 16, at + ".connections")
    if connections:
        value["connectsTo"] = connections
    if lane.speed_limits:
        value["speedLimits"] = write_limits(lane.speed_limits, lost, at)
    value["points"] = [
        {"posOffset": write_offset(reference, point, lost, at + ".points")}
        for point in thin(lane.points, _POINTS, lost, at + ".points")
    ]
    return value


def _write_connection(
    connection: Connection, home: Intersection | None, nodes: _Nodes, lost: Lost, at: str
) -> Fields | None:
    remote = connection.remote
    if (remote is None or (home is not None and remote == home.id)) and connection.lane_id is not None:
        remote = None if home is None else nodes.ends.get((home.id, connection.lane_id))
    if remote is None:
        lost.append(f"{at}: lane {connection.lane_id} leads to no node")
        return None
    value: Fields = {"remoteIntersection": write_id(remote, at)}
    if connection.lane_id is not None:
        target: Fields = {"lane": count(connection.lane_id, 255, at)}
        if connection.maneuvers:
            target["maneuver"] = write_maneuvers(connection.maneuvers, lost, at)
        value["connectingLane"] = target
    elif connection.maneuvers:
        lost.append(f"{at}.maneuvers: no target lane")
    if connection.signal_group is not None:
        value["phaseId"] = count(connection.signal_group, 255, at + ".signal_group")
    if connection.connection_id is not None:
        lost.append(f"{at}.connection_id: {connection.connection_id}")
    return value
