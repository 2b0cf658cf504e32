from __future__ import annotations

import math
import zlib
from typing import NamedTuple

import msgspec

from wayside.asn1 import EncodeError, MessageSet
from wayside.asn1.messages import Direction, Intersection, IntersectionId, Lane, Position, RoadMap
from wayside.asn1.translate import TranslateError, to_wire
from wayside.geo import LocalPlane

_JOIN_M = 25.0
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

    Two are neighbours where an egress lane of one ends within 25 m of where an ingress lane of the other
    begins, the nearest first (own).
    """
    found: dict[tuple[IntersectionId, int], tuple[float, IntersectionId]] = {}
    starts = [
        (other, lane, lane.approach)
        for other in road_map.intersections
        for lane in other.lanes
        if lane.direction is Direction.INGRESS and lane.approach is not None
    ]
    for home in road_map.intersections:
        for lane in home.lanes:
            if lane.direction is not Direction.EGRESS or lane.approach is None:
                continue
            for other, start, approach in starts:
                if other.id == home.id:
                    continue
                gap_m = _gap_m(home, lane, start)
                if gap_m > _JOIN_M:
                    continue
                for key, end in (((home.id, lane.approach), other.id), ((other.id, approach), home.id)):
                    found[key] = min(found.get(key, (math.inf, end)), (gap_m, end), key=lambda pair: pair[0])
    return {key: end for key, (_, end) in found.items()}


def _gap_m(home: Intersection, leaving: Lane, entering: Lane) -> float:
    plane = LocalPlane(home.reference.lat_deg, home.reference.lon_deg)

    def place(position: Position) -> tuple[float, float]:
        return plane.to_xy(position.lat_deg, position.lon_deg)

    return math.dist(place(leaving.points[-1]), place(entering.points[0]))
