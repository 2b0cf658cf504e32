"""Vulnerable road user collision warning."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayside.asn1.messages import Maneuver
from wayside.geo import heading_from_yaw
from wayside.link import Action, Party, Severity, WarningKind
from wayside.mec.apps._contract import Concern, HazardReport, Parameters, choice, stated
from wayside.mec.apps._kerbs import Kerbs
from wayside.mec.apps._kinematics import YawHistory, reaction_of, required_deceleration
from wayside.mec.apps._latch import Latch
from wayside.mec.apps._motion import Motions
from wayside.mec.apps._prediction import (
    Courses,
    Hypothesis,
    Meeting,
    Predicted,
    courses,
    first_meetings,
    may_meet,
    predict,
)
from wayside.mec.apps._red import stops_at_red
from wayside.mec.apps._ways import OnWay, Ways, possible
from wayside.mec.sensors import VULNERABLE, ParticipantClass
from wayside.mec.world import TrackView, World

Floats = NDArray[np.float64]

_BACK_M = 15.0
_LEAVING_MPS = 3.0


class VrucwParameters(Parameters, frozen=True):
    """Parameters of the vulnerable road user warning."""

    horizon_s: Annotated[float, stated("s", "how far ahead a meeting counts", "OV")] = 5.0
    step_s: Annotated[float, stated("s", "spacing of the predicted instants", "OV", 0.02)] = 0.2
    turn_rate_rps: Annotated[float, stated("rad/s", "yaw rate from which a vehicle turns", "OV")] = 0.157
    accel_mps2: Annotated[float, stated("m/s2", "acceleration from which it is predicted", "OV")] = 0.5
    history_s: Annotated[float, stated("s", "yaw history needed for a rate", "OV")] = 1.5
    history_samples: Annotated[int, stated("", "samples that the history must exceed", "OV")] = 4
    accuracy_m: Annotated[float, stated("m", "worst accuracy of a vehicle, one sigma", "T/CSAE 53 bar")] = 1.5
    min_existence: Annotated[float, stated("", "least existence of either track", "own", 0.0, 1.0)] = 0.5
    min_age_s: Annotated[float, stated("s", "least age of the road user's track", "own")] = 0.1
    max_unseen_s: Annotated[float, stated("s", "longest time a track may go unseen", "own")] = 0.6
    confirm_need: Annotated[
        int, stated("", "frames with a meeting that raise, of confirm_of", "own", 1, 16)
    ] = 2
    confirm_of: Annotated[int, stated("", "frames looked back upon", "own", 1, 16)] = 3
    clear_s: Annotated[float, stated("s", "time without a meeting that clears", "own")] = 0.5
    fall_s: Annotated[float, stated("s", "time before a severity falls", "own")] = 0.5
    min_speed_mps: Annotated[float, stated("m/s", "slowest vehicle that is warned", "own")] = 1.0
    still_mps: Annotated[float, stated("m/s", "slower road users stand", "own")] = 0.3
    window_s: Annotated[float, stated("s", "time looked back upon for a road user's steps", "own", 0.2)] = 1.0
    stride_m: Annotated[float, stated("m", "way within window_s of one who goes", "own")] = 0.3
    leave_mps: Annotated[float, stated("m/s", "least speed sideways of one who leaves his lane", "own")] = 0.4
    leave_m: Annotated[float, stated("m", "way sideways within window_s of one who does", "own")] = 0.3
    towards_mps: Annotated[float, stated("m/s", "least approach across the vehicle's way", "own")] = 0.4
    towards_sigmas: Annotated[
        float, stated("", "the same in deviations of the road user's velocity", "own")
    ] = 0.7
    growth_mps: Annotated[float, stated("m/s", "growth of the road user's circle", "own")] = 0.1
    growth_m: Annotated[float, stated("m", "largest growth of the circle", "own")] = 0.4
    margin_m: Annotated[float, stated("m", "gap that counts as a meeting", "own")] = 0.2
    hold_margin_m: Annotated[float, stated("m", "further gap while the driver is told", "own")] = 1.2
    reaction_s: Annotated[float, stated("s", "driver's reaction time", "own")] = 1.0
    slow_mps: Annotated[
        float, stated("m/s", "speed up to which the driver's foot is over the brake", "own")
    ] = 4.0
    slow_reaction_s: Annotated[float, stated("s", "reaction time of such a driver", "Green 2000")] = 0.7
    slow_decel_mps2: Annotated[
        float, stated("m/s2", "needed braking above which it is advice to him", "own")
    ] = 2.5
    advise_ttc_s: Annotated[float, stated("s", "time to conflict below which it is advice", "own")] = 4.0
    urgent_ttc_s: Annotated[float, stated("s", "time to conflict below which it is urgent", "own")] = 2.5
    advise_decel_mps2: Annotated[float, stated("m/s2", "needed braking above which it is advice", "own")] = (
        2.0
    )
    urgent_decel_mps2: Annotated[
        float, stated("m/s2", "needed braking above which it is urgent", "FHWA DRAC")
    ] = 3.4
    easy_decel_mps2: Annotated[
        float, stated("m/s2", "needed braking up to which it is information only", "own")
    ] = 1.0
    answer_mps2: Annotated[
        float, stated("m/s2", "further braking that a driver who brakes already is trusted with", "own")
    ] = 1.0
    lane_accuracy_m: Annotated[
        float, stated("m", "worst accuracy of a rider who was on a cycle lane, one sigma", "own")
    ] = 0.4
    kerb_m: Annotated[
        float, stated("m", "way onto a crosswalk of one who still waits at its kerb", "own")
    ] = 0.5
    follow_decel_mps2: Annotated[
        float, stated("m/s2", "needed braking behind a cyclist in the same lane", "FHWA DRAC")
    ] = 3.4
    trust_red: Annotated[
        bool, choice("a vehicle that can stop at its red light is taken to do so", "own")
    ] = True
    over_line_m: Annotated[
        float, stated("m", "front beyond the stop line of one who still waits at it", "own")
    ] = 1.5
    crawl_mps: Annotated[float, stated("m/s", "highest speed of one who waits beyond the line", "own")] = 2.0
    right_on_red: Annotated[bool, choice("a right turn may pass a red light", "site")] = True
    carriageway_code: Annotated[
        int, stated("", "event type of a pedestrian on the carriageway", "GB/T 29100")
    ] = 405
    ttl_ms: Annotated[int, stated("ms", "lifetime of a warning", "own", 100)] = 1000


class _Pair(NamedTuple):
    """One vehicle and one road user that are predicted to meet."""

    vehicle: TrackView
    user: TrackView
    ttc_s: float
    way_m: float
    x_m: float
    y_m: float
    towards_mps: float
    decel_mps2: float
    model: str
    waits: bool
    vague: bool
    turns: bool
    doubtful: bool


def _left_behind(vehicles: list[TrackView], at: Floats, other: Floats, horizon_s: float) -> NDArray[np.bool_]:
    """Pairs (vehicle, user) in which the vehicle has passed the user and leaves him: shape (n, m).

    A U-turn within the horizon brings a vehicle back by less than `_BACK_M`.
    """
    speed = np.array([math.hypot(v.vx_mps, v.vy_mps) for v in vehicles])
    way = np.array([(v.vx_mps, v.vy_mps) for v in vehicles]) / np.maximum(speed, 1e-6)[:, None]
    ahead_m = way @ other[:, :2].T - np.einsum("ij,ij->i", way, at[:, :2])[:, None]
    passed: NDArray[np.bool_] = ahead_m < -(other[None, :, 2] * horizon_s + _BACK_M)
    return passed & (speed >= _LEAVING_MPS)[:, None]


class Vrucw:
    """Vehicles against pedestrians, cyclists and motorcyclists whose predicted footprints meet.

    State: per pair of tracks a latch and its last meeting; per vehicle its yaw history; per road user his
    places of late. All end with their tracks.
    """

    name = "vrucw"

    def __init__(self, parameters: VrucwParameters | None = None) -> None:
        self.parameters = parameters or VrucwParameters()
        p = self.parameters
        self._times = np.arange(0.0, p.horizon_s + p.step_s / 2.0, p.step_s)
        self._ways: Ways | None = None
        self._kerbs: Kerbs | None = None
        self._yaws = YawHistory(p.history_s, p.history_samples)
        self._motions = Motions(
            still_mps=p.still_mps,
            window_s=p.window_s,
            stride_m=p.stride_m,
            leave_mps=p.leave_mps,
            leave_m=p.leave_m,
        )
        self._latches: dict[tuple[int, int], tuple[Latch, _Pair]] = {}
        self._silent: set[tuple[str, int]] = set()

    def silent_because(self, world: World) -> dict[str, int]:
        """Vehicles of the last step by reason: accuracy, unseen, stops_at_red, overlap."""
        return dict(Counter(why for why, _ in self._silent))

    def step(self, world: World) -> Sequence[HazardReport]:
        """One report for each road user that is in danger from one vehicle or more."""
        self._silent.clear()
        if self._ways is None or self._ways.geometry is not world.geometry:
            self._ways = Ways.of(world.geometry)
            self._kerbs = Kerbs(world.geometry)
        vehicles, users = self._chosen(world, self._ways)
        met = self._meetings(world, self._ways, vehicles, users) if vehicles and users else {}
        return self._reports(world, met)

    def _chosen(self, world: World, ways: Ways) -> tuple[list[TrackView], list[TrackView]]:
        p = self.parameters
        vehicles: list[TrackView] = []
        users: list[TrackView] = []
        for view in world.tracks.views:
            if view.kind in VULNERABLE:
                if view.existence >= p.min_existence * 0.5 and view.unseen_s <= p.max_unseen_s:
                    user = self._motions.believed(view, world.geometry, ways, world.mono)
                    if user.speed_mps >= p.still_mps or world.geometry.on_carriageway(view.x_m, view.y_m):
                        users.append(user)
                if view.kind is not ParticipantClass.MOTORCYCLE or not view.session:
                    continue
            elif view.kind is ParticipantClass.UNKNOWN and not view.session:
                continue
            self._yaws.add(view.track_id, world.mono, view.yaw_rad)
            if view.speed_mps < p.min_speed_mps or view.existence < p.min_existence:
                continue
            if view.accuracy_m > p.accuracy_m:
                self._silent.add(("accuracy", view.track_id))
            elif view.unseen_s > p.max_unseen_s:
                self._silent.add(("unseen", view.track_id))
            else:
                vehicles.append(view)
        present = {int(i) for i in world.tracks.track_id}
        self._yaws.keep_only(present)
        self._motions.keep_only(present)
        return vehicles, users

    def _meetings(
        self, world: World, ways: Ways, vehicles: list[TrackView], users: list[TrackView]
    ) -> dict[tuple[int, int], _Pair]:
        p = self.parameters
        at = np.array([(v.x_m, v.y_m, v.speed_mps) for v in vehicles])
        other = np.array([(u.x_m, u.y_m, u.speed_mps) for u in users])
        gap = np.hypot(at[:, None, 0] - other[None, :, 0], at[:, None, 1] - other[None, :, 1])
        near = gap <= (at[:, None, 2] * 1.5 + other[None, :, 2]) * p.horizon_s + 10.0
        near &= ~_left_behind(vehicles, at, other, p.horizon_s)
        held = {
            key
            for key, (latch, _) in self._latches.items()
            if latch.raised and latch.severity > Severity.INFORM
        }
        warned = {vehicle for vehicle, _ in held}
        guesses: list[Hypothesis] = []
        for i in np.flatnonzero(near.any(axis=1)):
            guesses += self._guesses(ways, vehicles[i], int(i), vehicles[i].track_id in warned)
        if not guesses:
            return {}
        poses = predict(guesses, self._times)
        most_m = p.growth_m + p.margin_m + p.hold_margin_m
        others = courses(users, [self._motions.way(u.track_id) for u in users], self._times)
        close = near[[g.row for g in guesses]] & may_meet(poses, others, most_m)
        rows, cols = np.nonzero(close)
        growth = p.growth_mps, p.growth_m
        margin = np.full(len(rows), p.margin_m)
        found = first_meetings(poses, users, others, rows, cols, self._times, margin, *growth)
        if held:
            # Who is told is told until the gap is larger; the time is still that of the smaller gap.
            sure = {(hit.row, hit.col) for hit in found}
            on = [
                (guesses[row].view.track_id, users[col].track_id) in held and (row, col) not in sure
                for row, col in zip(rows.tolist(), cols.tolist(), strict=True)
            ]
            margin = margin[on] + p.hold_margin_m
            found += first_meetings(poses, users, others, rows[on], cols[on], self._times, margin, *growth)
        met: dict[tuple[int, int], _Pair] = {}
        on_ways: Counter[tuple[int, int]] = Counter()
        for hit in found:
            guess = guesses[hit.row]
            vehicle, user = guess.view, users[hit.col]
            if vehicle.track_id == user.track_id:
                continue
            if hit.overlaps:
                self._silent.add(("overlap", vehicle.track_id))
                continue
            pair = self._judge(world, poses, others, guess, user, hit)
            key = (vehicle.track_id, user.track_id)
            if pair is not None:
                on_ways[key] += 1
                if key not in met or pair.ttc_s < met[key].ttc_s:
                    met[key] = pair
        # Where every way that a vehicle may take leads to the meeting, it does not matter which one it takes.
        ways_of = Counter(guess.view.track_id for guess in guesses)
        for key, pair in met.items():
            met[key] = pair._replace(doubtful=on_ways[key] < ways_of[key[0]])
        return met

    def _guesses(self, ways: Ways, view: TrackView, row: int, warned: bool) -> list[Hypothesis]:
        """What a vehicle may do: follow one of its ways, or go on as it moves where it is on none.

        The braking of a driver who has been warned is his answer to the danger, not its end: it does not
        count until he stands.
        """
        p = self.parameters
        accel = view.accel_mps2 if abs(view.accel_mps2) > p.accel_mps2 else 0.0
        accel = max(accel, 0.0) if warned else accel
        backwards = view.vx_mps * math.cos(view.yaw_rad) + view.vy_mps * math.sin(view.yaw_rad) < 0.0
        on = () if backwards else possible(ways.ahead(view), view.speed_mps)
        if view.turn is not None:
            signalled = tuple(w for w in on if w.way.movement is None or w.way.movement.maneuver is view.turn)
            on = signalled or on
        if not on:
            rate = view.yaw_rate_rps if view.yaw_rate_rps is not None else self._yaws.rate(view.track_id)
            turning = abs(rate) > p.turn_rate_rps and not backwards
            return [Hypothesis(row, view, None, rate if turning else 0.0, accel)]
        return [Hypothesis(row, view, w, 0.0, accel) for w in on]

    def _judge(
        self,
        world: World,
        poses: Predicted,
        others: Courses,
        guess: Hypothesis,
        user: TrackView,
        hit: Meeting,
    ) -> _Pair | None:
        p = self.parameters
        vehicle, row, instant, time_s = guess.view, hit.row, hit.instant, hit.time_s
        x, y, yaw = float(poses.x[row, instant]), float(poses.y[row, instant]), float(poses.yaw[row, instant])
        sin, cos = math.sin(yaw), math.cos(yaw)
        aside = -(user.x_m - x) * sin + (user.y_m - y) * cos
        vx, vy = user.vx_mps, user.vy_mps
        if instant > 0 and self._motions.way(user.track_id) is not None:
            # Along a way that bends the course up to the meeting counts.
            vx = float(others.x[hit.col, instant] - user.x_m) / float(self._times[instant])
            vy = float(others.y[hit.col, instant] - user.y_m) / float(self._times[instant])
        across = -vx * sin + vy * cos
        towards = -math.copysign(1.0, aside) * across
        in_way = abs(aside) <= vehicle.width_m / 2.0 + user.width_m / 2.0 + p.margin_m
        least_mps = max(p.towards_mps, p.towards_sigmas * user.velocity_std_mps)
        if not in_way and (user.speed_mps < p.still_mps or towards < least_mps):
            return None
        way_m = float(poses.way[row, instant])
        reaction = self._reaction_s(vehicle)
        decel = required_deceleration(vehicle.speed_mps, way_m, reaction)
        if in_way and user.kind is not ParticipantClass.PEDESTRIAN and self._follows(vehicle, user, yaw):
            closing = vehicle.speed_mps - (user.vx_mps * cos + user.vy_mps * sin)
            gap_m = way_m - (vehicle.speed_mps - closing) * time_s
            decel = required_deceleration(closing, gap_m, reaction)
            if decel <= p.follow_decel_mps2:
                return None
        if p.trust_red and guess.on is not None and self._stops_at_red(world, guess.on, vehicle, way_m):
            self._silent.add(("stops_at_red", vehicle.track_id))
            return None
        model = "way" if guess.on is not None else ("turn" if guess.rate_rps else "straight")
        on, kerbs = guess.on, self._kerbs
        waits = False
        if on is not None and kerbs is not None:
            waits = kerbs.waits(world, user, on, way_m - on.to_stop_line_m(vehicle.length_m), p.kerb_m)
        vague = user.accuracy_m > p.lane_accuracy_m and self._motions.rode_along(user.track_id, world.mono)
        movement = on.way.movement if on is not None else None
        turns = movement is not None and movement.maneuver is not Maneuver.STRAIGHT
        return _Pair(vehicle, user, time_s, way_m, x, y, towards, decel, model, waits, vague, turns, False)

    def _reaction_s(self, vehicle: TrackView) -> float:
        p = self.parameters
        return reaction_of(vehicle.speed_mps, vehicle.accel_mps2, p.reaction_s, p.slow_mps, p.slow_reaction_s)

    def _follows(self, vehicle: TrackView, user: TrackView, yaw_rad: float) -> bool:
        if vehicle.lane is not None and vehicle.lane == user.lane:
            return True
        along = user.vx_mps * math.cos(yaw_rad) + user.vy_mps * math.sin(yaw_rad)
        return user.speed_mps >= 1.0 and along >= 0.866 * user.speed_mps

    def _stops_at_red(self, world: World, on: OnWay, vehicle: TrackView, way_m: float) -> bool:
        p = self.parameters
        return way_m > on.to_stop_line_m(vehicle.length_m) and stops_at_red(
            world,
            on,
            vehicle,
            self._reaction_s(vehicle),
            most_decel_mps2=p.urgent_decel_mps2,
            over_line_m=p.over_line_m,
            crawl_mps=p.crawl_mps,
            right_on_red=p.right_on_red,
        )

    def _reports(self, world: World, met: dict[tuple[int, int], _Pair]) -> list[HazardReport]:
        p = self.parameters
        standing: dict[int, list[tuple[Latch, _Pair]]] = {}
        now = {view.track_id: view for view in world.tracks.views} if self._latches else {}
        for key in list(self._latches.keys() | met.keys()):
            latch, pair = self._latches.get(key, (None, None))
            latch = latch or Latch()
            if key in met:
                pair = met[key]
                raised = self._see(latch, pair, world)
                latch.settle(self._severity(pair, latch.severity), world.mono, p.fall_s)
            elif key[1] in now:
                raised = latch.see(
                    False, now[key[1]], world.mono, need=p.confirm_need, of=p.confirm_of, clear_s=p.clear_s
                )
            else:
                raised = latch.keep(world.mono, p.clear_s)
            assert pair is not None
            if latch.idle(world.mono, p.clear_s):
                self._latches.pop(key, None)
                continue
            self._latches[key] = (latch, pair)
            if raised:
                standing.setdefault(pair.user.track_id, []).append((latch, pair))
        return [self._report(world, group) for _, group in sorted(standing.items())]

    def _see(self, latch: Latch, pair: _Pair, world: World) -> bool:
        p = self.parameters
        return latch.see(
            True,
            pair.user,
            world.mono,
            cause=max(pair.user, pair.vehicle, key=lambda view: view.arrived),
            need=p.confirm_need,
            of=p.confirm_of,
            clear_s=p.clear_s,
            gated=pair.user.existence < p.min_existence or pair.user.age_s < p.min_age_s,
        )

    def _severity(self, pair: _Pair, before: Severity) -> Severity:
        """Severity by time and needed braking together: who can stop at leisure is not told to.

        A driver whom nobody has told to and who brakes nearly as hard as he needs to has seen the danger.
        Of one who has been told the time alone decides: his braking is the answer to what he was told.
        """
        p = self.parameters
        decel, accel = pair.decel_mps2, pair.vehicle.accel_mps2
        told = before > Severity.INFORM
        # Who turns slows down and gives way: at leisure means up to advice for him.
        easy_mps2 = p.advise_decel_mps2 if pair.turns else p.easy_decel_mps2
        if pair.doubtful or pair.waits or pair.vague or (decel <= easy_mps2 and not told):
            return Severity.INFORM
        answers = accel <= -1.0 and decel <= min(p.answer_mps2 - accel, p.urgent_decel_mps2)
        if answers and not told:
            return Severity.INFORM
        if decel > p.urgent_decel_mps2 or (told and pair.ttc_s < p.urgent_ttc_s):
            return Severity.URGENT
        if pair.vehicle.speed_mps <= p.slow_mps and not told:
            # What is near is soon reached at any speed: at this one the braking alone tells.
            return Severity.ADVISE if decel > p.slow_decel_mps2 else Severity.INFORM
        if pair.ttc_s < p.urgent_ttc_s and decel > p.advise_decel_mps2:
            return Severity.URGENT
        if decel > p.advise_decel_mps2 or pair.ttc_s < p.advise_ttc_s:
            return Severity.ADVISE
        return Severity.INFORM

    def _report(self, world: World, group: list[tuple[Latch, _Pair]]) -> HazardReport:
        p = self.parameters
        latch, worst = max(group, key=lambda item: (item[0].severity, -item[1].ttc_s))
        first = min((item[0] for item in group), key=lambda each: each.trigger.arrived if each.trigger else 0)
        assert first.trigger is not None
        user = worst.user
        on_road = world.geometry.on_carriageway(user.x_m, user.y_m)
        walks = user.kind is ParticipantClass.PEDESTRIAN and on_road
        concerns = tuple(
            Concern(
                pair.vehicle.track_id,
                pair.way_m,
                pair.ttc_s,
                each.severity,
                _ACTIONS[each.severity],
                trigger=each.trigger,
            )
            for each, pair in group
            if pair.vehicle.session
        )
        lat, lon = world.plane.to_lat_lon(user.x_m, user.y_m)
        stands = user.speed_mps == 0.0
        heading = heading_from_yaw(user.yaw_rad if stands else math.atan2(user.vy_mps, user.vx_mps))
        return HazardReport(
            app=self.name,
            kind=WarningKind.VULNERABLE_ROAD_USER,
            subject=f"vrucw/{user.track_id}",
            severity=latch.severity,
            x_m=worst.x_m,
            y_m=worst.y_m,
            action=_ACTIONS[latch.severity],
            trigger=first.trigger,
            ttl_ms=p.ttl_ms,
            lane=worst.vehicle.lane,
            concerns=concerns,
            parties=(Party(user.kind.value, lat, lon, user.speed_mps, heading, user.track_id),),
            evidence=self._evidence(worst, on_road),
            code=p.carriageway_code if walks else None,
            to_rsu=walks,
            radius_m=max(user.width_m, 1.0),
        )

    def _evidence(self, pair: _Pair, on_road: bool) -> dict[str, float | int | str | bool]:
        p = self.parameters
        return {
            "time_to_conflict_s": round(pair.ttc_s, 2),
            "distance_m": round(pair.way_m, 1),
            "needed_decel_mps2": round(min(pair.decel_mps2, 99.0), 2),
            "vehicle_track": pair.vehicle.track_id,
            "vehicle_speed_mps": round(pair.vehicle.speed_mps, 2),
            "vehicle_accuracy_m": round(pair.vehicle.accuracy_m, 2),
            "user_track": pair.user.track_id,
            "user_kind": pair.user.kind.value,
            "user_speed_mps": round(pair.user.speed_mps, 2),
            "user_velocity_std_mps": round(pair.user.velocity_std_mps, 2),
            "user_accuracy_m": round(pair.user.accuracy_m, 2),
            "user_existence": round(pair.user.existence, 2),
            "user_age_s": round(pair.user.age_s, 2),
            "user_on_carriageway": on_road,
            "towards_mps": round(pair.towards_mps, 2),
            "prediction": pair.model,
            "way_doubtful": pair.doubtful,
            "waits_at_kerb": pair.waits,
            "lane_doubtful": pair.vague,
            "limit_horizon_s": p.horizon_s,
            "limit_towards_mps": p.towards_mps,
            "limit_easy_decel_mps2": p.easy_decel_mps2,
            "limit_urgent_ttc_s": p.urgent_ttc_s,
            "limit_urgent_decel_mps2": p.urgent_decel_mps2,
            "limit_confirm": f"{p.confirm_need} of {p.confirm_of}",
        }


_ACTIONS = {
    Severity.INFORM: Action.WATCH,
    Severity.ADVISE: Action.SLOW_DOWN,
    Severity.URGENT: Action.BRAKE,
}
