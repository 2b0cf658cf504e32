from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wayside.asn1.geometry import LaneGeometry, LaneKey
from wayside.asn1.messages import LaneKind, LinkRef, Path, Position
from wayside.geo import Polyline, yaw_from_heading
from wayside.mec.world._roads import SAMPLE_M, Roads

_LONGEST_M = 2_000.0
_SAME_WAY_COS = math.cos(math.radians(45.0))


class LaneStretch(NamedTuple):
    """Stretch of a lane on which a sign holds, metres from the lane's start; it is read before `from_m`."""

    lane: LaneKey
    from_m: float
    to_m: float


class SignPlace(NamedTuple):
    """Where a sign stands, or begins to hold, on the local plane, and on which lanes it holds."""

    x_m: float
    y_m: float
    stretches: tuple[LaneStretch, ...]


def place_sign(
    roads: Roads,
    *,
    position: Position | None,
    heading_deg: float | None,
    radius_m: float,
    lanes: Sequence[LaneKey],
    links: Sequence[LinkRef],
    paths: Sequence[Path],
    to_lane_end: bool,
) -> SignPlace | None:
    """Lanes that a sign is for; None where the map has none of them.

    Named lanes, the lanes of links, or those along paths, the first that gives any; else the lanes at the
    sign's position in the direction of the traffic that it faces. On a lane it holds from the sign on, along
    a path from the path's start to its end. to_lane_end: a sign without a path holds to the end of its lane,
    else at its place only.
    """
    geometry = roads.geometry
    at = None if position is None else geometry.plane.to_xy(position.lat_deg, position.lon_deg)
    if at is not None and not all(map(math.isfinite, at)):
        at = None
    named = [geometry.lanes[key] for key in lanes if key in geometry.lanes]
    found = [_on_lane(lane, at, to_lane_end) for lane in named or _linked(roads, links)]
    start: tuple[float, float] | None = None
    if not found:
        for path in paths:
            along, first = _along(roads, path)
            found += along
            start = start or first
    if not found and at is not None and not lanes:
        found = _beside(roads, at, heading_deg, radius_m, to_lane_end)
    if not found:
        return None
    merged: dict[LaneKey, LaneStretch] = {}
    for each in found:
        known = merged.get(each.lane, each)
        merged[each.lane] = LaneStretch(each.lane, min(known.from_m, each.from_m), max(known.to_m, each.to_m))
    first_lane = geometry.lanes[found[0].lane].polyline
    x_m, y_m = at or start or first_lane.point_at(found[0].from_m)
    return SignPlace(x_m, y_m, tuple(merged.values()))


def _on_lane(lane: LaneGeometry, at: tuple[float, float] | None, to_lane_end: bool) -> LaneStretch:
    from_m = 0.0 if at is None else lane.polyline.project(*at).along_m
    holds = to_lane_end or at is None
    return LaneStretch(lane.key, from_m, lane.polyline.length_m if holds else from_m)


def _linked(roads: Roads, links: Sequence[LinkRef]) -> list[LaneGeometry]:
    """Lanes of links, by their two nodes (T/CSAE 53)."""
    wanted = {(str(link.upstream), str(link.downstream)): link.lanes for link in links}
    out: list[LaneGeometry] = []
    for key, lane in roads.geometry.lanes.items():
        numbers = wanted.get((key.upstream or "", key.intersection))
        if numbers is not None and (not numbers or key.lane_id in numbers):
            out.append(lane)
    return out


def _along(roads: Roads, path: Path) -> tuple[list[LaneStretch], tuple[float, float] | None]:
    """Stretches of the lanes along a path, and where it begins."""
    plane = roads.geometry.plane
    try:
        line = Polyline([plane.to_xy(point.lat_deg, point.lon_deg) for point in path.points])
    except ValueError:
        return [], None
    start = line.point_at(0.0)
    if path.closed:
        parts = roads.inside(line.points, path)
        return [LaneStretch(p.lane.key, p.from_m, p.to_m) for p in parts if _driven(p.lane)], start
    out: list[LaneStretch] = []
    for way in (line, line.reversed()) if path.both_ways else (line,):
        out += _lanes_along(roads, way, max(path.radius_m, 1.0))
    return out, start


def _lanes_along(roads: Roads, line: Polyline, radius_m: float) -> list[LaneStretch]:
    length_m = min(line.length_m, _LONGEST_M)
    places = np.linspace(0.0, length_m, 2 + int(length_m / SAMPLE_M))
    xy = np.array([line.point_at(float(place)) for place in places])
    yaw = np.array([line.yaw_at(float(place)) for place in places])
    out: list[LaneStretch] = []
    for lane in roads.near(xy, radius_m):
        if not _driven(lane):
            continue
        foot = lane.polyline.project_many(xy)
        lane_yaw = np.array([lane.polyline.yaw_at(float(along)) for along in foot[:, 0]])
        on = (np.abs(foot[:, 1]) <= radius_m) & (np.cos(lane_yaw - yaw) >= _SAME_WAY_COS)
        if on.sum() >= 2:
            from_m, to_m = float(foot[on, 0].min()), float(foot[on, 0].max())
            # Between two samples the lane may begin or end.
            from_m = 0.0 if from_m < SAMPLE_M else from_m
            to_m = lane.polyline.length_m if to_m > lane.polyline.length_m - SAMPLE_M else to_m
            out.append(LaneStretch(lane.key, from_m, to_m))
    return out


def _beside(
    roads: Roads, at: tuple[float, float], heading_deg: float | None, radius_m: float, to_lane_end: bool
) -> list[LaneStretch]:
    """Lanes at a place, of the direction that is given, else of that of the nearest one."""
    near = [on for on in roads.at(at, radius_m) if _driven(on.lane)]
    if not near:
        return []
    if heading_deg is not None:
        yaw = yaw_from_heading(heading_deg)
    else:
        nearest = min(near, key=lambda on: abs(on.lane.polyline.project(*at).across_m))
        yaw = nearest.lane.polyline.yaw_at(nearest.along_m)
    return [
        _on_lane(on.lane, at, to_lane_end)
        for on in near
        if math.cos(on.lane.polyline.yaw_at(on.along_m) - yaw) >= _SAME_WAY_COS
    ]


def _driven(lane: LaneGeometry) -> bool:
    return lane.kind in (LaneKind.VEHICLE, LaneKind.TRACKED)
