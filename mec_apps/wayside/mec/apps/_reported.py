from __future__ import annotations

import math
from collections.abc import Callable

from wayside.asn1.geometry import LaneGeometry
from wayside.asn1.messages import LaneKind, Position
from wayside.geo import Polyline
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps._contract import Corridor, HazardReport, Trigger
from wayside.mec.world import ReportedHazard, World

_ROADS = (LaneKind.VEHICLE, LaneKind.BIKE, LaneKind.TRACKED)
_SAME_WAY_RAD = math.radians(60.0)
_LONGEST_M = 1000.0


def reported(
    world: World,
    hazard: ReportedHazard,
    radius_m: float,
    upstream_m: Callable[[float | None], float],
    ttl_ms: int,
) -> tuple[HazardReport | None, str]:
    """A hazard that an RSU or the centre reported, as a report of ours; or None and why not.

    upstream_m: warning distance for a speed limit, used where the event gives no path of its own.
    """
    event = hazard.event
    if hazard.own:
        return None, "own_content"
    if not world.degraded:
        begun = event.start_utc_ns is None or event.start_utc_ns <= world.now
        over = event.end_utc_ns is not None and event.end_utc_ns <= world.now
        if not begun or over:
            return None, "not_valid"
    place, corridors = _located(world, hazard, radius_m, upstream_m)
    if place is None or not corridors:
        return None, "off_map"
    x_m, y_m = place
    evidence: dict[str, float | int | str | bool] = {
        "cause": "reported",
        "origin": hazard.origin,
        "source": event.origin.value,
        "event_number": event.event_id,
        "text": event.text[:64],
        "itis": ",".join(str(code) for code in event.itis[:8]),
        "priority": -1 if event.priority is None else event.priority,
        "lanes": len(corridors),
        "upstream_m": round(max(c.upstream_m for c in corridors), 1),
        "age_s": round((world.mono - hazard.heard) / 1e9, 2),
    }
    report = HazardReport(
        app="hlw",
        kind=WarningKind.HAZARDOUS_LOCATION,
        subject=f"hlw/{hazard.subject}",
        severity=_severity(event.priority),
        x_m=x_m,
        y_m=y_m,
        action=Action.SLOW_DOWN,
        trigger=Trigger(hazard.trace_id, hazard.heard, hazard.heard, hazard.heard),
        ttl_ms=ttl_ms,
        lane=corridors[0].lane,
        corridors=corridors,
        evidence=evidence,
        code=event.code,
        radius_m=event.radius_m or 0.0,
    )
    return report, ""


def _severity(priority: int | None) -> Severity:
    if priority is None:
        return Severity.ADVISE
    return Severity.URGENT if priority >= 6 else Severity.ADVISE if priority >= 3 else Severity.INFORM


def _located(
    world: World, hazard: ReportedHazard, radius_m: float, upstream_m: Callable[[float | None], float]
) -> tuple[tuple[float, float] | None, tuple[Corridor, ...]]:
    event = hazard.event
    at = _xy(world, event.position) if event.position is not None else None
    corridors: dict[object, Corridor] = {}
    for path in event.paths:
        points = [_xy(world, point) for point in path.points]
        try:
            line = Polyline(points)
        except ValueError:
            continue
        end = line.point_at(line.length_m)
        at = at or end
        stretch = min(line.length_m, _LONGEST_M)
        for lane, along in _lanes_at(world, end, max(path.radius_m, 1.0), line.yaw_at(line.length_m)):
            corridors.setdefault(lane.key, Corridor(lane.key, along, stretch))
        if not corridors and at is not end:
            # The path may run on past the last lane of the map: take the hazard's own place instead.
            for lane, along in _lanes_at(world, at, max(path.radius_m, 1.0), line.project(*at).yaw_rad):
                corridors.setdefault(lane.key, Corridor(lane.key, along, stretch))
    if at is not None and not event.paths:
        for lane, along in _lanes_at(world, at, max(event.radius_m or 0.0, radius_m), None):
            corridors.setdefault(lane.key, Corridor(lane.key, along, upstream_m(lane.speed_limit_mps)))
    return at, tuple(corridors.values())


def _xy(world: World, position: Position) -> tuple[float, float]:
    return world.plane.to_xy(position.lat_deg, position.lon_deg)


def _lanes_at(
    world: World, at: tuple[float, float], radius_m: float, yaw_rad: float | None
) -> list[tuple[LaneGeometry, float]]:
    """Lanes within reach of a place, of a direction if one is given, and where on them it lies."""
    found: list[tuple[LaneGeometry, float]] = []
    for lane in world.geometry.lanes.values():
        if lane.kind not in _ROADS:
            continue
        foot = lane.polyline.project(*at)
        if math.hypot(foot.across_m, foot.beyond_m) > radius_m:
            continue
        if yaw_rad is not None and abs(math.remainder(foot.yaw_rad - yaw_rad, math.tau)) > _SAME_WAY_RAD:
            continue
        found.append((lane, foot.along_m + foot.beyond_m))
    return found
