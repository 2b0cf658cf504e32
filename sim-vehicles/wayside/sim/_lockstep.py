from __future__ import annotations

import hashlib
import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from wayside.asn1 import load
from wayside.asn1.translate import to_wire
from wayside.clock import MonoNs, UtcNs, VirtualClock
from wayside.link import FrameKind, Severity, Warning
from wayside.mec.core import EdgeCore
from wayside.mec.sensors import Scan
from wayside.mec.site import Site, load_site
from wayside.observe import Counters
from wayside.sim._demo_arguments import SITE_FILE
from wayside.sim._scenes import Scenario
from wayside.sim._sensors import Look
from wayside.sim._simulation import Simulation, single, usual_duration_s
from wayside.sim._tscbm import tscbm
from wayside.sim.report import Comparison

BSM_PERIOD_S = 0.1
TSCBM_PERIOD_S = 0.1
_UPLINK_S = (0.012, 0.028)
_DOWNLINK_S = (0.012, 0.028)
_START_UTC_NS = 1_774_828_800_000_000_000


class LockstepResult(msgspec.Struct, frozen=True):
    """What came of one run in lockstep.

    conflicts, collisions: of all pairs. min_ttc_s, min_pet_s: smallest that involved the scripted
    participant (of all pairs in clean traffic), None when there was none. warnings: shown to drivers,
    one for each danger and vehicle, by kind; those that ask for an action. notices: those that only inform
    (severity INFORM). false_warnings: warnings of a run without a scripted conflict.
    drops: what the edge dropped, stage → reason → number. trail: digest of everybody's way.
    """

    scenario: Scenario
    seed: int
    warned: bool
    duration_s: float
    vehicles: int
    conflicts: int
    collisions: int
    min_ttc_s: float | None
    min_pet_s: float | None
    warnings: dict[str, int]
    notices: dict[str, int]
    false_warnings: int
    scans: int
    drops: dict[str, dict[str, int]]
    trail: str


def run_lockstep(
    scenario: Scenario,
    seed: int,
    *,
    warnings: bool,
    duration_s: float | None = None,
    site: Site | None = None,
) -> LockstepResult:
    """One run on a virtual clock in this process: the road, its sensors, the edge's core, and the drivers.

    Without warnings the edge is left out: nothing that it does reaches the road. duration_s: default is
    what the scenario needs. site: default is the demo's. The same arguments give the same result.
    """
    simulation = single(scenario, seed)
    edge = _Edge(simulation, site or load_site(SITE_FILE), seed) if warnings else None
    end_s = usual_duration_s(scenario) if duration_s is None else duration_s
    seen: set[int] = set()
    trail = hashlib.blake2b(digest_size=16)
    while simulation.now_s < end_s:
        looks = simulation.advance()
        if edge is not None:
            edge.advance(looks)
        seen.update(simulation.traffic.vehicles)
        for participant in simulation.traffic.everyone():
            trail.update(f"{participant.id},{participant.s_m:.6f};".encode())
    hazards = {scene.hazard.id for scene in simulation.played if scene.hazard is not None}
    pairs = simulation.pairs()
    told = pairs if not hazards else [p for p in pairs if p.a in hazards or p.b in hazards]
    shown = edge.shown(calls=True) if edge is not None else {}
    return LockstepResult(
        scenario=scenario,
        seed=seed,
        warned=warnings,
        duration_s=end_s,
        vehicles=len(seen),
        conflicts=sum(p.conflict for p in pairs),
        collisions=sum(p.collided for p in pairs),
        min_ttc_s=_smallest(p.min_ttc_s for p in told),
        min_pet_s=_smallest(p.min_pet_s for p in told),
        warnings=shown,
        notices=edge.shown(calls=False) if edge is not None else {},
        false_warnings=sum(shown.values()) if scenario is Scenario.CLEAN else 0,
        scans=edge.scans if edge is not None else 0,
        drops=edge.counters.drops() if edge is not None else {},
        trail=trail.hexdigest(),
    )


def compare(scenario: Scenario, seeds: Iterable[int], *, site: Site | None = None) -> Comparison:
    """The same seeds of a scenario without and with warnings."""
    site = site or load_site(SITE_FILE)
    return comparison_of(
        [
            run_lockstep(scenario, seed, warnings=warned, site=site)
            for seed in seeds
            for warned in (False, True)
        ]
    )


def comparison_of(results: Sequence[LockstepResult]) -> Comparison:
    """Sum up the results of one scenario, which hold each seed without and with warnings."""
    without, with_ = [r for r in results if not r.warned], [r for r in results if r.warned]
    return Comparison(
        scenario=results[0].scenario.value,
        seeds=tuple(r.seed for r in with_),
        conflicts_without=sum(r.conflicts for r in without),
        conflicts_with=sum(r.conflicts for r in with_),
        collisions_without=sum(r.collisions for r in without),
        collisions_with=sum(r.collisions for r in with_),
        min_ttc_without_s=_smallest(r.min_ttc_s for r in without if r.min_ttc_s is not None),
        min_ttc_with_s=_smallest(r.min_ttc_s for r in with_ if r.min_ttc_s is not None),
        warnings=sum(sum(r.warnings.values()) for r in with_),
    )


