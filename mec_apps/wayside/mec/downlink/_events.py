from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wayside.asn1.messages import EventOrigin, Path, Position, RoadEvent, RoadEvents
from wayside.link import Severity
from wayside.mec.apps import Corridor
from wayside.mec.dispatch import OpenEvent
from wayside.mec.downlink._reasons import DownlinkReason
from wayside.mec.downlink._rules import DownlinkRules
from wayside.mec.world import World
from wayside.observe import Counters

_PATHS = 8
_POINTS = 31
_MINUTE_NS = 60_000_000_000
_PRIORITY = {Severity.INFORM: 2, Severity.ADVISE: 4, Severity.URGENT: 6}


def compose_events(
    world: World,
    events: Sequence[OpenEvent],
    number_of: Callable[[str], int | None],
    reference: Position,
    source_id: bytes,
    counters: Counters,
    rules: DownlinkRules,
) -> tuple[RoadEvents | None, str]:
    """Message of the dangers that are to be broadcast, the worst first, and the first one's trace id.

    number_of: number of an event id within the message's source, None for one that has none left. A danger
    without an event code cannot be said in either family. None where nothing is left to say.
    """
    wanted = [event for event in events if event.report.to_rsu]
    wanted.sort(key=lambda event: (-event.report.severity, event.opened))
    said: list[RoadEvent] = []
    trace_id = ""
    for event in wanted:
        if event.report.code is None:
            counters.drop(DownlinkReason.MINIMUM_FIELDS)
            continue
        number = number_of(event.event_id)
        if number is None or len(said) >= rules.max_events:
            counters.drop(DownlinkReason.TOO_MANY)
            continue
        trace_id = trace_id or event.report.trigger.trace_id
        said.append(_event(world, event, number, rules))
    if not said:
        return None, ""
    return RoadEvents(source_id, 0, reference, tuple(said), utc_ns=world.now), trace_id


def _event(world: World, event: OpenEvent, number: int, rules: DownlinkRules) -> RoadEvent:
    report = event.report
    lat, lon = world.plane.to_lat_lon(report.x_m, report.y_m)
    existence = report.evidence.get("existence")
    end_ns = world.now + round(rules.event_life_s * 1e9)
    paths = [path for corridor in report.corridors[:_PATHS] if (path := _path(world, corridor)) is not None]
    return RoadEvent(
        event_id=number,
        code=report.code,
        origin=EventOrigin.DETECTION,
        position=Position(lat, lon),
        radius_m=max(report.radius_m, 0.1),
        start_utc_ns=event.opened,
        # Whole minutes: the end moves on, and with it the message's content, once a minute only.
        end_utc_ns=end_ns - end_ns % _MINUTE_NS,
        priority=_PRIORITY[report.severity],
        paths=tuple(paths),
        confidence=existence if isinstance(existence, float) else None,
    )


def _path(world: World, corridor: Corridor) -> Path | None:
    """The corridor's own lane up to the danger, in driving direction."""
    lane = world.geometry.lanes.get(corridor.lane)
    if lane is None:
        return None
    line = lane.polyline
    to_m = min(corridor.place_m, line.length_m)
    from_m = max(to_m - corridor.upstream_m, 0.0)
    if to_m - from_m < 1.0:
        return None
    points = line.slice(from_m, to_m).points
    if len(points) > _POINTS:
        points = points[np.linspace(0, len(points) - 1, _POINTS).round().astype(int)]
    positions = (Position(*world.plane.to_lat_lon(float(x), float(y))) for x, y in points)
    return Path(tuple(positions), lane.width_m / 2.0)
