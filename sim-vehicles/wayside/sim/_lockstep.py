from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from wayside.mec.site import Site, load_site
from wayside.sim._conflicts import PET_CONFLICT_S, TTC_CONFLICT_S
from wayside.sim._roads import CLEAN, DEFAULT_ROAD, PLAY, Road, road_of
from wayside.sim._travel import Travel
from wayside.sim._virtual_edge import ShownWarning, VirtualEdge
from wayside.sim._world import SimulatedRoad
from wayside.sim.report import Comparison

# True whenever they are shown: what a sign or a limit says. The others say that there is a danger.
TRUE_STATEMENTS = frozenset({"slw", "ivs"})
PET_USUAL_S = 1.5
_KEPT_FALSE = 1_000
_WORD_EVERY_S = 300.0


class FalseWarning(msgspec.Struct, frozen=True):
    """A warning of danger where there was none, with what is needed to find its cause.

    at_s, last_s: first and last shown, simulation time. distance_m, time_to_conflict_s: as the warning said.
    parties: kind, speed, heading and track of each. evidence: of the app.
    """

    at_s: float
    last_s: float
    kind: str
    session: str
    severity: str
    action: str
    trace_id: str
    event_id: str
    lane: str
    x_m: float
    y_m: float
    distance_m: float | None
    time_to_conflict_s: float | None
    parties: tuple[str, ...]
    evidence: dict[str, float | int | str | bool]


class ClosePairs(msgspec.Struct, frozen=True):
    """Pairs that came close, by measure: time to collision of 1.5 s or less, below 1.0 s; post-encroachment
    time of 1.0 s or less, of the usual 1.5 s or less. A pair that collided counts in the first two."""

    ttc: int
    ttc_serious: int
    pet: int
    pet_usual: int


class LockstepResult(msgspec.Struct, frozen=True):
    """What came of one run in lockstep.

    conflicts, close, collisions: of all pairs. min_ttc_s, min_pet_s: smallest that involved a scripted
    participant (of all pairs in clean traffic), None when there was none. warnings: shown to drivers, one for
    each danger and vehicle, by kind; those that ask for an action. notices: those that only inform (severity
    INFORM). advice: frames of advice sent, by kind. false_warnings: warnings of danger in a run without a
    scripted conflict, by kind; false: each of them, the first 1,000. travel: what driving cost. drops: what
    the edge dropped, stage → reason → number. trail: digest of everybody's way.
    """

    road: str
    scenario: str
    seed: int
    warned: bool
    duration_s: float
    vehicles: int
    most_connected: int
    conflicts: int
    close: ClosePairs
    collisions: int
    min_ttc_s: float | None
    min_pet_s: float | None
    warnings: dict[str, int]
    notices: dict[str, int]
    advice: dict[str, int]
    false_warnings: dict[str, int]
    false: tuple[FalseWarning, ...]
    travel: Travel
    scans: int
    drops: dict[str, dict[str, int]]
    trail: str


def run_lockstep(
    scenario: str,
    seed: int,
    *,
    warnings: bool,
    duration_s: float | None = None,
    road: Road | str = DEFAULT_ROAD,
    site: Site | None = None,
    told: Callable[[str], None] | None = None,
) -> LockstepResult:
    """One run on a virtual clock in this process: the road, its sensors, the edge's core, and the drivers.

    Without warnings the edge is left out: nothing that it does reaches the road. duration_s: default is
    what the scenario needs. site: default is the road's. The same arguments give the same result.
    scenario: of the road, `clean`, or `play` for all conflicts one after the other. told: called with a line
    for the person who waits, every five minutes of the road's time.
    """
    on = road_of(road) if isinstance(road, str) else road
    end_s = on.usual_s(scenario) if duration_s is None else duration_s
    simulated = on.play(seed, True, None) if scenario == PLAY else on.single(scenario, seed)
    try:
        edge = VirtualEdge(simulated, site or load_site(on.site_file), seed) if warnings else None
        return _run(on, scenario, seed, simulated, edge, end_s, told)
    finally:
        simulated.close()


def compare(
    scenario: str, seeds: Iterable[int], *, road: Road | str = DEFAULT_ROAD, site: Site | None = None
) -> Comparison:
    """The same seeds of a scenario without and with warnings."""
    on = road_of(road) if isinstance(road, str) else road
    site = site or load_site(on.site_file)
    return comparison_of(
        [
            run_lockstep(scenario, seed, warnings=warned, road=on, site=site)
            for seed in seeds
            for warned in (False, True)
        ]
    )


