"""Red-light violation warning, judged movement by movement."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from wayside.asn1.geometry import Movement
from wayside.asn1.messages import Direction
from wayside.clock import MonoNs
from wayside.geo import heading_from_yaw
from wayside.link import Action, Party, Severity, WarningKind
from wayside.mec.apps._contract import Concern, HazardReport, Parameters, choice, stated
from wayside.mec.apps._cross_traffic import cross_traffic
from wayside.mec.apps._emergency import not_responding
from wayside.mec.apps._kinematics import CANNOT_STOP, required_deceleration
from wayside.mec.apps._latch import Latch
from wayside.mec.apps._red import RED, red_at
from wayside.mec.apps._ways import OnWay, Ways, possible, signal_key
from wayside.mec.sensors import ParticipantClass
from wayside.mec.world import SignalKey, TrackView, World

_DRIVEN = frozenset(
    {ParticipantClass.CAR, ParticipantClass.TRUCK, ParticipantClass.BUS, ParticipantClass.MOTORCYCLE}
)


class RlvwParameters(Parameters, frozen=True):
    """Parameters of the red-light violation warning."""

    reaction_s: Annotated[
        float, stated("s", "driver's reaction time; 0 for one who brakes already", "own")
    ] = 1.0
    advise_decel_mps2: Annotated[float, stated("m/s2", "needed braking above which it is advice", "own")] = (
        3.4
    )
    urgent_decel_mps2: Annotated[float, stated("m/s2", "needed braking above which it is urgent", "own")] = (
        6.0
    )
    cannot_decel_mps2: Annotated[float, stated("m/s2", "braking that no vehicle reaches", "own")] = 9.0
    release_decel_mps2: Annotated[float, stated("m/s2", "needed braking that clears", "own")] = 3.0
    braking_mps2: Annotated[float, stated("m/s2", "deceleration of a driver who reacts already", "own")] = 1.0
    min_speed_mps: Annotated[float, stated("m/s", "slower vehicles are not judged", "own")] = 3.0
    speed_sigmas: Annotated[
        float, stated("", "deviations of its velocity by which a vehicle is taken to be slower", "own")
    ] = 1.0
    accuracy_m: Annotated[float, stated("m", "worst accuracy of a vehicle, one sigma", "T/CSAE 53 bar")] = 1.5
    min_existence: Annotated[float, stated("", "least existence of a track", "own", 0.0, 1.0)] = 0.5
    max_unseen_s: Annotated[float, stated("s", "longest time a track may go unseen", "own")] = 0.6
    yellow_s: Annotated[float, stated("s", "longest yellow of the site", "own")] = 3.0
    right_on_red: Annotated[bool, choice("a right turn may pass a red light", "site")] = True
    confirm_need: Annotated[int, stated("", "frames that raise, of confirm_of", "own", 1, 16)] = 2
    confirm_of: Annotated[int, stated("", "frames looked back upon", "own", 1, 16)] = 3
    clear_s: Annotated[float, stated("s", "time without the condition that clears", "own")] = 0.5
    fall_s: Annotated[float, stated("s", "time before a severity falls", "own")] = 0.5
    passed_m: Annotated[float, stated("m", "front beyond the stop line that is past it", "own")] = 2.0
    red_grace_s: Annotated[float, stated("s", "age of the red from which passing is a violation", "own")] = (
        0.5
    )
    run_speed_mps: Annotated[float, stated("m/s", "least speed of a violation", "own")] = 2.8
    decide_s: Annotated[float, stated("s", "time to find out which movement it took", "own")] = 4.0
    hold_s: Annotated[float, stated("s", "time that a violation stands", "own")] = 3.0
    cross_window_s: Annotated[float, stated("s", "difference of arrivals that is urgent", "own")] = 3.0
    cross_horizon_s: Annotated[float, stated("s", "how far ahead cross traffic is warned", "own")] = 8.0
    violation_code: Annotated[int, stated("", "event type of a violation", "GB/T 29100, private")] = 417
    ttl_ms: Annotated[int, stated("ms", "lifetime of a warning", "own", 100)] = 1000


class _Driver:
    """What is remembered of one vehicle: its last approach and what came of it."""

    __slots__ = ("chosen", "gap_m", "latch", "needed_mps2", "ons", "passed", "pending", "ran", "seen", "view")

    def __init__(self, view: TrackView, ons: tuple[OnWay, ...], gap_m: float, mono: MonoNs) -> None:
        self.latch = Latch()
        self.view = view
        self.ons = ons
        self.gap_m = gap_m
        self.needed_mps2 = 0.0
        self.seen = mono
        self.passed: MonoNs | None = None
        self.pending: frozenset[object] = frozenset()  # keys of red movements, while the turn is unknown
        self.ran = False
        self.chosen: tuple[Movement, ...] = ()


class Rlvw:
    """Vehicles that will pass, or have passed, a red light.

    State: per vehicle its last approach and a latch, dropped with the vehicle; per signal group since when
    it has been red.
    """

    name = "rlvw"

    def __init__(self, parameters: RlvwParameters | None = None) -> None:
        self.parameters = parameters or RlvwParameters()
        self._ways: Ways | None = None
        self._drivers: dict[int, _Driver] = {}
        self._red_since: dict[SignalKey, MonoNs] = {}
        self._silent: Counter[str] = Counter()

    def silent_because(self, world: World) -> dict[str, int]:
        """Vehicles of the last step by reason: accuracy, unseen, signal_stale, signal_unknown, emergency (one
        with siren or lights, which the emergency vehicle warning speaks of)."""
        return dict(self._silent)

    def step(self, world: World) -> Sequence[HazardReport]:
        """One report for each driver who is about to run, or has run, a red light."""
        self._silent.clear()
        if self._ways is None or self._ways.geometry is not world.geometry:
            self._ways = Ways.of(world.geometry)
        self._watch_lights(world)
        reports: list[HazardReport] = []
        present: set[int] = set()
        for view in world.tracks.views:
            if view.kind in _DRIVEN or (view.kind is ParticipantClass.UNKNOWN and view.session):
                present.add(view.track_id)
                report = self._one(world, self._ways, view)
                if report is not None:
                    reports.append(report)
        for gone in self._drivers.keys() - present:
            if world.mono - self._drivers[gone].seen > self.parameters.clear_s * 1e9:
                del self._drivers[gone]
        return reports

    def _watch_lights(self, world: World) -> None:
        lights = world.signals.items()
        for key, state in lights:
            if state.light in RED:
                self._red_since.setdefault(key, world.mono)
            else:
                self._red_since.pop(key, None)
        if len(self._red_since) > len(lights):
            for gone in self._red_since.keys() - {key for key, _ in lights}:
                del self._red_since[gone]

    def _one(self, world: World, ways: Ways, view: TrackView) -> HazardReport | None:
        p = self.parameters
        if view.existence < p.min_existence:
            return None
        if view.emergency is not None and not_responding(view) is None:
            self._silent["emergency"] += 1
            self._drivers.pop(view.track_id, None)
            return None
        lane = world.geometry.lanes.get(view.lane) if view.lane is not None else None
        driver = self._drivers.get(view.track_id)
        approaching = lane is not None and lane.direction is Direction.INGRESS
        if approaching and view.lane in ways.of_lane:
            ons = tuple(on for on in ways.ahead(view) if on.way.movement is not None)
            if not ons:
                return None
            if driver is None or driver.ons[0].way.lane != view.lane:
                driver = self._drivers[view.track_id] = _Driver(view, ons, math.inf, world.mono)
            elif driver.passed is None:
                driver.ons = ons
        if driver is None:
            return None
        driver.view, driver.seen = view, world.mono
        before_m, driver.gap_m = driver.gap_m, _gap(driver.ons[0], view)
        if driver.passed is None and driver.gap_m > -p.passed_m:
            return self._approach(world, ways, driver)
        if driver.passed is None:
            if not math.isfinite(before_m) or before_m <= -p.passed_m:
                del self._drivers[view.track_id]
                return None
            driver.passed = world.mono
            self._judge_passing(world, driver)
        return self._inside(world, ways, driver)

    def _approach(self, world: World, ways: Ways, driver: _Driver) -> HazardReport | None:
        p = self.parameters
        view, gap_m = driver.view, driver.gap_m
        speed = view.speed_mps - p.speed_sigmas * view.velocity_std_mps
        if gap_m <= 0.0 or speed < p.min_speed_mps:
            # On the line, or too slow to judge: neither a new warning nor the end of one that stands.
            return self._report(world, ways, driver) if driver.latch.keep(world.mono, p.clear_s) else None
        if not self._trusted(view):
            return self._report(world, ways, driver) if driver.latch.keep(world.mono, p.clear_s) else None
        red = self._red_movements(world, driver, gap_m / view.speed_mps)
        braking = view.accel_mps2 <= -p.braking_mps2
        needed = required_deceleration(speed, gap_m, 0.0 if braking else p.reaction_s)
        limit = p.release_decel_mps2 if driver.latch.raised else p.advise_decel_mps2
        hit = bool(red) and needed > limit and not (braking and -view.accel_mps2 >= needed)
        driver.needed_mps2 = needed
        raised = driver.latch.see(
            hit, view, world.mono, need=p.confirm_need, of=p.confirm_of, clear_s=p.clear_s
        )
        if hit:
            driver.chosen = red
            severity = Severity.URGENT if needed > p.urgent_decel_mps2 else Severity.ADVISE
            driver.latch.settle(severity, world.mono, p.fall_s)
        return self._report(world, ways, driver) if raised else None

    def _trusted(self, view: TrackView) -> bool:
        """Whether a vehicle's place is known well enough and fresh; counted where it is not."""
        p = self.parameters
        if view.accuracy_m <= p.accuracy_m and view.unseen_s <= p.max_unseen_s:
            return True
        self._silent["accuracy" if view.accuracy_m > p.accuracy_m else "unseen"] += 1
        return False

    def _red_movements(self, world: World, driver: _Driver, in_s: float) -> tuple[Movement, ...]:
        """The movements that the vehicle may take, when all of them are red at its arrival; else none."""
        p = self.parameters
        ons = possible(driver.ons, driver.view.speed_mps) or driver.ons
        if driver.view.turn is not None:
            ons = tuple(on for on in ons if _maneuver(on) is driver.view.turn) or ons
        red: list[Movement] = []
        for on in ons:
            assert on.way.movement is not None
            key = signal_key(on.way.movement)
            if key is None:
                return ()
            state = world.signals.get(key)
            if state is None:
                self._silent["signal_stale" if key in world.signals.stale else "signal_unknown"] += 1
                return ()
            if not red_at(state, on.way.movement, world, in_s, p.right_on_red, p.yellow_s):
                return ()
            red.append(on.way.movement)
        return tuple(red)

    def _judge_passing(self, world: World, driver: _Driver) -> None:
        """At the line: which movements are red, and for long enough."""
        p = self.parameters
        if driver.view.speed_mps < p.run_speed_mps:
            return
        red: list[Movement] = []
        for on in driver.ons:
            assert on.way.movement is not None
            key = signal_key(on.way.movement)
            state = world.signals.get(key) if key is not None else None
            since = self._red_since.get(key) if key is not None else None
            if state is None or since is None or world.mono - since < p.red_grace_s * 1e9:
                continue
            if state.light in RED and red_at(state, on.way.movement, world, 0.0, p.right_on_red):
                red.append(on.way.movement)
        if red and len(red) == len(driver.ons):
            self._ran(world, driver, tuple(red))
        else:
            driver.pending = frozenset(m.key for m in red)

    def _inside(self, world: World, ways: Ways, driver: _Driver) -> HazardReport | None:
        p = self.parameters
        assert driver.passed is not None
        age_s = (world.mono - driver.passed) / 1e9
        if driver.pending and not driver.ran and age_s <= p.decide_s:
            taken = tuple(
                m
                for on in ways.inside(driver.view)
                if (m := on.way.movement) is not None and m.from_lane == driver.ons[0].way.lane
            )
            if taken and all(m.key in driver.pending for m in taken):
                self._ran(world, driver, taken)
        if driver.ran and age_s <= p.hold_s:
            return self._report(world, ways, driver)
        if age_s > max(p.decide_s, p.hold_s):
            del self._drivers[driver.view.track_id]
        return None

    def _ran(self, world: World, driver: _Driver, taken: tuple[Movement, ...]) -> None:
        driver.ran = True
        driver.chosen = taken
        driver.needed_mps2 = CANNOT_STOP
        driver.latch.see(True, driver.view, world.mono, need=1, of=1, clear_s=self.parameters.hold_s)
        driver.latch.settle(Severity.URGENT, world.mono, 0.0)

    def _report(self, world: World, ways: Ways, driver: _Driver) -> HazardReport:
        p = self.parameters
        view, latch = driver.view, driver.latch
        assert latch.trigger is not None
        way = driver.ons[0].way
        cannot = driver.ran or driver.needed_mps2 > p.cannot_decel_mps2
        concerns: list[Concern] = []
        if view.session and not driver.ran:
            in_s = max(driver.gap_m, 0.0) / max(view.speed_mps, 0.1)
            action = Action.STOP if latch.severity is Severity.URGENT else Action.BRAKE
            concerns.append(Concern(view.track_id, max(driver.gap_m, 0.0), in_s, latch.severity, action))
        if cannot:
            concerns += cross_traffic(
                world,
                ways,
                view,
                driver.gap_m,
                driver.chosen,
                p.cross_horizon_s,
                p.cross_window_s,
                p.right_on_red,
                self._trusted,
            )
        x_m, y_m = way.line.point_at(way.stop_m)
        lat, lon = world.plane.to_lat_lon(view.x_m, view.y_m)
        heading = heading_from_yaw(view.yaw_rad)
        return HazardReport(
            app=self.name,
            kind=WarningKind.RED_LIGHT_VIOLATION,
            subject=f"rlvw/{view.track_id}",
            severity=latch.severity,
            x_m=x_m,
            y_m=y_m,
            action=Action.BRAKE,
            trigger=latch.trigger,
            ttl_ms=p.ttl_ms,
            lane=way.lane,
            concerns=tuple(concerns),
            parties=(Party(view.kind.value, lat, lon, view.speed_mps, heading, view.track_id),),
            evidence=self._evidence(world, driver, cannot),
            code=p.violation_code if driver.ran else None,
        )

    def _evidence(self, world: World, driver: _Driver, cannot: bool) -> dict[str, float | int | str | bool]:
        p = self.parameters
        keys = [key for m in driver.chosen if (key := signal_key(m)) is not None]
        lights = sorted({s.light.value for k in keys if (s := world.signals.get(k)) is not None})
        return {
            "track": driver.view.track_id,
            "speed_mps": round(driver.view.speed_mps, 2),
            "velocity_std_mps": round(driver.view.velocity_std_mps, 2),
            "to_stop_line_m": round(driver.gap_m, 2),
            "needed_decel_mps2": round(min(driver.needed_mps2, 999.0), 3),
            "acceleration_mps2": round(driver.view.accel_mps2, 2),
            "accuracy_m": round(driver.view.accuracy_m, 2),
            "movements": ",".join(str(m.maneuver.value) for m in driver.chosen if m.maneuver is not None),
            "signal_groups": ",".join(str(k.group) for k in keys),
            "lights": ",".join(lights),
            "cannot_stop": cannot,
            "violation": driver.ran,
            "limit_reaction_s": p.reaction_s,
            "limit_advise_decel_mps2": p.advise_decel_mps2,
            "limit_urgent_decel_mps2": p.urgent_decel_mps2,
            "limit_cannot_decel_mps2": p.cannot_decel_mps2,
            "limit_right_on_red": p.right_on_red,
            "limit_confirm": f"{p.confirm_need} of {p.confirm_of}",
        }


def _maneuver(on: OnWay) -> object:
    return on.way.movement.maneuver if on.way.movement is not None else None


def _gap(on: OnWay, view: TrackView) -> float:
    """From the front bumper to the stop line of a way, negative beyond it."""
    if view.lane == on.way.lane and view.along_m < on.way.stop_m - 1.0:
        return on.way.stop_m - view.along_m - view.length_m / 2.0
    x_m, y_m = on.way.line.point_at(on.way.stop_m)
    yaw = on.way.line.yaw_at(max(on.way.stop_m - 0.1, 0.0))
    ahead = (view.x_m - x_m) * math.cos(yaw) + (view.y_m - y_m) * math.sin(yaw)
    return -ahead - view.length_m / 2.0
