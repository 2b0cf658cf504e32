from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.geometry import LaneGeometry, RoadGeometry
from wayside.asn1.messages import LaneKind, Path, Position, RoadEvent
from wayside.asn1.translate import event_code
from wayside.geo import Polyline, heading_from_yaw
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps._contract import Corridor, HazardReport, Trigger
from wayside.mec.world import ReportedHazard, World

_ROADS = (LaneKind.VEHICLE, LaneKind.BIKE, LaneKind.TRACKED)
_SAME_WAY_RAD = math.radians(60.0)
_LONGEST_M = 1000.0
_SAMPLE_M = 5.0
_ITIS_CLASS = 256
# Traffic conditions, incidents, closures, road work, obstructions, hazardous materials, unusual driving,
# mobile situations, device status; disasters; precipitation, wind, visibility, pavement (SAE J2540-2).
_HAZARD_CLASSES = frozenset({*range(1, 10), 12, 19, 20, 21, 23})

Place = tuple[float, float]
Upstream = Callable[[float | None], float]


class Located(NamedTuple):
    """Where a reported hazard lies on the map, and who is meant; place None where it lies on none."""

    place: Place | None
    corridors: tuple[Corridor, ...]


def is_hazard(event: RoadEvent) -> bool:
    """Whether an event is a danger: any numbered event of an RSI; of a TIM, which also carries advice such
    as parking or the date of a game, one with an ITIS code of a class that speaks of dangers."""
    return event.code is not None or any(itis // _ITIS_CLASS in _HAZARD_CLASSES for itis in event.itis)


def reported(
    world: World, hazard: ReportedHazard, located: Located, ttl_ms: int
) -> tuple[HazardReport | None, str]:
    """A hazard that an RSU or the centre reported, as a report of ours; or None and why not."""
    event = hazard.event
    if hazard.own:
        return None, "own_content"
    if not is_hazard(event):
        return None, "no_hazard"
    if not world.degraded:
        begun = event.start_utc_ns is None or event.start_utc_ns <= world.now
        over = event.end_utc_ns is not None and event.end_utc_ns <= world.now
        if not begun or over:
            return None, "not_valid"
    place, corridors = located
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
        code=event_code(event),
        radius_m=event.radius_m or 0.0,
    )
    return report, ""


def _severity(priority: int | None) -> Severity:
    if priority is None:
        return Severity.ADVISE
    return Severity.URGENT if priority >= 6 else Severity.ADVISE if priority >= 3 else Severity.INFORM


class Roads:
    """Lanes for vehicles with their bounding boxes, so that a place is compared with the few near it only:
    whoever can send events must not be able to keep the edge busy with looking for them."""

    def __init__(self, geometry: RoadGeometry) -> None:
        self._lanes = [lane for lane in geometry.lanes.values() if lane.kind in _ROADS]
        lines = [lane.polyline.points for lane in self._lanes]
        self._low = np.array([line.min(axis=0) for line in lines]).reshape(-1, 2)
        self._high = np.array([line.max(axis=0) for line in lines]).reshape(-1, 2)

    def near(self, xy: NDArray[np.float64], radius_m: float) -> list[LaneGeometry]:
        """Lanes whose box comes within a distance of that of points (n, 2)."""
        low, high = xy.min(axis=0) - radius_m, xy.max(axis=0) + radius_m
        hit = ((self._low <= high) & (self._high >= low)).all(axis=1)
        return [self._lanes[i] for i in np.flatnonzero(hit)]


def locate(world: World, roads: Roads, event: RoadEvent, radius_m: float, upstream_m: Upstream) -> Located:
    """Where an event lies on the map.

    radius_m: search around a place without one of its own. upstream_m: warning distance for a speed limit,
    used where the event gives no line of its own. A line means the traffic along it (`both_ways`: either
    way) up to its end, a closed one the lanes inside, both only in the directions that the event names.
    """
    at = _xy(world, event.position) if event.position is not None else None
    corridors: dict[object, Corridor] = {}
    for path in event.paths:
        points = [_xy(world, point) for point in path.points]
        try:
            lines = [Polyline(points)]
        except ValueError:
            continue
        if path.closed:
            found = _inside(roads, lines[0].points, path, upstream_m)
            at = at or lines[0].point_at(0.0)
        else:
            if path.both_ways:
                lines.append(Polyline(points[::-1]))
            found = [corridor for line in lines for corridor in _along(roads, line, path, at)]
            at = at or lines[0].point_at(lines[0].length_m)
        for corridor in found:
            corridors.setdefault(corridor.lane, corridor)
    if at is not None and not event.paths:
        for lane, along in _lanes_at(roads, at, max(event.radius_m or 0.0, radius_m)):
            corridors.setdefault(lane.key, Corridor(lane.key, along, upstream_m(lane.speed_limit_mps)))
    return Located(at, tuple(corridors.values()))


