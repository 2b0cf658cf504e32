"""Hazardous location warning: stopped vehicles that perception finds, and hazards that RSUs report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import numpy as np

from wayside.asn1.geometry import LaneKey
from wayside.asn1.messages import Direction, LaneKind, Light, RoadEvent
from wayside.clock import MonoNs
from wayside.geo import heading_from_yaw
from wayside.link import Action, Party, Severity, WarningKind
from wayside.mec.apps._contract import Corridor, HazardReport, Parameters, stated
from wayside.mec.apps._kinematics import stopping_distance
from wayside.mec.apps._latch import Latch
from wayside.mec.apps._red import GREEN
from wayside.mec.apps._reported import Located, locate, reported
from wayside.mec.apps._ways import Ways, signal_key
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import ReportedHazard, Roads, TrackView, World

_MOTOR = frozenset({ParticipantClass.CAR, ParticipantClass.TRUCK, ParticipantClass.BUS})
_DISABLED = frozenset({"eventDisabledVehicle", "eventAirBagDeployment", "eventFlatTire"})


class HlwParameters(Parameters, frozen=True):
    """Parameters of the hazardous location warning."""

    stop_mps: Annotated[float, stated("m/s", "speed below which a vehicle stands", "AIR")] = 0.7
    resume_mps: Annotated[float, stated("m/s", "speed above which it goes again", "own")] = 1.5
    stop_s: Annotated[float, stated("s", "standing time without an excuse", "FHWA, 5..10 s")] = 5.0
    after_queue_s: Annotated[float, stated("s", "the same after a queue", "own")] = 12.0
    junction_s: Annotated[float, stated("s", "the same inside the junction", "own")] = 15.0
    bus_s: Annotated[float, stated("s", "the same for a bus", "own")] = 60.0
    confirm_need: Annotated[int, stated("", "frames that raise, of confirm_of", "own", 1, 16)] = 3
    confirm_of: Annotated[int, stated("", "frames looked back upon", "own", 1, 16)] = 5
    clear_s: Annotated[float, stated("s", "time on the move, or unseen, that clears", "own")] = 2.0
    min_existence: Annotated[float, stated("", "least existence of a track", "own", 0.0, 1.0)] = 0.7
    head_m: Annotated[float, stated("m", "distance to the stop line of the head of a queue", "own")] = 18.0
    leader_gap_m: Annotated[float, stated("m", "gap to a leader that explains a stop", "own")] = 15.0
    leader_mps: Annotated[float, stated("m/s", "speed below which a leader explains a stop", "own")] = 3.0
    leader_side_m: Annotated[float, stated("m", "leader's offset to the side", "own")] = 1.8
    default_limit_mps: Annotated[float, stated("m/s", "speed limit where the lane gives none", "own")] = 16.7
    braking_mps2: Annotated[
        float, stated("m/s2", "braking that the warning distance allows for", "own", 0.5)
    ] = 2.0
    reaction_s: Annotated[float, stated("s", "driver's reaction time", "own")] = 1.5
    notice_s: Annotated[float, stated("s", "time to read the warning before reacting", "own")] = 2.0
    stopped_code: Annotated[int, stated("", "event type of a stopped vehicle", "GB/T 29100, private")] = 412
    breakdown_code: Annotated[int, stated("", "event type of a breakdown", "GB/T 29100")] = 103
    reported_radius_m: Annotated[float, stated("m", "search around a reported place", "own", 1.0)] = 6.0
    ttl_ms: Annotated[int, stated("ms", "lifetime of a warning", "own", 100)] = 3000


class _Stop:
    """What is remembered of one standing vehicle."""

    __slots__ = ("excused", "excused_last", "latch", "report", "seen", "since")

    def __init__(self, mono: MonoNs) -> None:
        self.since = mono
        self.seen = mono
        self.excused_last: MonoNs | None = None
        self.excused = False
        self.latch = Latch()
        self.report: HazardReport | None = None


class Hlw:
    """Hazards at a place of the road: vehicles that stand where none should, and what RSUs report.

    State: per standing vehicle since when, its last excuse, a latch and its last report. It ends when the
    vehicle has moved or has been unseen for `clear_s`. Per reported hazard where it lies.
    """

    name = "hlw"

    def __init__(self, parameters: HlwParameters | None = None) -> None:
        self.parameters = parameters or HlwParameters()
        self._ways: Ways | None = None
        self._stops: dict[int, _Stop] = {}
        self._roads: Roads | None = None
        self._places: dict[str, tuple[RoadEvent, Located]] = {}
        self._silent: Counter[str] = Counter()

    def silent_because(self, world: World) -> dict[str, int]:
        """Vehicles of the last step by reason: parking, off_carriageway, red_light, yields, leader; reported
        hazards by own_content, no_hazard, not_valid, off_map."""
        return dict(self._silent)

    def step(self, world: World) -> Sequence[HazardReport]:
        """One report for each stopped vehicle and each reported hazard."""
        self._silent.clear()
        if self._ways is None or self._ways.geometry is not world.geometry:
            self._ways = Ways(world.geometry)
            self._roads = None
            self._places.clear()
        reports = self._stopped(world, self._ways)
        known, self._places = self._places, {}
        for hazard in world.hazards:
            located = self._located(world, hazard, known)
            report, why = reported(world, hazard, located, self.parameters.ttl_ms)
            if report is not None:
                reports.append(report)
            else:
                self._silent[why] += 1
        return reports

    def _located(
        self, world: World, hazard: ReportedHazard, known: dict[str, tuple[RoadEvent, Located]]
    ) -> Located:
        """Where a hazard lies; looked for once as long as it is reported unchanged."""
        if self._roads is None:
            self._roads = Roads(world.geometry)
        event, located = known.get(hazard.subject, (None, None))
        if located is None or event is not hazard.event:
            located = locate(
                world, self._roads, hazard.event, self.parameters.reported_radius_m, self._upstream_m
            )
        self._places[hazard.subject] = (hazard.event, located)
        return located

    def _upstream_m(self, limit_mps: float | None) -> float:
        p = self.parameters
        limit = limit_mps or p.default_limit_mps
        return stopping_distance(limit, p.braking_mps2, p.reaction_s + p.notice_s)

    def _stopped(self, world: World, ways: Ways) -> list[HazardReport]:
        p = self.parameters
        reports: list[HazardReport] = []
        seen: set[int] = set()
        slow: list[TrackView] = []
        for view in world.tracks.views:
            if view.kind not in _MOTOR or view.existence < p.min_existence:
                continue
            known = self._stops.get(view.track_id)
            if view.speed_mps < p.stop_mps or (known is not None and view.speed_mps < p.resume_mps):
                slow.append(view)
        leaders = self._leaders(world, slow)
        for view, leader in zip(slow, leaders, strict=True):
            seen.add(view.track_id)
            stop = self._stops.setdefault(view.track_id, _Stop(world.mono))
            stop.seen = world.mono
            report = self._judge(world, ways, view, stop, leader)
            if report is not None:
                reports.append(report)
        for track_id in list(self._stops.keys() - seen):
            stop = self._stops[track_id]
            if not stop.latch.keep(world.mono, p.clear_s):
                del self._stops[track_id]
            elif stop.report is not None:
                reports.append(stop.report)
        return reports

    def _judge(
        self, world: World, ways: Ways, view: TrackView, stop: _Stop, leader: bool
    ) -> HazardReport | None:
        p = self.parameters
        excuse = None if stop.latch.raised else self._excuse(world, ways, view, leader)
        if excuse is not None:
            self._silent[excuse] += 1
            stop.excused, stop.excused_last = True, world.mono
        begun = stop.since if stop.excused_last is None else stop.excused_last
        stood_s = (world.mono - begun) / 1e9
        needed_s = self._needed_s(world, view, stop)
        holds = stop.latch.raised or excuse is None
        raised = stop.latch.see(
            holds,
            view,
            world.mono,
            need=p.confirm_need,
            of=p.confirm_of,
            clear_s=p.clear_s,
            gated=stood_s < needed_s and not stop.latch.raised,
        )
        if not raised:
            return None
        stop.report = self._report(world, ways, view, stop, stood_s, needed_s)
        return stop.report

    def _needed_s(self, world: World, view: TrackView, stop: _Stop) -> float:
        p = self.parameters
        if _DISABLED & set(view.flags):
            return 0.0
        if view.kind is ParticipantClass.BUS:
            return p.bus_s
        if view.lane is None:
            return max(p.junction_s, p.after_queue_s if stop.excused else 0.0)
        return p.after_queue_s if stop.excused else p.stop_s

    def _excuse(self, world: World, ways: Ways, view: TrackView, leader: bool) -> str | None:
        """Why a vehicle may stand where it does; None when nothing explains it."""
        p = self.parameters
        lane = world.geometry.lanes.get(view.lane) if view.lane is not None else None
        if lane is not None and lane.kind is LaneKind.PARKING:
            return "parking"
        if lane is None and not world.geometry.on_carriageway(view.x_m, view.y_m):
            return "off_carriageway"
        if _DISABLED & set(view.flags):
            return None
        if leader:
            return "leader"
        if lane is not None and lane.direction is Direction.INGRESS:
            to_line_m = lane.polyline.length_m - view.along_m - view.length_m / 2.0
            if to_line_m <= p.head_m:
                return self._at_the_line(world, ways, view)
        return None

    def _at_the_line(self, world: World, ways: Ways, view: TrackView) -> str | None:
        assert view.lane is not None
        movements = [way.movement for way in ways.of_lane.get(view.lane, ()) if way.movement is not None]
        for movement in movements:
            key = signal_key(movement)
            state = world.signals.get(key) if key is not None else None
            if key is None or (state is not None and state.light is Light.PERMISSIVE_GREEN):
                return "yields"
            if state is None or state.light not in GREEN:
                return "red_light"
        return None

    def _leaders(self, world: World, slow: list[TrackView]) -> list[bool]:
        """For each standing vehicle whether another one ahead of it, slow as well, explains that."""
        p = self.parameters
        others = [v for v in world.tracks.views if v.kind in _MOTOR and v.speed_mps < p.leader_mps]
        if not slow or not others:
            return [False] * len(slow)
        me = np.array([(v.x_m, v.y_m, v.yaw_rad, v.length_m, v.track_id) for v in slow])
        it = np.array([(v.x_m, v.y_m, v.length_m, v.track_id, v.yaw_rad) for v in others])
        dx = it[None, :, 0] - me[:, None, 0]
        dy = it[None, :, 1] - me[:, None, 1]
        cos, sin = np.cos(me[:, 2, None]), np.sin(me[:, 2, None])
        ahead = dx * cos + dy * sin - (me[:, 3, None] + it[None, :, 2]) / 2.0
        aside = np.abs(dy * cos - dx * sin)
        same_way = np.cos(it[None, :, 4] - me[:, 2, None]) > 0.5
        found = (ahead > -1.0) & (ahead <= p.leader_gap_m) & (aside <= p.leader_side_m) & same_way
        found &= me[:, 4, None] != it[None, :, 3]
        return [bool(row.any()) for row in found]

    def _report(
        self, world: World, ways: Ways, view: TrackView, stop: _Stop, stood_s: float, needed_s: float
    ) -> HazardReport:
        p = self.parameters
        assert stop.latch.trigger is not None
        disabled = bool(_DISABLED & set(view.flags))
        corridors = self._corridors(world, ways, view)
        lat, lon = world.plane.to_lat_lon(view.x_m, view.y_m)
        heading = heading_from_yaw(view.yaw_rad)
        return HazardReport(
            app=self.name,
            kind=WarningKind.HAZARDOUS_LOCATION,
            subject=f"hlw/{view.track_id}",
            severity=stop.latch.settle(Severity.ADVISE, world.mono, 0.0),
            x_m=view.x_m,
            y_m=view.y_m,
            action=Action.SLOW_DOWN,
            trigger=stop.latch.trigger,
            ttl_ms=p.ttl_ms,
            lane=view.lane,
            corridors=corridors,
            parties=(Party(view.kind.value, lat, lon, view.speed_mps, heading, view.track_id),),
            evidence={
                "cause": "breakdown" if disabled else "stopped",
                "track": view.track_id,
                "speed_mps": round(view.speed_mps, 2),
                "stood_s": round(stood_s, 1),
                "existence": round(view.existence, 2),
                "was_in_queue": stop.excused,
                "upstream_m": round(max((c.upstream_m for c in corridors), default=0.0), 1),
                "limit_stop_mps": p.stop_mps,
                "limit_stood_s": needed_s,
                "limit_leader_gap_m": p.leader_gap_m,
                "limit_head_m": p.head_m,
                "limit_confirm": f"{p.confirm_need} of {p.confirm_of}",
            },
            code=p.breakdown_code if disabled else p.stopped_code,
            to_rsu=True,
            radius_m=max(view.length_m / 2.0, 2.0),
        )

    def _corridors(self, world: World, ways: Ways, view: TrackView) -> tuple[Corridor, ...]:
        back_m = view.length_m / 2.0
        if view.lane is not None:
            limit = world.geometry.lanes[view.lane].speed_limit_mps
            return (Corridor(view.lane, view.along_m - back_m, self._upstream_m(limit)),)
        found: dict[LaneKey, Corridor] = {}
        for way in ways.near(view.x_m, view.y_m):
            foot = way.line.project(view.x_m, view.y_m)
            aside = abs(foot.across_m) > 1.0 + view.width_m / 2.0
            if not aside and way.stop_m <= foot.along_m <= way.leaves_m:
                limit = world.geometry.lanes[way.lane].speed_limit_mps
                corridor = Corridor(way.lane, foot.along_m - back_m, self._upstream_m(limit))
                found.setdefault(way.lane, corridor)
        return tuple(found.values())
