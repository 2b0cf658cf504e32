"""MAP as a JSON body, to and from the value of T/CSAE 53-2020. Pure.

Nodes, links, lanes and connections have the names that OpenV2X and the DRIS pages give them; points are
absolute. Those sources leave open how a lane's type and the bit strings stand in JSON: an object of one key,
and the number whose highest bit is the first (own).
"""

from __future__ import annotations

from typing import Any

from wayside.rsu.vendors.tits0117.wire import names
from wayside.rsu.vendors.tits0117.wire.bodies import Transcoded
from wayside.rsu.vendors.tits0117.wire.fields import (
    Account,
    Fields,
    json_position,
    malformed,
    offset_of,
    place_of,
    read_position,
)

MAX_NODES = 63
_MANEUVER_BITS = 12
_SHARING_BITS = 10
_LANE_TYPE_BITS = {
    "vehicle": 8,
    "crosswalk": 16,
    "bikeLane": 16,
    "sidewalk": 16,
    "median": 16,
    "striping": 16,
    "trackedVehicle": 16,
    "parking": 16,
}


def read_map(body: Any) -> list[Transcoded]:
    """The map of a body, or of a slice of one. Raises RsuError MALFORMED, TOO_LARGE."""
    account = Account()
    inner = body.get("map", body) if isinstance(body, dict) else body
    fields = Fields(inner, "map", account)
    nodes = [_node(node) for node in fields.children("nodes", MAX_NODES)]
    if not nodes:
        raise malformed("no node", "map.nodes")
    value: dict[str, Any] = {"msgCnt": fields.integer("msgCnt", 0, 127, 0), "nodes": nodes}
    minute = fields.optional("timeStamp", 0, 527_040)
    if minute is not None:
        value["timeStamp"] = minute
    fields.end()
    return [Transcoded(("mapFrame", value), account)]


def write_map(value: dict[str, Any]) -> dict[str, Any]:
    """The map of a body."""
    written: dict[str, Any] = {"msgCnt": value["msgCnt"]}
    if "timeStamp" in value:
        written["timeStamp"] = value["timeStamp"]
    written["nodes"] = [_write_node(node) for node in value["nodes"]]
    return written


def _node(fields: Fields) -> dict[str, Any]:
    place = read_position(fields.demand("refPos"))
    node: dict[str, Any] = {"id": names.read_node(fields.demand("id")), "refPos": place}
    _name(fields, node)
    links = [_link(link) for link in fields.children("inLinks", 32)]
    if links:
        node["inLinks"] = links
    fields.end()
    return node


def _write_node(node: dict[str, Any]) -> dict[str, Any]:
    place = node["refPos"]
    written: dict[str, Any] = {"id": dict(node["id"]), "refPos": json_position(place)}
    if "name" in node:
        written["name"] = node["name"]
    if "inLinks" in node:
        written["inLinks"] = [_write_link(link, place) for link in node["inLinks"]]
    return written


def _link(fields: Fields) -> dict[str, Any]:
    link: dict[str, Any] = {"upstreamNodeId": names.read_node(fields.demand("upstreamNodeId"))}
    _name(fields, link)
    width = fields.optional("linkWidth", 0, 32_767)
    if width is not None:
        link["linkWidth"] = width
    _speeds_and_points(fields, link)
    movements = []
    for one in fields.children("movements", 32):
        node = names.read_node(one.demand("remoteIntersection"))
        movements.append(_phase(one, {"remoteIntersection": node}))
        one.end()
    if movements:
        link["movements"] = movements
    link["lanes"] = [_lane(lane) for lane in fields.children("lanes", 32)]
    if not link["lanes"]:
        raise malformed("no lane", fields.at("lanes"))
    fields.end()
    return link


def _write_link(link: dict[str, Any], place: dict[str, int]) -> dict[str, Any]:
    written: dict[str, Any] = {"upstreamNodeId": dict(link["upstreamNodeId"])}
    written |= {key: link[key] for key in ("name", "linkWidth") if key in link}
    _write_speeds_and_points(link, written, place)
    if "movements" in link:
        written["movements"] = [
            {**one, "remoteIntersection": dict(one["remoteIntersection"])} for one in link["movements"]
        ]
    written["lanes"] = [_write_lane(lane, place) for lane in link["lanes"]]
    return written


def _lane(fields: Fields) -> dict[str, Any]:
    lane: dict[str, Any] = {"laneID": fields.integer("laneId", 0, 255)}
    width = fields.optional("laneWidth", 0, 32_767)
    if width is not None:
        lane["laneWidth"] = width
    attributes = fields.child("laneAttributes")
    if attributes is not None:
        lane["laneAttributes"] = _attributes(attributes)
    maneuvers = fields.optional("maneuvers", 0, (1 << _MANEUVER_BITS) - 1)
    if maneuvers is not None:
        lane["maneuvers"] = names.bits(maneuvers, _MANEUVER_BITS)
    connections = [_connection(one) for one in fields.children("connectsTo", 16)]
    if connections:
        lane["connectsTo"] = connections
    _speeds_and_points(fields, lane)
    fields.end()
    return lane


