from __future__ import annotations

import cmath
import math
import zlib
from typing import NamedTuple

import msgspec

from wayside.asn1 import EncodeError, MessageSet
from wayside.asn1.messages import Direction, Intersection, IntersectionId, RoadMap
from wayside.asn1.translate import TranslateError, to_wire
from wayside.geo import LocalPlane

_REACH_M = 1_500.0
_ALIGNED_RAD = math.radians(15.0)
# Where an approach lies farthest from its intersection: lanes' points go in driving direction.
_OUTER = {Direction.INGRESS: 0, Direction.EGRESS: -1}
Neighbours = dict[tuple[IntersectionId, int], IntersectionId]


class EncodedMap(NamedTuple):
    """The map of one intersection in one dialect. lost: what the dialect has no room for."""

    intersection: str
    message_name: str
    uper: bytes
    lost: tuple[str, ...]


def encode_maps(road_map: RoadMap, dialect: str, messages: MessageSet) -> tuple[list[EncodedMap], int]:
    """A MAP for each intersection, and how many the dialect cannot carry.

    The message count follows from the content, without a time stamp in it: the octets of a map change when
    the map does, and only then.
    """
    neighbours = find_neighbours(road_map)
    maps: list[EncodedMap] = []
    refused = 0
    for intersection in road_map.intersections:
        count = zlib.crc32(msgspec.json.encode(intersection)) % 128
        try:
            wire = to_wire(dialect, RoadMap(count, (intersection,)), neighbours=neighbours)
            uper = messages.encode(wire.value)
        except (TranslateError, EncodeError):
            refused += 1
            continue
        name = messages.frame_name(wire.value)
        maps.append(EncodedMap(str(intersection.id), name, uper, wire.lost))
    return maps, refused


def find_neighbours(road_map: RoadMap) -> Neighbours:
    """Intersection at the other end of each approach, by intersection and approach number.

    Maps end their lanes well before the next intersection, so the direction tells: the nearest one within
    1.5 km that lies within 15 degrees of where the approach comes from, or leads to, and that has an approach
    pointing back (own).
    """
    if len(road_map.intersections) < 2:
        return {}
    first = road_map.intersections[0].reference
    plane = LocalPlane(first.lat_deg, first.lon_deg)
    places = {
        node.id: plane.to_xy(node.reference.lat_deg, node.reference.lon_deg)
        for node in road_map.intersections
    }
    seen: Neighbours = {}
    for node in road_map.intersections:
        for approach, far in _ends(node, plane).items():
            end = _nearest_ahead(node.id, far, places)
            if end is not None:
                seen[node.id, approach] = end
    pairs = {(home, end) for (home, _), end in seen.items()}
    return {key: end for key, end in seen.items() if (end, key[0]) in pairs}


def _ends(node: Intersection, plane: LocalPlane) -> dict[int, tuple[float, float]]:
    """Of each approach the outer end of its first lane, x and y in metres."""
    ends: dict[int, tuple[float, float]] = {}
    for lane in node.lanes:
        if lane.approach is None or not lane.points or lane.direction not in _OUTER:
            continue
        outer = lane.points[_OUTER[lane.direction]]
        ends.setdefault(lane.approach, plane.to_xy(outer.lat_deg, outer.lon_deg))
    return ends


def _nearest_ahead(
    home: IntersectionId, far: tuple[float, float], places: dict[IntersectionId, tuple[float, float]]
) -> IntersectionId | None:
    """The nearest intersection in the direction from home to a point."""
    x_m, y_m = places[home]
    leg = complex(far[0] - x_m, far[1] - y_m)
    found: IntersectionId | None = None
    nearest_m = _REACH_M
    for other, (other_x_m, other_y_m) in places.items():
        way = complex(other_x_m - x_m, other_y_m - y_m)
        if other == home or not leg or not 0.0 < abs(way) < nearest_m:
            continue
        if abs(cmath.phase(way / leg)) <= _ALIGNED_RAD:
            found, nearest_m = other, abs(way)
    return found
