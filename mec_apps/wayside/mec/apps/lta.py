"""Left turn assist: a left turn before oncoming traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from wayside.asn1.messages import Light
from wayside.link import Action, Severity, WarningKind
from wayside.mec.apps._contract import Concern, HazardReport, Parameters, choice, stated
from wayside.mec.apps._encounters import HORIZON_S, Encounter, Encounters, Relation, Side
from wayside.mec.apps._latch import Latch
from wayside.mec.apps._pairs import Sighting, Standing
from wayside.mec.apps._red import red_at
from wayside.mec.apps._sides import brakes, evidence_of, frames_of, needed_by, party_of
from wayside.mec.apps._ways import signal_key
from wayside.mec.world import SignalNow, World

_EXACT_S = 1e-6


class LtaParameters(Parameters, frozen=True):
    """Parameters of the left turn assist."""

    conflict_s: Annotated[
        float, stated("s", "time to the meeting below which it counts", "own", 0.0, 5.0)
    ] = 5.0
    oncoming_ttc_s: Annotated[
        float, stated("s", "time to the meeting below which the oncoming driver is told", "OV", 0.0, 5.0)
    ] = 2.14
    accuracy_m: Annotated[float, stated("m", "worst accuracy of a vehicle, one sigma", "T/CSAE 53 bar")] = 5.0
    lane_accuracy_m: Annotated[
        float, stated("m", "worst accuracy of a vehicle that is told to brake", "T/CSAE 53 bar")
    ] = 1.5
    min_age_s: Annotated[float, stated("s", "least age of either track", "own")] = 0.3
    inform_decel_mps2: Annotated[
        float, stated("m/s2", "turning driver's needed braking above which it is information", "FHWA DRAC")
    ] = 3.4
    advise_decel_mps2: Annotated[float, stated("m/s2", "the same above which it is advice", "own")] = 5.0
    urgent_decel_mps2: Annotated[float, stated("m/s2", "the same above which it is urgent", "own")] = 7.0
    yield_decel_mps2: Annotated[
        float, stated("m/s2", "oncoming driver's needed braking up to which he lets one pass", "FHWA DRAC")
    ] = 3.4
    hard_decel_mps2: Annotated[
        float, stated("m/s2", "braking up to which one who brakes already is taken to stop", "own")
    ] = 5.0
    reaction_s: Annotated[float, stated("s", "driver's reaction time", "own")] = 1.0
    slow_mps: Annotated[
        float, stated("m/s", "speed up to which the driver's foot is over the brake", "own")
    ] = 4.0
    slow_reaction_s: Annotated[float, stated("s", "reaction time of such a driver", "Green 2000")] = 0.7
    right_on_red: Annotated[bool, choice("a right turn may pass a red light", "site")] = True
    confirm_need: Annotated[int, stated("", "frames that raise, of confirm_of", "own", 1, 16)] = 2
    confirm_of: Annotated[int, stated("", "frames looked back upon", "own", 1, 16)] = 3
    clear_s: Annotated[float, stated("s", "time without a meeting that clears", "own")] = 0.5
    fall_s: Annotated[float, stated("s", "time before a severity falls", "own")] = 0.5
    ttl_ms: Annotated[int, stated("ms", "lifetime of a warning", "own", 100)] = 1000


class _Turn(NamedTuple):
    """A left turn before an oncoming vehicle, and the braking that each of the two needs."""

    encounter: Encounter
    needed_mps2: float
    oncoming_needed_mps2: float
    severity: Severity


class Lta:
    """Vehicles that turn left, or say that they will, into the way of oncoming traffic.

    State: per turning vehicle a latch and its last meeting, dropped when it has cleared.
    """

    name = "lta"

    def __init__(self, parameters: LtaParameters | None = None) -> None:
        self.parameters = parameters or LtaParameters()
        p = self.parameters
        self._turns: Standing[int, _Turn] = Standing(
            need=p.confirm_need, of=p.confirm_of, clear_s=p.clear_s, fall_s=p.fall_s
        )
        self._silent: set[tuple[str, int]] = set()

    def silent_because(self, world: World) -> dict[str, int]:
        """Turning vehicles of the last step by reason: accuracy, way_doubtful, red_light, protected, held,
        gives_way, signal_stale, signal_unknown."""
        return dict(Counter(why for why, _ in self._silent))

    def step(self, world: World) -> Sequence[HazardReport]:
        """One report for each vehicle that turns left before an oncoming one."""
        self._silent.clear()
        seen: dict[int, Sighting[_Turn]] = {}
        for encounter in Encounters.of(world.geometry).look(world):
            if encounter.relation is not Relation.LEFT_BEFORE:
                continue
            track_id = encounter.a.view.track_id
            told = self._turns.told(track_id)
            turn = self._judge(world, encounter, told is not None and told > Severity.INFORM)
            if turn is not None:
                known = seen.get(track_id)
                if known is None or _worse(turn, known.what):
                    seen[track_id] = self._sighting(turn)
        return [self._report(world, latch, turn) for latch, turn in self._turns.step(world, seen)]

    def _judge(self, world: World, encounter: Encounter, told: bool) -> _Turn | None:
        p = self.parameters
        if encounter.time_s >= p.conflict_s - _EXACT_S:
            return None
        needed, oncoming = self._needed(encounter.a), self._needed(encounter.b)
        why = self._harmless(world, encounter, needed, oncoming, told)
        severity = self._severity(needed, told)
        if why is None and severity is not None and severity < Severity.URGENT:
            why = self._lights_unknown(world, encounter)
        if why is not None:
            self._silent.add((why, encounter.a.view.track_id))
            return None
        return None if severity is None else _Turn(encounter, needed, oncoming, severity)

    def _harmless(
        self, world: World, encounter: Encounter, needed: float, oncoming_needed: float, told: bool
    ) -> str | None:
        """Why nothing is said of a left turn although the two are predicted to meet. told: its driver was
        told to let the other pass, so that his braking is the answer."""
        p = self.parameters
        turner, oncoming = encounter.a, encounter.b
        if max(turner.view.accuracy_m, oncoming.view.accuracy_m) > p.accuracy_m:
            return "accuracy"
        if not turner.sure:
            return "way_doubtful"
        if self._faces_red(world, turner):
            return "red_light"
        if self._faces_red(world, oncoming):
            return "held"
        state = _light(world, turner)
        if state is not None and state.light is Light.PROTECTED_GREEN and oncoming.to_line_m > 0.0:
            return "protected"
        if told:
            return None
        if brakes(turner.view) and needed <= p.hard_decel_mps2:
            return "gives_way"
        # Who is in the way already can only be waited for.
        limit = p.hard_decel_mps2 if brakes(oncoming.view) else p.yield_decel_mps2
        if turner.way_m <= 0.0 and oncoming_needed <= limit:
            return "gives_way"
        return None

    def _lights_unknown(self, world: World, encounter: Encounter) -> str | None:
        """Why it is not known who is held back: then only what is urgent is said."""
        for side in (encounter.a, encounter.b):
            key = signal_key(side.movement)
            if key is not None and world.signals.get(key) is None:
                return "signal_stale" if key in world.signals.stale else "signal_unknown"
        return None

    def _faces_red(self, world: World, side: Side) -> bool:
        state = _light(world, side)
        if state is None or side.to_line_m <= 0.0:
            return False
        return red_at(state, side.movement, world, 0.0, self.parameters.right_on_red)

    def _needed(self, side: Side) -> float:
        p = self.parameters
        return needed_by(side, p.reaction_s, p.slow_mps, p.slow_reaction_s)

    def _severity(self, needed: float, told: bool) -> Severity | None:
        p = self.parameters
        if needed > p.urgent_decel_mps2:
            return Severity.URGENT
        if needed > p.advise_decel_mps2 or told:
            return Severity.ADVISE
        return Severity.INFORM if needed > p.inform_decel_mps2 else None

    def _sighting(self, turn: _Turn) -> Sighting[_Turn]:
        a, b = turn.encounter.a.view, turn.encounter.b.view
        gated = min(a.age_s, b.age_s) < self.parameters.min_age_s
        return Sighting(turn, *frames_of(turn.encounter), turn.severity, gated)

    def _concerns(self, turn: _Turn, severity: Severity) -> tuple[Concern, ...]:
        p = self.parameters
        turner, oncoming = turn.encounter.a, turn.encounter.b
        time_s = turn.encounter.time_s
        concerns: list[Concern] = []
        if turner.view.session:
            exact = turner.view.accuracy_m <= p.lane_accuracy_m
            told = severity if exact else min(severity, Severity.ADVISE)
            concerns.append(Concern(turner.view.track_id, turner.way_m, time_s, told, _ACTIONS[told]))
        late = time_s < p.oncoming_ttc_s - _EXACT_S and turn.needed_mps2 > p.urgent_decel_mps2
        if oncoming.view.session and late and turn.oncoming_needed_mps2 > p.yield_decel_mps2:
            exact = oncoming.view.accuracy_m <= p.lane_accuracy_m
            told = Severity.URGENT if exact else Severity.ADVISE
            action = Action.BRAKE if exact else Action.SLOW_DOWN
            concerns.append(Concern(oncoming.view.track_id, oncoming.way_m, time_s, told, action))
        return tuple(concerns)

    def _report(self, world: World, latch: Latch, turn: _Turn) -> HazardReport:
        p = self.parameters
        assert latch.trigger is not None
        encounter = turn.encounter
        return HazardReport(
            app=self.name,
            kind=WarningKind.LEFT_TURN,
            subject=f"lta/{encounter.a.view.track_id}",
            severity=latch.severity,
            x_m=encounter.x_m,
            y_m=encounter.y_m,
            action=_ACTIONS[latch.severity],
            trigger=latch.trigger,
            ttl_ms=p.ttl_ms,
            lane=encounter.a.on.way.lane,
            concerns=self._concerns(turn, latch.severity),
            parties=(party_of(world, encounter.a.view), party_of(world, encounter.b.view)),
            evidence=self._evidence(world, turn),
        )

    def _evidence(self, world: World, turn: _Turn) -> dict[str, float | int | str | bool]:
        p = self.parameters
        encounter = turn.encounter
        lights = [_light(world, side) for side in (encounter.a, encounter.b)]
        turning, coming = ("" if light is None else light.light.value for light in lights)
        signalled = encounter.a.view.turn
        return {
            "time_to_conflict_s": round(encounter.time_s, 2),
            **evidence_of("turning", encounter.a, turn.needed_mps2),
            **evidence_of("oncoming", encounter.b, turn.oncoming_needed_mps2),
            "turning_light": turning,
            "oncoming_light": coming,
            "turning_signals": "" if signalled is None else signalled.value,
            "limit_conflict_s": p.conflict_s,
            "limit_horizon_s": HORIZON_S,
            "limit_advise_decel_mps2": p.advise_decel_mps2,
            "limit_urgent_decel_mps2": p.urgent_decel_mps2,
            "limit_accuracy_m": p.accuracy_m,
            "limit_confirm": f"{p.confirm_need} of {p.confirm_of}",
        }


_ACTIONS = {
    Severity.INFORM: Action.WATCH,
    Severity.ADVISE: Action.STOP,
    Severity.URGENT: Action.BRAKE,
}


def _light(world: World, side: Side) -> SignalNow | None:
    key = signal_key(side.movement)
    return None if key is None else world.signals.get(key)


def _worse(turn: _Turn, than: _Turn) -> bool:
    return (-turn.severity, turn.encounter.time_s) < (-than.severity, than.encounter.time_s)