def comparison_of(results: Sequence[LockstepResult]) -> Comparison:
    """Sum up the results of one scenario, which hold each seed without and with warnings."""
    without, with_ = [r for r in results if not r.warned], [r for r in results if r.warned]
    return Comparison(
        scenario=results[0].scenario,
        seeds=tuple(r.seed for r in with_),
        conflicts_without=sum(r.conflicts for r in without),
        conflicts_with=sum(r.conflicts for r in with_),
        collisions_without=sum(r.collisions for r in without),
        collisions_with=sum(r.collisions for r in with_),
        min_ttc_without_s=_smallest(r.min_ttc_s for r in without if r.min_ttc_s is not None),
        min_ttc_with_s=_smallest(r.min_ttc_s for r in with_ if r.min_ttc_s is not None),
        warnings=sum(sum(r.warnings.values()) for r in with_),
    )


def _run(
    on: Road,
    scenario: str,
    seed: int,
    road: SimulatedRoad,
    edge: VirtualEdge | None,
    end_s: float,
    told: Callable[[str], None] | None,
) -> LockstepResult:
    seen: set[int] = set()
    next_word_s = _WORD_EVERY_S
    most_connected = 0
    trail = hashlib.blake2b(digest_size=16)
    while road.now_s < end_s:
        if told is not None and road.now_s >= next_word_s:
            next_word_s += _WORD_EVERY_S
            so_far = len(edge.shown) if edge is not None else 0
            told(f"{scenario} seed {seed}: {road.now_s:.0f} of {end_s:.0f} s, {so_far} warnings and notices")
        looks = road.advance()
        if edge is not None:
            edge.advance(looks)
        seen.update(road.vehicles)
        most_connected = max(most_connected, len(road.connected()))
        for user in road.everyone():
            x_m, y_m, *_ = user.box()
            trail.update(f"{user.id},{x_m:.6f},{y_m:.6f};".encode())
    hazards = {hazard for scene in road.scenes_played for hazard in scene.hazards}
    pairs = road.pairs()
    about = pairs if not hazards else [p for p in pairs if p.a in hazards or p.b in hazards]
    shown = edge.shown if edge is not None else []
    wrong = [s for s in shown if s.asks and s.warning.kind.value not in TRUE_STATEMENTS]
    if scenario != CLEAN:
        wrong = []
    return LockstepResult(
        road=on.name,
        scenario=scenario,
        seed=seed,
        warned=edge is not None,
        duration_s=end_s,
        vehicles=len(seen),
        most_connected=most_connected,
        conflicts=sum(p.conflict for p in pairs),
        close=ClosePairs(
            ttc=sum(p.collided or p.min_ttc_s <= TTC_CONFLICT_S for p in pairs),
            ttc_serious=sum(p.serious for p in pairs),
            pet=sum(p.min_pet_s <= PET_CONFLICT_S for p in pairs),
            pet_usual=sum(p.min_pet_s <= PET_USUAL_S for p in pairs),
        ),
        collisions=sum(p.collided for p in pairs),
        min_ttc_s=_smallest(p.min_ttc_s for p in about),
        min_pet_s=_smallest(p.min_pet_s for p in about),
        warnings=edge.kinds(asks=True) if edge is not None else {},
        notices=edge.kinds(asks=False) if edge is not None else {},
        advice=dict(sorted(edge.advice.items())) if edge is not None else {},
        false_warnings=dict(sorted(Counter(s.warning.kind.value for s in wrong).items())),
        false=tuple(_explained(s, road) for s in wrong[:_KEPT_FALSE]),
        travel=road.travel(),
        scans=edge.scans if edge is not None else 0,
        drops=edge.counters.drops() if edge is not None else {},
        trail=trail.hexdigest(),
    )


def _explained(shown: ShownWarning, road: SimulatedRoad) -> FalseWarning:
    warning = shown.warning
    x_m, y_m = road.plane.to_xy(warning.place.lat_deg, warning.place.lon_deg)
    return FalseWarning(
        at_s=round(shown.at_s, 3),
        last_s=round(shown.last_s, 3),
        kind=warning.kind.value,
        session=shown.session,
        severity=shown.worst.name.lower(),
        action=warning.action.value,
        trace_id=warning.trace_id,
        event_id=warning.event_id,
        lane=warning.place.lane,
        x_m=round(x_m, 2),
        y_m=round(y_m, 2),
        distance_m=warning.distance_m,
        time_to_conflict_s=warning.time_to_conflict_s,
        parties=tuple(
            f"{p.kind} {p.speed_mps:.1f} m/s to {p.heading_deg:.0f}°, track {p.track_id}"
            for p in warning.parties
        ),
        evidence=warning.evidence,
    )


def _smallest(values: Iterable[float]) -> float | None:
    smallest = min(values, default=math.inf)
    return None if smallest == math.inf else round(smallest, 3)
