from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wayside.asn1.messages import Path, Position, RoadEvent
from wayside.asn1.translate import event_code
from wayside.geo import Polyline
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps._contract import Corridor, HazardReport, Trigger
from wayside.mec.world import ReportedHazard, Roads, World

_LONGEST_M = 1000.0
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
            found = [
                Corridor(
                    part.lane.key, part.to_m, part.to_m - part.from_m + upstream_m(part.lane.speed_limit_mps)
                )
                for part in roads.inside(lines[0].points, path)
            ]
            at = at or lines[0].point_at(0.0)
        else:
            if path.both_ways:
                lines.append(Polyline(points[::-1]))
            found = [corridor for line in lines for corridor in _along(roads, line, path, at)]
            at = at or lines[0].point_at(lines[0].length_m)
        for corridor in found:
            corridors.setdefault(corridor.lane, corridor)
    if at is not None and not event.paths:
        for lane, along in roads.at(at, max(event.radius_m or 0.0, radius_m)):
            corridors.setdefault(lane.key, Corridor(lane.key, along, upstream_m(lane.speed_limit_mps)))
    return Located(at, tuple(corridors.values()))


def _along(roads: Roads, line: Polyline, path: Path, at: Place | None) -> list[Corridor]:
    """Lanes at the end of a line, in its direction; where the line runs on past the last lane of the map,
    those at the event's own place, else at the last point that is on the map."""
    radius_m = max(path.radius_m, 1.0)
    stretch = min(line.length_m, _LONGEST_M)
    end = line.length_m
    found = roads.at(line.point_at(end), radius_m, line.yaw_at(end), path)
    if not found and at is not None:
        found = roads.at(at, radius_m, line.project(*at).yaw_rad, path)
    if not found:
        on_map = roads.last_on_map(line, radius_m)
        if on_map is not None:
            found = roads.at(line.point_at(on_map), radius_m, line.yaw_at(on_map), path)
    return [Corridor(lane.key, along, stretch) for lane, along in found]


def _xy(world: World, position: Position) -> tuple[float, float]:
    return world.plane.to_xy(position.lat_deg, position.lon_deg)