def _write_lane(lane: dict[str, Any], place: dict[str, int]) -> dict[str, Any]:
    written: dict[str, Any] = {"laneId": lane["laneID"]}
    if "laneWidth" in lane:
        written["laneWidth"] = lane["laneWidth"]
    if "laneAttributes" in lane:
        kind, flags = lane["laneAttributes"]["laneType"]
        attributes: dict[str, Any] = {
            "laneType": {kind: names.bits_number(flags, _LANE_TYPE_BITS.get(kind, 16))}
        }
        if "shareWith" in lane["laneAttributes"]:
            shared = lane["laneAttributes"]["shareWith"]
            attributes["shareWith"] = names.bits_number(shared, _SHARING_BITS)
        written["laneAttributes"] = attributes
    if "maneuvers" in lane:
        written["maneuvers"] = names.bits_number(lane["maneuvers"], _MANEUVER_BITS)
    if "connectsTo" in lane:
        written["connectsTo"] = [_write_connection(one) for one in lane["connectsTo"]]
    _write_speeds_and_points(lane, written, place)
    return written


def _attributes(fields: Fields) -> dict[str, Any]:
    kind, flags = "vehicle", 0
    given = fields.child("laneType")
    if given is None:
        fields.account.defaulted.append(fields.at("laneType"))
    else:
        kind = next((name for name in _LANE_TYPE_BITS if given.raw(name) is not None), "vehicle")
        flags = given.integer(kind, 0, (1 << _LANE_TYPE_BITS[kind]) - 1, 0)
        given.end()
    written: dict[str, Any] = {"laneType": (kind, names.bits(flags, _LANE_TYPE_BITS[kind]))}
    shared = fields.optional("shareWith", 0, (1 << _SHARING_BITS) - 1)
    if shared is not None:
        written["shareWith"] = names.bits(shared, _SHARING_BITS)
    fields.end()
    return written


def _connection(fields: Fields) -> dict[str, Any]:
    written: dict[str, Any] = {"remoteIntersection": names.read_node(fields.demand("remoteIntersection"))}
    lane = fields.child("connectingLane")
    if lane is not None:
        written["connectingLane"] = {"lane": lane.integer("laneId", 0, 255)}
        maneuver = lane.optional("maneuvers", 0, (1 << _MANEUVER_BITS) - 1)
        if maneuver is not None:
            written["connectingLane"]["maneuver"] = names.bits(maneuver, _MANEUVER_BITS)
        lane.end()
    _phase(fields, written)
    fields.end()
    return written


def _write_connection(one: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {"remoteIntersection": dict(one["remoteIntersection"])}
    if "connectingLane" in one:
        lane = one["connectingLane"]
        written["connectingLane"] = {"laneId": lane["lane"]}
        if "maneuver" in lane:
            written["connectingLane"]["maneuvers"] = names.bits_number(lane["maneuver"], _MANEUVER_BITS)
    if "phaseId" in one:
        written["phaseId"] = one["phaseId"]
    return written


def _phase(fields: Fields, written: dict[str, Any]) -> dict[str, Any]:
    phase = fields.optional("phaseId", 0, 255)
    if phase is not None:
        written["phaseId"] = phase
    return written


def _name(fields: Fields, written: dict[str, Any]) -> None:
    name = fields.text("name", 63)
    if name and name.isascii():
        written["name"] = name
    elif name:
        fields.account.lost.append(fields.at("name"))


def _speeds_and_points(fields: Fields, written: dict[str, Any]) -> None:
    speeds = []
    for one in fields.children("speedLimits", 9):
        kind = names.read_named(one, "type", names.SPEED_LIMITS)
        speeds.append({"type": kind, "speed": one.integer("speed", 0, 8191)})
        one.end()
    if speeds:
        written["speedLimits"] = speeds
    points = [{"posOffset": offset_of(read_position(point))} for point in fields.children("points", 31)]
    if points:
        written["points"] = points


def _write_speeds_and_points(value: dict[str, Any], written: dict[str, Any], place: dict[str, int]) -> None:
    if "speedLimits" in value:
        written["speedLimits"] = [
            {"type": names.number_of(names.SPEED_LIMITS, one["type"]), "speed": one["speed"]}
            for one in value["speedLimits"]
        ]
    if "points" in value:
        written["points"] = [place_of(point["posOffset"], place) for point in value["points"]]