class _Edge:
    """The edge's core beside a simulation: what is sent arrives later, in order of arrival, both ways."""

    def __init__(self, simulation: Simulation, site: Site, seed: int) -> None:
        self.simulation = simulation
        self.counters = Counters()
        self.clock = VirtualClock(utc_ns=_START_UTC_NS)
        self.core = EdgeCore(site, self.clock, self.counters, seed=seed)
        self.scans = 0
        self._dialect = "j2735-2024"
        self._messages = load(self._dialect)
        self._rng = random.Random(f"{seed}/link")
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._next_bsm_s: dict[str, float] = {}
        self._msg_count: Counter[str] = Counter()
        self._next_tscbm_s = 0.0
        self._sequence = 0
        self._shown: dict[tuple[str, int], tuple[str, Severity]] = {}

    def shown(self, *, calls: bool) -> dict[str, int]:
        """Dangers shown to drivers by kind, one for each danger and vehicle: those that came to ask for an
        action, or those that only informed."""
        kinds = [kind for kind, worst in self._shown.values() if (worst > Severity.INFORM) == calls]
        return dict(sorted(Counter(kinds).items()))

    def advance(self, looks: list[Look]) -> None:
        """Take what happened in a step of the simulation, and let arrive what is due by now."""
        now_s = self.simulation.now_s
        for look in looks:
            self._later(look.arrives_s, self._scan_of(look))
        if now_s >= self._next_tscbm_s:
            self._next_tscbm_s += TSCBM_PERIOD_S
            self._sequence += 1
            data = tscbm(self.simulation.plan, now_s, self._utc(now_s), self._sequence)
            self._later(now_s + 0.004, lambda: self._signals(data))
        self._sessions(now_s)
        while self._queue and self._queue[0][0] <= now_s:
            at_s, _, action = heapq.heappop(self._queue)
            self._to(at_s)
            action()
        self._to(now_s)

    def _sessions(self, now_s: float) -> None:
        present = self.simulation.connected()
        for session in self._next_bsm_s.keys() - present.keys():
            del self._next_bsm_s[session]
            self.core.on_session(session, False)
        for session, vehicle in present.items():
            if session not in self._next_bsm_s:
                self._next_bsm_s[session] = now_s + self._rng.uniform(0.0, BSM_PERIOD_S)
                self.core.on_session(session, True)
            if now_s < self._next_bsm_s[session]:
                continue
            self._next_bsm_s[session] += BSM_PERIOD_S
            self._msg_count[session] += 1
            said = self.simulation.basic_safety(vehicle, self._utc(now_s), self._msg_count[session])
            octets = self._messages.encode(to_wire(self._dialect, said).value)
            self._later(now_s + self._rng.uniform(*_UPLINK_S), self._frame_of(session, octets))

    def _scan_of(self, look: Look) -> Callable[[], None]:
        measured = self._utc(look.looked_s)

        def arrive() -> None:
            self.scans += 1
            now = self.clock.mono()
            trace_id = f"{self.scans:016x}"
            self.core.on_scan(Scan(look.sensor_id, look.seq, measured, now, now, trace_id, look.detections))
            self._step()

        return arrive

    def _frame_of(self, session: str, octets: bytes) -> Callable[[], None]:
        def arrive() -> None:
            if session in self._next_bsm_s:
                self.core.on_vehicle_frame(session, octets, self.clock.mono())

        return arrive

    def _signals(self, data: bytes) -> None:
        self.core.on_tscbm(data, self.clock.mono())
        self._step()

    def _step(self) -> None:
        result = self.core.step()
        now_s = self._seconds(self.clock.mono())
        for push in result.pushes:
            if push.kind is FrameKind.WARNING:
                assert isinstance(push.warning, Warning)
                later_s = now_s + self._rng.uniform(*_DOWNLINK_S)
                self._later(
                    later_s, self._shows(push.session, push.key, push.warning, now_s + push.ttl_ms / 1e3)
                )
        for cancel in result.cancels:
            self._later(now_s + self._rng.uniform(*_DOWNLINK_S), self._takes_back(cancel))

    def _shows(self, session: str, key: int, warning: Warning, ends_s: float) -> Callable[[], None]:
        def arrive() -> None:
            left_s = ends_s - self._seconds(self.clock.mono())
            if left_s > 0.0 and self.simulation.warn(session, key, warning, left_s):
                kind, worst = self._shown.get((session, key), (warning.kind.value, warning.severity))
                self._shown[session, key] = kind, max(worst, warning.severity)

        return arrive

    def _takes_back(self, cancel: Any) -> Callable[[], None]:
        return lambda: self.simulation.cancel(cancel.session, cancel.key)

    def _later(self, at_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (at_s, next(self._order), action))

    def _to(self, at_s: float) -> None:
        ahead_s = at_s - self._seconds(self.clock.mono())
        if ahead_s > 0.0:
            self.clock.advance(ahead_s)

    def _seconds(self, mono: MonoNs) -> float:
        return (mono - 1_000_000_000) / 1e9

    def _utc(self, at_s: float) -> UtcNs:
        return UtcNs(_START_UTC_NS + round(at_s * 1e9))


def _smallest(values: Iterable[float]) -> float | None:
    smallest = min(values, default=math.inf)
    return None if smallest == math.inf else round(smallest, 3)
