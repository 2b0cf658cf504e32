"""Speed limit warning: who drives faster than the lane, its link or a sign allows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from wayside.asn1.geometry import LaneGeometry, LaneKey, RoadGeometry
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps._contract import Concern, HazardReport, Parameters, stated
from wayside.mec.apps._emergency import not_responding
from wayside.mec.apps._latch import Latch
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import StandingSign, TrackView, World

_DRIVEN = frozenset(
    {ParticipantClass.CAR, ParticipantClass.TRUCK, ParticipantClass.BUS, ParticipantClass.MOTORCYCLE}
)
_SAME_WAY_COS = math.cos(math.radians(30.0))


class SlwParameters(Parameters, frozen=True):
    """Parameters of the speed limit warning."""

    tolerance_mps: Annotated[float, stated("m/s", "speed over the limit that is not warned of", "own")] = 1.4
    release_mps: Annotated[float, stated("m/s", "speed over the limit that clears", "own")] = 0.3
    accuracy_m: Annotated[float, stated("m", "worst accuracy of a vehicle, one sigma", "T/CSAE 53 bar")] = 5.0
    lane_accuracy_m: Annotated[
        float, stated("m", "accuracy beyond which the lane is doubtful", "T/CSAE 53 bar")
    ] = 1.5
    beside_m: Annotated[float, stated("m", "reach of the lanes beside a doubtful one", "own")] = 12.0
    max_unseen_s: Annotated[float, stated("s", "longest time a track may go unseen", "own")] = 1.0
    confirm_need: Annotated[int, stated("", "frames that raise, of confirm_of", "own", 1, 16)] = 3
    confirm_of: Annotated[int, stated("", "frames looked back upon", "own", 1, 16)] = 5
    clear_s: Annotated[float, stated("s", "time without the condition that clears", "own")] = 1.0
    ttl_ms: Annotated[int, stated("ms", "lifetime of a warning", "own", 100)] = 2000


class _Limit(NamedTuple):
    """A limit and what sets it: lane, or the id of a sign."""

    mps: float
    by: str


class _Held(NamedTuple):
    """A limit of a sign on a stretch of a lane, metres from its start."""

    from_m: float
    to_m: float
    limit: _Limit


class Slw:
    """Connected vehicles that are faster than allowed.

    State: a latch for each vehicle, dropped with it; where signs hold, as long as they are the same.
    """

    name = "slw"

    def __init__(self, parameters: SlwParameters | None = None) -> None:
        self.parameters = parameters or SlwParameters()
        self._latches: dict[int, Latch] = {}
        self._geometry: RoadGeometry | None = None
        self._doubtful: dict[LaneKey, float | None] = {}
        self._signs: tuple[StandingSign, ...] = ()
        self._held: dict[LaneKey, list[_Held]] = {}
        self._silent: Counter[str] = Counter()

    def silent_because(self, world: World) -> dict[str, int]:
        """Vehicles of the last step by reason: accuracy, unseen, no_limit, emergency."""
        return dict(self._silent)

    def step(self, world: World) -> Sequence[HazardReport]:
        """One report for each connected vehicle that is too fast."""
        self._silent.clear()
        self._look_up(world)
        reports: list[HazardReport] = []
        present: set[int] = set()
        for view in world.tracks.views:
            if not view.session or (view.kind not in _DRIVEN and view.kind is not ParticipantClass.UNKNOWN):
                continue
            if view.emergency is not None and not_responding(view) is None:
                self._silent["emergency"] += 1
                continue
            present.add(view.track_id)
            report = self._one(world, view)
            if report is not None:
                reports.append(report)
        for gone in self._latches.keys() - present:
            del self._latches[gone]
        return reports

    def _look_up(self, world: World) -> None:
        if self._geometry is not world.geometry:
            self._geometry = world.geometry
            self._doubtful.clear()
        if world.signs == self._signs:
            return
        self._signs = world.signs
        self._held.clear()
        for sign in world.signs:
            if sign.post.speed_limit_mps is None:
                continue
            limit = _Limit(sign.post.speed_limit_mps, sign.post.sign_id)
            for stretch in sign.stretches:
                held = _Held(stretch.from_m, stretch.to_m, limit)
                self._held.setdefault(stretch.lane, []).append(held)

    def _one(self, world: World, view: TrackView) -> HazardReport | None:
        p = self.parameters
        latch = self._latches.get(view.track_id)
        limit = self._limit(world, view)
        if limit is None:
            # Nothing is known: neither a new warning nor the end of one that stands.
            stands = latch is not None and latch.keep(world.mono, p.clear_s)
            return self._report(view, latch, None) if stands and latch is not None else None
        over_mps = view.speed_mps - limit.mps
        if latch is None:
            if over_mps <= p.tolerance_mps:
                return None
            latch = self._latches[view.track_id] = Latch()
        hit = over_mps > (p.release_mps if latch.raised else p.tolerance_mps)
        raised = latch.see(hit, view, world.mono, need=p.confirm_need, of=p.confirm_of, clear_s=p.clear_s)
        if not raised:
            if latch.idle(world.mono, p.clear_s):
                del self._latches[view.track_id]
            return None
        latch.settle(Severity.ADVISE, world.mono, 0.0)
        return self._report(view, latch, limit)

    def _limit(self, world: World, view: TrackView) -> _Limit | None:
        """The limit where a vehicle is: of its lane, else of the link, which the map gives to the lane; else
        of a sign. A sign that sets less than the map holds before it."""
        p = self.parameters
        if view.lane is None:
            return None
        if view.accuracy_m > p.accuracy_m:
            self._silent["accuracy"] += 1
            return None
        if view.unseen_s > p.max_unseen_s:
            self._silent["unseen"] += 1
            return None
        lane = world.geometry.lanes[view.lane]
        by_map = lane.speed_limit_mps
        if by_map is not None and view.accuracy_m > p.lane_accuracy_m:
            by_map = self._highest_beside(world.geometry, lane)
        found = None if by_map is None else _Limit(by_map, "lane")
        for held in self._held.get(view.lane, ()):
            if held.from_m <= view.along_m <= held.to_m and (found is None or held.limit.mps < found.mps):
                found = held.limit
        if found is None:
            self._silent["no_limit"] += 1
        return found

    def _highest_beside(self, geometry: RoadGeometry, lane: LaneGeometry) -> float | None:
        """Highest limit of a lane and those beside it of its direction; None where one of them has none."""
        if lane.key in self._doubtful:
            return self._doubtful[lane.key]
        middle_m = lane.polyline.length_m / 2.0
        x, y = lane.polyline.point_at(middle_m)
        yaw = lane.polyline.yaw_at(middle_m)
        highest = lane.speed_limit_mps
        for other in geometry.lanes.values():
            if other.kind is not lane.kind or other.direction is not lane.direction or highest is None:
                continue
            foot = other.polyline.project(x, y)
            near = math.hypot(foot.across_m, foot.beyond_m) <= self.parameters.beside_m
            if near and math.cos(foot.yaw_rad - yaw) >= _SAME_WAY_COS:
                other_mps = other.speed_limit_mps
                highest = None if other_mps is None else max(highest, other_mps)
        self._doubtful[lane.key] = highest
        return highest

    def _report(self, view: TrackView, latch: Latch, limit: _Limit | None) -> HazardReport:
        p = self.parameters
        assert latch.trigger is not None
        advised = None if limit is None else round(limit.mps, 2)
        concern = Concern(view.track_id, 0.0, None, latch.severity, Action.SLOW_DOWN, advised)
        evidence: dict[str, float | int | str | bool] = {
            "track": view.track_id,
            "speed_mps": round(view.speed_mps, 2),
            "accuracy_m": round(view.accuracy_m, 2),
            "limit_tolerance_mps": p.tolerance_mps,
            "limit_release_mps": p.release_mps,
            "limit_confirm": f"{p.confirm_need} of {p.confirm_of}",
        }
        if limit is not None:
            evidence |= {"allowed_mps": round(limit.mps, 2), "allowed_by": limit.by}
        return HazardReport(
            app=self.name,
            kind=WarningKind.SPEED_LIMIT,
            subject=f"slw/{view.track_id}",
            severity=latch.severity,
            x_m=view.x_m,
            y_m=view.y_m,
            action=Action.SLOW_DOWN,
            trigger=latch.trigger,
            ttl_ms=p.ttl_ms,
            lane=view.lane,
            concerns=(concern,),
            evidence=evidence,
        )
