from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from wayside.asn1 import load
from wayside.asn1.translate import to_wire
from wayside.clock import UtcNs, VirtualClock
from wayside.link import Advice, Severity, Warning
from wayside.mec.core import EdgeCore
from wayside.mec.dispatch import CancelPush
from wayside.mec.sensors import Scan
from wayside.mec.site import Site
from wayside.observe import Counters
from wayside.sim._addresses import controller_hosts
from wayside.sim._sensors import Look
from wayside.sim._tscbm import tscbm
from wayside.sim._world import SimulatedRoad

BSM_PERIOD_S = 0.1
TSCBM_PERIOD_S = 0.1
UPLINK_S = (0.012, 0.028)
DOWNLINK_S = (0.012, 0.028)
_CONTROLLER_S = 0.004
# What arrives within this time is looked at together, as a service under load does it.
STEP_EVERY_S = 0.02
_START_UTC_NS = 1_774_828_800_000_000_000


class ShownWarning(msgspec.Struct, frozen=True):
    """A danger as a driver was first shown it, and how bad it became.

    worst: largest severity of all its frames. number: how many frames were shown. last_s: the latest.
    """

    at_s: float
    last_s: float
    session: str
    worst: Severity
    number: int
    warning: Warning

    @property
    def asks(self) -> bool:
        """Whether it came to ask for an action, rather than only to inform."""
        return self.worst > Severity.INFORM


class VirtualEdge:
    """The edge's core beside a simulated road: what is sent arrives later, in order of arrival, both ways.

    Vehicles speak the dialects that the site offers, one after the other by their number.
    """

    def __init__(self, road: SimulatedRoad, site: Site, seed: int) -> None:
        self.road = road
        self.counters = Counters()
        self.clock = VirtualClock(utc_ns=_START_UTC_NS)
        self._zero = self.clock.mono()
        self.core = EdgeCore(site, self.clock, self.counters, seed=seed)
        self.scans = 0
        self.advice: Counter[str] = Counter()
        self._dialects = site.model.link.dialects
        self._controllers = controller_hosts(site)
        self._rng = random.Random(f"{seed}/link")
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._next_bsm_s: dict[str, float] = {}
        self._msg_count: Counter[str] = Counter()
        self._next_tscbm_s = 0.0
        self._sequence = 0
        self._stepped_s = -STEP_EVERY_S
        self._step_waits = False
        self._shown: dict[tuple[str, int], ShownWarning] = {}

    @property
    def shown(self) -> list[ShownWarning]:
        """Dangers shown to drivers, one for each danger and vehicle, in order."""
        return list(self._shown.values())

    def kinds(self, *, asks: bool) -> dict[str, int]:
        """How many of the dangers shown asked for an action, or only informed, by kind."""
        return dict(sorted(Counter(s.warning.kind.value for s in self.shown if s.asks == asks).items()))

    def advance(self, looks: Sequence[Look]) -> None:
        """Take what happened in a step of the road, and let arrive what is due by now."""
        now_s = self.road.now_s
        for look in looks:
            self._later(look.arrives_s, self._scan_of(look))
        if now_s >= self._next_tscbm_s:
            self._next_tscbm_s += TSCBM_PERIOD_S
            self._sequence += 1
            for intersection, plan in self.road.plans.items():
                data = tscbm(plan, now_s, self._utc(now_s), self._sequence)
                self._later(now_s + _CONTROLLER_S, self._signals(data, self._controllers[str(intersection)]))
        self._sessions(now_s)
        while self._queue and self._queue[0][0] <= now_s:
            at_s, _, action = heapq.heappop(self._queue)
            self._to(at_s)
            action()
        self._to(now_s)

    def _sessions(self, now_s: float) -> None:
        present = self.road.connected()
        for session in self._next_bsm_s.keys() - present.keys():
            del self._next_bsm_s[session]
            self.core.on_session(session, False)
        for session, vehicle in present.items():
            dialect = self._dialects[vehicle.id % len(self._dialects)]
            if session not in self._next_bsm_s:
                self._next_bsm_s[session] = now_s + self._rng.uniform(0.0, BSM_PERIOD_S)
                self.core.on_session(session, True, dialect)
            if now_s < self._next_bsm_s[session]:
                continue
            self._next_bsm_s[session] += BSM_PERIOD_S
            self._msg_count[session] += 1
            said = self.road.basic_safety(vehicle, self._utc(now_s), self._msg_count[session])
            octets = load(dialect).encode(to_wire(dialect, said).value)
            self._later(now_s + self._rng.uniform(*UPLINK_S), self._frame_of(session, octets))

    def _scan_of(self, look: Look) -> Callable[[], None]:
        measured = self._utc(look.looked_s)

        def arrive() -> None:
            self.scans += 1
            now = self.clock.mono()
            trace_id = f"{self.scans:016x}"
            self.core.on_scan(Scan(look.sensor_id, look.seq, measured, now, now, trace_id, look.detections))
            self._step_soon()

        return arrive

    def _frame_of(self, session: str, octets: bytes) -> Callable[[], None]:
        def arrive() -> None:
            if session in self._next_bsm_s:
                self.core.on_vehicle_frame(session, octets, self.clock.mono())

        return arrive

    def _signals(self, data: bytes, host: str) -> Callable[[], None]:
        def arrive() -> None:
            self.core.on_tscbm(data, self.clock.mono(), host)
            self._step_soon()

        return arrive

    def _step_soon(self) -> None:
        if not self._step_waits:
            self._step_waits = True
            self._later(max(self._now_s(), self._stepped_s + STEP_EVERY_S), self._step)

    def _step(self) -> None:
        self._step_waits = False
        self._stepped_s = now_s = self._now_s()
        result = self.core.step()
        for push in result.pushes:
            if isinstance(push.warning, Advice):
                self.advice[push.warning.kind.value] += 1
                continue
            ends_s = now_s + push.ttl_ms / 1e3
            action = self._shows(push.session, push.key, push.warning, ends_s)
            self._later(now_s + self._rng.uniform(*DOWNLINK_S), action)
        for cancel in result.cancels:
            self._later(now_s + self._rng.uniform(*DOWNLINK_S), self._takes_back(cancel))

    def _shows(self, session: str, key: int, warning: Warning, ends_s: float) -> Callable[[], None]:
        def arrive() -> None:
            now_s = self._now_s()
            if ends_s <= now_s or not self.road.warn(session, key, warning, ends_s - now_s):
                return
            before = self._shown.get((session, key))
            if before is None:
                self._shown[session, key] = ShownWarning(now_s, now_s, session, warning.severity, 1, warning)
                return
            # The frame that first asked for something explains it best.
            worse = warning.severity > before.worst
            self._shown[session, key] = ShownWarning(
                before.at_s,
                now_s,
                session,
                max(before.worst, warning.severity),
                before.number + 1,
                warning if worse else before.warning,
            )

        return arrive

    def _takes_back(self, cancel: CancelPush) -> Callable[[], None]:
        return lambda: self.road.cancel(cancel.session, cancel.key)

    def _later(self, at_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (at_s, next(self._order), action))

    def _to(self, at_s: float) -> None:
        ahead_s = at_s - self._now_s()
        if ahead_s > 0.0:
            self.clock.advance(ahead_s)

    def _now_s(self) -> float:
        return (self.clock.mono() - self._zero) / 1e9

    def _utc(self, at_s: float) -> UtcNs:
        return UtcNs(_START_UTC_NS + round(at_s * 1e9))