def _along(roads: Roads, line: Polyline, path: Path, at: Place | None) -> list[Corridor]:
    """Lanes at the end of a line, in its direction; where the line runs on past the last lane of the map,
    those at the event's own place, else at the last point that is on the map."""
    radius_m = max(path.radius_m, 1.0)
    stretch = min(line.length_m, _LONGEST_M)
    end = line.length_m
    found = _lanes_at(roads, line.point_at(end), radius_m, line.yaw_at(end), path)
    if not found and at is not None:
        found = _lanes_at(roads, at, radius_m, line.project(*at).yaw_rad, path)
    if not found:
        on_map = _last_on_map(roads, line, radius_m)
        if on_map is not None:
            found = _lanes_at(roads, line.point_at(on_map), radius_m, line.yaw_at(on_map), path)
    return [Corridor(lane.key, along, stretch) for lane, along in found]


def _last_on_map(roads: Roads, line: Polyline, radius_m: float) -> float | None:
    first = max(0.0, line.length_m - 10.0 * _LONGEST_M)
    places = np.linspace(first, line.length_m, 2 + int((line.length_m - first) / _SAMPLE_M))
    xy = np.array([line.point_at(float(place)) for place in places])
    near = np.zeros(len(places), dtype=np.bool_)
    for lane in roads.near(xy, radius_m):
        box = lane.polyline.points
        rows = ((xy >= box.min(axis=0) - radius_m) & (xy <= box.max(axis=0) + radius_m)).all(axis=1)
        if rows.any():
            near[rows] |= np.abs(lane.polyline.project_many(xy[rows])[:, 1]) <= radius_m
    return float(places[np.flatnonzero(near)[-1]]) if near.any() else None


def _inside(roads: Roads, corners: NDArray[np.float64], path: Path, upstream_m: Upstream) -> list[Corridor]:
    """Lanes with a part inside a closed line, for those before and on that part."""
    out: list[Corridor] = []
    for lane in roads.near(corners, 0.0):
        line = lane.polyline
        places = np.linspace(0.0, line.length_m, 2 + int(line.length_m / _SAMPLE_M))
        xy = np.array([line.point_at(float(place)) for place in places])
        hit = places[_encloses(corners, xy)]
        if len(hit) and _meant(path, line.yaw_at(float(hit[-1]))):
            first, last = float(hit[0]), float(hit[-1])
            out.append(Corridor(lane.key, last, last - first + upstream_m(lane.speed_limit_mps)))
    return out


def _encloses(corners: NDArray[np.float64], xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points (n, 2) lie inside a polygon (m, 2): an odd number of its edges is to their right."""
    x, y = xy[:, :1], xy[:, 1:]
    x0, y0 = corners[:, 0], corners[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    rises = np.where(y1 == y0, 1.0, y1 - y0)
    crosses = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / rises + x0)
    inside: NDArray[np.bool_] = crosses.sum(axis=1) % 2 == 1
    return inside


def _meant(path: Path, yaw_rad: float) -> bool:
    """Whether traffic of a direction is meant: in one of the sectors, or no sectors named."""
    heading = heading_from_yaw(yaw_rad)
    return not path.headings_deg or any(
        (heading - first) % 360.0 <= (last - first) % 360.0 for first, last in path.headings_deg
    )


def _xy(world: World, position: Position) -> tuple[float, float]:
    return world.plane.to_xy(position.lat_deg, position.lon_deg)


def _lanes_at(
    roads: Roads, at: Place, radius_m: float, yaw_rad: float | None = None, path: Path | None = None
) -> list[tuple[LaneGeometry, float]]:
    """Lanes within reach of a place, of a direction if one is given, and where on them it lies."""
    found: list[tuple[LaneGeometry, float]] = []
    for lane in roads.near(np.array([at]), radius_m):
        foot = lane.polyline.project(*at)
        if math.hypot(foot.across_m, foot.beyond_m) > radius_m:
            continue
        if yaw_rad is not None and abs(math.remainder(foot.yaw_rad - yaw_rad, math.tau)) > _SAME_WAY_RAD:
            continue
        if path is not None and not _meant(path, foot.yaw_rad):
            continue
        found.append((lane, foot.along_m + foot.beyond_m))
    return found
