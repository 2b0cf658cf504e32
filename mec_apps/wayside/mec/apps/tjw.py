"""Traffic jam warning: queues that no signal explains."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np

from wayside.asn1.geometry import LaneKey, RoadGeometry
from wayside.asn1.messages import Direction, LaneKind
from wayside.clock import MonoNs
from wayside.geo import heading_from_yaw
from wayside.link import Action, Party, Severity, WarningKind
from wayside.mec.apps._contract import Concern, Corridor, HazardReport, Parameters, stated
from wayside.mec.apps._kinematics import stopping_distance
from wayside.mec.apps._latch import Latch
from wayside.mec.apps._queues import Queue, leader_of, queues_of
from wayside.mec.apps._red import GREEN
from wayside.mec.apps._ways import Ways, signal_key
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import SignalKey, TrackView, World

_MOTOR = frozenset(
    {ParticipantClass.CAR, ParticipantClass.TRUCK, ParticipantClass.BUS, ParticipantClass.MOTORCYCLE}
)
_SAME_WAY_COS = math.cos(math.radians(30.0))
_PARTIES = 32


class TjwParameters(Parameters, frozen=True):
    """Parameters of the traffic jam warning."""

    stop_mps: Annotated[float, stated("m/s", "speed below which a vehicle stands", "AIR")] = 0.7
    slow_mps: Annotated[float, stated("m/s", "speed below which a vehicle is still queued", "own")] = 2.8
    stood_s: Annotated[float, stated("s", "time after its last stop that it is still queued", "own")] = 30.0
    least_vehicles: Annotated[int, stated("", "vehicles that make a queue", "own", 2, 100)] = 4
    gap_m: Annotated[float, stated("m", "largest gap within a queue", "own")] = 20.0
    side_m: Annotated[float, stated("m", "offset to the side within a queue", "own")] = 1.8
    head_m: Annotated[float, stated("m", "distance to the stop line of the head of a queue", "own")] = 18.0
    startup_s: Annotated[float, stated("s", "time that a queue takes to start at green", "own")] = 3.0
    headway_s: Annotated[float, stated("s", "time that each vehicle adds to it", "own")] = 2.5
    bus_s: Annotated[float, stated("s", "time that a bus may stand at the head", "own")] = 60.0
    jam_s: Annotated[float, stated("s", "time without an excuse that makes a queue a jam", "own")] = 30.0
    window_s: Annotated[float, stated("s", "time in a queue that no signal explains", "AIR")] = 300.0
    look_s: Annotated[float, stated("s", "time between two looks at the queues", "own")] = 0.2
    output_s: Annotated[float, stated("s", "time between new figures of a jam", "AIR")] = 60.0
    impact_m: Annotated[float, stated("m", "least distance before the jam that is warned", "AIR")] = 100.0
    confirm_need: Annotated[int, stated("", "frames that raise, of confirm_of", "own", 1, 16)] = 3
    confirm_of: Annotated[int, stated("", "frames looked back upon", "own", 1, 16)] = 5
    clear_s: Annotated[float, stated("s", "time without the condition that clears", "own")] = 10.0
    min_existence: Annotated[float, stated("", "least existence of a track", "own", 0.0, 1.0)] = 0.7
    accuracy_m: Annotated[
        float, stated("m", "worst accuracy of a vehicle that is told its distance", "T/CSAE 53 bar")
    ] = 1.5
    default_limit_mps: Annotated[float, stated("m/s", "speed limit where the lane gives none", "own")] = 16.7
    braking_mps2: Annotated[
        float, stated("m/s2", "braking that the warning distance allows for", "own", 0.5)
    ] = 2.0
    reaction_s: Annotated[float, stated("s", "driver's reaction time", "own")] = 1.5
    notice_s: Annotated[float, stated("s", "time to read the warning before reacting", "own")] = 2.0
    jam_code: Annotated[int, stated("", "event type of a jam", "GB/T 29100")] = 707
    ttl_ms: Annotated[int, stated("ms", "lifetime of a warning", "own", 100)] = 3000


class _Stop:
    """What is remembered of one queued vehicle."""

    __slots__ = ("excused", "seen", "since", "stood")

    def __init__(self, mono: MonoNs) -> None:
        self.since = self.stood = self.seen = mono
        self.excused: MonoNs | None = None


class _Found(NamedTuple):
    """A queue that nothing explains."""

    queue: Queue
    waited_s: float


class _Jam:
    """A jam of one carriageway. figures: as last put out."""

    __slots__ = ("begun", "figures", "latch", "put_out", "report")

    def __init__(self, mono: MonoNs) -> None:
        self.latch = Latch()
        self.begun = mono
        self.figures: dict[str, float | int | str | bool] = {}
        self.put_out: MonoNs | None = None
        self.report: HazardReport | None = None


class Tjw:
    """Jams: queues of standing vehicles that no red light, no starting queue and no bus stop explains.

    State: for each queued vehicle since when it queues, its last stop and its last excuse; for each signal
    group since when it is green; for each carriageway with such a queue a latch and its last report; what the
    last look said, which stands for `look_s`.
    """

    name = "tjw"

    def __init__(self, parameters: TjwParameters | None = None) -> None:
        self.parameters = parameters or TjwParameters()
        self._ways: Ways | None = None
        self._roads: dict[LaneKey, LaneKey] = {}
        self._stops: dict[int, _Stop] = {}
        self._green_since: dict[SignalKey, MonoNs] = {}
        self._jams: dict[LaneKey, _Jam] = {}
        self._silent: Counter[str] = Counter()
        self._looked: MonoNs | None = None
        self._said: Sequence[HazardReport] = ()

    def silent_because(self, world: World) -> dict[str, int]:
        """Queues of the last step by reason: red_light, signal_unknown, yields, starting, bus, junction,
        off_carriageway."""
        return dict(self._silent)

    def step(self, world: World) -> Sequence[HazardReport]:
        """One report for each carriageway with a jam."""
        if self._ways is None or self._ways.geometry is not world.geometry:
            self._ways = Ways(world.geometry)
            self._roads = carriageways(world.geometry)
            self._jams.clear()
            self._looked = None
        if self._looked is not None and world.mono - self._looked < self.parameters.look_s * 1e9:
            return self._said
        self._looked, self._said = world.mono, self._look(world, self._ways)
        return self._said

    def _look(self, world: World, ways: Ways) -> list[HazardReport]:
        self._silent.clear()
        self._watch_lights(world)
        found: dict[LaneKey, list[_Found]] = {}
        queued = self._queued(world)
        if len(queued) >= self.parameters.least_vehicles:
            for queue in self._queues(queued):
                lane = next((view.lane for view in queue.views if view.lane is not None), None)
                one = self._judge(world, ways, queue)
                if one is not None and lane is not None:
                    found.setdefault(self._roads.get(lane, lane), []).append(one)
        return self._reports(world, ways, found)

    def _watch_lights(self, world: World) -> None:
        lights = world.signals.items()
        for key, state in lights:
            if state.light in GREEN:
                self._green_since.setdefault(key, world.mono)
            else:
                self._green_since.pop(key, None)
        if len(self._green_since) > len(lights):
            for gone in self._green_since.keys() - {key for key, _ in lights}:
                del self._green_since[gone]

    def _queued(self, world: World) -> list[TrackView]:
        """Vehicles that stand, or are slow and have stood not long ago."""
        p = self.parameters
        out: list[TrackView] = []
        for view in world.tracks.views:
            if view.speed_mps >= p.slow_mps or view.kind not in _MOTOR or view.existence < p.min_existence:
                continue
            stop = self._stops.get(view.track_id)
            if view.speed_mps < p.stop_mps:
                if stop is None:
                    if not _on_road(world, view):
                        continue
                    stop = self._stops[view.track_id] = _Stop(world.mono)
                stop.stood = world.mono
            if stop is not None:
                stop.seen = world.mono
                out.append(view)
        limit_ns = p.stood_s * 1e9
        over = [i for i, stop in self._stops.items() if world.mono - min(stop.stood, stop.seen) > limit_ns]
        for track_id in over:
            del self._stops[track_id]
        return [view for view in out if view.track_id in self._stops]

    def _queues(self, queued: list[TrackView]) -> list[Queue]:
        p = self.parameters
        leaders = leader_of(queued, gap_m=p.gap_m, side_m=p.side_m)
        return [queue for queue in queues_of(queued, leaders) if len(queue.views) >= p.least_vehicles]

    def _judge(self, world: World, ways: Ways, queue: Queue) -> _Found | None:
        """A queue that nothing explains, and how long its first vehicle has waited."""
        p = self.parameters
        stops = [self._stops[view.track_id] for view in queue.views]
        waited_s = (world.mono - min(stop.since for stop in stops)) / 1e9
        excuse = self._excuse(world, ways, queue)
        if excuse is not None and excuse != "starting":
            for stop in stops:
                stop.excused = world.mono
        elif excuse is None:
            excused = max((stop.excused for stop in stops if stop.excused is not None), default=None)
            if excused is not None and (world.mono - excused) / 1e9 < self._start_s(queue):
                excuse = "starting"
        if excuse is not None and waited_s < p.window_s:
            self._silent[excuse] += 1
            return None
        return _Found(queue, waited_s)

    def _start_s(self, queue: Queue) -> float:
        return self.parameters.startup_s + self.parameters.headway_s * len(queue.views)

    def _excuse(self, world: World, ways: Ways, queue: Queue) -> str | None:
        """Why a queue stands; None when nothing explains it."""
        p = self.parameters
        head = queue.views[0]
        if head.kind is ParticipantClass.BUS:
            since = self._stops[head.track_id].since
            if (world.mono - since) / 1e9 < p.bus_s:
                return "bus"
        lane = world.geometry.lanes.get(head.lane) if head.lane is not None else None
        if lane is None or head.lane is None:
            return "junction" if ways.inside(head) else "off_carriageway"
        to_line_m = lane.polyline.length_m - head.along_m - head.length_m / 2.0
        if lane.direction is not Direction.INGRESS or to_line_m > p.head_m:
            return None
        for way in ways.of_lane.get(head.lane, ()):
            if way.movement is None:
                continue
            key = signal_key(way.movement)
            if key is None:
                return "yields"
            state = world.signals.get(key)
            if state is None:
                return "signal_unknown"
            since_green = self._green_since.get(key)
            if state.light not in GREEN or since_green is None:
                return "red_light"
            if (world.mono - since_green) / 1e9 < self._start_s(queue):
                return "starting"
        return None

    def _reports(self, world: World, ways: Ways, found: dict[LaneKey, list[_Found]]) -> list[HazardReport]:
        p = self.parameters
        reports: list[HazardReport] = []
        for road in list(self._jams.keys() | found.keys()):
            jam = self._jams.setdefault(road, _Jam(world.mono))
            queues = found.get(road)
            if queues is None:
                raised = jam.latch.keep(world.mono, p.clear_s)
            else:
                tail = queues[0].queue.views[-1]
                stood_s = (world.mono - jam.begun) / 1e9
                raised = jam.latch.see(
                    True,
                    tail,
                    world.mono,
                    need=p.confirm_need,
                    of=p.confirm_of,
                    clear_s=p.clear_s,
                    gated=stood_s < p.jam_s,
                )
                if raised:
                    jam.report = self._report(world, ways, road, jam, queues)
            if raised and jam.report is not None:
                reports.append(jam.report)
            elif jam.latch.idle(world.mono, p.clear_s):
                del self._jams[road]
        return sorted(reports, key=lambda report: report.subject)

    def _report(
        self, world: World, ways: Ways, road: LaneKey, jam: _Jam, found: list[_Found]
    ) -> HazardReport:
        p = self.parameters
        assert jam.latch.trigger is not None
        longest = max(found, key=lambda each: each.queue.length_m)
        tail = longest.queue.views[-1]
        corridors = tuple(
            corridor
            for each in found
            if (corridor := self._corridor(world, ways, each.queue.views[-1])) is not None
        )
        if jam.put_out is None or world.mono - jam.put_out >= p.output_s * 1e9:
            jam.put_out = world.mono
            jam.figures = self._figures(found, longest, corridors)
        in_it = {view.track_id for each in found for view in each.queue.views}
        concerns, parties = self._around(world, corridors, in_it)
        back_m = tail.length_m / 2.0
        return HazardReport(
            app=self.name,
            kind=WarningKind.TRAFFIC_JAM,
            subject=f"tjw/{road}",
            severity=jam.latch.settle(Severity.ADVISE, world.mono, 0.0),
            x_m=tail.x_m - back_m * math.cos(tail.yaw_rad),
            y_m=tail.y_m - back_m * math.sin(tail.yaw_rad),
            action=Action.SLOW_DOWN,
            trigger=jam.latch.trigger,
            ttl_ms=p.ttl_ms,
            lane=tail.lane,
            concerns=concerns,
            corridors=corridors,
            parties=parties,
            evidence=jam.figures,
            code=p.jam_code,
            to_rsu=True,
            radius_m=max(longest.queue.length_m, 1.0),
        )

    def _corridor(self, world: World, ways: Ways, tail: TrackView) -> Corridor | None:
        """Stretch before the last vehicle of a queue; None where it is on no known way."""
        p = self.parameters
        on = next(iter(ways.ahead(tail)), None)
        if on is None:
            return None
        limit = world.geometry.lanes[on.way.lane].speed_limit_mps or p.default_limit_mps
        reach_m = stopping_distance(limit, p.braking_mps2, p.reaction_s + p.notice_s)
        return Corridor(on.way.lane, on.along_m - tail.length_m / 2.0, max(reach_m, p.impact_m))

    def _around(
        self, world: World, corridors: tuple[Corridor, ...], in_it: set[int]
    ) -> tuple[tuple[Concern, ...], tuple[Party, ...]]:
        """Connected vehicles on the jam's lanes: those that come to it, told their distance and no more than
        that, since a driver who joins a queue brakes late; and those in it, who need not be told."""
        p = self.parameters
        of_lane = {corridor.lane: corridor for corridor in corridors}
        concerns: list[Concern] = []
        parties: list[Party] = []
        for view in world.tracks.views:
            corridor = of_lane.get(view.lane) if view.lane is not None and view.session else None
            if corridor is None:
                continue
            distance_m = corridor.place_m - view.along_m - view.length_m / 2.0
            if view.track_id in in_it or view.speed_mps < p.slow_mps:
                if len(parties) < _PARTIES:
                    lat, lon = world.plane.to_lat_lon(view.x_m, view.y_m)
                    heading = heading_from_yaw(view.yaw_rad)
                    kind = view.kind.value
                    parties.append(Party(kind, lat, lon, view.speed_mps, heading, view.track_id))
            elif 0.0 < distance_m <= corridor.upstream_m and view.accuracy_m <= p.accuracy_m:
                in_s = distance_m / view.speed_mps
                concerns.append(Concern(view.track_id, distance_m, in_s, Severity.ADVISE, Action.SLOW_DOWN))
        return tuple(concerns), tuple(parties)

    def _figures(
        self, found: list[_Found], longest: _Found, corridors: tuple[Corridor, ...]
    ) -> dict[str, float | int | str | bool]:
        p = self.parameters
        speeds = [view.speed_mps for each in found for view in each.queue.views]
        return {
            "vehicles": len(speeds),
            "lanes": len(found),
            "length_m": round(longest.queue.length_m, 1),
            "waited_s": round(max(each.waited_s for each in found), 1),
            "mean_speed_mps": round(float(np.mean(speeds)), 2),
            "upstream_m": round(max((c.upstream_m for c in corridors), default=0.0), 1),
            "limit_stop_mps": p.stop_mps,
            "limit_slow_mps": p.slow_mps,
            "limit_vehicles": p.least_vehicles,
            "limit_jam_s": p.jam_s,
            "limit_window_s": p.window_s,
            "limit_confirm": f"{p.confirm_need} of {p.confirm_of}",
        }


def carriageways(geometry: RoadGeometry) -> dict[LaneKey, LaneKey]:
    """For each lane for vehicles the first lane of its carriageway: lanes of one direction side by side."""
    out: dict[LaneKey, LaneKey] = {}
    firsts: list[tuple[LaneKey, float, float, float]] = []
    for key, lane in geometry.lanes.items():
        if lane.kind not in (LaneKind.VEHICLE, LaneKind.TRACKED):
            continue
        end_m = lane.polyline.length_m if lane.direction is Direction.INGRESS else 0.0
        x, y = lane.polyline.point_at(end_m)
        yaw = lane.polyline.yaw_at(end_m)
        for first, x0, y0, yaw0 in firsts:
            same = (first.intersection, first.upstream) == (key.intersection, key.upstream)
            same = same and geometry.lanes[first].direction is lane.direction
            if same and math.hypot(x - x0, y - y0) <= 20.0 and math.cos(yaw - yaw0) >= _SAME_WAY_COS:
                out[key] = first
                break
        else:
            out[key] = key
            firsts.append((key, x, y, yaw))
    return out


def _on_road(world: World, view: TrackView) -> bool:
    if view.lane is None:
        return world.geometry.on_carriageway(view.x_m, view.y_m)
    return world.geometry.lanes[view.lane].kind in (LaneKind.VEHICLE, LaneKind.TRACKED)
