"""Emergency vehicle warning: one with siren or lights comes near."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import numpy as np

from wayside.asn1.geometry import Movement
from wayside.clock import MonoNs
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps._contract import Concern, HazardReport, Parameters, choice, stated
from wayside.mec.apps._cross_traffic import cross_traffic
from wayside.mec.apps._emergency import not_responding
from wayside.mec.apps._latch import Latch
from wayside.mec.apps._sides import party_of
from wayside.mec.apps._ways import OnWay, Ways, possible
from wayside.mec.world import TrackView, World

_ALONG_COS = math.cos(math.radians(45.0))


class EvwParameters(Parameters, frozen=True):
    """Parameters of the emergency vehicle warning."""

    reach_m: Annotated[
        float, stated("m", "distance ahead of it within which vehicles are told", "T/CSAE 53 bar", 10.0)
    ] = 300.0
    side_m: Annotated[float, stated("m", "distance beside its way within which they are told", "own")] = 5.5
    lane_m: Annotated[float, stated("m", "distance beside its way of who is in it", "own")] = 1.8
    accuracy_m: Annotated[float, stated("m", "worst accuracy of a vehicle, one sigma", "T/CSAE 53 bar")] = 5.0
    lane_accuracy_m: Annotated[
        float, stated("m", "worst accuracy of a vehicle that is told to give way", "T/CSAE 53 bar")
    ] = 1.5
    max_unseen_s: Annotated[float, stated("s", "longest time a track may go unseen", "own")] = 1.0
    min_speed_mps: Annotated[float, stated("m/s", "slowest emergency vehicle that comes near", "own")] = 2.0
    stand_s: Annotated[float, stated("s", "time it may stand and still comes near", "own")] = 10.0
    cross_horizon_s: Annotated[float, stated("s", "how far ahead cross traffic is warned", "own")] = 8.0
    cross_window_s: Annotated[float, stated("s", "difference of arrivals that is urgent", "own")] = 3.0
    trust_radio: Annotated[
        bool, choice("one that is only heard by radio counts, without a session of its own", "site")
    ] = True
    right_on_red: Annotated[bool, choice("a right turn may pass a red light", "site")] = True
    confirm_need: Annotated[int, stated("", "messages that raise, of confirm_of", "own", 1, 16)] = 2
    confirm_of: Annotated[int, stated("", "messages looked back upon", "own", 1, 16)] = 12
    clear_s: Annotated[float, stated("s", "time without siren and lights that clears", "own")] = 3.0
    event_code: Annotated[int, stated("", "event type of an emergency vehicle", "GB/T 29100, private")] = 905
    ttl_ms: Annotated[int, stated("ms", "lifetime of a warning", "own", 100)] = 1000


class _Coming:
    """What is remembered of one emergency vehicle."""

    __slots__ = ("latch", "moved", "seen")

    def __init__(self, mono: MonoNs) -> None:
        self.latch = Latch()
        self.moved: MonoNs | None = None
        self.seen = mono


class Evw:
    """Vehicles of an emergency class or role, with siren or lights, that are on their way.

    State: per emergency vehicle a latch and when it last moved, dropped with the vehicle.
    """

    name = "evw"

    def __init__(self, parameters: EvwParameters | None = None) -> None:
        self.parameters = parameters or EvwParameters()
        self._coming: dict[int, _Coming] = {}
        self._silent: Counter[str] = Counter()

    def silent_because(self, world: World) -> dict[str, int]:
        """Emergency vehicles of the last step by reason: no_emergency_vehicle (any more), no_siren,
        not_responding, stands, radio_only; vehicles that would be told by accuracy, unseen."""
        return dict(self._silent)

    def step(self, world: World) -> Sequence[HazardReport]:
        """One report for each emergency vehicle that is on its way."""
        p = self.parameters
        self._silent.clear()
        reports: list[HazardReport] = []
        for view in world.tracks.views:
            if view.emergency is None and view.track_id not in self._coming:
                continue
            coming = self._coming.setdefault(view.track_id, _Coming(world.mono))
            coming.seen = world.mono
            why = self._why_not(world, view, coming)
            if why is not None:
                self._silent[why] += 1
            raised = coming.latch.see(
                why is None, view, world.mono, need=p.confirm_need, of=p.confirm_of, clear_s=p.clear_s
            )
            if raised:
                reports.append(self._report(world, view, coming.latch))
            elif view.emergency is None:
                del self._coming[view.track_id]
        for track_id, coming in list(self._coming.items()):
            if world.mono - coming.seen > p.clear_s * 1e9:
                del self._coming[track_id]
        return reports

    def _why_not(self, world: World, view: TrackView, coming: _Coming) -> str | None:
        p = self.parameters
        why = not_responding(view)
        if why is not None:
            return why
        if not view.session and not p.trust_radio:
            return "radio_only"
        if view.speed_mps >= p.min_speed_mps:
            coming.moved = world.mono
        if coming.moved is None or world.mono - coming.moved > p.stand_s * 1e9:
            return "stands"
        return None

    def _report(self, world: World, view: TrackView, latch: Latch) -> HazardReport:
        p = self.parameters
        assert latch.trigger is not None
        ways = Ways.of(world.geometry)
        ahead = ways.ahead(view)
        ons = possible(ahead, view.speed_mps) or ahead
        if view.turn is not None:
            ons = tuple(on for on in ons if on.way.movement and on.way.movement.maneuver is view.turn) or ons
        concerns = {concern.track_id: concern for concern in self._on_its_way(world, view, ons)}
        crossing = self._crossing(world, ways, view, ons)
        for concern in crossing:
            concerns.setdefault(concern.track_id, concern)
        urgent = any(concern.severity is Severity.URGENT for concern in concerns.values())
        return HazardReport(
            app=self.name,
            kind=WarningKind.EMERGENCY_VEHICLE,
            subject=f"evw/{view.track_id}",
            severity=latch.settle(Severity.URGENT if urgent else Severity.ADVISE, world.mono, 0.0),
            x_m=view.x_m,
            y_m=view.y_m,
            action=Action.GIVE_WAY,
            trigger=latch.trigger,
            ttl_ms=p.ttl_ms,
            lane=view.lane,
            concerns=tuple(concerns.values()),
            parties=(party_of(world, view),),
            evidence=self._evidence(view, len(concerns) - len(crossing), len(crossing)),
            code=p.event_code,
            to_rsu=True,
            radius_m=p.reach_m,
        )

    def _told(self, world: World, but: int) -> list[TrackView]:
        """Connected vehicles whose place is known well enough; counted where it is not."""
        return [
            view
            for view in world.tracks.views
            if view.session and view.track_id != but and self._trusted(view)
        ]

    def _trusted(self, view: TrackView) -> bool:
        p = self.parameters
        if view.accuracy_m > p.accuracy_m or view.unseen_s > p.max_unseen_s:
            self._silent["accuracy" if view.accuracy_m > p.accuracy_m else "unseen"] += 1
            return False
        return True

    def _on_its_way(self, world: World, runner: TrackView, ons: Sequence[OnWay]) -> list[Concern]:
        """Vehicles ahead that go the same way: who is in its lane gives way, who is beside it watches."""
        p = self.parameters
        others = self._told(world, runner.track_id)
        if not others or not ons:
            return []
        state = np.array([(v.x_m, v.y_m, v.yaw_rad, v.length_m) for v in others])
        nearest = np.full(len(others), np.inf)
        beside = np.full(len(others), np.inf)
        for on in ons:
            foot = on.way.line.project_many(state[:, :2])
            _, _, yaw = on.way.poses(foot[:, :1], np.zeros(len(others)))
            along = np.cos(yaw[:, 0] - state[:, 2]) >= _ALONG_COS
            gap = foot[:, 0] - on.along_m - (state[:, 3] + runner.length_m) / 2.0
            on_way = along & (gap > 0.0) & (gap <= p.reach_m) & (np.abs(foot[:, 1]) <= p.side_m)
            nearest = np.where(on_way, np.minimum(nearest, gap), nearest)
            beside = np.where(on_way, np.minimum(beside, np.abs(foot[:, 1])), beside)
        out: list[Concern] = []
        for i in np.flatnonzero(np.isfinite(nearest)).tolist():
            view, gap_m = others[i], float(nearest[i])
            closing = runner.speed_mps - view.speed_mps
            in_s = gap_m / closing if closing > 0.0 else None
            in_lane = beside[i] <= p.lane_m and view.accuracy_m <= p.lane_accuracy_m
            severity, action = (
                (Severity.ADVISE, Action.GIVE_WAY) if in_lane else (Severity.INFORM, Action.WATCH)
            )
            out.append(Concern(view.track_id, gap_m, in_s, severity, action))
        return out

    def _crossing(self, world: World, ways: Ways, runner: TrackView, ons: Sequence[OnWay]) -> list[Concern]:
        """Connected vehicles whose way it will cross, soon, and that no red light holds back."""
        p = self.parameters
        movements: list[Movement] = [on.way.movement for on in ons if on.way.movement is not None]
        if not movements:
            return []
        gap_m = ons[0].to_stop_line_m(runner.length_m)
        if gap_m > min(p.reach_m, p.cross_horizon_s * runner.speed_mps):
            return []
        return cross_traffic(
            world,
            ways,
            runner,
            gap_m,
            movements,
            p.cross_horizon_s,
            p.cross_window_s,
            p.right_on_red,
            lambda view: view.accuracy_m <= p.lane_accuracy_m and self._trusted(view),
        )

    def _evidence(self, view: TrackView, ahead: int, crossing: int) -> dict[str, float | int | str | bool]:
        p = self.parameters
        told = view.emergency
        return {
            "track": view.track_id,
            "speed_mps": round(view.speed_mps, 2),
            "vehicle_class": -1 if told is None or told.vehicle_class is None else told.vehicle_class,
            "role": "" if told is None or told.role is None else told.role,
            "siren": told is not None and told.siren,
            "lights": told is not None and told.lights,
            "response": "" if told is None or told.response is None else told.response,
            "by_radio_only": not view.session,
            "vehicles_ahead": ahead,
            "vehicles_crossing": crossing,
            "limit_reach_m": p.reach_m,
            "limit_min_speed_mps": p.min_speed_mps,
            "limit_cross_horizon_s": p.cross_horizon_s,
            "limit_confirm": f"{p.confirm_need} of {p.confirm_of}",
        }
