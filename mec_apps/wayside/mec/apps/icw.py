"""Intersection collision warning: motor vehicles whose ways cross on a junction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from wayside.asn1.messages import Maneuver
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps._contract import Concern, HazardReport, Parameters, choice, stated
from wayside.mec.apps._encounters import HORIZON_S, Encounter, Encounters, Relation, Side
from wayside.mec.apps._kinematics import reaction_of
from wayside.mec.apps._latch import Latch
from wayside.mec.apps._pairs import Sighting, Standing
from wayside.mec.apps._red import stops_at_red
from wayside.mec.apps._sides import brakes, evidence_of, frames_of, needed_by, party_of
from wayside.mec.world import World

_EXACT_S = 1e-6


class IcwParameters(Parameters, frozen=True):
    """Parameters of the intersection collision warning."""

    ttc_s: Annotated[float, stated("s", "time to the meeting below which it is a danger", "OV", 0.0, 5.0)] = (
        2.14
    )
    accuracy_m: Annotated[float, stated("m", "worst accuracy of a vehicle, one sigma", "T/CSAE 53 bar")] = 5.0
    lane_accuracy_m: Annotated[
        float, stated("m", "worst accuracy of a vehicle that is told to brake", "T/CSAE 53 bar")
    ] = 1.5
    min_speed_mps: Annotated[float, stated("m/s", "slowest vehicle that is warned", "own")] = 1.0
    min_age_s: Annotated[float, stated("s", "least age of either track", "own")] = 0.3
    yield_decel_mps2: Annotated[
        float, stated("m/s2", "needed braking up to which a driver is taken to give way", "FHWA DRAC")
    ] = 3.4
    turn_decel_mps2: Annotated[
        float, stated("m/s2", "the same for one who turns, and therefore slows down anyway", "own")
    ] = 5.0
    hard_decel_mps2: Annotated[
        float, stated("m/s2", "braking up to which one who brakes already is taken to stop", "own")
    ] = 5.0
    reaction_s: Annotated[float, stated("s", "driver's reaction time", "own")] = 1.0
    slow_mps: Annotated[
        float, stated("m/s", "speed up to which the driver's foot is over the brake", "own")
    ] = 4.0
    slow_reaction_s: Annotated[float, stated("s", "reaction time of such a driver", "Green 2000")] = 0.7
    over_line_m: Annotated[
        float, stated("m", "front beyond the stop line of one who still waits at it", "own")
    ] = 1.5
    crawl_mps: Annotated[float, stated("m/s", "highest speed of one who waits beyond the line", "own")] = 2.0
    right_on_red: Annotated[bool, choice("a right turn may pass a red light", "site")] = True
    confirm_need: Annotated[int, stated("", "frames that raise, of confirm_of", "own", 1, 16)] = 2
    confirm_of: Annotated[int, stated("", "frames looked back upon", "own", 1, 16)] = 3
    clear_s: Annotated[float, stated("s", "time without a meeting that clears", "own")] = 0.5
    fall_s: Annotated[float, stated("s", "time before a severity falls", "own")] = 0.5
    ttl_ms: Annotated[int, stated("ms", "lifetime of a warning", "own", 100)] = 1000


class _Pair(NamedTuple):
    """An encounter, and the braking that each of the two needs."""

    encounter: Encounter
    needed_a_mps2: float
    needed_b_mps2: float


class Icw:
    """Motor vehicles from different arms whose footprints meet on the junction.

    State: per pair of tracks a latch and its last meeting, dropped when it has cleared.
    """

    name = "icw"

    def __init__(self, parameters: IcwParameters | None = None) -> None:
        self.parameters = parameters or IcwParameters()
        p = self.parameters
        self._pairs: Standing[tuple[int, int], _Pair] = Standing(
            need=p.confirm_need, of=p.confirm_of, clear_s=p.clear_s, fall_s=p.fall_s
        )
        self._silent: set[tuple[str, int]] = set()

    def silent_because(self, world: World) -> dict[str, int]:
        """Vehicles of the last step by reason: accuracy, stops_at_red, gives_way, way_doubtful."""
        return dict(Counter(why for why, _ in self._silent))

    def step(self, world: World) -> Sequence[HazardReport]:
        """One report for each pair of vehicles that is about to collide."""
        self._silent.clear()
        seen: dict[tuple[int, int], Sighting[_Pair]] = {}
        for encounter in Encounters.of(world.geometry).look(world):
            if encounter.relation is Relation.ACROSS:
                a, b = encounter.a.view, encounter.b.view
                key = min(a.track_id, b.track_id), max(a.track_id, b.track_id)
                pair = self._judge(world, encounter, self._pairs.told(key) is not None)
                if pair is not None:
                    seen[key] = self._sighting(pair)
        return [self._report(world, latch, pair) for latch, pair in self._pairs.step(world, seen)]

    def _judge(self, world: World, encounter: Encounter, raised: bool) -> _Pair | None:
        """The pair where it is a danger. One that was raised is a danger until the two miss each other: the
        braking of those who were told is their answer to it, not its end."""
        p = self.parameters
        pair = _Pair(encounter, self._needed(encounter.a), self._needed(encounter.b))
        if raised:
            return pair
        if encounter.time_s >= p.ttc_s - _EXACT_S:
            return None
        for side, needed in ((encounter.a, pair.needed_a_mps2), (encounter.b, pair.needed_b_mps2)):
            why = self._harmless(world, side, needed)
            if why is not None:
                self._silent.add((why, side.view.track_id))
                return None
        return pair

    def _harmless(self, world: World, side: Side, needed_mps2: float) -> str | None:
        """Why there is no danger as far as one of the two is concerned."""
        p = self.parameters
        view = side.view
        if view.accuracy_m > p.accuracy_m:
            return "accuracy"
        if not side.sure:
            return "way_doubtful"
        if stops_at_red(
            world,
            side.on,
            view,
            reaction_of(view.speed_mps, view.accel_mps2, p.reaction_s, p.slow_mps, p.slow_reaction_s),
            most_decel_mps2=p.yield_decel_mps2,
            over_line_m=p.over_line_m,
            crawl_mps=p.crawl_mps,
            right_on_red=p.right_on_red,
        ):
            return "stops_at_red"
        limit = p.yield_decel_mps2 if side.movement.maneuver is Maneuver.STRAIGHT else p.turn_decel_mps2
        if needed_mps2 <= (p.hard_decel_mps2 if brakes(view) else limit):
            return "gives_way"
        return None

    def _needed(self, side: Side) -> float:
        p = self.parameters
        return needed_by(side, p.reaction_s, p.slow_mps, p.slow_reaction_s)

    def _sighting(self, pair: _Pair) -> Sighting[_Pair]:
        a, b = pair.encounter.a.view, pair.encounter.b.view
        gated = min(a.age_s, b.age_s) < self.parameters.min_age_s
        return Sighting(pair, *frames_of(pair.encounter), Severity.URGENT, gated)

    def _concern(self, side: Side, time_s: float) -> Concern | None:
        p = self.parameters
        view = side.view
        if not view.session or view.accuracy_m > p.accuracy_m or view.speed_mps < p.min_speed_mps:
            return None
        exact = view.accuracy_m <= p.lane_accuracy_m
        severity, action = (Severity.URGENT, Action.BRAKE) if exact else (Severity.ADVISE, Action.SLOW_DOWN)
        return Concern(view.track_id, side.way_m, time_s, severity, action)

    def _report(self, world: World, latch: Latch, pair: _Pair) -> HazardReport:
        p = self.parameters
        assert latch.trigger is not None
        encounter = pair.encounter
        sides = (encounter.a, encounter.b)
        concerns = [self._concern(side, encounter.time_s) for side in sides]
        first = min(side.view.track_id for side in sides)
        second = max(side.view.track_id for side in sides)
        return HazardReport(
            app=self.name,
            kind=WarningKind.INTERSECTION_COLLISION,
            subject=f"icw/{first}-{second}",
            severity=latch.severity,
            x_m=encounter.x_m,
            y_m=encounter.y_m,
            action=Action.BRAKE,
            trigger=latch.trigger,
            ttl_ms=p.ttl_ms,
            lane=encounter.a.on.way.lane,
            concerns=tuple(concern for concern in concerns if concern is not None),
            parties=tuple(party_of(world, side.view) for side in sides),
            evidence=self._evidence(pair),
        )

    def _evidence(self, pair: _Pair) -> dict[str, float | int | str | bool]:
        p = self.parameters
        encounter = pair.encounter
        values: dict[str, float | int | str | bool] = {
            "time_to_conflict_s": round(encounter.time_s, 2),
            "limit_ttc_s": p.ttc_s,
            "limit_horizon_s": HORIZON_S,
            "limit_yield_decel_mps2": p.yield_decel_mps2,
            "limit_turn_decel_mps2": p.turn_decel_mps2,
            "limit_accuracy_m": p.accuracy_m,
            "limit_confirm": f"{p.confirm_need} of {p.confirm_of}",
        }
        for name, side, needed in (
            ("first", encounter.a, pair.needed_a_mps2),
            ("second", encounter.b, pair.needed_b_mps2),
        ):
            values |= evidence_of(name, side, needed)
        return values
